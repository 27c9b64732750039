"""Who has opened which conversation, so that a correction reaches whoever has read what it corrects.

One row per doctor of this instance and conversation: up to which post she has seen it, and when last. It goes to no sibling,
nobody is shown it, operators neither, and it is forgotten after some days; siblings keep their own for their own doctors.
"""

from __future__ import annotations

from typing import NamedTuple

from actors.models import Actor
from core.clock import Clock
from core.database import Database, Tx
from posts.store import Post

_DAY_MS = 86_400_000
_PIECE = 5_000


class Reading(NamedTuple):
    """A conversation that a page shows, up to a post of it."""

    root_id: int
    newest: int


class Readings:
    """Keeps what has been opened, for a while."""

    def __init__(self, database: Database, clock: Clock, days: int) -> None:
        self._database, self._clock, self._days = database, clock, days

    async def note(self, reader: Actor, reading: Reading) -> None:
        """A doctor looks at a conversation."""
        now = self._clock.ms()
        await self._database.write(lambda tx: tx.run(
            "INSERT INTO readings (actor_id, root_id, newest, at) VALUES (?, ?, ?, ?) ON CONFLICT (actor_id, root_id) DO UPDATE"
            " SET newest = CASE WHEN excluded.newest > readings.newest THEN excluded.newest ELSE readings.newest END,"
            " at = excluded.at", (reader.id, *reading, now)))

    async def prune(self) -> None:
        """Forget what was opened longer ago than it is kept, in pieces."""
        before = self._clock.ms() - self._days * _DAY_MS
        while await self._database.write(lambda tx: tx.run(
                "DELETE FROM readings WHERE (actor_id, root_id) IN"
                f" (SELECT actor_id, root_id FROM readings WHERE at < ? ORDER BY at LIMIT {_PIECE})", (before,))) == _PIECE:
            pass


def unnoted(tx: Tx, reader_id: int, reading: Reading, now: int) -> Reading | None:
    """What is to be noted about a page: nothing where it was noted today already, up to there."""
    row = tx.row("SELECT newest, at FROM readings WHERE actor_id = ? AND root_id = ?", (reader_id, reading.root_id))
    return reading if row is None or row["newest"] < reading.newest or row["at"] < now - _DAY_MS else None


def readers(tx: Tx, post: Post) -> list[int]:
    """The doctors of this instance who have opened a post."""
    return [row["actor_id"] for row in tx.rows("SELECT actor_id FROM readings WHERE root_id = ? AND newest >= ?",
                                               (post.root_id, post.id))]
