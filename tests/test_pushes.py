"""A browser is told how much is new, as long as its session lives, and nobody on the way can read even that."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from actors.attention import Attention
from core.i18n import Translations
from core.settings import Settings
from instance.context import LOCALE
from instance.pushing import Signs
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.pushservice import PushService, push_service
from tests.servers import Running, countries
from tests.test_pages import Browser

CASE = Draft(Kind.CASE, "Which secret question?", "Secret text", "de", CaseFacts(("cardiology",)))


@asynccontextmanager
async def told(directory: Path, *hosts: str) -> AsyncIterator[Running]:
    def settled(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, push=msgspec.structs.replace(settings.push, hosts=hosts))

    async with countries(directory, "de", worker=False, settled=settled) as (de,):
        yield de


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    async with push_service() as one:
        yield one


@pytest.fixture
async def de(tmp_path: Path, service: PushService) -> AsyncIterator[Running]:
    async with told(tmp_path, service.host) as one:
        yield one


async def work(de: Running) -> int:
    return await Signs(de.its, Translations(LOCALE)).work()


async def happens(de: Running, times: int = 1) -> None:
    """Something that ada is told of: answers to her question."""
    post = await de.its.compose.publish(await de.author("ada"), CASE, (), Reach.HOME, "")
    for _ in range(times):
        await de.its.compose.reply(await de.author("ben", "reply"), post, "Secret answer", "de")


async def subscribe(browser: Browser, service: PushService, name: str = "one") -> int:
    return (await browser.post("/settings/push", service.subscription(name), accept="application/json"))[0]


async def test_a_sign_says_how_much_is_new_and_nothing_else(de: Running, service: PushService) -> None:
    async with Browser(de) as ada:
        await de.its.accounts.choose_language(de.doctors["ada"], "en")
        await ada.login("ada")
        assert 'id="push"' in (await ada.get("/settings/attention"))[1]
        await happens(de)  # before she wanted it
        assert await subscribe(ada, service) == 200 and await work(de) == 0
        await happens(de, 2)
        assert await work(de) == 1 and await work(de) == 0
        [sign] = service.taken
        assert sign == {"title": "Something new on Konsil", "body": "2 answers to what you wrote", "url": "/notifications"}
        assert "ecret" not in json.dumps(sign) and "Ben" not in json.dumps(sign)
        assert service.headers["ttl"] == "43200" and service.headers["topic"] == "news" and service.headers["size"] == "2151"
        await happens(de)
        assert await work(de) == 0  # not one by one
        de.its.clock.offset += 200
        assert await work(de) == 1 and service.taken[1]["body"].startswith("1 ")


async def test_what_she_has_read_is_not_told(de: Running, service: PushService) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        await subscribe(ada, service)
        await happens(de)
        await ada.post("/notifications/read", {"newest": "7zzzzzzzzzzzz"})
        assert await work(de) == 0 and service.asked == 0


async def test_it_ends_with_the_session_however_that_ends(de: Running, service: PushService) -> None:
    async def sign_out() -> None:
        await ada.post("/logout", {})

    async def revoke() -> None:
        await de.its.sessions.end_all()

    async def suspend() -> None:
        await de.its.accounts.suspend("ada", "test", "test")

    async def turn_off() -> None:
        assert (await ada.post("/settings/push/remove", {}, accept="application/json"))[0] == 200

    async with Browser(de) as ada:
        for end in (sign_out, revoke, turn_off, suspend):
            await ada.login("ada")
            assert await subscribe(ada, service) == 200 and await de.count("push_subscriptions") == 1
            await happens(de)
            await end()
            assert await de.count("push_subscriptions") == 0 and await work(de) == 0
        await de.its.accounts.resume("ada", "test")
        await ada.login("ada")
        await subscribe(ada, service)
        await de.its.departures.order("ada", "test")
        await de.its.departing.finish()
        assert await de.count("push_subscriptions") == 0 and service.asked == 0


async def test_a_session_or_badge_that_has_run_out_is_told_nothing(de: Running, service: PushService) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        await subscribe(ada, service)
        await happens(de)
        await de.its.database.write(lambda tx: tx.run("UPDATE actors SET verified_until = 1000 WHERE handle = 'ada'"))
        assert await work(de) == 0
        await de.its.database.write(lambda tx: tx.run("UPDATE actors SET verified_until = NULL WHERE handle = 'ada'"))
        de.its.clock.offset += 13 * 3600
        assert await work(de) == 0 and service.asked == 0


async def test_a_browser_tells_only_who_is_signed_in_there(de: Running, service: PushService) -> None:
    """Two doctors at one ward's computer: the browser is the same, and so is its address at the push service."""
    async with Browser(de) as ada, Browser(de) as ben:
        await ada.login("ada")
        await ben.login("ben")
        await subscribe(ada, service)
        await subscribe(ben, service)
        await happens(de)
        assert await de.count("push_subscriptions") == 1 and await work(de) == 0


async def test_what_fails_is_tried_again_and_what_is_gone_is_forgotten(de: Running, service: PushService) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        await subscribe(ada, service)
        await happens(de, 3)
        service.status, service.retry_after = 429, "600"
        assert await work(de) == 1 and await work(de) == 0
        de.its.clock.offset += 300
        assert await work(de) == 0  # it has said how long
        de.its.clock.offset += 301
        service.status, service.retry_after = 503, ""
        assert await work(de) == 1 and await de.count("push_subscriptions", "tries = 2") == 1
        de.its.clock.offset += 600
        service.status = 201
        assert await work(de) == 1 and service.taken[0]["body"].startswith("3 ")
        for status in (404, 410, 403):
            await subscribe(ada, service)
            await happens(de)
            service.status = status
            de.its.clock.offset += 200
            assert await work(de) == 1 and await de.count("push_subscriptions") == 0


async def test_a_service_that_cannot_be_reached_is_asked_again(tmp_path: Path) -> None:
    async with told(tmp_path, "127.0.0.1:9") as de, Browser(de) as ada:
        service = PushService()
        service.host = "127.0.0.1:9"
        await ada.login("ada")
        assert await subscribe(ada, service) == 200
        await happens(de)
        assert await work(de) == 1 and await de.count("push_subscriptions", "tries = 1 AND next_try > 0") == 1


async def test_in_quiet_hours_nothing_comes_and_afterwards_one_sign(de: Running, service: PushService) -> None:
    async with Browser(de) as ada:
        tonight = datetime.fromtimestamp(de.its.clock.now(), de.its.pack.zone).replace(hour=23, minute=0)
        de.its.clock.offset = tonight.timestamp() - de.its.clock.now()
        await ada.login("ada")
        await subscribe(ada, service)
        await de.its.attentions.change(de.doctors["ada"], Attention(22 * 60, 7 * 60))
        await happens(de)
        assert await work(de) == 0
        await happens(de)
        de.its.clock.offset += 3600
        assert await work(de) == 0 and service.asked == 0
        morning = (tonight + timedelta(days=1)).replace(hour=7, minute=1)  # by the clock on the wall
        de.its.clock.offset += morning.timestamp() - de.its.clock.now()
        assert await work(de) == 1 and service.taken[0]["body"].startswith("2 ")


async def test_only_services_of_the_settings_are_asked(de: Running, service: PushService) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        good = service.subscription()
        for endpoint in ("https://evil.example/x", f"http://{service.host}.evil.example/x", f"https://{service.host}/x", "x", "",
                         f"http://user@{service.host}/x", "http://127.0.0.1:1/x", f"http://{service.host}/{'x' * 1000}",
                         f"http://{service.host}/ä"):
            status, _ = await ada.post("/settings/push", good | {"endpoint": endpoint}, accept="application/json")
            assert status == 400, endpoint
        for wrong in ({"key": "x"}, {"secret": ""}, {"key": good["key"][:-4] + "AAAA"}):
            assert (await ada.post("/settings/push", good | wrong, accept="application/json"))[0] == 400
        assert await de.count("push_subscriptions") == 0


async def test_where_no_service_is_named_nothing_is_offered(tmp_path: Path, service: PushService) -> None:
    async with told(tmp_path) as de, Browser(de) as ada:
        await ada.login("ada")
        page = (await ada.get("/settings/attention"))[1]
        assert 'id="push"' not in page and "push.js" not in page
        assert await subscribe(ada, service) == 404
        assert (await ada.post("/settings/push/remove", {}))[0] == 404
        await happens(de)
        assert await work(de) == 0
