"""How far a doctor has read: in each conversation, and in each list of her home page. Only she sees it, and it leaves her
instance with nobody but herself.

A position is an identifier of this instance, so what has come here since is simply greater. Noting one costs a statement in some
later commit and may be lost with a power cut: then she sees as new what she has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from actors.models import Actor
from core.clock import Clock, rfc3339
from core.database import Database, Row, Tx, marks
from posts.models import Mark

_VISIT_MS = 30 * 60_000  # whoever comes back within this time has not been away
_KEPT_MS = 180 * 86_400_000
_NOTED = ("mark_id = excluded.mark_id, mark_at = excluded.mark_at, seen_at = excluded.seen_at,"
          " seen_id = CASE WHEN excluded.seen_id > {0}.seen_id THEN excluded.seen_id ELSE {0}.seen_id END")
_OTHERS = ("p.parent_id IS NOT NULL AND p.erased_at IS NULL AND p.hidden_at IS NULL AND p.author_id <> r.actor_id"
           " AND NOT EXISTS (SELECT 1 FROM aliases a WHERE a.owner_id = r.actor_id AND a.actor_id = p.author_id)")


class Place(NamedTuple):
    """Up to where a page shows a conversation: its root and the last answer on it."""

    root_id: int
    seen_id: int


class Readings:
    """Notes positions."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def note_thread(self, viewer: Actor, place: Place, mark: Mark | None) -> None:
        """She has this page of a conversation before her eyes; `mark` is where its line is."""
        now = self._clock.ms()
        line = mark if mark is not None else Mark(place.seen_id, now)
        self._database.later(lambda tx: tx.run(
            "INSERT INTO thread_reads (actor_id, post_id, seen_id, seen_at, mark_id, mark_at) SELECT ?, id, ?, ?, ?, ? FROM posts"
            f" WHERE id = ? AND erased_at IS NULL ON CONFLICT (actor_id, post_id) DO UPDATE SET {_NOTED.format('thread_reads')}",
            (viewer.id, place.seen_id, now, *line, place.root_id)))

    def note_list(self, viewer: Actor, name: str, newest: int, mark: Mark | None) -> None:
        """She has the first page of a list before her eyes, whose newest entry is `newest`; `mark` is where its line is."""
        now = self._clock.ms()
        line = mark if mark is not None else Mark(newest, now)
        self._database.later(lambda tx: tx.run(
            "INSERT INTO list_reads (actor_id, list, seen_id, seen_at, mark_id, mark_at) VALUES (?, ?, ?, ?, ?, ?)"
            f" ON CONFLICT (actor_id, list) DO UPDATE SET {_NOTED.format('list_reads')}",
            (viewer.id, name, newest, now, *line)))

    async def prune(self) -> None:
        """What nobody has looked at for half a year is not known any more."""
        before = self._clock.ms() - _KEPT_MS

        def write(tx: Tx) -> None:
            tx.run("DELETE FROM thread_reads WHERE seen_at < ?", (before,))
            tx.run("DELETE FROM list_reads WHERE seen_at < ?", (before,))

        await self._database.write(write)


def line_in_thread(tx: Tx, viewer: Actor, root_id: int, now: int) -> Mark | None:
    """Where a conversation draws its line at this moment; None where she was never there."""
    return _line(tx.row("SELECT * FROM thread_reads WHERE actor_id = ? AND post_id = ?", (viewer.id, root_id)), now)


def line_in_list(tx: Tx, viewer: Actor, name: str, now: int) -> Mark | None:
    """The same of a list."""
    return _line(tx.row("SELECT * FROM list_reads WHERE actor_id = ? AND list = ?", (viewer.id, name)), now)


def _line(row: Row | None, now: int) -> Mark | None:
    """The line stays where it was when her visit began, which ends when she has been away for a while: answering, or looking once
    more, takes no mark away."""
    if row is None:
        return None
    away = now - row["seen_at"] > _VISIT_MS
    return Mark(row["seen_id"], row["seen_at"]) if away else Mark(row["mark_id"], row["mark_at"])


def unread(tx: Tx, viewer: Actor, root_ids: Sequence[int]) -> dict[int, int]:
    """How many answers of others have come to conversations since she was there; those in which none has are left out."""
    if not root_ids:
        return {}
    return {row["post_id"]: row["n"] for row in tx.rows(
        "SELECT r.post_id, count(*) AS n FROM thread_reads r JOIN posts p ON p.root_id = r.post_id AND p.id > r.seen_id"
        f" WHERE r.actor_id = ? AND r.post_id IN ({marks(len(root_ids))}) AND {_OTHERS} GROUP BY r.post_id",
        (viewer.id, *root_ids))}


def unread_after(tx: Tx, viewer: Actor, root_id: int, after: int) -> int:
    """How many answers of others stand in a conversation after one."""
    row = tx.row(f"SELECT count(*) AS n FROM posts p JOIN actors r ON r.id = ? WHERE p.root_id = ? AND p.id > ?"
                 f" AND {_OTHERS.replace('r.actor_id', 'r.id')}", (viewer.id, root_id, after))
    return int(row["n"]) if row is not None else 0


def kept(tx: Tx, actor_id: int) -> list[dict[str, Any]]:
    """Her positions, for her archive."""
    rows = tx.rows("SELECT p.uri, r.seen_at FROM thread_reads r JOIN posts p ON p.id = r.post_id WHERE r.actor_id = ?"
                   " ORDER BY r.seen_at",
                   (actor_id,))
    return [{"conversation": row["uri"], "lastHere": rfc3339(row["seen_at"])} for row in rows]
