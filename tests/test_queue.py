"""What has ended without a sibling is tried again under a new number, or dropped for a reason; what operators see of a line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from core import migrations
from core.audit import Entry
from core.database import Tx, marks
from core.errors import Conflict, InvalidInput, KonsilError, NotFound
from federation import store
from federation.allowlist import Direction, Purpose, Sibling
from federation.disclosures import Span
from federation.lanes import BACKLOG, FRESH, URGENT
from federation.queue import Item, Queues, read_id
from instance.assembly import Assembly
from tests.conversations.test_the_whole_path import case, published
from tests.scripted import Scripted, refusal
from tests.servers import Running, countries, until
from tests.test_delivery import OK, all_are, fr, rows, send, uri, working

__all__ = ["fr"]


class Row(NamedTuple):
    sequence: int
    name: str
    state: str


async def line_of(its: Assembly) -> list[Row]:
    """All rows there are, by number."""
    found = await its.database.read(lambda tx: tx.rows(
        "SELECT d.sequence, o.uri, d.state FROM deliveries d JOIN outbox o ON o.id = d.outbox_id ORDER BY d.sequence"))
    return [Row(row["sequence"], row["uri"].rsplit("/", 1)[1], row["state"]) for row in found]


async def refused(its: Assembly, fr: Scripted, *names: str, kind: str = "Create") -> Sibling:
    """Some activities that the sibling has refused."""
    sibling = await fr.befriend(its)
    fr.script = lambda one: refusal(403, uri(one.name), title="Not for us.")
    for name in names:
        await send(its, [sibling], name, kind=kind)
    async with working(its):
        await until(lambda: all_are(its, "parked", *names))
    return sibling


async def audited(its: Assembly, action: str) -> tuple[Entry, ...]:
    return await its.audit.list(50, action=action)


async def test_what_is_tried_again_goes_to_the_end_of_the_line_under_a_new_number(its: Assembly, fr: Scripted) -> None:
    sibling = await refused(its, fr, "a", "b")
    await send(its, [sibling], "c")
    item = await its.queues.retry(fr.domain, 1, "olga")
    assert (item.uri, item.why) == (uri("a"), "It refused this: Not for us.") and item.id == f"{fr.domain}/1"
    assert await line_of(its) == [(1, "a", "superseded"), (2, "b", "parked"), (3, "c", "pending"), (4, "a", "pending")]
    await send(its, [sibling], "d")
    fr.script = lambda one: web.Response(status=OK)
    before = len(fr.received)
    async with working(its):
        await until(lambda: all_are(its, "acked", "a", "c", "d"))
    assert sorted(fr.names[before:]) == ["a", "c", "d"] and (await line_of(its))[-1] == (5, "d", "acked")
    [noted] = await audited(its, "delivery.retried")
    assert (noted.by, noted.target, noted.detail) == ("olga", fr.origin, uri("a"))


async def test_that_it_was_on_the_wire_before_is_not_forgotten_and_not_said_twice(its: Assembly, fr: Scripted) -> None:
    await refused(its, fr, "a")
    await its.queues.retry(fr.domain, 1, "olga")
    tried = await its.database.read(lambda tx: tx.rows("SELECT tried_at IS NOT NULL AS was FROM deliveries ORDER BY sequence"))
    assert [row["was"] for row in tried] == [0, 1]


async def test_everything_parked_is_tried_again_in_its_order_but_for_what_was_erased(its: Assembly, fr: Scripted) -> None:
    await refused(its, fr, "a", "b", "c")
    await refused_deletion(its, fr)
    await its.database.write(lambda tx: tx.run("UPDATE outbox SET body = x'' WHERE uri = ?", (uri("b"),)))
    assert await its.queues.retry_parked(fr.domain, "olga") == (3, 1)
    left = [row for row in await line_of(its) if row.state in ("pending", "parked")]
    assert left == [(2, "b", "parked"), (5, "a", "pending"), (6, "c", "pending"), (7, "gone", "pending")]
    assert await its.queues.retry_parked(fr.domain, "olga") == (0, 1)
    assert [entry.detail for entry in await audited(its, "delivery.retried")] == ["3"]
    [parked] = await its.queues.parked(fr.domain)
    assert parked.erased and not parked.deletes
    with pytest.raises(Conflict) as error:
        await its.queues.retry(fr.domain, parked.sequence, "olga")
    assert error.value.reason == "erased"


async def refused_deletion(its: Assembly, fr: Scripted) -> None:
    """A deletion that the sibling has refused; its body is as good as gone, and it can be sent all the same."""
    await send(its, [its.allowlist.admit(fr.origin, Direction.OUT, Purpose.DELIVERY)], "gone", kind="Delete", lane=URGENT)
    async with working(its):
        await until(lambda: all_are(its, "parked", "gone"))


async def state_of(its: Assembly, name: str) -> tuple[str, str]:
    return (await rows(its))[name]


_REFUSED: dict[str, tuple[Callable[[Queues, str], Awaitable[Any]], type[KonsilError]]] = {
    "a sibling nobody knows": (lambda queues, _: queues.retry("nowhere.example", 1, "olga"), NotFound),
    "a number nobody gave": (lambda queues, fr: queues.retry(fr, 99, "olga"), NotFound),
    "one that waits": (lambda queues, fr: queues.retry(fr, 2, "olga"), Conflict),
    "dropping a sibling's nobody knows": (lambda queues, _: queues.drop("nowhere.example", 1, "why", "olga"), NotFound),
    "dropping a number nobody gave": (lambda queues, fr: queues.drop(fr, 99, "why", "olga"), NotFound),
    "dropping one that waits for its turn": (lambda queues, fr: queues.drop(fr, 2, "why", "olga"), Conflict),
    "dropping without a reason": (lambda queues, fr: queues.drop(fr, 1, " ", "olga"), InvalidInput),
    "everything of nobody": (lambda queues, _: queues.retry_parked("nowhere.example", "olga"), NotFound),
    "the line of nobody": (lambda queues, _: queues.retry_line("nowhere.example", "olga"), NotFound),
}


@pytest.mark.parametrize("name", _REFUSED)
async def test_what_cannot_be_tried_again_or_dropped_is_said_and_nothing_changes(its: Assembly, fr: Scripted, name: str) -> None:
    sibling = await refused(its, fr, "a")
    await send(its, [sibling], "b")
    before, audit = await line_of(its), len(await its.audit.list(100))
    act, error = _REFUSED[name]
    with pytest.raises(error):
        await act(its.queues, fr.domain)
    assert await line_of(its) == before and len(await its.audit.list(100)) == audit


async def test_to_a_sibling_that_was_let_go_nothing_is_tried_again_but_it_can_be_dropped(its: Assembly, fr: Scripted) -> None:
    await refused(its, fr, "a")
    await its.siblings.revoke(fr.domain, "olga", "left")
    for act in (its.queues.retry(fr.domain, 1, "olga"), its.queues.retry_parked(fr.domain, "olga"),
                its.queues.retry_line(fr.domain, "olga")):
        with pytest.raises(Conflict, match="revoked"):
            await act
    await its.queues.drop(fr.domain, 1, "It has left.", "olga")
    assert await line_of(its) == [(1, "a", "dropped")]


async def test_a_paused_siblings_parked_ones_go_back_into_the_line_and_wait(its: Assembly, fr: Scripted) -> None:
    await refused(its, fr, "a")
    await its.siblings.pause(fr.domain, "olga", "maintenance")
    await its.queues.retry(fr.domain, 1, "olga")
    with pytest.raises(Conflict, match="paused"):
        await its.queues.retry_line(fr.domain, "olga")
    before = len(fr.received)
    fr.script = lambda one: web.Response(status=OK)
    async with working(its):
        await until(lambda: all_are(its, "pending", "a"))
        assert len(fr.received) == before
        await its.siblings.resume(fr.domain, "olga")
        await until(lambda: all_are(its, "acked", "a"))


async def test_what_is_dropped_is_never_sent_and_its_reason_can_be_read(its: Assembly, fr: Scripted) -> None:
    await refused(its, fr, "a")
    await its.queues.drop(fr.domain, 1, " They cannot store it. ", "olga")
    item = await its.queues.item(fr.domain, 1)
    assert (item.state, item.why) == ("dropped", "An operator here has ended this: They cannot store it.")
    assert await its.queues.parked(fr.domain) == () and await its.queues.retry_parked(fr.domain, "olga") == (0, 0)
    with pytest.raises(Conflict):
        await its.queues.drop(fr.domain, 1, "again", "olga")
    with pytest.raises(Conflict):
        await its.queues.retry(fr.domain, 1, "olga")
    await its.siblings.revoke(fr.domain, "olga", "left")
    described = fr.fake.described()
    await its.siblings.add(fr.domain, "fr", described.fingerprint, descriptor=described)
    await its.siblings.approve(fr.domain, "olga")  # not even then
    before = len(fr.received)
    async with working(its):
        await until(lambda: all_are(its, "dropped", "a"))
    assert len(fr.received) == before
    [noted] = await audited(its, "delivery.dropped")
    assert (noted.by, noted.target, noted.detail) == ("olga", fr.origin, f"{uri('a')} They cannot store it.")


async def test_one_that_is_put_off_for_ever_can_be_dropped_and_frees_what_is_behind_it(its: Assembly, fr: Scripted) -> None:
    sibling = await fr.befriend(its)
    fr.script = lambda one: web.Response(status=500 if one.name == "poison" else OK)
    await send(its, [sibling], "poison")
    await send(its, [sibling], "behind", of="poison", kind="Update")
    async with working(its):
        await until(lambda: fr.names.count("poison") > 1)
        [item] = await its.queues.waiting(fr.domain, again=True)
        assert item.tries and item.why == "It answered 500." and item.todo and item.id == f"{fr.domain}/1"
        assert [one.uri for one in await its.queues.waiting(fr.domain)] == [uri("behind")]
        await its.queues.drop(fr.domain, 1, "It breaks their server.", "olga")
        await until(lambda: all_are(its, "acked", "behind"))
    assert (await state_of(its, "poison"))[0] == "dropped"


async def test_a_dropped_deletion_counts_as_one_that_cannot_be_confirmed_until_another_takes_its_place(
        its: Assembly, fr: Scripted) -> None:
    sibling = await refused(its, fr, "a", kind="Delete")
    row = await its.siblings.row(fr.domain)
    assert (row.undeleted, row.unconfirmable) == (1, 0)
    await its.queues.drop(fr.domain, 1, "They have closed.", "olga")
    row, ties, line = await its.siblings.row(fr.domain), await its.ties.of(row.id), await its.queues.of(fr.domain)
    assert (row.undeleted, row.unconfirmable) == (ties.undeleted, ties.unconfirmable) == (0, 1)
    assert (line.undeleted, line.unconfirmable) == (0, 1)
    [open_one] = await its.queues.deletions(state="dropped")
    assert open_one.item.id == f"{fr.domain}/1" and await its.queues.deletions(state="parked") == ()
    await send(its, [sibling], "again", of="a", kind="Delete")
    assert [one.item.uri for one in await its.queues.deletions()] == [uri("again")]
    line = await its.queues.of(fr.domain)
    assert (line.undeleted, line.unconfirmable) == (1, 0)
    fr.script = lambda one: web.Response(status=OK)
    async with working(its):
        await until(lambda: all_are(its, "acked", "again"))
    assert await its.queues.deletions() == () and (await its.queues.of(fr.domain)).undeleted == 0


async def test_deletions_that_a_revocation_has_ended_are_owed_again_under_new_numbers(its: Assembly, fr: Scripted) -> None:
    sibling = await fr.befriend(its)
    await send(its, [sibling], "a", kind="Delete")
    await send(its, [sibling], "b")
    await its.siblings.revoke(fr.domain, "olga", "left")
    described = fr.fake.described()
    await its.siblings.add(fr.domain, "fr", described.fingerprint, descriptor=described)
    await its.siblings.approve(fr.domain, "olga")
    assert await line_of(its) == [(1, "a", "superseded"), (2, "b", "parked"), (3, "a", "pending")]


async def test_a_line_is_shown_with_its_lanes_its_oldest_and_its_trouble(its: Assembly, fr: Scripted) -> None:
    sibling = await fr.befriend(its)
    line = await its.queues.of(fr.domain)
    assert (line.depth, line.waiting_since, line.last, line.trouble, line.todo, line.acknowledged) == (0, None, 0, "", "", None)
    written = its.clock.ms()
    for name, lane in (("u", URGENT), ("f1", FRESH), ("f2", FRESH), ("b", BACKLOG)):
        await send(its, [sibling], name, lane=lane)
    await its.database.write(lambda tx: tx.run("UPDATE outbox SET created_at = ? WHERE uri = ?", (written - 5_000, uri("u"))))
    fr.script = lambda one: web.Response(status=404)
    async with working(its):
        await until(lambda: _alarmed(its, fr))
    line = await its.queues.of(fr.domain)
    assert line.lanes == (1, 2, 1) and line.depth == 4 and line.waiting_since == written - 5_000 and line.last == 4
    assert line.alarm and line.trouble.startswith("It answered 404") and "self-test" in line.todo and line.failing_since
    [same] = await its.queues.all()
    assert same._replace(put_off=line.put_off) == line  # how many are put off goes by the time of the look
    await its.queues.retry_line(fr.domain, "olga")
    line = await its.queues.of(fr.domain)
    assert (line.alarm, line.fail_count, line.next_try, line.put_off) == (False, 0, 0, 0)
    assert len(await audited(its, "sibling.retry")) == 1


async def _alarmed(its: Assembly, fr: Scripted) -> bool:
    return (await its.queues.of(fr.domain)).alarm


async def test_long_lists_are_read_a_page_at_a_time_and_each_stands_in_them_once(its: Assembly, fr: Scripted) -> None:
    sibling = await fr.befriend(its)
    names = [f"n{number}" for number in range(23)]
    for number, name in enumerate(names):
        await send(its, [sibling], name, kind="Delete" if number % 2 else "Create", lane=number % 3)
    seen: list[Item] = []
    while page := await its.queues.waiting(fr.domain, seen[-1].cursor if seen else "", 5):
        seen += page
    assert sorted(item.uri for item in seen) == sorted(map(uri, names))
    assert [(item.lane, item.sequence) for item in seen] == sorted((item.lane, item.sequence) for item in seen)
    gone: list[str] = []
    before = ""
    while found := await its.queues.deletions(before=before, limit=4):
        gone += [one.item.uri for one in found]
        before = found[-1].cursor
    assert gone == [uri(name) for number, name in enumerate(names) if number % 2][::-1]
    assert await its.queues.deletions(fr.domain, "pending") != () and await its.queues.deletions(fr.domain, "held") == ()
    with pytest.raises(NotFound):
        await its.queues.deletions("nowhere.example")
    await its.siblings.revoke(fr.domain, "olga", "left")
    for domain in (fr.domain, ""):
        ended: list[Item] = []
        key = (0, 0)
        while found_parked := await its.queues.parked(domain, key, 5):
            ended += found_parked
            key = (sibling.id, found_parked[-1].sequence)
        assert [item.sequence for item in ended] == list(range(1, 24)), domain


@pytest.mark.parametrize("cursor", ["x", "1-2", "1-2-3-4", "²-0-1", "-1-0-0", "999999999999999999999-0-0"])
async def test_a_cursor_nobody_made_begins_at_the_beginning(its: Assembly, fr: Scripted, cursor: str) -> None:
    sibling = await fr.befriend(its)
    await send(its, [sibling], "a", kind="Delete")
    assert len(await its.queues.waiting(fr.domain, cursor)) in (0, 1)
    assert len(await its.queues.deletions(before=cursor)) == 1


@pytest.mark.parametrize(("text", "meant"), [("fr.example/7", ("fr.example", 7)), (" 127.0.0.1:81/12 ", ("127.0.0.1:81", 12))])
def test_an_activity_is_named_by_its_sibling_and_number(text: str, meant: tuple[str, int]) -> None:
    assert read_id(text) == meant


@pytest.mark.parametrize("text", ["", "fr.example", "fr.example/", "/7", "fr.example/x", "fr.example/-1", "fr.example/²"])
def test_anything_else_names_none(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_id(text)


async def test_what_is_held_there_is_not_sent_again_and_has_left_the_country(its: Assembly, fr: Scripted) -> None:
    sibling = await fr.befriend(its)
    await send(its, [sibling], "a")
    await send(its, [sibling], "b", of="a", kind="Update")
    now = its.clock.ms()
    await its.database.write(lambda tx: _held(tx, sibling.id, [1], now))
    fr.script = lambda one: web.Response(status=OK)
    async with working(its):
        await until(lambda: all_are(its, "acked", "b"))
    assert fr.names == ["b"]
    line = await its.queues.of(fr.domain)
    assert (line.held, line.depth, line.parked) == (1, 0, 0)
    shown = (await its.disclosures.page(sibling.id, Span(0, now + 60_000))).rows
    assert [(one.uri, one.acknowledged) for one in shown if one.uri == uri("a")] == [(uri("a"), True)]
    assert {total.unsure for total in await its.disclosures.totals(sibling.id, Span(0, now + 60_000))} == {0}
    for act in (its.queues.retry(fr.domain, 1, "olga"), its.queues.drop(fr.domain, 1, "why", "olga")):
        with pytest.raises(Conflict):
            await act


def _held(tx: Tx, sibling_id: int, sequences: Sequence[int], now: int) -> None:
    for sequence in sequences:
        tx.run("UPDATE deliveries SET state = 'held', settled_at = ?, tried_at = ? WHERE sibling_id = ? AND sequence = ?",
               (now, now, sibling_id, sequence))


async def test_deletions_that_were_under_way_before_there_was_a_mark_are_marked(its: Assembly, fr: Scripted) -> None:
    sibling = await fr.befriend(its)
    await send(its, [sibling], "a")
    await send(its, [sibling], "gone", kind="Delete")
    await its.database.write(lambda tx: tx.run("UPDATE deliveries SET deletes = 0"))
    assert await its.queues.deletions() == ()
    [migration] = Path(migrations.__file__).parent.glob("*_queue.sql")
    statement = next(part for part in migration.read_text("utf-8").split(";") if "UPDATE" in part)
    await its.database.write(lambda tx: tx.run(statement))
    assert [one.item.uri for one in await its.queues.deletions()] == [uri("gone")]


async def test_open_deletions_are_found_by_their_index_however_much_else_waits(its: Assembly, fr: Scripted) -> None:
    await fr.befriend(its)
    plans = []
    for sql in (f"SELECT d.sibling_id, count(*), sum(CASE WHEN d.state = 'dropped' THEN 1 ELSE 0 END) FROM deliveries d"
                f" WHERE {store.OPEN_DELETION} GROUP BY d.sibling_id",
                f"SELECT count(*) FROM deliveries d WHERE d.sibling_id = 1 AND {store.OPEN_DELETION} AND d.state <> 'dropped'",
                f"SELECT d.* FROM deliveries d WHERE {store.OPEN_DELETION} AND (d.outbox_id, d.sibling_id) < (9, 9)"
                " ORDER BY d.outbox_id DESC, d.sibling_id DESC LIMIT 5"):
        found = await its.database.read(lambda tx, sql=sql: tx.rows(f"EXPLAIN QUERY PLAN {sql}"))  # type: ignore[misc]
        plans.append(" ".join(row["detail"] for row in found))
    assert all("deliveries_deletions" in plan for plan in plans), plans
    assert not any("TEMP B-TREE" in plan for plan in plans), plans


async def test_numbers_of_what_was_dropped_or_sent_again_leave_no_gap_at_the_sibling(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "it") as (de, it):
        first = await published(de, case(), it)
        await until(lambda: de.count("deliveries", "state = 'acked'"))
        await it.its.siblings.pause(de.domain, "test", "maintenance")
        for _ in range(4):
            await published(de, case(), it)
        await de.its.editing.delete((await de.author("ada")).actor, first)
        waiting = [item.sequence for item in await de.its.queues.waiting(it.domain)]
        parked = sorted(waiting)[1:4]
        await de.its.database.write(lambda tx: tx.run(
            f"UPDATE deliveries SET state = 'parked', reason = 'too-large' WHERE sequence IN ({marks(3)})", parked))
        await de.its.queues.drop(it.domain, parked[0], "Closed.", "test")
        await de.its.queues.retry(it.domain, parked[1], "test")
        await until(lambda: de.count("delivery_lines", "fail_count > 0"))  # no answer is under way that would make it wait again
        await it.its.siblings.resume(de.domain, "test")
        await de.its.queues.retry_line(it.domain, "test")
        await until(lambda: _empty(de, it))
        line = await de.its.queues.of(it.domain)
        assert line.epoch and line.confirmed == line.last and line.receipt and line.parked == 1
        found = await it.its.database.read(lambda tx: tx.row("SELECT contiguous, ahead FROM arrival_lines"))
        assert found is not None and (found["contiguous"], found["ahead"]) == (line.last, "[]")
        assert await it.count("posts", "erased_at IS NULL") == 2 and await it.count("tombstones") == 1


async def _empty(de: Running, it: Running) -> bool:
    return (await de.its.queues.of(it.domain)).depth == 0
