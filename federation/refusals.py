"""The refusal log: who was turned away, on which path, in which direction, and why.

Refusals are counted per hour and (direction, origin, purpose, reason), gathered in memory and written in the
background: a stranger who hammers costs one row an hour, and origins nobody can foresee are bounded.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from core.clock import Clock
from core.database import Database, Tx
from core.words import N_

_HOUR = 3_600_000
_DISTINCT = 512  # per flush; what goes beyond is counted under one name
_TEXT = 200

SENTENCES = {
    "unlisted": N_("Its origin is not on the allowlist."),
    "proposed": N_("It is proposed but nobody has approved it yet."),
    "confirmed": N_("It is confirmed but not active yet."),
    "revoked": N_("It was revoked."),
    "paused": N_("It is paused; both directions wait."),
    "signature-missing": N_("The request was not signed."),
    "signature-malformed": N_("The signature header could not be read."),
    "signature-wrong": N_("The signature does not belong to the pinned key."),
    "digest": N_("The body is not the one that was signed."),
    "clock": N_("The date is more than the allowed window away."),
    "wrong-host": N_("The request was signed for another host."),
    "foreign-actor": N_("It spoke for an actor of another origin."),
    "own-origin-only": N_("A document named an origin that is not the sender's."),
    "special-address": N_("The host resolves to an address that is never contacted."),
}


class Refusal(NamedTuple):
    """One row of the log; `sentence` says the reason in words."""

    id: int
    first_at: int
    last_at: int
    direction: str
    origin: str
    purpose: str
    path: str
    reason: str
    sentence: str
    times: int
    detail: str


class _Seen:
    __slots__ = ("count", "detail", "first", "last", "path")

    def __init__(self, at: int, path: str, detail: str) -> None:
        self.first = self.last = at
        self.count = 1
        self.path, self.detail = path, detail


class RefusalLog:
    """Gathers refusals and writes them once a moment; `flush` writes now."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._seen: dict[tuple[int, str, str, str, str], _Seen] = {}
        self._flusher: asyncio.Task[None] | None = None

    def record(self, *, direction: str, origin: str, purpose: str, reason: str, path: str = "", detail: str = "") -> None:
        """Note one refusal; never raises and never waits."""
        now = self._clock.ms()
        key = (now // _HOUR, direction, origin[:_TEXT], purpose, reason)
        if key not in self._seen and len(self._seen) >= _DISTINCT:
            key = (now // _HOUR, direction, "(many others)", purpose, reason)
        seen = self._seen.get(key)
        if seen is None:
            self._seen[key] = _Seen(now, path[:_TEXT], detail[:_TEXT])
        else:
            seen.count += 1
            seen.last, seen.path, seen.detail = now, path[:_TEXT], detail[:_TEXT]
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.get_running_loop().create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        await asyncio.sleep(0.2)
        await self.flush()

    async def flush(self) -> None:
        """Write what was gathered."""
        seen, self._seen = self._seen, {}
        if seen:
            await self._database.write(lambda tx: _store(tx, seen))

    async def close(self) -> None:
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.gather(self._flusher, return_exceptions=True)
        await self.flush()

    async def list(self, limit: int = 100, before: int | None = None) -> tuple[Refusal, ...]:
        """The log, newest first, `before` an id for the next page."""
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT * FROM refusals WHERE id < ? ORDER BY id DESC LIMIT ?",
            (before if before is not None else 1 << 62, limit)))
        return tuple(
            Refusal(row["id"], row["first_at"], row["last_at"], row["direction"], row["origin"], row["purpose"],
                    row["path"], row["reason"], SENTENCES.get(row["reason"], row["reason"]), row["count"], row["detail"])
            for row in rows)

    async def prune(self, days: int) -> int:
        """Forget what is older than `days`."""
        limit = self._clock.ms() - days * 24 * _HOUR
        return await self._database.write(lambda tx: tx.run("DELETE FROM refusals WHERE last_at < ?", (limit,)))


def _store(tx: Tx, seen: dict[tuple[int, str, str, str, str], _Seen]) -> None:
    rows = [(*key, entry.path, entry.detail, entry.first, entry.last, entry.count) for key, entry in seen.items()]
    tx.insert(
        "refusals (bucket, direction, origin, purpose, reason, path, detail, first_at, last_at, count)", 10, rows,
        "ON CONFLICT (bucket, direction, origin, purpose, reason) DO UPDATE SET path = excluded.path,"
        " detail = excluded.detail, last_at = excluded.last_at, count = refusals.count + excluded.count")
