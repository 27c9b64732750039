"""Sending: nothing is lost, and one item never blocks what does not depend on it.

The outbox row and the effect it tells of were written in one transaction; this module empties the outbox. Each sibling
has a line of its own. At most `delivery_window` parcels are under way to it, one per object, so that an object's
activities arrive in order. Whatever has been answered meanwhile is settled in one transaction, which also takes what
goes next; so a parcel that hangs keeps one place and no more. What an answer means:

    202                                    acknowledged; nothing else is, a proxy's page is sent with 200
    413, or a 4xx problem document
      that names the activity              this parcel is parked with the reason: it can never arrive
    5xx but 503, reached and no answer     this object is put off, with a back-off of its own, and the others go on;
                                           a whole window of different objects in a row is the line's trouble
    not reached, 408, 429, 503             the line waits: doubling, with jitter, up to a limit, for as long as it takes
    anything else (a proxy's 404 or 200,   the line stops with an alarm, keeps everything and probes now and then
      a redirect, 401, 403)

A line that has waited probes with one parcel, of an object that was not put off if there is one, and opens with the
first good answer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial

from core.clock import Clock, happens
from core.database import Database, Tx
from core.errors import KonsilError
from core.settings import Federation
from core.telemetry import get_logger
from federation import store
from federation.allowlist import CLOSED, Allowlist, Direction, Purpose
from federation.client import Client
from federation.store import Ahead, Parcel
from federation.verdicts import Fate, Verdict, judge, judge_error, trouble

log = get_logger("delivery")
_POLL_SECONDS = 0.1
_LOOK_SECONDS = 1.0
_BUNCH_SECONDS = 0.001


class _Line:
    """What is under way to one sibling, and which objects it has stumbled over since it last gave a good answer."""

    def __init__(self, sibling_id: int, origin: str) -> None:
        self.id, self.origin = sibling_id, origin
        self.under_way: dict[bytes, Parcel] = {}
        self.verdicts: list[Verdict] = []
        self.failed: set[bytes] = set()
        self.stirred = asyncio.Event()
        self.requests: set[asyncio.Task[None]] = set()
        self.task: asyncio.Task[None] | None = None
        self.crashes, self.rests_until = 0, 0.0


class Courier:
    """Empties the outbox for as long as `run` runs. One per instance: the worker holds a lock file."""

    def __init__(self, database: Database, allowlist: Allowlist, client: Client, clock: Clock, settings: Federation) -> None:
        self._database, self._allowlist, self._client = database, allowlist, client
        self._clock, self._settings = clock, settings
        self._news = asyncio.Event()
        self._lines: dict[int, _Line] = {}
        database.listen("delivery", self._news.set)

    async def run(self) -> None:
        """Look for waiting parcels whenever somebody commits, here or in another process."""
        loop, seen, due = asyncio.get_running_loop(), -1, 0.0
        try:
            while True:
                version = self._database.glance("PRAGMA data_version")
                current = version[0] if version is not None else 0
                if current != seen or self._news.is_set() or loop.time() >= due:
                    seen = current
                    self._news.clear()
                    due = loop.time() + await self._start_lines()
                await happens(self._news, _POLL_SECONDS)
        finally:
            running = [line.task for line in self._lines.values() if line.task is not None]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _start_lines(self) -> float:
        """Start a line for every sibling that something is due for and stir those at work; returns after how many seconds
        to look again at the latest."""
        now, loop, wait = self._clock.ms(), asyncio.get_running_loop(), _LOOK_SECONDS
        for row in await self._database.read(partial(store.lines, ahead=self._ahead(now))):
            line = self._lines.setdefault(row.id, _Line(row.id, row.origin))
            if line.task is not None:
                if len(line.under_way) < self._settings.delivery_window:
                    line.stirred.set()
            elif row.due > now:
                wait = min(wait, (row.due - now) / 1000)
            elif line.rests_until <= loop.time():
                line.task = asyncio.create_task(self._empty(line))
                line.task.add_done_callback(partial(self._line_ended, line))
        return wait

    def _line_ended(self, line: _Line, task: asyncio.Task[None]) -> None:
        """A line that ended by an error of ours rests: what it sent could not be written down and would be sent again."""
        line.task = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            line.crashes = 0
        else:
            seconds = self._pause(line.crashes) / 1000
            line.crashes, line.rests_until = line.crashes + 1, task.get_loop().time() + seconds
            log.error("line failed", sibling=line.origin, seconds=round(seconds, 1), exc_info=error)
        self._news.set()

    async def _empty(self, line: _Line) -> None:
        """Send and settle until nothing is left that may go now."""
        try:
            while True:
                for parcel in await self._settle(line):
                    line.under_way[parcel.object_key] = parcel
                    request = asyncio.create_task(self._send(line, parcel))
                    line.requests.add(request)
                    request.add_done_callback(line.requests.discard)
                if not line.under_way:
                    return
                await line.stirred.wait()
                seen = 0
                while seen < len(line.verdicts) < len(line.under_way):  # answers come in bunches; one commit writes a bunch
                    seen = len(line.verdicts)
                    await asyncio.sleep(_BUNCH_SECONDS)
                line.stirred.clear()
        finally:
            for request in line.requests:
                request.cancel()
            await asyncio.gather(*line.requests, return_exceptions=True)
            line.under_way.clear()
            line.verdicts.clear()

    async def _send(self, line: _Line, parcel: Parcel) -> None:
        verdict = await self._post(line.origin, parcel)
        if verdict is None:
            del line.under_way[parcel.object_key]
        else:
            line.verdicts.append(verdict)
        line.stirred.set()

    async def _post(self, origin: str, parcel: Parcel) -> Verdict | None:
        """Send one parcel; None where the gate has closed since it was taken: what becomes of it was written then."""
        try:
            sibling = self._allowlist.admit(origin, Direction.OUT, Purpose.DELIVERY, path=parcel.uri)
            return judge(parcel, await self._client.post(sibling, parcel.body, parcel.digest))
        except Exception as error:
            if isinstance(error, KonsilError) and error.reason in CLOSED:
                log.info("line closed", sibling=origin, reason=error.reason)
                return None
            if not isinstance(error, KonsilError):
                log.exception("sending failed", sibling=origin, activity=parcel.uri)
            return judge_error(parcel, error)

    async def _settle(self, line: _Line) -> Sequence[Parcel]:
        """Write down what has been answered and take what may go next, in one transaction."""
        verdicts, line.verdicts = line.verdicts, []
        for verdict in verdicts:
            if verdict.good:
                line.failed.clear()
            elif verdict.fate == Fate.PUT_OFF:
                line.failed.add(verdict.parcel.object_key)
        settled = {verdict.parcel.object_key for verdict in verdicts}
        busy = [parcel for key, parcel in line.under_way.items() if key not in settled]
        failed = frozenset(line.failed)
        work = partial(self._written, line, verdicts, busy, failed, self._clock.ms())
        parcels, worst = await (self._database.write(work) if verdicts else self._database.read(work))
        for verdict in verdicts:
            del line.under_way[verdict.parcel.object_key]
            if verdict.fate in (Fate.PARKED, Fate.PUT_OFF):
                log.warning(verdict.fate.name.lower(), sibling=line.origin, activity=verdict.parcel.uri, reason=verdict.reason)
        if worst is not None:
            line.failed.clear()
            log.warning("waiting", sibling=line.origin, reason=worst.reason, alarm=worst.fate == Fate.ALARMED)
        return parcels

    def _written(self, line: _Line, verdicts: list[Verdict], busy: list[Parcel], failed: frozenset[bytes], now: int,
                 tx: Tx) -> tuple[list[Parcel], Verdict | None]:
        """Inside the transaction: the next parcels, and the verdict that makes the line wait, if one does."""
        ahead = self._ahead(now)
        for parcel, fate, why, asked in verdicts:
            if fate == Fate.PARKED:
                store.park(tx, line.id, parcel.sequence, why, now)
            elif fate in (Fate.PUT_OFF, Fate.ALARMED):  # after an alarm too, so that the next probe is another one
                store.put_off(tx, line.id, parcel.sequence, why, now, now + self._pause(parcel.tries, asked))
        if acked := [verdict.parcel.sequence for verdict in verdicts if verdict.fate == Fate.ACKED]:
            store.acknowledge(tx, line.id, acked, now)
        if left := [verdict.parcel.sequence for verdict in verdicts if verdict.left and verdict.fate != Fate.ACKED]:
            store.tried(tx, line.id, left, now)
        if any(verdict.good for verdict in verdicts):
            store.recovered(tx, line.id, ahead)
        at = store.line(tx, line.id)
        if at is None:
            return [], None
        window = 1 if at["next_try"] else self._settings.delivery_window
        held = ahead.first <= at["next_try"] <= ahead.last
        worst = trouble(verdicts, all_fail=len(failed) >= window)
        if worst is not None and not (held and at["alarm"]):
            alarm, fails = worst.fate == Fate.ALARMED, at["fail_count"] - held  # while it waits it is the same trouble
            until = max(now + self._pause(fails, worst.wait, alarm=alarm), at["next_try"] if held else 0)
            store.hold(tx, line.id, fails + 1, worst.reason, now, until, alarm=alarm)
        room = max(window - len({parcel.object_key for parcel in busy} | failed), not busy)
        return [] if held or worst is not None or not room else _next(tx, line, ahead, room, window, busy), worst

    def _pause(self, fails: int, asked: int = 0, *, alarm: bool = False) -> int:
        """Milliseconds until the next try: doubled each time, with jitter, never over the limit."""
        limit = self._settings.retry_limit_seconds
        seconds = limit if alarm else min(limit, self._settings.retry_first_seconds * 2.0 ** min(fails, 20))
        seconds *= random.uniform(0.5, 1.0)
        return int(1000 * max(seconds, min(asked, limit)))

    def _ahead(self, now: int) -> Ahead:
        return Ahead(now + 1, now + int(1000 * self._settings.retry_limit_seconds))


def _next(tx: Tx, line: _Line, ahead: Ahead, room: int, window: int, busy: Sequence[Parcel]) -> list[Parcel]:
    """What goes next. What was put off has half of the places and no more, so that it holds nobody up and is not forgotten
    either; a single place is for the others first."""
    keys = [parcel.object_key for parcel in busy]
    share = max(1, window // 2) - sum(parcel.tries > 0 for parcel in busy)
    again = store.waiting(tx, line.id, ahead, keys, min(share, room), again=True) if share > 0 else []
    fresh = store.waiting(tx, line.id, ahead, keys, room, again=False)
    return (fresh + again if window == 1 else again + fresh)[:room]
