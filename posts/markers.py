"""Where somebody was in the lists of her apps, so that the next one goes on from there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from actors.models import Actor
from core.clock import Clock, rfc3339
from core.database import Database, Row, Tx, marks

LISTS = ("home", "notifications")


class Marker(NamedTuple):
    """The last entry she has read in a list, how often that was said, and when last (ms)."""

    list: str
    last_read: str
    version: int
    updated: int


class Markers:
    """Keeps them, for doctors of this instance; nobody else is shown one."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def of(self, doctor: Actor, lists: Collection[str]) -> tuple[Marker, ...]:
        """Those of some lists."""
        return await self._database.read(lambda tx: _some(tx, doctor.id, lists))

    async def move(self, doctor: Actor, entries: Mapping[str, str]) -> tuple[Marker, ...]:
        """She has read lists up to entries, by the name of the list."""
        now = self._clock.ms()

        def write(tx: Tx) -> tuple[Marker, ...]:
            for name, entry in entries.items():
                tx.run("INSERT INTO markers (actor_id, list, last_read, version, updated_at) VALUES (?, ?, ?, 1, ?)"
                       " ON CONFLICT (actor_id, list) DO UPDATE SET last_read = excluded.last_read,"
                       " version = markers.version + 1, updated_at = excluded.updated_at", (doctor.id, name, entry, now))
            return _some(tx, doctor.id, entries)

        return await self._database.write(write)


def kept(tx: Tx, actor_id: int) -> list[dict[str, Any]]:
    """All of somebody's, for her archive."""
    return [{"list": one.list, "lastRead": one.last_read, "at": rfc3339(one.updated)} for one in _some(tx, actor_id, LISTS)]


def _some(tx: Tx, actor_id: int, lists: Collection[str]) -> tuple[Marker, ...]:
    rows: list[Row] = tx.rows(f"SELECT list, last_read, version, updated_at FROM markers WHERE actor_id = ? AND list IN"
                              f" ({marks(len(lists))}) ORDER BY list", (actor_id, *lists)) if lists else []
    return tuple(Marker(*row) for row in rows)
