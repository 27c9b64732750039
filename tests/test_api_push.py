"""An app is told that there is something, of what kind and from whom, and nothing of what was written."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from actors.attention import Attention
from actors.devices import visit_of
from core.i18n import Translations
from core.words import Phrase
from instance.alerting import TITLES, Alerting
from instance.context import LOCALE
from posts.alerts import ALERTS, TYPES
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.phones import Phone
from tests.pushservice import PushService, push_service
from tests.servers import Running
from tests.test_pushes import told

CASE = Draft(Kind.CASE, "Which secret question?", "Secret text", "de", CaseFacts(("cardiology",)))
PATH = "/api/v1/push/subscription"


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    async with push_service() as one:
        yield one


@pytest.fixture
async def de(tmp_path: Path, service: PushService) -> AsyncIterator[Running]:
    async with told(tmp_path, service.host) as one:
        yield one


@pytest.fixture
async def phone(de: Running) -> AsyncIterator[Phone]:
    async with Phone(de) as one:
        await de.its.accounts.choose_language(de.doctors["ada"], "en")
        await one.log_in("ada")
        yield one


def wish(service: PushService, *alerts: str, name: str = "one", standard: bool = True, policy: str = "all") -> dict[str, str]:
    """What an app sends, as a form."""
    known = service.subscription(name)
    return {"subscription[endpoint]": known["endpoint"], "subscription[keys][p256dh]": known["key"],
            "subscription[keys][auth]": known["secret"], "subscription[standard]": str(standard).lower(),
            "data[policy]": policy, **{f"data[alerts][{alert}]": "true" for alert in alerts}}


async def subscribe(phone: Phone, sent: dict[str, str]) -> Any:
    status, said, _ = await phone.ask("POST", PATH, sent)
    assert status == 200, said
    return said


async def work(de: Running) -> int:
    return await Alerting(de.its, Translations(LOCALE)).work()


async def answered(de: Running, by: str = "ben") -> str:
    post = await de.its.compose.publish(await de.author("ada"), CASE, (), Reach.HOME, "")
    return await de.its.compose.reply(await de.author(by, "reply"), post, "Secret answer", "de")


@pytest.mark.parametrize("standard", [True, False])
async def test_a_message_says_what_kind_and_who_and_no_word_of_it(
        de: Running, service: PushService, phone: Phone, standard: bool) -> None:
    await answered(de)  # before it wanted to hear
    await subscribe(phone, wish(service, "mention", standard=standard))
    assert await work(de) == 0
    await answered(de)
    assert await work(de) == 1 and await work(de) == 0
    [message] = service.taken
    [newest, _] = await phone.get("/api/v1/notifications")
    assert message == {
        "access_token": phone.token, "preferred_locale": "en", "notification_id": newest["id"], "notification_type": "mention",
        "icon": f"{de.url}/static/icon-192.png", "title": "An answer to what you wrote", "body": "Dr Ben"}
    assert "ecret" not in json.dumps(message) and service.headers["ttl"] == "172800"
    assert newest["status"]["id"] and await phone.get(f"/api/v1/notifications/{newest['id']}") == newest
    assert int(service.headers["size"]) == (2151 if standard else 2066)


async def test_an_app_says_what_it_wants_to_hear_and_changes_its_mind(de: Running, service: PushService, phone: Phone) -> None:
    assert (await phone.ask("GET", PATH))[0] == 404 and (await phone.ask("PUT", PATH, {}))[0] == 404
    said = await subscribe(phone, wish(service, "favourite", policy="followed"))
    assert said["policy"] == "followed" and said["standard"] is True and said["endpoint"].endswith("/push/one")
    assert said["alerts"] == {name: name == "favourite" for name in ALERTS}
    instance = await phone.get("/api/v2/instance")
    assert said["server_key"] == instance["configuration"]["vapid"]["public_key"] == \
        (await phone.get("/api/v1/apps/verify_credentials"))["vapid_key"]
    assert await phone.get(PATH) == said
    await answered(de)
    assert await work(de) == 0
    status, changed, _ = await phone.ask("PUT", PATH, json={"data": {"alerts": {"mention": True}, "policy": "all"}})
    assert status == 200 and changed["alerts"]["mention"] and not changed["alerts"]["favourite"]
    assert await work(de) == 0  # what it did not want to hear is over
    await answered(de)
    assert await work(de) == 1
    assert (await phone.ask("DELETE", PATH))[:2] == (200, {}) and (await phone.ask("GET", PATH))[0] == 404
    await answered(de)
    assert await work(de) == 0
    assert (await phone.ask("DELETE", PATH))[0] == 200


async def test_whose_doing_it_hears_of_is_hers_to_say(de: Running, service: PushService, phone: Phone) -> None:
    followed = ("INSERT INTO follows (uri, uri_key, follower_id, followed_id, state, at)"
                " SELECT 'f', x'00', a.id, b.id, 'accepted', 1 FROM actors a, actors b WHERE a.handle = '{}' AND b.handle = '{}'")
    for policy, pair in (("followed", ("ada", "ben")), ("follower", ("ben", "ada"))):
        await subscribe(phone, wish(service, "mention", policy=policy))
        await answered(de)
        assert await work(de) == 0, policy
        await de.its.database.write(lambda tx, pair=pair: tx.run(followed.format(*pair)))
        await answered(de)
        assert await work(de) == 1, policy
        await de.its.database.write(lambda tx: tx.run("DELETE FROM follows"))
    await subscribe(phone, wish(service, "mention", policy="none"))
    await answered(de)
    assert await work(de) == 0
    assert (await phone.ask("POST", PATH, wish(service, policy="everybody")))[0] == 422


async def test_only_services_that_operators_have_named_are_taken(de: Running, service: PushService, phone: Phone) -> None:
    for endpoint in ("https://push.elsewhere.example/x", "http://127.0.0.1:1/push/one", "", "x" * 999, "javascript:x"):
        status, said, _ = await phone.ask("POST", PATH, wish(service, "mention") | {"subscription[endpoint]": endpoint})
        assert status == 422 and "operators can add it" in said["error"], endpoint
    for name in ("p256dh", "auth"):
        status, _, _ = await phone.ask("POST", PATH, wish(service, "mention") | {f"subscription[keys][{name}]": "x"})
        assert status == 422
    assert await de.count("app_subscriptions") == 0


async def test_where_none_is_named_apps_are_not_asked_to(tmp_path: Path, service: PushService) -> None:
    async with told(tmp_path) as de, Phone(de) as phone:
        await phone.log_in("ada")
        assert (await phone.get("/api/v2/instance"))["configuration"]["vapid"] == {"public_key": ""}
        assert (await phone.get("/api/v1/apps/verify_credentials"))["vapid_key"] == ""
        assert (await phone.ask("POST", PATH, wish(service, "mention")))[0] == 422 and await work(de) == 0


async def test_it_goes_with_the_token_however_that_ends(de: Running, service: PushService, phone: Phone) -> None:
    async def revoke() -> None:
        await phone.ask("POST", "/oauth/revoke", {"client_id": phone.app["client_id"], "token": phone.token,
                                                  "client_secret": phone.app["client_secret"]})

    async def shut_out() -> None:
        [known] = await de.its.signing.grants.of(de.doctors["ada"].id)
        await de.its.signing.grants.end(de.doctors["ada"].id, known.app.id, visit_of("", ""))

    async def suspend() -> None:
        await de.its.accounts.suspend("ada", "test", "test")

    for end in (revoke, shut_out, suspend):
        assert (await subscribe(phone, wish(service, "mention")))["alerts"]["mention"]
        await answered(de)
        await end()
        assert await de.count("app_subscriptions") == 0 and await work(de) == 0, end
        if end is suspend:
            await de.its.accounts.resume("ada", "test")
        await phone.log_in("ada")
    assert service.asked == 0


async def test_who_is_not_let_in_at_the_moment_is_told_nothing(de: Running, service: PushService, phone: Phone) -> None:
    await subscribe(phone, wish(service, "mention"))
    await answered(de)
    await de.its.database.write(lambda tx: tx.run("UPDATE actors SET verified_until = 1000 WHERE handle = 'ada'"))
    assert await work(de) == 0
    await de.its.database.write(lambda tx: tx.run("UPDATE actors SET verified_until = NULL WHERE handle = 'ada'"))
    assert await work(de) == 0 and service.asked == 0  # it is looked at again after a while
    de.its.clock.offset += 3_700
    assert await work(de) == 1
    await answered(de)
    await de.its.database.write(lambda tx: tx.run("UPDATE app_tokens SET seen_at = 0"))
    assert await work(de) == 0


async def test_what_is_hidden_read_or_deleted_meanwhile_is_not_told(de: Running, service: PushService, phone: Phone) -> None:
    await subscribe(phone, wish(service, "mention"))
    answer = await answered(de)
    await de.its.editing.delete((await de.author("ben")).actor, answer)
    assert await work(de) == 0
    answer = await answered(de)
    await de.its.database.write(lambda tx: tx.run("UPDATE posts SET hidden_at = 1 WHERE parent_id IS NOT NULL"))
    assert await work(de) == 1 and await work(de) == 0
    await answered(de)
    await phone.ask("POST", "/api/v1/markers", {"notifications[last_read_id]": "7zzzzzzzzzzzz"})
    assert await work(de) == 0 and service.asked == 0


async def test_quiet_hours_are_quiet_and_few_messages_follow_them(de: Running, service: PushService, phone: Phone) -> None:
    zone = de.its.pack.zone
    here = datetime.fromtimestamp(de.its.clock.now(), zone)
    minute = here.hour * 60 + here.minute
    await de.its.attentions.change(de.doctors["ada"], Attention((minute - 60) % 1440, (minute + 60) % 1440, False, 5))
    await subscribe(phone, wish(service, "mention"))
    for _ in range(8):
        await answered(de)
    assert await work(de) == 0
    de.its.clock.offset += 2 * 3600
    told_of = 0
    while await work(de):
        told_of += 1
    assert told_of == len(service.taken) == 5


async def test_what_fails_is_tried_again_and_what_is_gone_is_forgotten(de: Running, service: PushService, phone: Phone) -> None:
    await subscribe(phone, wish(service, "mention"))
    await answered(de)
    service.status, service.retry_after = 429, "600"
    assert await work(de) == 1 and await work(de) == 0
    de.its.clock.offset += 300
    assert await work(de) == 0
    de.its.clock.offset += 400
    service.status, service.retry_after = 201, ""
    assert await work(de) == 1 and len(service.taken) == 1
    await answered(de)
    service.status = 410
    assert await work(de) == 1 and await de.count("app_subscriptions") == 0


async def test_another_address_is_not_waited_for(de: Running, service: PushService, phone: Phone) -> None:
    """An app that says where it is to be told now starts afresh, whatever the service at its old address did."""
    await subscribe(phone, wish(service, "mention"))
    await answered(de)
    service.status, service.retry_after = 503, "600"
    assert await work(de) == 1 and await work(de) == 0
    service.status, service.retry_after = 201, ""
    await subscribe(phone, wish(service, "mention", name="two"))
    assert await work(de) == 1 and len(service.taken) == 1


async def test_one_telephone_tells_one_doctor(de: Running, service: PushService, phone: Phone) -> None:
    await subscribe(phone, wish(service, "mention"))
    async with Phone(de) as other:
        await other.log_in("ben")
        await subscribe(other, wish(service, "mention"))
    await answered(de)
    assert await de.count("app_subscriptions") == 1 and await work(de) == 0


async def test_the_token_stands_in_no_table(de: Running, service: PushService, phone: Phone) -> None:
    await subscribe(phone, wish(service, "mention"))
    found = await de.its.database.read(lambda tx: tx.row("SELECT * FROM app_subscriptions"))
    assert found is not None and phone.token.encode() not in found["sealed_token"]


def test_whatever_an_app_hears_of_has_words() -> None:
    assert TITLES.keys() == TYPES.keys() and all(isinstance(title, Phrase) for title in TITLES.values())
    assert {*TYPES.values()} <= {*ALERTS}
