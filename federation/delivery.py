"""Sending: nothing is lost, nothing blocks what does not depend on it.

The outbox row and the effect it tells of were written in one transaction; this module empties the outbox. Each sibling
has a line of its own. A round takes the line's next parcels, at most one per object (so an object's activities arrive
in order), sends them over kept connections and settles them in one commit. What the answer means:

    2xx                                 acknowledged
    transport trouble, 5xx, 429         back off with jitter, for as long as it takes
    4xx problem document naming the activity   this parcel is parked with its reason
    anything else (a proxy's 404, 401, 403)    the line stops with an alarm, keeps everything and probes now and then
"""

from __future__ import annotations

import asyncio
import random
from functools import partial

import structlog

from core.clock import Clock
from core.database import Database, Tx
from core.errors import KonsilError, Unavailable
from core.settings import Federation
from federation import store
from federation.allowlist import Allowlist, Direction, Purpose
from federation.client import Answer, Client
from federation.store import Parcel

log = structlog.get_logger("delivery")
_POLL_SECONDS = 0.1


class Courier:
    """Empties the outbox for as long as `run` runs. One per instance: the worker holds a lock file."""

    def __init__(self, database: Database, allowlist: Allowlist, client: Client, clock: Clock, settings: Federation) -> None:
        self._database, self._allowlist, self._client = database, allowlist, client
        self._clock, self._settings = clock, settings
        self._news = asyncio.Event()
        self._busy: dict[int, asyncio.Task[None]] = {}
        database.listen("delivery", self._news.set)

    async def run(self) -> None:
        """Look for waiting parcels whenever somebody commits, here or in another process."""
        seen = -1
        due = 0.0
        try:
            while True:
                version = self._database.glance("PRAGMA data_version")
                current = version[0] if version is not None else 0
                if current != seen or self._news.is_set() or self._clock.now() >= due:
                    seen = current
                    self._news.clear()
                    due = await self._start_lines()
                try:
                    await asyncio.wait_for(self._news.wait(), _POLL_SECONDS)
                except TimeoutError:
                    continue
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _start_lines(self) -> float:
        """Start a line for every sibling that something waits for; returns when to look again at the latest."""
        now = self._clock.ms()
        due = now + 5_000
        for row in await self._database.read(store.lines):
            if row["id"] in self._busy:
                continue
            if row["next_try"] > now:
                due = min(due, row["next_try"])
                continue
            task = asyncio.create_task(self._empty(row["id"], row["origin"], row["fail_count"]))
            self._busy[row["id"]] = task
            task.add_done_callback(partial(self._line_ended, row["id"]))
        return due / 1000

    def _line_ended(self, sibling_id: int, _: asyncio.Task[None]) -> None:
        self._busy.pop(sibling_id, None)
        self._news.set()

    async def _empty(self, sibling_id: int, origin: str, fail_count: int) -> None:
        """Send round after round until the line is empty or stumbles."""
        window = 1 if fail_count else self._settings.delivery_window
        while True:
            parcels = _one_per_object(
                await self._database.read(partial(store.waiting, sibling_id=sibling_id, limit=window * 8)), window)
            if not parcels:
                return
            try:
                answers = await asyncio.gather(*(self._send(origin, parcel) for parcel in parcels))
            except KonsilError as error:  # the gate: paused or revoked since
                log.info("line closed", sibling=origin, reason=error.reason)
                return
            trouble = await self._settle(sibling_id, origin, fail_count, list(zip(parcels, answers, strict=True)))
            if trouble:
                return
            fail_count, window = 0, self._settings.delivery_window

    async def _send(self, origin: str, parcel: Parcel) -> Answer | Unavailable:
        sibling = self._allowlist.admit(origin, Direction.OUT, Purpose.DELIVERY, path=parcel.uri)
        try:
            return await self._client.post(sibling, parcel.body, parcel.digest)
        except Unavailable as error:
            return error

    async def _settle(self, sibling_id: int, origin: str, fail_count: int,
                      outcomes: list[tuple[Parcel, Answer | Unavailable]]) -> bool:
        """Write down what happened in one commit; True when the line has to wait."""
        acked: list[int] = []
        parked: list[tuple[int, str]] = []
        error, alarm, wait = "", "", 0
        for parcel, answer in outcomes:
            if isinstance(answer, Unavailable):
                error = answer.cause or answer.message
            elif answer.status < 300:
                acked.append(parcel.sequence)
            elif answer.status == 429 or answer.status >= 500:
                error, wait = f"answered {answer.status}", max(wait, answer.retry_after or 0)
            elif answer.problem is not None and answer.problem.get("activity") == parcel.uri:
                parked.append((parcel.sequence, str(answer.problem.get("title", answer.status))[:300]))
            else:
                error = alarm = f"answered {answer.status}, which is no answer to an activity"
        now = self._clock.ms()
        next_try = now + self._pause(fail_count, wait, bool(alarm))

        def record(tx: Tx) -> None:
            store.settle(tx, sibling_id, acked, parked, now)
            if error:
                store.stumble(tx, sibling_id, now, next_try, error, alarm)

        await self._database.write(record)
        if parked:
            log.warning("parked", sibling=origin, count=len(parked), reason=parked[0][1])
        if error:
            log.warning("waiting", sibling=origin, error=error, alarm=bool(alarm), seconds=(next_try - now) // 1000)
        return bool(error)

    def _pause(self, fail_count: int, asked: int, alarm: bool) -> int:
        """Milliseconds until the next try: doubled each time, with jitter, never over the limit."""
        limit = self._settings.retry_limit_seconds
        seconds = limit if alarm else min(limit, self._settings.retry_first_seconds * 2.0 ** min(fail_count, 20))
        seconds *= random.uniform(0.5, 1.0)
        return int(1000 * max(seconds, min(asked, limit)))


def _one_per_object(parcels: list[Parcel], window: int) -> list[Parcel]:
    """The first parcel of each object, at most `window` of them."""
    first: dict[bytes, Parcel] = {}
    for parcel in parcels:
        first.setdefault(parcel.object_key, parcel)
    return list(first.values())[:window]
