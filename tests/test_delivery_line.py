"""One sibling's line: what concerns one object and what concerns all, and what becomes of it when the gate closes."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from core.database import Tx
from core.errors import Conflict
from core.settings import Settings
from federation.allowlist import SiblingState
from federation.lanes import URGENT
from federation.siblings import SiblingChange, Siblings
from federation.troubles import SENTENCES, in_words, reason
from instance.assembly import Assembly, assemble
from tests.promises.test_words import extracted
from tests.scripted import Received, Scripted, scripted, slowly
from tests.servers import until
from tests.test_delivery import OK, all_are, changed, fr, rows, send, working

__all__ = ["fr"]
SLOWLY = {"retry_first_seconds": 30.0, "retry_limit_seconds": 900.0}


def ok() -> web.Response:
    return web.Response(status=OK)


async def befriend_again(its: Assembly, sibling: Scripted) -> None:
    described = sibling.fake.described()
    await its.siblings.add(sibling.domain, described.country, described.fingerprint, descriptor=described)
    await its.siblings.approve(sibling.domain, "olga")


async def test_what_is_put_off_waits_longer_each_time_and_is_tried_beside_the_others(settings: Settings, fr: Scripted) -> None:
    fr.script = lambda one: web.Response(status=500) if one.name == "poison" else ok()
    async with assemble(changed(settings, retry_first_seconds=0.2, retry_limit_seconds=0.8)) as its:
        sibling = await fr.befriend(its)
        await send(its, [sibling], "poison")
        await send(its, [sibling], "behind", of="poison", kind="Update")
        for number in range(3):
            await send(its, [sibling], f"good{number}")
        async with working(its):
            await until(lambda: all_are(its, "acked", "good0", "good1", "good2"), 2)
            await until(lambda: fr.names.count("poison") >= 5)
            row = await its.siblings.row(fr.domain)
            assert (row.postponed, row.queued, row.alarm) == (1, 2, "") and row.fail_count >= 3 and row.next_try
            assert row.last_error == "It answered 500." and "behind" not in fr.names
    tried = [one.at for one in fr.received if one.name == "poison"]
    gaps = [later - one for one, later in pairwise(tried)]
    assert gaps[0] >= 0.1 and gaps[1] >= 0.2 and gaps[3] >= 0.4  # half to all of 0.2, 0.4, 0.8, 0.8


async def test_a_sibling_that_is_broken_is_not_hammered(settings: Settings, fr: Scripted) -> None:
    fr.script = lambda _: web.Response(status=500)
    async with assemble(changed(settings, retry_first_seconds=0.5, retry_limit_seconds=60.0)) as its:
        sibling = await fr.befriend(its)
        for number in range(60):
            await send(its, [sibling], f"a{number}")
        async with working(its):
            await asyncio.sleep(2.5)
        row = await its.siblings.row(fr.domain)
    window = settings.federation.delivery_window
    assert len(set(fr.names[:window])) == window  # a whole window of different objects, then one at a time
    assert len(fr.received) <= window + 4 and row.queued == 60
    assert row.fail_count >= 2 and row.failing_since and row.next_try


async def test_what_the_line_waits_for_is_not_ended_by_what_was_under_way(settings: Settings, fr: Scripted) -> None:
    fr.script = lambda one: (web.Response(status=503, headers={"Retry-After": "300"}) if one.name == "a0"
                             else slowly(0.3, ok()))
    async with assemble(changed(settings, retry_limit_seconds=900.0)) as its:
        sibling = await fr.befriend(its)
        for number in range(20):
            await send(its, [sibling], f"a{number}")
        async with working(its):
            await until(lambda: all_are(its, "acked", *(f"a{number}" for number in range(1, 8))), 2)
            await asyncio.sleep(0.5)
        row = await its.siblings.row(fr.domain)
        assert len(fr.received) == 8 and row.queued == 13
        assert row.fail_count == 1 and row.next_try - its.clock.ms() > 290_000


async def test_a_parcel_that_is_too_large_is_parked_and_alarms_nobody(its: Assembly, fr: Scripted) -> None:
    fr.script = lambda one: web.Response(status=413, text="<html>nginx</html>") if one.name == "large" else ok()
    sibling = await fr.befriend(its)
    for name in ("large", "small"):
        await send(its, [sibling], name)
    async with working(its):
        await until(lambda: all_are(its, "acked", "small"))
        await until(lambda: all_are(its, "parked", "large"))
    row = await its.siblings.row(fr.domain)
    assert (await rows(its))["large"] == ("parked", "too-large") and (row.alarm, row.fail_count, row.parked) == ("", 0, 1)


@pytest.mark.parametrize("status", [200, 201, 204, 301, 308])
async def test_only_202_acknowledges(settings: Settings, fr: Scripted, status: int) -> None:
    fr.script = lambda _: web.Response(status=status, headers={"location": "/login"})
    async with assemble(changed(settings, **SLOWLY)) as its:
        await send(its, [await fr.befriend(its)], "a")

        async def alarmed() -> bool:
            return bool((await its.siblings.row(fr.domain)).alarm)

        async with working(its):
            await until(alarmed)
        row = await its.siblings.row(fr.domain)
        assert row.queued == 1 and row.last_out is None
        assert row.alarm == row.last_error == str(in_words(reason("no-receipt", status)))


async def test_after_an_alarm_the_next_probe_is_another_one(its: Assembly, fr: Scripted) -> None:
    fr.script = lambda one: web.Response(status=403, text="<html>filter</html>") if one.name == "odd" else ok()
    sibling = await fr.befriend(its)
    await send(its, [sibling], "odd")
    async with working(its):
        await until(lambda: fr.names == ["odd"])
        for number in range(3):
            await send(its, [sibling], f"good{number}")
        await until(lambda: all_are(its, "acked", "good0", "good1", "good2"))
        assert await all_are(its, "pending", "odd")


async def _endless(fr: Scripted) -> web.StreamResponse:
    response = web.StreamResponse(status=OK)
    await response.prepare(fr.request)
    await response.write(b"so ")
    await asyncio.sleep(30)
    return response


async def test_nobody_waits_for_the_body_of_a_success(its: Assembly, fr: Scripted) -> None:
    fr.script = lambda _: _endless(fr)
    await send(its, [await fr.befriend(its)], "a")
    async with working(its):
        await until(lambda: all_are(its, "acked", "a"), 1.5)


async def test_one_that_hangs_keeps_one_place_and_everything_else_flows(settings: Settings, fr: Scripted) -> None:
    under_way: list[str] = []
    most = [0]

    async def answer(one: Received) -> web.StreamResponse:
        under_way.append(one.name)
        most[0] = max(most[0], len(under_way))
        await asyncio.sleep(30 if one.name == "hanging" else 0.01)
        under_way.remove(one.name)
        return ok()

    fr.script = answer
    async with assemble(changed(settings, timeout_seconds=8.0)) as its:
        sibling = await fr.befriend(its)
        await send(its, [sibling], "hanging")
        for number in range(200):
            await send(its, [sibling], f"object{number % 40}-{number}", of=f"object{number % 40}")
        began = time.monotonic()
        async with working(its):
            await until(lambda: all_are(its, "acked", *(f"object{number % 40}-{number}" for number in range(200))), 6)
            await send(its, [sibling], "later")
            await until(lambda: all_are(its, "acked", "later"), 2)
        assert time.monotonic() - began < 8 and await all_are(its, "pending", "hanging")
    assert fr.names.count("hanging") == 1 and most[0] == settings.federation.delivery_window
    for number in range(40):
        mine = [name for name in fr.names if name.startswith(f"object{number}-")]
        assert mine == sorted(mine, key=lambda name: int(name.split("-")[1]))


async def test_what_hangs_again_and_again_takes_at_most_half_of_the_places(settings: Settings, fr: Scripted) -> None:
    ends: list[float] = []
    most = [0]

    async def answer(one: Received) -> web.StreamResponse:
        now = time.monotonic()
        if one.name.startswith("hanging"):
            ends[:] = [*(end for end in ends if end > now), now + 0.3]  # it was sent before it came here
            if fr.names.count(one.name) > 1:
                most[0] = max(most[0], len(ends))
            await asyncio.sleep(30)
        return ok()

    fr.script = answer
    async with assemble(changed(settings, timeout_seconds=0.4, retry_first_seconds=0.1, retry_limit_seconds=0.2)) as its:
        sibling = await fr.befriend(its)
        for number in range(8):
            await send(its, [sibling], f"hanging{number}")
        async with working(its):
            await until(lambda: len(fr.received) > 8)  # all have hung once, and the line probes
            for number in range(12):
                await send(its, [sibling], f"good{number}")
                await until(lambda number=number: all_are(its, "acked", f"good{number}"), 2)  # type: ignore[misc]
                await asyncio.sleep(0.1)
    assert 1 < most[0] <= settings.federation.delivery_window // 2


async def test_what_cannot_be_written_down_is_logged_and_left_alone_for_a_while(settings: Settings, fr: Scripted) -> None:
    async with assemble(changed(settings, retry_first_seconds=0.5, retry_limit_seconds=60.0)) as its:
        await send(its, [await fr.befriend(its)], "a")
        await its.database.write(lambda tx: tx.run(
            "CREATE TRIGGER broken BEFORE UPDATE ON deliveries BEGIN SELECT RAISE(ABORT, 'broken'); END"))
        with capture_logs() as logged:
            async with working(its):
                await asyncio.sleep(2)
                assert 1 <= len(fr.received) <= 4
                await its.database.write(lambda tx: tx.run("DROP TRIGGER broken"))
                await until(lambda: all_are(its, "acked", "a"), 6)
    failures = [line for line in logged if line["event"] == "line failed"]
    assert len(failures) >= 1 and all("broken" in str(line["exc_info"]) for line in failures)


async def test_what_nobody_foresaw_concerns_its_own_parcel_only(
        its: Assembly, fr: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = its.client.post

    async def post(*arguments: Any) -> Any:
        if b"odd" in arguments[1]:
            raise ZeroDivisionError
        return await sent(*arguments)

    monkeypatch.setattr(its.client, "post", post)
    sibling = await fr.befriend(its)
    for name in ("odd", "even"):
        await send(its, [sibling], name)
    with capture_logs() as logged:
        async with working(its):
            await until(lambda: all_are(its, "acked", "even"))
            await until(lambda: its.database.glance("SELECT 1 FROM deliveries WHERE reason = 'internal' AND state = 'pending'"))
    assert any(line["event"] == "sending failed" for line in logged)


async def test_after_resume_everything_that_waits_goes_at_once(settings: Settings, fr: Scripted) -> None:
    statuses = {"a": 500, "b": 503}
    fr.script = lambda one: web.Response(status=statuses.get(one.name, OK))
    async with assemble(changed(settings, **SLOWLY)) as its:
        sibling = await fr.befriend(its)
        for name in statuses:
            await send(its, [sibling], name)
        async with working(its):
            for waits in (1, 0):  # once with the line waiting as a whole, once with an object that is put off only
                await until(lambda: its.database.glance("SELECT 1 FROM deliveries WHERE state = 'pending' AND tries > 0"))
                await until(lambda waits=waits: its.database.glance(  # type: ignore[misc]
                    f"SELECT 1 FROM delivery_lines WHERE next_try {'>' if waits else '='} 0"))
                statuses.pop("b", None)
                if not waits:
                    statuses.clear()
                await its.siblings.resume(fr.domain, "olga")
                await until(lambda waits=waits: all_are(its, "acked", *(("b",) if waits else ("a", "b"))), 2)  # type: ignore[misc]


@pytest.mark.parametrize("days", [0.5, 30])
async def test_a_clock_that_was_ahead_delays_nothing_for_longer_than_the_limit(
        settings: Settings, fr: Scripted, days: float) -> None:
    fr.script = lambda one: web.Response(status=500 if one.name == "a" else 503)
    async with assemble(changed(settings, **SLOWLY)) as its:
        sibling = await fr.befriend(its)
        its.clock.offset = days * 86_400
        for name in ("a", "b"):
            await send(its, [sibling], name)
        async with working(its):
            await until(lambda: its.database.glance(
                "SELECT 1 FROM delivery_lines l, deliveries d WHERE l.next_try > 0 AND d.next_try > 0"))
            fr.script = lambda _: ok()
            its.clock.offset = 0
            await until(lambda: all_are(its, "acked", "a", "b"), 3)


async def test_a_courier_that_is_stopped_while_news_comes_stops(its: Assembly) -> None:
    for _ in range(20):
        task = asyncio.create_task(its.courier.run())
        await asyncio.sleep(0.01)
        await its.database.write(lambda tx: tx.wake("delivery"))
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=1)
        assert done and task.cancelled()


async def test_a_deletion_reaches_a_sibling_that_was_revoked_when_it_happened(its: Assembly, fr: Scripted) -> None:
    sibling = await fr.befriend(its)
    async with scripted() as it:
        stranger = await it.befriend(its)
        await send(its, [sibling], "made", of="case")
        async with working(its):
            await until(lambda: all_are(its, "acked", "made"))
            fr.script = lambda _: web.Response(status=503)
            await send(its, [sibling], "unsent")
            await send(its, [sibling], "gone-before", of="old", kind="Delete", lane=URGENT)
            await its.siblings.revoke(fr.domain, "olga", "for a while")
            await send(its, [], "gone", of="case", kind="Delete", lane=URGENT)  # nobody in its audience is sent to any more
            found = await rows(its)
            assert {found[name] for name in ("unsent", "gone-before", "gone")} == {("parked", "revoked")}
            fr.script = lambda _: ok()
            before = len(fr.received)
            await befriend_again(its, fr)
            await until(lambda: all_are(its, "acked", "gone-before", "gone"))
            await send(its, [stranger], "other")
            await until(lambda: all_are(its, "acked", "other"))
        assert sorted(fr.names[before:]) == ["gone", "gone-before"] and it.names == ["other"]
        assert (await rows(its))["unsent"] == ("parked", "revoked")
        assert str(in_words("revoked")) == "It was revoked before it had confirmed this."


async def test_a_sibling_that_is_proposed_again_gets_nothing_before_it_is_active(its: Assembly, fr: Scripted) -> None:
    await send(its, [await fr.befriend(its)], "made", of="case")
    async with working(its):
        await until(lambda: all_are(its, "acked", "made"))
        await its.siblings.revoke(fr.domain, "olga", "test")
        described = fr.fake.described()
        await its.siblings.add(fr.domain, described.country, described.fingerprint, descriptor=described)
        await send(its, [], "gone", of="case", kind="Delete")
        await asyncio.sleep(0.4)
        assert fr.names == ["made"] and (await rows(its))["gone"] == ("parked", "revoked")
        await its.siblings.approve(fr.domain, "olga")
        await until(lambda: fr.names == ["made", "gone"])


async def test_who_hangs_on_a_siblings_state_changes_with_it_or_nothing_does(its: Assembly, fr: Scripted) -> None:
    heard: list[tuple[str | None, str]] = []

    def listen(tx: Tx, change: SiblingChange) -> None:
        row = tx.row("SELECT state FROM siblings WHERE id = ?", (change.sibling_id,))
        assert row is not None and row["state"] == change.new and change.origin == fr.origin and change.now > 0
        heard.append((change.old, change.new))
        if change.new == SiblingState.PAUSED:
            raise Conflict("The listener refuses.")

    siblings = Siblings(its.database, its.identity, its.client, its.clock, its.ids, its.audit, on_change=(listen,))
    described = fr.fake.described()
    await siblings.add(fr.domain, described.country, described.fingerprint, descriptor=described)
    await siblings.approve(fr.domain, "olga")
    with pytest.raises(Conflict):
        await siblings.pause(fr.domain, "olga", "test")
    assert (await siblings.row(fr.domain)).state == "active"
    await siblings.revoke(fr.domain, "olga", "test")
    await siblings.add(fr.domain, described.country, described.fingerprint, descriptor=described)
    assert heard == [(None, "proposed"), ("proposed", "confirmed"), ("confirmed", "active"), ("active", "paused"),
                     ("active", "revoked"), ("revoked", "proposed")]


def test_every_trouble_can_be_translated_and_keeps_what_a_sibling_wrote_apart() -> None:
    assert set(SENTENCES.values()) <= extracted()
    german = {"It refused this: %(detail)s": "Abgelehnt: %(detail)s", "No.": "Nein."}
    refused = in_words(reason("refused", "No."))
    assert refused == "It refused this: No." and refused.said(lambda text: german.get(text, text)) == "Abgelehnt: Nein."
    assert in_words(reason("refused", "100 %(x)s")) == "It refused this: 100 %(x)s"
    assert in_words(reason("refused", "revoked")) != in_words("revoked")  # what it writes is never taken for a code of ours
    assert in_words("") == "" and in_words("unheard of") == "unheard of"
