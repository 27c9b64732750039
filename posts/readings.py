"""How far a doctor has read: in each conversation, and in each list of her home page. By it she sees what has come since, and a
correction reaches whoever has read what it corrects.

A position is an identifier of this instance, so what has come here since is simply greater. It goes to no sibling and nobody else
is shown it, operators neither; it is in her archive, and forgotten when she has not been there for some days.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from actors.models import Actor
from core.clock import Clock, rfc3339
from core.database import Database, Row, Tx, marks
from posts.models import Mark
from posts.store import Post

_VISIT_MS = 30 * 60_000  # whoever comes back within this time has not been away
_DAY_MS = 86_400_000
_PIECE = 5_000
_NOTED = ("mark_id = excluded.mark_id, mark_at = excluded.mark_at, seen_at = excluded.seen_at,"
          " seen_id = CASE WHEN excluded.seen_id > {0}.seen_id THEN excluded.seen_id ELSE {0}.seen_id END")
_OTHERS = ("p.parent_id IS NOT NULL AND p.erased_at IS NULL AND p.hidden_at IS NULL AND p.author_id <> r.actor_id"
           " AND NOT EXISTS (SELECT 1 FROM aliases a WHERE a.owner_id = r.actor_id AND a.actor_id = p.author_id)")


class Place(NamedTuple):
    """Up to where a page shows a conversation: its root and the last answer on it; `further`: she had not read as far."""

    root_id: int
    seen_id: int
    further: bool


class Readings:
    """Notes positions, and forgets them after `days`."""

    def __init__(self, database: Database, clock: Clock, days: int) -> None:
        self._database, self._clock, self._days = database, clock, days

    async def note_thread(self, viewer: Actor, place: Place, mark: Mark | None) -> None:
        """She has this page of a conversation before her eyes; `mark` is where its line is. How far she has read is stored when
        this returns, since corrections go by it; that she has been here once more may be lost with a power cut."""
        now = self._clock.ms()
        line = mark if mark is not None else Mark(place.seen_id, now)

        def write(tx: Tx) -> None:
            tx.run(
                "INSERT INTO thread_reads (actor_id, post_id, seen_id, seen_at, mark_id, mark_at) SELECT ?, id, ?, ?, ?, ? FROM"
                " posts WHERE id = ? AND erased_at IS NULL ON CONFLICT (actor_id, post_id) DO UPDATE SET "
                + _NOTED.format("thread_reads"), (viewer.id, place.seen_id, now, *line, place.root_id))

        if place.further:
            await self._database.write(write)
        else:
            self._database.later(write)

    def note_list(self, viewer: Actor, name: str, newest: int, mark: Mark | None) -> None:
        """She has the first page of a list before her eyes, whose newest entry is `newest`; `mark` is where its line is. It may
        be lost with a power cut: then she sees as new what she has seen."""
        now = self._clock.ms()
        line = mark if mark is not None else Mark(newest, now)
        self._database.later(lambda tx: tx.run(
            "INSERT INTO list_reads (actor_id, list, seen_id, seen_at, mark_id, mark_at) VALUES (?, ?, ?, ?, ?, ?)"
            f" ON CONFLICT (actor_id, list) DO UPDATE SET {_NOTED.format('list_reads')}",
            (viewer.id, name, newest, now, *line)))

    async def prune(self) -> None:
        """Forget where she was longer ago than it is kept, in pieces."""
        before = self._clock.ms() - self._days * _DAY_MS
        await self._database.write(lambda tx: tx.run("DELETE FROM list_reads WHERE seen_at < ?", (before,)))
        while await self._database.write(lambda tx: tx.run(
                "DELETE FROM thread_reads WHERE (actor_id, post_id) IN"
                f" (SELECT actor_id, post_id FROM thread_reads WHERE seen_at < ? ORDER BY seen_at LIMIT {_PIECE})",
                (before,))) == _PIECE:
            pass


def line_in_thread(tx: Tx, viewer: Actor, root_id: int, shown: int, now: int) -> tuple[Mark | None, Place]:
    """Where a conversation draws its line at this moment (None where she was never there), and where she is when a page shows it
    up to `shown`."""
    row = tx.row("SELECT * FROM thread_reads WHERE actor_id = ? AND post_id = ?", (viewer.id, root_id))
    return _line(row, now), Place(root_id, shown, row is None or row["seen_id"] < shown)


def line_in_list(tx: Tx, viewer: Actor, name: str, now: int) -> Mark | None:
    """Where a list draws its line at this moment; None where she was never there."""
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


def readers(tx: Tx, post: Post) -> list[int]:
    """The doctors of this instance who have read a post."""
    return [row["actor_id"] for row in tx.rows("SELECT actor_id FROM thread_reads WHERE post_id = ? AND seen_id >= ?",
                                               (post.root_id, post.id))]


def kept(tx: Tx, actor_id: int) -> list[dict[str, Any]]:
    """Her positions, for her archive."""
    rows = tx.rows("SELECT p.uri, r.seen_at FROM thread_reads r JOIN posts p ON p.id = r.post_id WHERE r.actor_id = ?"
                   " ORDER BY r.seen_at",
                   (actor_id,))
    return [{"conversation": row["uri"], "lastHere": rfc3339(row["seen_at"])} for row in rows]
