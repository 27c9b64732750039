"""The limits in front of a real server: who is refused too often waits, whatever she asks; nobody else notices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from core.settings import Settings
from federation.documents import dumps
from posts.models import Reach
from tests.conversations.test_the_whole_path import case, published
from tests.phones import Phone
from tests.servers import AP, FakeSibling, Running, countries, know, until
from tests.test_pages import Browser

_STRANGER, _OTHER = "203.0.113.5", "203.0.113.6"


def tight(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings, server=msgspec.structs.replace(settings.server, refused_per_minute=10),
        federation=msgspec.structs.replace(settings.federation, sibling_requests_per_second=5))


@asynccontextmanager
async def limited(directory: Path) -> AsyncIterator[Running]:
    async with countries(directory, "de", worker=False, settled=tight) as (de,):
        yield de


async def ask(de: Running, method: str, path: str, address: str, body: bytes | None = None,
              **headers: str) -> tuple[int, dict[str, str], str]:
    async with aiohttp.ClientSession(de.url) as session, session.request(
            method, path, data=body, headers={"x-forwarded-for": address, **headers}, allow_redirects=False) as response:
        return response.status, {name.lower(): value for name, value in response.headers.items()}, await response.text()


async def refusals(de: Running, reason: str) -> list[tuple[str, str, str, int]]:
    await de.its.refusals.flush()
    return [(row.origin, row.purpose, row.detail, row.times) for row in await de.its.refusals.list() if row.reason == reason]


async def test_whoever_walks_where_nothing_is_waits_and_others_do_not(tmp_path: Path) -> None:
    async with limited(tmp_path) as de:
        for number in range(10):
            assert (await ask(de, "GET", f"/wp-admin/{number}", _STRANGER))[0] == 404
        for path in ("/wp-admin/10", "/login", "/actor", "/static/konsil.css"):
            status, headers, body = await ask(de, "GET", path, _STRANGER)
            assert status == 429 and 0 < int(headers["retry-after"]) <= 7, path
            assert headers["content-type"] == "application/problem+json" and "urn:konsil:problem:rate-address" in body
        status, headers, body = await ask(de, "GET", "/login", _STRANGER, accept="text/html", **{"accept-language": "de"})
        assert (status, headers["content-type"]) == (429, "text/plain; charset=utf-8") and "{" not in body and body
        assert (await ask(de, "HEAD", "/login", _STRANGER, accept="text/html"))[2] == ""
        assert (await ask(de, "GET", "/login", _OTHER))[0] == 200

        async def logged() -> bool:
            return ("(many refusals)", "page", _STRANGER, 6) in await refusals(de, "rate-address")

        await until(logged)


async def test_a_hammering_stranger_is_turned_away_before_her_signature_is_looked_at(tmp_path: Path) -> None:
    async with limited(tmp_path) as de:
        fake = FakeSibling()
        await know(de, fake)
        body = dumps(fake.activity("Create", fake.note(de)))
        wrong = {
            "unsigned": {"content-type": AP}, "malformed": {"content-type": AP, "signature": "x"},
            "unlisted": FakeSibling("it", 77, (fake.private_pem, fake.public_pem)).headers("POST", f"{de.url}/inbox", body),
            "wrong digest": fake.headers("POST", f"{de.url}/inbox", body + b" "), "wrong type": {"content-type": "text/html"}}
        for number, (name, headers) in enumerate(wrong.items(), start=5):
            address = f"203.0.113.{number}"
            answers = [(await ask(de, "POST", "/inbox", address, body, **headers))[0] for _ in range(12)]
            assert answers[9] in (401, 403, 415) and answers[10:] == [429, 429], (name, answers)
            status, answered, _ = await ask(de, "POST", "/inbox", address, body, **fake.headers("POST", f"{de.url}/inbox", body))
            assert status == 429 and int(answered["retry-after"]) > 0
        assert await de.count("posts") == 0
        status, _, _ = await ask(de, "POST", "/inbox", _OTHER.replace("113", "112"), body,
                                 **fake.headers("POST", f"{de.url}/inbox", body))
        assert status == 202 and await de.count("posts") == 1


async def test_unsigned_gets_count_once_each(tmp_path: Path) -> None:
    async with limited(tmp_path) as de:
        answers = [(await ask(de, "GET", "/members", _STRANGER, accept=AP))[0] for _ in range(12)]
        assert answers == [401] * 10 + [429] * 2


async def test_what_is_not_refused_and_what_this_machine_asks_is_never_limited(tmp_path: Path) -> None:
    async with limited(tmp_path) as de:
        for _ in range(40):
            assert (await ask(de, "GET", "/login", _STRANGER))[0] == 200
        async with aiohttp.ClientSession(de.url) as session:
            for _ in range(40):
                async with session.get("/nothing") as response:
                    assert response.status == 404


async def test_who_is_signed_in_is_neither_counted_nor_turned_away(tmp_path: Path) -> None:
    """A hospital has one address: who hammers from there must not lock out the doctors who are at work."""
    async with limited(tmp_path) as de, Browser(de) as ada:
        at_hospital: dict[str, Any] = {"x-forwarded-for": _STRANGER}
        assert await ada.login("ada") == 303
        for _ in range(15):
            assert (await ada.get("/nothing/here", **at_hospital))[0] == 404
            assert (await ada.get("/p/0000000000000", **at_hospital))[0] == 404
        assert (await ask(de, "GET", "/login", _STRANGER))[0] == 200, "her mistakes are not counted"
        for _ in range(10):
            await ask(de, "GET", "/nothing", _STRANGER)
        assert (await ask(de, "GET", "/login", _STRANGER))[0] == 429
        assert (await ada.get("/", **at_hospital))[0] == 200
        cookie = f"konsil-{de.its.settings.server.port}=made-up"
        for path in ("/login", "/nothing", "/actor", "/members"):
            assert (await ask(de, "GET", path, _STRANGER, cookie=cookie))[0] == 429, path


async def test_an_app_with_a_token_comes_through_and_one_with_a_made_up_token_does_not(tmp_path: Path) -> None:
    async with limited(tmp_path) as de, Phone(de) as phone:
        await phone.log_in("ada")
        at_hospital = {"x-forwarded-for": _STRANGER}
        for _ in range(15):  # her app's mistakes are not counted
            assert (await phone.ask("GET", "/api/v1/statuses/x", headers=at_hospital))[0] == 404
        assert (await ask(de, "GET", "/login", _STRANGER))[0] == 200
        for _ in range(10):
            assert (await phone.ask("GET", "/api/v1/statuses/x", token="made-up", headers=at_hospital))[0] in (401, 429)
        assert (await ask(de, "GET", "/login", _STRANGER))[0] == 429
        for path in ("/api/v1/preferences", "/api/v1/instance"):
            assert (await phone.ask("GET", path, headers=at_hospital))[0] == 200, path
            status, said, headers = await phone.ask("GET", path, token="made-up", headers=at_hospital)
            assert status == 429 and said["error"] and int(headers["retry-after"]) > 0, path


async def test_a_sibling_that_sends_too_much_is_slowed_down_and_nobody_can_have_that_done_to_it(tmp_path: Path) -> None:
    async with limited(tmp_path) as de:
        fake = FakeSibling()
        await know(de, fake)
        body = dumps(fake.activity("Create", fake.note(de)))
        forged = FakeSibling()
        forged.key_id = fake.key_id
        for _ in range(15):
            assert (await forged.send(de, body))[0] == 401
        answers = [await fake.send(de, fake.activity("Like", f"{de.url}/posts/x", f"l{number}")) for number in range(12)]
        assert [status for status, _ in answers[:10]] == [400] * 10
        status, problem = answers[11]
        assert status == 429 and problem["type"] == "urn:konsil:problem:rate-sibling" and "activity" not in problem
        assert (await fake.get(f"{de.url}/members"))[0] == 429

        async def logged() -> bool:
            return any(row[:2] == (fake.origin, "inbox") for row in await refusals(de, "rate-sibling"))

        await until(logged)


async def test_our_own_sender_waits_when_it_is_told_to_and_loses_nothing(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", settled=tight) as (de, fr):
        for number in range(30):
            await published(de, case(f"Question {number}?"), fr, reach=Reach.COUNTRIES)
        await until(lambda: fr.count("posts", "sibling_id IS NOT NULL"), 5)

        async def all_there() -> bool:
            return await fr.count("posts", "sibling_id IS NOT NULL") == 30

        await until(all_there, 40)
        assert await refusals(fr, "rate-sibling") != []


        async def settled() -> bool:
            return await de.count("deliveries", "state <> 'acked'") == 0

        await until(settled)  # the last answers are written down after they have come
        assert await de.count("delivery_lines", "alarm = 1") == 0
