"""What a sibling orders us to erase: everything of its own, in steps.

The order is a row. The worker takes one bounded step after the other, each a transaction that says how far it has come,
so that whoever kills it in the middle loses nothing and leaves nothing out. Posts go exactly as with a deletion, with
a tombstone each; of its doctors nothing stays but the address, which other rows point to. What our own doctors wrote is
theirs and stays, and so does what reached us after the order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from actors import relations
from actors.store import forget_people
from core.audit import Audit
from core.clock import Clock
from core.database import Database, Row, Tx, marks
from core.ids import Ids
from federation import due
from inbox import ledger
from posts import ballots, breakdown, concerns, matters, pollstore, reactions, store, telling
from posts.reactions import Table

TOPIC = "ordered-erasures"
_BY = "worker"
_HELD, _POSTS, _PEOPLE = 200, 40, 100
_WINDOW = 500


class OrderedErasure(NamedTuple):
    """An order by a sibling: when it came, when the work was done (ms; None: it goes on), what has been erased so far."""

    sibling_id: int
    ordered: int
    done: int | None
    posts: int
    people: int


class _Order(NamedTuple):
    id: int
    sibling_id: int
    origin: str
    ordered: int
    cursor: str


class _Step(NamedTuple):
    """How far a stage has come: its next cursor, or None at its end; what this step has erased."""

    cursor: str | None
    posts: int = 0
    people: int = 0


def order(tx: Tx, ids: Ids, sibling_id: int, now: int) -> None:
    """Write down that a sibling wants everything of its own erased. While that goes on, asking again changes nothing."""
    row = tx.row("SELECT actor_uri FROM siblings WHERE id = ? AND NOT EXISTS (SELECT 1 FROM ordered_erasures WHERE"
                 " sibling_id = siblings.id AND done_at IS NULL)", (sibling_id,))
    if row is not None:
        tx.run("INSERT INTO ordered_erasures (id, sibling_id, ordered_at, stage) VALUES (?, ?, ?, ?)",
               (ids.new(), sibling_id, now, next(iter(_STAGES))))
        due.add(tx, due.ORDERED, row["actor_uri"], now)
        tx.wake(TOPIC)


def order_again(tx: Tx, ids: Ids, actor_uri: str, ordered: int) -> None:
    """A backup knows nothing of an order that came after it: what was erased then is erased once more."""
    row = tx.row("SELECT id FROM siblings WHERE actor_uri = ? AND NOT EXISTS (SELECT 1 FROM ordered_erasures WHERE"
                 " sibling_id = siblings.id AND ordered_at >= ?)", (actor_uri, ordered))
    if row is not None:
        order(tx, ids, row["id"], ordered)


class OrderedErasures:
    """Carries the orders out, and says how each stands."""

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database, self._clock, self._audit = database, clock, audit

    async def step(self) -> bool:
        """Take one step of the oldest order that is not done; whether there was one."""
        if self._database.glance("SELECT 1 FROM ordered_erasures WHERE done_at IS NULL LIMIT 1") is None:
            return False
        return await self._database.write(self._step)

    async def newest(self) -> dict[int, OrderedErasure]:
        """The last order of each sibling that ever gave one, by its id."""
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT * FROM ordered_erasures WHERE id IN (SELECT max(id) FROM ordered_erasures GROUP BY sibling_id)"))
        return {row["sibling_id"]: OrderedErasure(
            row["sibling_id"], row["ordered_at"], row["done_at"], row["posts"], row["people"]) for row in rows}

    def _step(self, tx: Tx) -> bool:
        row = tx.row("SELECT e.*, s.origin FROM ordered_erasures e JOIN siblings s ON s.id = e.sibling_id WHERE e.done_at IS NULL"
                     " ORDER BY e.id LIMIT 1")
        if row is None:
            return False
        now = self._clock.ms()
        if row["begun_at"] is None:
            tx.run("UPDATE ordered_erasures SET begun_at = ? WHERE id = ?", (now, row["id"]))
            self._audit.note(tx, by=_BY, action="sibling.erasing", target=row["origin"], detail="it has ordered this")
        step = _STAGES[row["stage"]](tx, _Order(row["id"], row["sibling_id"], row["origin"], row["ordered_at"], row["cursor"]),
                                     now)
        following = _after(row["stage"]) if step.cursor is None else row["stage"]
        tx.run("UPDATE ordered_erasures SET stage = ?, cursor = ?, posts = posts + ?, people = people + ?, done_at = ?"
               " WHERE id = ?",
               (following or row["stage"], step.cursor or "", step.posts, step.people, now if following is None else None,
                row["id"]))
        if following is None:
            tx.scrub()
            self._audit.note(tx, by=_BY, action="sibling.erased", target=row["origin"],
                             detail=f"posts {row['posts'] + step.posts}, people {row['people'] + step.people}")
        return True


def _held(tx: Tx, its: _Order, now: int) -> _Step:
    """What it sent and what still waits here, unseen: bodies and all."""
    return _Step("more" if ledger.forget_sibling(tx, its.sibling_id, its.ordered, _HELD) == _HELD else None)


def _posts(tx: Tx, its: _Order, now: int) -> _Step:
    uris = [row["uri"] for row in tx.rows(
        "SELECT uri FROM posts WHERE sibling_id = ? AND erased_at IS NULL AND id < ? ORDER BY id LIMIT ?",
        (its.sibling_id, its.id, _POSTS))]
    for uri in uris:
        store.erase(tx, uri, its.origin, now)
        ledger.forget(tx, uri)
    return _Step("more" if len(uris) == _POSTS else None, posts=len(uris))


def _reactions(table: Table) -> Callable[[Tx, _Order, int], _Step]:
    def stage(tx: Tx, its: _Order, now: int) -> _Step:
        rows, cursor = _window(tx, its, table, ("post_id", "actor_id"), "actor_id")
        for row in rows:
            reactions.take_back(tx, table, row["uri"], row["actor_id"])
        return _Step(cursor)

    return stage


def _votes(tx: Tx, its: _Order, now: int) -> _Step:
    """Votes of its doctors in our polls, and its tallies. One that is open is counted anew; a closed one keeps its result, which
    names nobody."""
    tallied = pollstore.tallied_by(tx, its.sibling_id, its.ordered, _HELD)
    for post_id in tallied:
        pollstore.take_out(tx, post_id, its.sibling_id, now)
        breakdown.forget(tx, post_id, its.origin)
    if len(tallied) == _HELD:
        return _Step(its.cursor or "-1 -1 -1")
    rows, cursor = _window(tx, its, "votes", ("post_id", "voter_id", "slot"), "voter_id")
    for row in rows:
        tx.run("DELETE FROM votes WHERE post_id = ? AND voter_id = ? AND slot = ?",
               (row["post_id"], row["voter_id"], row["slot"]))
    for post_id in {row["post_id"] for row in rows}:
        if tx.row("SELECT 1 FROM polls WHERE post_id = ? AND closed_at IS NULL", (post_id,)) is not None:
            ballots.recount(tx, post_id, now)
    return _Step(cursor)


def _told(tx: Tx, its: _Order, now: int) -> _Step:
    rows, cursor = _window(tx, its, "notification_events", ("id",), "by_id")
    telling.take_out(tx, [row["id"] for row in rows])
    return _Step(cursor)


def _reports(tx: Tx, its: _Order, now: int) -> _Step:
    return _Step("more" if matters.forget_sibling(tx, its.sibling_id, its.ordered, _HELD) == _HELD else None)


def _follows(tx: Tx, its: _Order, now: int) -> _Step:
    relations.part(tx, concerns, its.sibling_id)
    return _Step(None)


def _people(tx: Tx, its: _Order, now: int) -> _Step:
    gone = forget_people(tx, its.sibling_id, its.ordered, _PEOPLE, now)
    return _Step("more" if gone == _PEOPLE else None, people=gone)


_STAGES: dict[str, Callable[[Tx, _Order, int], _Step]] = {
    "held": _held, "posts": _posts, "likes": _reactions("likes"), "boosts": _reactions("boosts"), "votes": _votes,
    "told": _told, "reports": _reports, "follows": _follows, "people": _people}
"""In this order; people come last, because the others find theirs by them."""


def _after(stage: str) -> str | None:
    names = list(_STAGES)
    place = names.index(stage) + 1
    return names[place] if place < len(names) else None


def _window(tx: Tx, its: _Order, table: str, key: Sequence[str], person: str) -> tuple[list[Row], str | None]:
    """What in the next rows of a table is of this sibling's doctors, up to the order, and the cursor behind these rows.

    The table is gone through once in its own order: an index by person would cost every like and every vote, and this
    happens once in years.
    """
    columns, last = ", ".join(f"t.{name}" for name in key), [int(part) for part in its.cursor.split()] or [-1] * len(key)
    window = tx.rows(f"SELECT t.*, a.sibling_id AS of_sibling FROM {table} t LEFT JOIN actors a ON a.id = t.{person}"
                     f" WHERE ({columns}) > ({marks(len(key))}) ORDER BY {columns} LIMIT {_WINDOW}", last)
    cursor = " ".join(str(window[-1][name]) for name in key) if len(window) == _WINDOW else None
    return [row for row in window if row["of_sibling"] == its.sibling_id and row["at"] <= its.ordered], cursor
