"""Sending: nothing is lost, nothing blocks what does not depend on it.

The outbox row and the effect it tells of were written in one transaction; this module empties the outbox. Each sibling
has a line of its own. A round takes the line's next parcels, at most one per object (so an object's activities arrive
in order), sends them over kept connections and settles them in one commit. What the answer means:

    2xx                                 acknowledged
    no connection, 429, 502, 503, 504   the line backs off with jitter, for as long as it takes, and then tries with one
                                        parcel, rather one that has not failed yet
    another 5xx, no answer              only this object rests, backing off in the same way; the line goes on unless
                                        something failed for the first time and nothing succeeded beside it
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
from federation.allowlist import Allowlist, Direction, Purpose, Sibling
from federation.client import Answer, Client
from federation.store import Line, Parcel

log = structlog.get_logger("delivery")
_POLL_SECONDS = 0.1
_AWAY = frozenset({429, 502, 503, 504})  # what a server or the proxy before it says of itself, not of one request


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
        for line in await self._database.read(partial(store.lines, now=now)):
            if line.sibling_id in self._busy:
                continue
            if line.next_try > now:
                due = min(due, line.next_try)
                continue
            task = asyncio.create_task(self._tend(line))
            self._busy[line.sibling_id] = task
            task.add_done_callback(partial(self._line_ended, line.sibling_id))
        return due / 1000

    def _line_ended(self, sibling_id: int, _: asyncio.Task[None]) -> None:
        self._busy.pop(sibling_id, None)
        self._news.set()

    async def _tend(self, line: Line) -> None:
        """Empty a line. When that cannot be done or written down, it is left alone for a moment: nothing is sent in a circle."""
        try:
            await self._empty(line.sibling_id, line.origin, line.fail_count)
        except Exception as error:
            if isinstance(error, KonsilError) and error.reason in ("paused", "revoked"):
                log.info("line closed", sibling=line.origin, reason=error.reason)
            else:
                log.exception("line failed", sibling=line.origin)
            await asyncio.sleep(self._settings.retry_first_seconds)

    async def _empty(self, sibling_id: int, origin: str, fail_count: int) -> None:
        """Send round after round until nothing is left that may be sent now, or the line stumbles."""
        while True:
            window = 1 if fail_count else self._settings.delivery_window
            parcels = await self._database.read(partial(
                store.waiting, sibling_id=sibling_id, limit=self._settings.delivery_window * 8, now=self._clock.ms()))
            if not parcels:
                return
            parcels = _one_per_object(parcels)
            if fail_count:  # one shows whether the sibling is back: rather one that has not failed yet
                parcels.sort(key=lambda parcel: parcel.tries > 0)
            parcels = parcels[:window]
            sibling = self._allowlist.admit(origin, Direction.OUT, Purpose.DELIVERY, path=parcels[0].uri)
            answers = await asyncio.gather(*(self._send(sibling, parcel) for parcel in parcels))
            alive, stumbled = await self._settle(
                sibling_id, origin, fail_count, list(zip(parcels, answers, strict=True)))
            if stumbled:
                return
            fail_count = 0 if alive else fail_count

    async def _send(self, sibling: Sibling, parcel: Parcel) -> Answer | Unavailable:
        try:
            return await self._client.post(sibling, parcel.body, parcel.digest)
        except Unavailable as error:
            return error

    async def _settle(self, sibling_id: int, origin: str, fail_count: int,
                      outcomes: list[tuple[Parcel, Answer | Unavailable]]) -> tuple[bool, bool]:
        """Write down what happened in one commit; whether the sibling is alive, and whether the line has to wait."""
        acked: list[int] = []
        parked: list[tuple[int, str]] = []
        failed: list[Parcel] = []
        error, alarm, wait, away = "", "", 0, False
        for parcel, answer in outcomes:
            if isinstance(answer, Unavailable):
                error, away = answer.cause or answer.message, away or answer.reason == "unreachable"
                failed.append(parcel)
            elif answer.status < 300:
                acked.append(parcel.sequence)
            elif answer.status == 429 or answer.status >= 500:
                error, wait = f"answered {answer.status}", max(wait, answer.retry_after or 0)
                away = away or answer.status in _AWAY
                failed.append(parcel)
            elif answer.problem is not None and answer.problem.get("activity") == parcel.uri:
                parked.append((parcel.sequence, str(answer.problem.get("title", answer.status))[:300]))
            else:
                error = alarm = f"answered {answer.status}, which is no answer to an activity"
        alive = bool(acked or parked)
        stumbled = away or bool(alarm) or (not alive and any(parcel.tries == 0 for parcel in failed))
        now = self._clock.ms()
        next_try = now + self._pause(0 if acked else fail_count, wait, bool(alarm))
        resting = [(parcel.sequence, now + self._pause(parcel.tries, 0, False)) for parcel in failed]

        def record(tx: Tx) -> None:
            store.settle(tx, sibling_id, acked, parked, now)
            if alive and fail_count:
                store.rouse(tx, sibling_id)
            if resting:
                store.rest(tx, sibling_id, resting, error)
            if stumbled:
                store.stumble(tx, sibling_id, now, next_try, error, alarm)

        await self._database.write(record)
        if parked:
            log.warning("parked", sibling=origin, count=len(parked), reason=parked[0][1])
        if resting and not stumbled:
            log.warning("resting", sibling=origin, error=error, count=len(resting))
        if stumbled:
            log.warning("waiting", sibling=origin, error=error, alarm=bool(alarm), seconds=(next_try - now) // 1000)
        return alive, stumbled

    def _pause(self, fail_count: int, asked: int, alarm: bool) -> int:
        """Milliseconds until the next try: doubled each time, with jitter, never over the limit."""
        limit = self._settings.retry_limit_seconds
        seconds = limit if alarm else min(limit, self._settings.retry_first_seconds * 2.0 ** min(fail_count, 20))
        seconds *= random.uniform(0.5, 1.0)
        return int(1000 * max(seconds, min(asked, limit)))


def _one_per_object(parcels: list[Parcel]) -> list[Parcel]:
    """The first parcel of each object."""
    first: dict[bytes, Parcel] = {}
    for parcel in parcels:
        first.setdefault(parcel.object_key, parcel)
    return list(first.values())
