"""The handshake: whom the gate lets through, what a ping may say, that it ends, and that nothing of it stays when refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from core.space import Space
from federation.allowlist import Direction, Purpose
from federation.documents import dumps
from federation.handshake import BODY_LIMIT, shaken
from federation.identity import CONTEXT
from inbox.room import Room
from inbox.routes import Front
from tests.scripted import Received, Scripted, refusal, scripted, slowly
from tests.servers import FakeSibling, Running, countries, post

NONCE = "n" * 32


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (de,):
        yield de


@pytest.fixture
async def fr() -> AsyncIterator[Scripted]:
    async with scripted() as sibling:
        sibling.script = lambda _: web.json_response({})
        yield sibling


def ping(by: FakeSibling, to: Running, nonce: str = NONCE, **changes: Any) -> dict[str, Any]:
    made = {"@context": CONTEXT, "id": f"{by.origin}/handshake/{nonce}", "type": "Handshake", "actor": f"{by.origin}/actor",
            "object": to.its.identity.actor_uri, "nonce": nonce}
    return {key: value for key, value in (made | changes).items() if value is not None}


async def send(by: FakeSibling, to: Running, document: Any, **headers: str) -> tuple[int, Any]:
    body = document if isinstance(document, bytes) else dumps(document)
    url = f"{to.url}/handshake"
    return await post(url, body, by.headers("POST", url, body) | headers)


async def reasons(de: Running) -> list[str]:
    await de.its.refusals.flush()
    found = await de.its.database.read(lambda tx: tx.rows("SELECT reason FROM refusals WHERE purpose = 'handshake' ORDER BY id"))
    return [row["reason"] for row in found]


@pytest.mark.parametrize(("state", "status"), [("proposed", 403), ("confirmed", 200), ("active", 200), ("paused", 503),
                                               ("revoked", 403), ("unlisted", 403)])
async def test_only_who_is_confirmed_or_active_is_answered(de: Running, fr: Scripted, state: str, status: int) -> None:
    if state != "unlisted":
        await fr.fake.listed(de, state)
    got, answer = await send(fr.fake, de, ping(fr.fake, de))
    assert got == status
    assert len(fr.received) == (1 if status == 200 else 0)  # whoever is not let through is not called back either
    if status == 200:
        assert (answer["nonce"], answer["state"], answer["arrived"], answer["reason"]) == (NONCE, state, True, "")
        assert answer["software"].startswith("konsil/") and answer["time"].endswith("Z")
    else:
        assert "state" not in answer and await reasons(de) == [state]
    assert await de.count("pings") == 0


async def test_the_ping_back_is_signed_goes_to_the_pinned_origin_and_names_what_it_answers(de: Running, fr: Scripted) -> None:
    await fr.fake.listed(de, "confirmed")
    assert (await send(fr.fake, de, ping(fr.fake, de, endpoint="http://127.0.0.1:1/handshake")))[0] == 200
    one, = fr.received
    assert (one.method, one.target, one.headers["host"]) == ("POST", "/handshake", fr.domain)
    assert de.its.identity.key_id in one.headers["signature"]
    assert f"{fr.origin}/handshake/{NONCE}".encode() in one.body


async def test_an_answer_causes_nothing_but_a_note_so_there_is_no_loop(de: Running, fr: Scripted) -> None:
    await fr.fake.listed(de, "confirmed")
    told: list[tuple[int, Any]] = []

    async def back(one: Received) -> web.Response:
        nonce = json.loads(one.body)["nonce"]
        answer = ping(fr.fake, de, nonce, inReplyTo=f"{de.url}/handshake/{nonce}")
        told.extend([await send(fr.fake, de, answer), await send(fr.fake, de, answer)])
        return web.json_response({"nonce": nonce, "state": "active", "software": "x/1", "time": "", "arrived": True})

    fr.script = back
    sibling = de.its.allowlist.admit(fr.origin, Direction.OUT, Purpose.HANDSHAKE)
    nonce, answer = await de.its.handshake.ask(sibling)
    assert [status for status, _ in told] == [200, 409]  # the second time nobody waits for it any more
    assert len(fr.received) == 1 and await de.its.handshake.came_back(nonce)
    found = shaken(answer, nonce)
    assert found is not None and found.state == "active"
    assert shaken(answer, "another") is None and shaken(answer._replace(document={"nonce": nonce}), nonce) is None


async def test_only_a_known_fresh_nonce_of_this_very_sibling_is_answered(de: Running, fr: Scripted) -> None:
    await fr.fake.listed(de, "active")
    other = await FakeSibling("it", port=77).listed(de, "active")
    sibling = de.its.allowlist.admit(fr.origin, Direction.OUT, Purpose.HANDSHAKE)
    nonce, _ = await de.its.handshake.ask(sibling)

    async def answered(by: FakeSibling, to: str) -> int:
        return (await send(by, de, ping(by, de, to, inReplyTo=f"{de.url}/handshake/{to}")))[0]

    assert await answered(fr.fake, NONCE) == 409 and await answered(other, nonce) == 409
    before = await de.its.database.read(lambda tx: tx.row("SELECT asked_at FROM pings"))
    assert before is not None
    await de.its.database.write(lambda tx: tx.run("UPDATE pings SET asked_at = asked_at - 600000"))
    assert await answered(fr.fake, nonce) == 409 and not await de.its.handshake.came_back(nonce)
    await de.its.database.write(lambda tx: tx.run("UPDATE pings SET asked_at = ?", (before["asked_at"],)))
    assert await answered(fr.fake, nonce) == 200 and await de.its.handshake.came_back(nonce)
    assert await reasons(de) == ["unknown-nonce", "unknown-nonce"]  # one row for each origin
    await de.its.handshake.prune()
    assert await de.count("pings") == 1
    await de.its.database.write(lambda tx: tx.run("UPDATE pings SET asked_at = asked_at - 90000000"))
    await de.its.handshake.prune()
    assert await de.count("pings") == 0


@pytest.mark.parametrize(("changes", "status", "reason"), [
    ({"type": "Create"}, 400, "bad-handshake"), ({"nonce": None}, 400, "bad-handshake"), ({"nonce": 7}, 400, "bad-handshake"),
    ({"nonce": "short"}, 400, "bad-handshake"), ({"nonce": "x" * 65}, 400, "bad-handshake"),
    ({"nonce": "a/b" * 8}, 400, "bad-handshake"), ({"actor": "http://127.0.0.1:77/actor"}, 403, "foreign-actor"),
    ({"id": f"http://127.0.0.1:77/handshake/{NONCE}"}, 403, "foreign-actor"), ({"id": None}, 403, "foreign-actor"),
    ({"object": "http://127.0.0.1:77/actor"}, 400, "not-addressed"), ({"object": None}, 400, "not-addressed"),
    ({"inReplyTo": "http://127.0.0.1:77/handshake/x"}, 400, "not-addressed"), ({"inReplyTo": {}}, 400, "not-addressed")])
async def test_a_ping_that_is_none_is_refused_and_called_back_by_nobody(
        de: Running, fr: Scripted, changes: dict[str, Any], status: int, reason: str) -> None:
    await fr.fake.listed(de, "active")
    got, problem = await send(fr.fake, de, ping(fr.fake, de, **changes))
    assert (got, problem["type"]) == (status, f"urn:konsil:problem:{reason}")
    assert fr.received == [] and await de.count("pings") == 0 and await reasons(de) == [reason]


async def test_what_is_no_small_signed_activity_is_refused_by_its_head_or_its_signature(de: Running, fr: Scripted) -> None:
    await fr.fake.listed(de, "active")
    good = ping(fr.fake, de)
    for document, headers, status in (
            (good, {"content-type": "text/plain"}, 415), (good, {"content-encoding": "gzip"}, 415),
            (good | {"summary": "x" * BODY_LIMIT}, {}, 413), (good, {"signature": ""}, 401), (good, {"digest": "SHA-256=x"}, 401),
            (good, {"date": "Mon, 01 Jan 2024 00:00:00 GMT"}, 401), (b"[]", {}, 400), (b"{", {}, 400)):
        assert (await send(fr.fake, de, document, **headers))[0] == status, (document, headers)
    forger = FakeSibling(port=int(fr.origin.rpartition(":")[2]))
    assert (await send(forger, de, good))[0] == 401
    assert fr.received == []


async def test_the_answer_says_why_the_ping_back_did_not_arrive(
        de: Running, fr: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.handshake._BACK_SECONDS", 0.3)
    await fr.fake.listed(de, "active")
    silent = await FakeSibling("it", port=1).listed(de, "active")
    cases: list[tuple[Any, str]] = [
        (lambda _: web.Response(status=302, headers={"location": "/elsewhere"}), "refused"),
        (lambda _: refusal(403, None), "refused"), (lambda _: web.Response(status=500), "refused"),
        (lambda _: slowly(1.0, web.json_response({})), "no-answer")]
    for script, reason in cases:
        fr.script = script
        answer = (await send(fr.fake, de, ping(fr.fake, de)))[1]
        assert (answer["arrived"], answer["reason"]) == (False, reason)
    answer = (await send(silent, de, ping(silent, de)))[1]
    assert (answer["arrived"], answer["reason"]) == (False, "unreachable")
    assert {one.target for one in fr.received} == {"/handshake"}


async def test_a_storm_of_pings_is_bounded_for_each_sibling_and_leaves_the_others_alone(de: Running, fr: Scripted) -> None:
    await fr.fake.listed(de, "active")
    opened = asyncio.Event()

    async def wait(_: Received) -> web.Response:
        await opened.wait()
        return web.json_response({})

    fr.script = wait
    storm = [asyncio.create_task(send(fr.fake, de, ping(fr.fake, de, f"{number:032}"))) for number in range(12)]
    async with asyncio.timeout(5):
        while sum(task.done() for task in storm) < 10:
            await asyncio.sleep(0.01)
    other = await FakeSibling("it", port=1).listed(de, "active")
    assert (await send(other, de, ping(other, de)))[0] == 200
    opened.set()
    assert sorted(status for status, _ in await asyncio.gather(*storm)) == [200, 200, *[429] * 10]
    assert len(fr.received) == 2 and await reasons(de) == ["busy"]
    assert (await send(fr.fake, de, ping(fr.fake, de)))[0] == 200  # and it is over when it is over


def test_a_front_without_a_receiver_for_each_of_its_routes_does_not_start() -> None:
    async def inner(*_: Any) -> None:
        """Nothing is asked of it."""

    with pytest.raises(TypeError, match="receiver"):
        Front({}, inner, 1, Room(Space((), 0), 1))
