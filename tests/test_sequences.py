"""Our lines: bundles go out numbered without a gap, receipts count, and what a sibling has lost it is sent again."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from core.database import Tx
from federation import bundles, sequences, store
from federation.allowlist import Sibling
from federation.bundles import Head, Later, Receipt, Received, Refusal, Results
from federation.lanes import BACKLOG
from federation.signatures import proofs
from instance.assembly import Assembly
from instance.pruning import prune
from tests.scripted import Received as Request
from tests.scripted import Scripted, refusal, scripted
from tests.servers import until
from tests.test_delivery import all_are, rows, send, uri, working


class Keeper:
    """A sibling that takes bundles: it keeps what came by number, and says so. `decides` may decide otherwise."""

    def __init__(self, at: Scripted) -> None:
        self.at, self.heads, self.alone = at, list[Head](), list[str]()
        self.kept: dict[int, str] = {}
        self.epoch, self.start = 0, 1
        self.decides: Callable[[int, str], str] = lambda number, name: "stored"
        self.later: tuple[Later, ...] = ()
        self.answers: Callable[[Head], web.Response | None] = lambda head: None
        self.changed: Callable[[dict[str, Any]], dict[str, Any]] = lambda document: document
        at.script = self.answer

    @property
    def names(self) -> list[str]:
        return [self.kept[number] for number in sorted(self.kept)]

    def answer(self, one: Request) -> web.Response:
        if one.headers["content-type"] != bundles.JSON_SEQ:
            self.alone.append(one.name)
            return web.Response(status=202)
        head, activities = bundles.unpack(one.body, "http://127.0.0.1:8199/actor")
        self.heads.append(head)
        if (said := self.answers(head)) is not None:
            return said
        if head.epoch != self.epoch:
            self.epoch, self.start, self.kept = head.epoch, head.start, {}
        told: dict[str, list[int]] = {}
        refused = []
        for number, raw in zip(head.sequences, activities, strict=True):
            name = str(msgspec.json.decode(raw)["id"]).rsplit("/", 1)[1]
            result = self.decides(number, name)
            if result == "refused":
                refused.append(Refusal(number, "no", "Not this one."))
            else:
                told.setdefault(result, []).append(number)
            if result != "postponed":
                self.kept[number] = name
        there = bundles.joined((*bundles.ranges(sorted(self.kept)), *head.skipped, (1, self.start - 1))
                               if self.start > 1 else (*bundles.ranges(sorted(self.kept)), *head.skipped))
        contiguous = there[0][1] if there and there[0][0] == 1 else 0
        made = Receipt("Receipt", f"{self.at.origin}/actor", one.headers["digest"], head.epoch, contiguous,
                       Results(refused=tuple(refused), **{name: bundles.ranges(found) for name, found in told.items()}),
                       tuple(there[1:] if contiguous else there), self.later)
        document = proofs.sign(bundles.signed_part(made), self.at.fake.document_key, int(time.time() * 1000))
        return web.json_response(self.changed(document))


@pytest.fixture
async def fr() -> AsyncIterator[Scripted]:
    async with scripted() as sibling:
        yield sibling


@pytest.fixture
async def keeper(its: Assembly, fr: Scripted) -> tuple[Keeper, Sibling]:
    sibling = await fr.befriend(its)
    await its.database.write(lambda tx: tx.run("UPDATE siblings SET bundle_inbox = origin || '/inbox/bundle'"))
    return Keeper(fr), sibling


Kept = tuple[Keeper, Sibling]


async def line(its: Assembly) -> Any:
    return await its.database.read(lambda tx: tx.row("SELECT * FROM delivery_lines"))


async def settled(its: Assembly, *names: str) -> None:
    await until(lambda: all_are(its, "acked", *names))


async def test_activities_go_in_bundles_numbered_without_a_gap(its: Assembly, keeper: Kept) -> None:
    there, sibling = keeper
    names = [f"n{number}" for number in range(100)]
    for name in names:
        await send(its, [sibling], name)
    async with working(its):
        await settled(its, *names)
    assert there.names == names and not there.alone and len(there.heads) < 20
    assert sorted(number for head in there.heads for number in head.sequences) == list(range(there.start, there.start + 100))
    at = await line(its)
    assert at["epoch"] == there.epoch and at["confirmed"] == there.start + 99 and at["last_out"] is not None
    kept = await its.database.read(lambda tx: tx.rows("SELECT first, last, body FROM receipts ORDER BY id"))
    assert len(kept) == len(there.heads)
    for row in kept:
        key = there.at.fake.document_key
        proofs.check(msgspec.json.decode(row["body"]), key.multibase, key.id)


async def test_an_objects_activities_are_never_in_one_bundle(its: Assembly, keeper: Kept) -> None:
    there, sibling = keeper
    for number in range(6):
        await send(its, [sibling], f"case{number}", of="case", kind="Create" if number == 0 else "Update")
    async with working(its):
        await settled(its, *(f"case{number}" for number in range(6)))
    assert there.names == [f"case{number}" for number in range(6)] and all(len(head.sequences) < 2 for head in there.heads)


async def test_one_that_is_refused_is_parked_and_one_that_is_postponed_comes_again(its: Assembly, keeper: Kept) -> None:
    there, sibling = keeper
    again: list[str] = []

    def decide(number: int, name: str) -> str:
        if name == "later" and not again:
            again.append(name)
            return "postponed"
        return "refused" if name == "bad" else "stored"

    there.decides = decide
    for name in ("one", "bad", "later", "two"):
        await send(its, [sibling], name)
    async with working(its):
        await settled(its, "one", "later", "two")
    assert (await rows(its))["bad"] == ("parked", "refused Not this one.")
    assert sorted(there.names) == ["bad", "later", "one", "two"] and not (await line(its))["failing_since"]


async def test_what_is_held_there_is_asked_for_until_it_is_known(its: Assembly, keeper: Kept) -> None:
    there, sibling = keeper
    there.decides = lambda number, name: "held"
    await send(its, [sibling], "one")
    await send(its, [sibling], "two")
    async with working(its):
        await until(lambda: all_are(its, "held", "one", "two"))
        numbers = {name: number for number, name in there.kept.items()}
        there.later = (Later(7, numbers["one"], uri("one"), "stored"),
                       Later(8, numbers["two"], uri("two"), "refused", "x", "No."),
                       Later(9, numbers["one"], uri("another"), "refused", "x", "No."))
        await until(lambda: all_are(its, "acked", "one"))
        await send(its, [sibling], "three")
        await until(lambda: len(there.heads) > 2 and there.heads[-1].heard == 9)
    found = await rows(its)
    assert found["two"] == ("parked", "refused No.") and found["one"] == ("acked", "")


async def test_what_is_skipped_is_said(its: Assembly, keeper: Kept) -> None:
    there, sibling = keeper
    await send(its, [sibling], "first")
    async with working(its):
        await settled(its, "first")
    await send(its, [sibling], "post", of="gone")
    await send(its, [sibling], "delete", of="gone", kind="Delete")
    await send(its, [sibling], "last")
    async with working(its):
        await settled(its, "delete", "last")
    start = there.start
    assert there.heads[-1].skipped == ((start + 1, start + 1),) and there.names == ["first", "delete", "last"]
    assert (await line(its))["confirmed"] == start + 3


async def test_what_a_sibling_has_lost_without_a_word_is_sent_again(its: Assembly, keeper: Kept) -> None:
    there, sibling = keeper
    names = [f"n{number}" for number in range(10)]
    for name in names:
        await send(its, [sibling], name)
    async with working(its):
        await settled(its, *names)
        there.kept = {number: name for number, name in there.kept.items() if name in ("n0", "n1", "n7")}
        await send(its, [sibling], "new")
        await settled(its, "new")
        await until(lambda: sorted(there.kept.values()) == ["n2", "n3", "n4", "n5", "n6", "n8", "n9"] or len(there.kept) >= 7)
        await settled(its, *names)
    assert {"n2", "n3", "n4", "n5", "n6", "n8", "n9"} <= set(there.kept.values())
    assert not {"n0", "n1", "n7"} & set(there.kept.values())
    again = await its.database.read(lambda tx: tx.rows("SELECT lane FROM deliveries WHERE sequence >= ?", (there.start,)))
    assert {row["lane"] for row in again} == {BACKLOG}


async def test_a_restored_sibling_says_what_it_has_and_gets_the_rest(its: Assembly, keeper: Kept) -> None:
    there, sibling = keeper
    names = [f"n{number}" for number in range(6)]
    for name in names:
        await send(its, [sibling], name)
    async with working(its):
        await settled(its, *names)
    epoch, start = there.epoch, there.start
    await its.database.write(lambda tx: sequences.lost_there(
        tx, sibling.id, Received(epoch, start + 1, ((start + 4, start + 4),)), its.clock.ms()))
    assert [name for name, (state, _) in (await rows(its)).items() if state == "pending"] == ["n2", "n3", "n5"]
    async with working(its):
        await settled(its, *names)
    assert there.names == ["n2", "n3", "n5"] and there.epoch > epoch and there.start == start + 6


async def test_what_was_deleted_since_is_not_sent_again_but_its_deletion_is(its: Assembly, keeper: Kept) -> None:
    there, sibling = keeper
    for name, of, kind in (("post", "gone", "Create"), ("other", "other", "Create")):
        await send(its, [sibling], name, of=of, kind=kind)
    async with working(its):
        await settled(its, "post", "other")
        await send(its, [sibling], "delete", of="gone", kind="Delete")
        await settled(its, "delete")
    await its.database.write(lambda tx: tx.run("UPDATE outbox SET body = x'' WHERE uri = ?", (uri("post"),)))
    await its.database.write(lambda tx: sequences.lost_there(tx, sibling.id, Received(0, 0), its.clock.ms()))
    async with working(its):
        await settled(its, "other", "delete")
    assert there.names == ["other", "delete"] and (await rows(its))["post"][0] == "acked"


async def test_after_a_restore_every_line_begins_anew_and_says_what_is_here(its: Assembly, keeper: Kept) -> None:
    there, sibling = keeper
    await send(its, [sibling], "one")
    async with working(its):
        await settled(its, "one")
    before = there.epoch
    await its.database.write(lambda tx: tx.run(
        "INSERT INTO arrival_lines (sibling_id, epoch, contiguous, highest, ahead, changed_at, told)"
        " VALUES (?, 5, 8, 9, '[[9,9]]', 0, 0)", (sibling.id,)))
    await its.database.write(lambda tx: sequences.restored(tx, its.clock.ms()))
    async with working(its):
        await until(lambda: there.epoch > before)
        await until(lambda: _no_hello(its))
    hello = there.heads[-1]
    assert hello.received == Received(5, 8, ((9, 9),)) and hello.sequences == () and hello.epoch > before
    await send(its, [sibling], "two")
    async with working(its):
        await settled(its, "two")
    assert there.heads[-1].received is None and there.names == ["two"]


async def test_after_a_restore_what_was_held_there_is_sent_again(its: Assembly, keeper: Kept) -> None:
    there, sibling = keeper
    there.decides = lambda number, name: "held"
    await send(its, [sibling], "one")
    async with working(its):
        await until(lambda: all_are(its, "held", "one"))
    there.decides = lambda number, name: "duplicate"
    await its.database.write(lambda tx: sequences.restored(tx, its.clock.ms()))
    async with working(its):
        await settled(its, "one")


async def _no_hello(its: Assembly) -> bool:
    return not (await line(its))["hello"]


async def test_a_sibling_that_knows_a_number_otherwise_gets_a_new_epoch_beyond_its_own(its: Assembly, keeper: Kept) -> None:
    there, sibling = keeper
    theirs = its.clock.ms() + 1_000_000
    there.answers = lambda head: None if head.epoch > theirs else refusal(
        409, None, type="urn:konsil:problem:new-epoch", epoch=theirs)
    await send(its, [sibling], "one")
    async with working(its):
        await settled(its, "one")
    assert there.epoch == theirs + 1 and there.names == ["one"] and there.heads[-1].received == Received(0, 0)
    assert len(there.heads) == 2


@pytest.mark.parametrize("wrong", [
    lambda document: document | {"contiguous": 99}, lambda document: {}, lambda document: document | {"proof": {}},
    lambda document: {key: value for key, value in document.items() if key != "proof"}])
async def test_what_is_no_receipt_acknowledges_nothing_and_alarms(its: Assembly, keeper: Kept,
                                                                 wrong: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    there, sibling = keeper
    there.changed = wrong
    await send(its, [sibling], "one")
    async with working(its):
        await until(lambda: _alarmed(its))
        assert (await rows(its))["one"] == ("pending", "no-receipt 200")
        there.changed = lambda document: document
        await settled(its, "one")
    assert not await _alarmed(its)


async def _alarmed(its: Assembly) -> bool:
    return bool((await line(its))["alarm"])


@pytest.mark.parametrize("status", [404, 405, 415])
async def test_a_sibling_that_takes_no_bundles_any_more_gets_single_activities(its: Assembly, keeper: Kept, status: int) -> None:
    there, sibling = keeper
    await send(its, [sibling], "one")
    async with working(its):
        await settled(its, "one")
        there.answers = lambda head: web.Response(status=status)
        await send(its, [sibling], "two")
        await settled(its, "two")
    assert there.alone == ["two"] and not await _alarmed(its) and (await line(its))["epoch_from"] == 0
    there.answers, before = lambda head: None, there.epoch
    await its.database.write(lambda tx: tx.run("UPDATE siblings SET bundle_inbox = origin || '/inbox/bundle'"))
    await send(its, [sibling], "three")
    async with working(its):
        await settled(its, "three")
    assert there.epoch > before and there.names == ["three"]


async def test_a_bundle_too_large_for_a_proxy_goes_one_by_one(its: Assembly, keeper: Kept) -> None:
    there, sibling = keeper
    there.answers = lambda head: web.Response(status=413) if len(head.sequences) > 1 else None
    for name in ("one", "two", "three"):
        await send(its, [sibling], name)
    async with working(its):
        await settled(its, "one", "two", "three")
    assert {len(head.sequences) for head in there.heads} == {3, 1}


async def test_an_activity_that_breaks_the_receiver_takes_no_other_with_it(its: Assembly, keeper: Kept) -> None:
    there, sibling = keeper
    bad: set[int] = set()

    def answer(head: Head) -> web.Response | None:
        bad.update([number for number in head.sequences if number == head.start + 1] if not bad else ())
        return web.Response(status=500) if bad & set(head.sequences) else None

    there.answers = answer
    for name in ("one", "two", "three"):
        await send(its, [sibling], name)
    async with working(its):
        await settled(its, "one", "three")
        assert (await rows(its))["two"] == ("pending", "answered 500")


async def test_numbers_begin_anew_in_order_and_leave_no_gap(its: Assembly, keeper: Kept) -> None:
    _, sibling = keeper
    for number in range(6):
        await send(its, [sibling], f"n{number}")
    await its.database.write(lambda tx: tx.run("UPDATE deliveries SET state = 'acked' WHERE sequence IN (2, 5)"))

    def begin(tx: Tx) -> None:
        sequences.begin(tx, sibling.id, its.clock.ms())

    before = await line(its)
    await its.database.write(begin)
    after = await line(its)
    moved = await its.database.read(lambda tx: tx.rows(
        "SELECT d.sequence, o.uri FROM deliveries d JOIN outbox o ON o.id = d.outbox_id WHERE d.state = 'pending' ORDER BY 1"))
    first = before["next_sequence"]
    assert [row["sequence"] for row in moved] == list(range(first, first + len(moved))) and after["epoch_from"] == first
    assert [row["uri"] for row in moved] == sorted(row["uri"] for row in moved)
    assert after["next_sequence"] == first + len(moved) and after["epoch"] > before["epoch"] and after["confirmed"] == first - 1
    await its.database.write(begin)
    assert (await line(its))["epoch"] > after["epoch"]


async def test_what_comes_while_a_sibling_is_away_goes_behind_what_is_fresh(its: Assembly, keeper: Kept) -> None:
    _, sibling = keeper
    now = its.clock.ms()
    await send(its, [sibling], "early")
    await its.database.write(lambda tx: tx.run("UPDATE delivery_lines SET failing_since = ?", (now - 120_000,)))
    await send(its, [sibling], "away")
    await send(its, [sibling], "urgent", lane=0)
    await its.database.write(lambda tx: tx.run("UPDATE delivery_lines SET failing_since = NULL"))
    await send(its, [sibling], "back")
    found = await its.database.read(lambda tx: store.waiting(tx, sibling.id, store.Ahead(now + 1, now + 2), (), 10, again=False))
    assert [parcel.uri.rsplit("/", 1)[1] for parcel in found][-4:] == ["urgent", "early", "back", "away"]


async def test_what_has_arrived_is_forgotten_after_its_time_and_what_waits_is_not(its: Assembly, keeper: Kept) -> None:
    there, sibling = keeper
    there.decides = lambda number, name: {"held": "held", "bad": "refused"}.get(name, "stored")
    for name in ("one", "held", "bad"):
        await send(its, [sibling], name)
    await send(its, [sibling], "gone", kind="Delete")
    async with working(its):
        await settled(its, "one", "gone")
        await until(lambda: all_are(its, "held", "held"))
    await send(its, [sibling], "waits")

    async def texts() -> set[str]:
        found = await its.database.read(lambda tx: tx.rows("SELECT uri FROM outbox WHERE body <> x''"))
        return {row["uri"].rsplit("/", 1)[1] for row in found}

    async def receipts() -> int:
        return len(await its.database.read(lambda tx: tx.rows("SELECT 1 FROM receipts")))

    its.clock.offset = 34 * 86_400
    await its.courier.prune(400, 35)
    assert await texts() == {"one", "held", "bad", "gone", "waits"} and await receipts() > 0
    its.clock.offset = 36 * 86_400
    await its.courier.prune(400, 35)
    assert await texts() == {"held", "bad", "gone", "waits"} and await receipts() > 0
    its.clock.offset = 401 * 86_400
    await its.courier.prune(400, 35)
    assert await texts() == {"held", "bad", "gone", "waits"} and await receipts() == 0


async def test_forgotten_text_is_not_on_the_disk_any_more(its: Assembly, keeper: Kept) -> None:
    _, sibling = keeper
    await send(its, [sibling], "one")
    async with working(its):
        await settled(its, "one")
    [row] = await its.database.read(lambda tx: tx.rows("SELECT body FROM outbox"))
    wal = Path(f"{its.database.path}-wal")
    await its.database.write(Tx.scrub)
    await until(lambda: wal.stat().st_size == 0)
    assert row["body"] in its.database.path.read_bytes()
    its.clock.offset = 36 * 86_400
    await prune(its)
    await until(lambda: row["body"] not in its.database.path.read_bytes() + wal.read_bytes())
