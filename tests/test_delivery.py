"""Sending: nothing is lost, order is kept per object, and nothing blocks what does not depend on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from core.database import Tx
from core.settings import Settings
from federation import store
from federation.allowlist import Sibling
from federation.lanes import BACKLOG, FRESH, URGENT
from federation.signatures import cavage
from federation.store import Outgoing
from instance.assembly import Assembly, assemble
from tests.scripted import Received, Scripted, refusal, scripted, slowly
from tests.servers import until

OK = 202
_ACTIVITIES = "http://127.0.0.1:8199/activities"


def uri(name: str) -> str:
    return f"{_ACTIVITIES}/{name}"


async def send(its: Assembly, to: list[Sibling], name: str, of: str | None = None, kind: str = "Create",
               lane: int = FRESH) -> None:
    """Put an activity about the object `of` (one of its own if not given) into the outbox."""
    body = b'{"id":"%s","content":"text of %s"}' % (uri(name).encode(), name.encode())
    outgoing = Outgoing(uri(name), kind, f"{its.identity.origin}/posts/{of or name}", body, cavage.digest(body), lane)

    def write(tx: Tx) -> None:
        if kind == "Delete":
            store.forget(tx, outgoing.object_uri, its.clock.ms())
        store.enqueue(tx, its.ids.new(), outgoing, [one.id for one in to], its.clock.ms())

    await its.database.write(write)


async def rows(its: Assembly) -> dict[str, tuple[str, str]]:
    """State and reason of each activity, by its name."""
    found = await its.database.read(lambda tx: tx.rows(
        "SELECT o.uri, d.state, d.reason FROM deliveries d JOIN outbox o ON o.id = d.outbox_id"))
    return {row["uri"].rsplit("/", 1)[1]: (row["state"], row["reason"]) for row in found}


async def all_are(its: Assembly, state: str, *names: str) -> bool:
    found = await rows(its)
    return all(found[name][0] == state for name in names)


@asynccontextmanager
async def working(its: Assembly) -> AsyncIterator[None]:
    task = asyncio.create_task(its.courier.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def fr() -> AsyncIterator[Scripted]:
    async with scripted() as sibling:
        yield sibling


def changed(settings: Settings, **federation: Any) -> Settings:
    return msgspec.structs.replace(settings, federation=msgspec.structs.replace(settings.federation, **federation))


async def test_an_objects_activities_arrive_in_order_and_nobody_elses_wait_for_them(its: Assembly, fr: Scripted) -> None:
    under_way: list[str] = []
    together: set[tuple[str, ...]] = set()

    async def answer(one: Received) -> web.StreamResponse:
        under_way.append(one.name)
        together.add(tuple(sorted(under_way)))
        await asyncio.sleep(0.1 if one.name == "case1" else 0.02)
        under_way.remove(one.name)
        return web.Response(status=OK)

    fr.script = answer
    sibling = await fr.befriend(its)
    for number in range(1, 5):
        await send(its, [sibling], f"case{number}", of="case", kind="Create" if number == 1 else "Update")
        await send(its, [sibling], f"other{number}")
    async with working(its):
        await until(lambda: all_are(its, "acked", *(f"{kind}{number}" for kind in ("case", "other") for number in range(1, 5))))
    assert [name for name in fr.names if name.startswith("case")] == ["case1", "case2", "case3", "case4"]
    assert len(fr.names) == 8 and any(len(names) > 1 for names in together)
    assert not any(sum(name.startswith("case") for name in names) > 1 for names in together)


def _abort(fr: Scripted) -> web.Response:
    assert fr.request.transport is not None
    fr.request.transport.abort()
    return web.Response()


_TROUBLE: dict[str, Any] = {
    "500": lambda fr: web.Response(status=500),
    "502": lambda fr: web.Response(status=502, text="<html>proxy</html>", content_type="text/html"),
    "503": lambda fr: refusal(503, None),
    "503 that names the activity": lambda fr: refusal(503, f"{_ACTIVITIES}/a1"),
    "429": lambda fr: web.Response(status=429),
    "408": lambda fr: web.Response(status=408),
    "a connection that breaks": _abort,
    "no answer at all": lambda fr: slowly(3, web.Response(status=OK)),
}


@pytest.mark.parametrize("name", _TROUBLE)
async def test_trouble_backs_off_and_keeps_everything(settings: Settings, fr: Scripted, name: str) -> None:
    trouble = [True]
    fr.script = lambda one: _TROUBLE[name](fr) if trouble else web.Response(status=OK)
    async with assemble(changed(settings, timeout_seconds=0.5 if name == "no answer at all" else 5.0)) as its:
        sibling = await fr.befriend(its)
        for activity in ("a1", "a2", "a3"):
            await send(its, [sibling], activity)

        async def failing() -> bool:
            return len(fr.received) >= 5 and (await its.siblings.row(fr.domain)).fail_count >= 1

        async with working(its):
            await until(failing)
            row = await its.siblings.row(fr.domain)
            assert row.queued == 3 and row.alarm == "" and row.last_error and row.failing_since and row.next_try
            trouble.clear()
            await until(lambda: all_are(its, "acked", "a1", "a2", "a3"))
        row = await its.siblings.row(fr.domain)
        assert (row.fail_count, row.failing_since, row.last_error, row.queued, row.parked) == (0, None, "", 0, 0)
        assert row.last_out


async def test_a_server_that_is_away_gets_everything_when_it_is_back(its: Assembly) -> None:
    async with scripted() as fr:
        sibling = await fr.befriend(its)
    for activity in ("a1", "a2"):
        await send(its, [sibling], activity)
    async with working(its):
        await asyncio.sleep(0.5)
        row = await its.siblings.row(fr.domain)
        assert row.fail_count >= 1 and row.queued == 2 and row.alarm == ""


async def test_pauses_grow_up_to_a_limit(settings: Settings, fr: Scripted) -> None:
    fr.script = lambda _: web.Response(status=500)
    async with assemble(changed(settings, retry_first_seconds=0.05, retry_limit_seconds=0.4)) as its:
        await send(its, [await fr.befriend(its)], "a")
        async with working(its):
            await until(lambda: len(fr.received) >= 6)
        gaps = [later.at - one.at for one, later in zip(fr.received, fr.received[1:], strict=False)]
    assert gaps[0] >= 0.025 and min(gaps[3:]) >= 0.2  # half to all of 0.05, 0.1, 0.2, 0.4, 0.4


@pytest.mark.parametrize(("header", "least", "most"), [
    ("2", 2.0, 2.0), ("99999", 3.0, 3.0), ("0", 0.0, 0.1), ("-5", 0.0, 0.1), ("tomorrow", 0.0, 0.1), ("9" * 400, 0.0, 0.1),
    ("Fri, 01 Jan 2100 00:00:00 GMT", 3.0, 3.0), ("Fri, 01 Jan 2010 00:00:00 GMT", 0.0, 0.1)])
async def test_what_the_other_side_asks_for_is_honoured_within_our_limit(
        settings: Settings, fr: Scripted, header: str, least: float, most: float) -> None:
    fr.script = lambda _: web.Response(status=503, headers={"Retry-After": header})
    async with assemble(changed(settings, retry_limit_seconds=3.0)) as its:
        await send(its, [await fr.befriend(its)], "a")
        started = its.clock.ms()
        async with working(its):
            await until(lambda: fr.received)

            async def settled() -> bool:
                return (await its.siblings.row(fr.domain)).fail_count > 0

            await until(settled)
            row, now = await its.siblings.row(fr.domain), its.clock.ms()
        assert started + least * 1000 <= row.next_try <= now + most * 1000
        assert row.queued == 1


async def test_a_refusal_that_names_the_activity_parks_that_one_only(its: Assembly, fr: Scripted) -> None:
    fr.script = lambda one: refusal(400, uri("bad")) if one.name == "bad" else web.Response(status=OK)
    sibling = await fr.befriend(its)
    await send(its, [sibling], "bad", of="case")
    await send(its, [sibling], "after", of="case", kind="Update")
    await send(its, [sibling], "other")
    async with working(its):
        await until(lambda: all_are(its, "acked", "after", "other"))
        await asyncio.sleep(0.2)
    assert (await rows(its))["bad"] == ("parked", "refused No.")
    row = await its.siblings.row(fr.domain)
    assert (row.alarm, row.parked, row.queued) == ("", 1, 0)
    assert fr.names.count("bad") == 1  # not tried again


async def _in_pieces(fr: Scripted, whole: bytes) -> web.StreamResponse:
    response = web.StreamResponse(status=400, headers={"content-type": "application/problem+json"})
    await response.prepare(fr.request)
    for start in range(0, len(whole), 20):
        await response.write(whole[start:start + 20])
        await asyncio.sleep(0.01)
    await response.write_eof()
    return response


async def test_a_refusal_that_comes_in_pieces_is_read_to_its_end(its: Assembly, fr: Scripted) -> None:
    body = refusal(400, uri("bad")).body
    assert isinstance(body, bytes)
    fr.script = lambda one: _in_pieces(fr, body)
    await send(its, [await fr.befriend(its)], "bad")
    async with working(its):
        await until(lambda: all_are(its, "parked", "bad"))
    assert (await its.siblings.row(fr.domain)).alarm == ""


_NO_ANSWERS: dict[str, Any] = {
    "a proxy's 404": lambda: web.Response(status=404, text="<html>nginx</html>", content_type="text/html"),
    "401": lambda: refusal(401, None),
    "403": lambda: refusal(403, None),
    "a problem of another activity": lambda: refusal(400, f"{_ACTIVITIES}/else"),
    "JSON that is no problem document": lambda: web.json_response({"activity": f"{_ACTIVITIES}/a1"}, status=400),
    "a problem document that cannot be read": lambda: web.Response(
        status=400, body=b"{", content_type="application/problem+json"),
    "a redirect": lambda: web.Response(status=307, headers={"location": "/elsewhere"}),
}


@pytest.mark.parametrize("name", _NO_ANSWERS)
async def test_what_is_no_answer_to_an_activity_stops_the_line_and_keeps_everything(
        its: Assembly, fr: Scripted, name: str) -> None:
    fr.script = lambda _: _NO_ANSWERS[name]()
    sibling = await fr.befriend(its)
    for activity in ("a1", "a2"):
        await send(its, [sibling], activity)

    async def alarmed() -> bool:
        return bool((await its.siblings.row(fr.domain)).alarm)

    async with working(its):
        await until(alarmed)
        row = await its.siblings.row(fr.domain)
        assert (row.queued, row.parked, row.state) == (2, 0, "active") and await all_are(its, "pending", "a1", "a2")
        fr.script = lambda _: web.Response(status=OK)
        await its.siblings.resume(fr.domain, "olga")  # an operator has seen to it
        await until(lambda: all_are(its, "acked", "a1", "a2"))
    assert (await its.siblings.row(fr.domain)).alarm == ""
    assert {one.target for one in fr.received} == {"/inbox"}  # a redirect is not followed


async def test_a_delete_takes_the_place_of_what_was_not_sent_and_its_text_out_of_the_outbox(its: Assembly, fr: Scripted) -> None:
    sibling = await fr.befriend(its)
    for name, of, kind in (("made", "case", "Create"), ("edited", "case", "Update"), ("other", "other", "Create"),
                           ("gone", "case", "Delete")):
        await send(its, [sibling], name, of, kind, URGENT if kind == "Delete" else FRESH)
    assert {name: state for name, (state, _) in (await rows(its)).items()} == {
        "made": "superseded", "edited": "superseded", "other": "pending", "gone": "pending"}
    bodies = await its.database.read(lambda tx: {row["uri"]: row["body"] for row in tx.rows("SELECT uri, body FROM outbox")})
    assert {name for name in ("made", "edited", "other", "gone") if bodies[uri(name)]} == {"other", "gone"}
    async with working(its):
        await until(lambda: all_are(its, "acked", "gone", "other"))
    assert sorted(fr.names) == ["gone", "other"]


async def test_a_delete_follows_what_is_under_way(its: Assembly, fr: Scripted) -> None:
    fr.script = lambda one: slowly(0.2, web.Response(status=OK))
    sibling = await fr.befriend(its)
    await send(its, [sibling], "made", "case")
    async with working(its):
        await until(lambda: fr.received)
        await send(its, [sibling], "gone", "case", "Delete", URGENT)
        await until(lambda: all_are(its, "acked", "gone"))
    assert fr.names == ["made", "gone"]


async def test_what_is_urgent_goes_first_and_the_backlog_last(settings: Settings, fr: Scripted) -> None:
    async with assemble(changed(settings, delivery_window=1)) as its:
        sibling = await fr.befriend(its)
        for name, lane in (("b1", BACKLOG), ("f1", FRESH), ("b2", BACKLOG), ("f2", FRESH), ("u1", URGENT), ("u2", URGENT)):
            await send(its, [sibling], name, lane=lane)
        async with working(its):
            await until(lambda: len(fr.received) == 6)
    assert fr.names == ["u1", "u2", "f1", "f2", "b1", "b2"]


async def test_a_paused_sibling_gets_nothing_and_everything_afterwards(its: Assembly, fr: Scripted) -> None:
    sibling = await fr.befriend(its)
    await its.siblings.pause(fr.domain, "olga", "test")
    await send(its, [sibling], "a1")
    async with working(its):
        await send(its, [sibling], "a2")
        await asyncio.sleep(0.4)
        assert fr.received == [] and await all_are(its, "pending", "a1", "a2")
        await its.siblings.resume(fr.domain, "olga")
        await until(lambda: all_are(its, "acked", "a1", "a2"))


async def test_a_revocation_ends_the_queue_for_good(its: Assembly, fr: Scripted) -> None:
    sibling = await fr.befriend(its)
    fr.script = lambda _: web.Response(status=503)
    await send(its, [sibling], "a1")
    async with working(its):
        await until(lambda: fr.received)
        await its.siblings.revoke(fr.domain, "olga", "left")
        await asyncio.sleep(0.1)
        before = len(fr.received)
        fr.script = lambda _: web.Response(status=OK)
        await asyncio.sleep(0.6)
        assert len(fr.received) == before and (await rows(its))["a1"] == ("parked", "revoked")
        await send(its, [await fr.befriend(its)], "a2")  # admitted again: nothing older than that
        await until(lambda: all_are(its, "acked", "a2"))
    assert fr.names[before:] == ["a2"]


async def test_one_that_never_succeeds_blocks_nothing_but_its_own_object(its: Assembly, fr: Scripted) -> None:
    fr.script = lambda one: web.Response(status=500 if one.name.startswith("poison") else OK)
    sibling = await fr.befriend(its)
    await send(its, [sibling], "poison")
    await send(its, [sibling], "behind", of="poison", kind="Update")
    async with working(its):
        for number in range(4):  # one by one, so that it meets the poison alone and in company
            await send(its, [sibling], f"fine{number}")
            await until(lambda number=number: all_are(its, "acked", f"fine{number}"), 3)  # type: ignore[misc]
        assert await all_are(its, "pending", "poison", "behind")
        fr.script = lambda _: web.Response(status=OK)
        await until(lambda: all_are(its, "acked", "poison", "behind"))
    assert fr.names[-2:] == ["poison", "behind"]


async def test_many_that_never_succeed_do_not_block_the_next(its: Assembly, fr: Scripted) -> None:
    fr.script = lambda one: web.Response(status=500 if one.name.startswith("poison") else OK)
    sibling = await fr.befriend(its)
    for number in range(10):
        await send(its, [sibling], f"poison{number}", lane=URGENT)
    await send(its, [sibling], "fine")
    async with working(its):
        await until(lambda: all_are(its, "acked", "fine"), 10)
    assert await all_are(its, "pending", *(f"poison{number}" for number in range(10)))


async def test_a_sibling_in_trouble_does_not_slow_the_others(its: Assembly, fr: Scripted) -> None:
    async with scripted() as it:
        it.script = lambda _: slowly(1.5, web.Response(status=500))
        both = [await it.befriend(its), await fr.befriend(its)]
        for number in range(20):
            await send(its, both, f"a{number}")
        async with working(its):
            await until(lambda: len(fr.received) == 20, 1.4)


async def test_every_try_is_signed_anew_with_a_fresh_date(its: Assembly, fr: Scripted) -> None:
    fr.script = lambda one: web.Response(status=500 if len(fr.received) == 1 else OK)
    await send(its, [await fr.befriend(its)], "a")
    async with working(its):
        await until(lambda: fr.received)
        its.clock.offset += 86_400  # a day's outage
        await until(lambda: all_are(its, "acked", "a"))
    first, second = fr.received
    for one, age in ((first, -86_400), (second, 0)):
        params = cavage.parse(one.headers["signature"])
        cavage.check_covered(params, "POST")
        cavage.verify(its.identity.key.public_key(), params, "POST", "/inbox", one.headers)
        cavage.check_digest(one.headers["digest"], one.body)
        cavage.check_window(one.headers["date"], its.clock.now() + age, 10)
    assert first.body == second.body and first.headers["signature"] != second.headers["signature"]


async def test_what_cannot_be_written_down_is_not_sent_over_and_over(its: Assembly, fr: Scripted) -> None:
    await send(its, [await fr.befriend(its)], "a")
    await its.database.write(lambda tx: tx.run(
        "CREATE TRIGGER broken BEFORE UPDATE ON deliveries BEGIN SELECT RAISE(ABORT, 'broken'); END"))
    async with working(its):
        await until(lambda: fr.received)
        await asyncio.sleep(1)
        assert 1 <= len(fr.received) < 12
        await its.database.write(lambda tx: tx.run("DROP TRIGGER broken"))
        await until(lambda: all_are(its, "acked", "a"))


async def test_what_another_process_wrote_is_sent(settings: Settings, its: Assembly, fr: Scripted, place: Path) -> None:
    sibling = await fr.befriend(its)
    async with working(its), assemble(settings) as web_process:
        await asyncio.sleep(0.3)
        await send(web_process, [sibling], "a")
        await until(lambda: fr.names == ["a"], 3)
