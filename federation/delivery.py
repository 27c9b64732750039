"""Sending: nothing is lost, and one item never blocks what does not depend on it.

The outbox row and the effect it tells of were written in one transaction; this module empties the outbox. Each sibling
has a line of its own. At most `delivery_window` parcels are under way to it, one per object, so that an object's
activities arrive in order. Whatever has been answered meanwhile is settled in one transaction, which also takes what
goes next; so a parcel that hangs keeps one place and no more. To a sibling that takes bundles parcels go together, and its
signed receipt says what became of each (`federation.shipments`); what an answer without one means:

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
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from core.clock import Clock, happens
from core.database import Database, Tx
from core.ids import Ids
from core.settings import Federation
from core.telemetry import get_logger
from federation import sequences, store
from federation.lanes import BACKLOG
from federation.sequences import Outline
from federation.shipments import Returned, Shipment, Shipping, shipments
from federation.store import Ahead, Parcel
from federation.verdicts import Fate, Verdict, trouble

log = get_logger("delivery")
_POLL_SECONDS = 0.1
_LOOK_SECONDS = 1.0
_BUNCH_SECONDS = 0.001
_BUNDLES = 4
_DAY_MS = 86_400_000
_PIECE = 500
_ASK_SECONDS = (0.5, 3_600.0)


class _Taken(NamedTuple):
    """What goes next to a sibling; the verdict that makes its line wait; how much it has lost and is sent again; whether an epoch
    has to begin before anything can go."""

    parcels: Sequence[Parcel] = ()
    outline: Outline | None = None
    worst: Verdict | None = None
    lost: int = 0
    begin: bool = False


class _Line:
    """What is under way to one sibling, and which objects it has stumbled over since it last gave a good answer."""

    def __init__(self, sibling_id: int, origin: str) -> None:
        self.id, self.origin = sibling_id, origin
        self.under_way: dict[bytes, Parcel] = {}
        self.returned: list[Returned] = []
        self.open = 0
        self.failed: set[bytes] = set()
        self.stirred = asyncio.Event()
        self.requests: set[asyncio.Task[None]] = set()
        self.task: asyncio.Task[None] | None = None
        self.crashes, self.rests_until = 0, 0.0
        self.asked, self.ask_at = 0, 0.0

    def asks(self) -> bool:
        """Whether it is time to ask what became of what the sibling holds; the next time comes later each time."""
        now = time.monotonic()
        if now < self.ask_at:
            return False
        first, limit = _ASK_SECONDS
        self.ask_at, self.asked = now + min(limit, first * 2.0 ** min(self.asked, 20)), self.asked + 1
        return True

    def heard(self, *, any_news: bool) -> None:
        """A receipt has come; with news in it, more may come soon."""
        if any_news:
            self.asked, self.ask_at = 0, 0.0


class Courier:
    """Empties the outbox for as long as `run` runs. One per instance: the worker holds a lock file."""

    def __init__(self, database: Database, shipping: Shipping, clock: Clock, ids: Ids, settings: Federation) -> None:
        self._database, self._shipping, self._clock, self._ids, self._settings = database, shipping, clock, ids, settings
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
            if row.asks_only and line.task is None and (soon := line.ask_at - time.monotonic()) > 0:
                wait = min(wait, soon)
                continue
            if line.task is not None:
                if len(line.under_way) < self._settings.delivery_window:
                    line.stirred.set()
            elif row.due > now:
                wait = min(wait, (row.due - now) / 1000)
            elif line.rests_until <= loop.time():
                line.task = asyncio.create_task(self._empty(line))
                line.task.add_done_callback(partial(self._line_ended, line))
        return wait

    async def prune(self, receipt_days: int, sent_days: int) -> None:
        """Forget receipts and the text of what has arrived everywhere, after so many days each; in small pieces."""
        now = self._clock.ms()
        work = partial(sequences.prune, receipts_before=now - receipt_days * _DAY_MS, sent_before=now - sent_days * _DAY_MS,
                       most=_PIECE)
        while await self._database.write(work):
            pass

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
                for shipment in await self._settle(line):
                    line.under_way |= {parcel.object_key: parcel for parcel in shipment.parcels}
                    line.open += 1
                    request = asyncio.create_task(self._send(line, shipment))
                    line.requests.add(request)
                    request.add_done_callback(line.requests.discard)
                if not line.open:
                    return
                await line.stirred.wait()
                seen = 0
                while seen < len(line.returned) < line.open:  # answers come in bunches; one commit writes a bunch
                    seen = len(line.returned)
                    await asyncio.sleep(_BUNCH_SECONDS)
                line.stirred.clear()
        finally:
            for request in line.requests:
                request.cancel()
            await asyncio.gather(*line.requests, return_exceptions=True)
            line.under_way.clear()
            line.returned.clear()
            line.open = 0

    async def _send(self, line: _Line, shipment: Shipment) -> None:
        returned = await self._shipping.send(line.origin, shipment)
        line.returned.append(returned)
        line.stirred.set()

    async def _settle(self, line: _Line) -> Sequence[Shipment]:
        """Write down what has come back and take what may go next, in one transaction."""
        returned, line.returned = line.returned, []
        verdicts = [verdict for one in returned for verdict in one.verdicts]
        for verdict in verdicts:
            if verdict.good:
                line.failed.clear()
            elif verdict.fate == Fate.PUT_OFF:
                line.failed.add(verdict.parcel.object_key)
        settled = {parcel.object_key for one in returned for parcel in one.shipment.parcels}
        busy = [parcel for key, parcel in line.under_way.items() if key not in settled]
        work = partial(self._written, line, returned, busy, frozenset(line.failed), self._clock.ms())
        taken = await (self._database.write(work) if returned else self._database.read(work))
        if taken.begin:
            taken = await self._database.write(partial(self._begun, line, busy, frozenset(line.failed), self._clock.ms()))
        for key in settled:
            line.under_way.pop(key, None)
        line.open -= len(returned)
        for verdict in verdicts:
            if verdict.fate in (Fate.PARKED, Fate.PUT_OFF):
                log.warning(verdict.fate.name.lower(), sibling=line.origin, activity=verdict.parcel.uri, reason=verdict.reason)
        if taken.lost:
            log.error("the sibling has lost what it had: it is sent again", sibling=line.origin, activities=taken.lost)
        if taken.worst is not None:
            line.failed.clear()
            log.warning("waiting", sibling=line.origin, reason=taken.worst.reason, alarm=taken.worst.fate == Fate.ALARMED)
        asking = line.open == 0 and taken.outline is not None and (taken.outline.hello or line.asks())
        return shipments(taken.parcels, taken.outline, self._settings.bundle_items, asking=asking)

    def _written(self, line: _Line, returned: Sequence[Returned], busy: list[Parcel], failed: frozenset[bytes], now: int,
                 tx: Tx) -> _Taken:
        """Inside the transaction: what goes next, and the verdict that makes the line wait, if one does."""
        ahead = self._ahead(now)
        counted = self._heard(tx, line, returned, now)
        verdicts = [verdict for one in counted for verdict in one.verdicts]
        for parcel, fate, why, asked in verdicts:
            if fate == Fate.PARKED:
                store.park(tx, line.id, parcel.sequence, why, now)
            elif fate in (Fate.PUT_OFF, Fate.ALARMED):  # after an alarm too, so that the next probe is another one
                store.put_off(tx, line.id, parcel.sequence, why, now, now + self._pause(parcel.tries, asked))
        for fate, write in ((Fate.ACKED, store.acknowledge), (Fate.HELD_THERE, store.hold_there)):
            if found := [verdict.parcel.sequence for verdict in verdicts if verdict.fate == fate]:
                write(tx, line.id, found, now)
        if left := [verdict.parcel.sequence for verdict in verdicts if verdict.left and not verdict.good]:
            store.tried(tx, line.id, left, now)
        if any(verdict.good for verdict in verdicts) or any(one.receipt is not None for one in counted):
            store.recovered(tx, line.id, ahead)
        lost = sum(sequences.lost_since(tx, line.id, one.shipment.outline, one.receipt, now) for one in counted
                   if one.shipment.outline is not None and one.receipt is not None)
        at = store.line(tx, line.id)
        if at is None:
            return _Taken(lost=lost)
        whole = self._settings.bundle_items * min(_BUNDLES, self._settings.delivery_window) if at["bundles"] \
            else self._settings.delivery_window
        window = 1 if at["next_try"] else whole
        held = ahead.first <= at["next_try"] <= ahead.last
        worst = trouble(verdicts, all_fail=len(failed) >= window)
        if worst is not None and not (held and at["alarm"]):
            alarm, fails = worst.fate == Fate.ALARMED, at["fail_count"] - held  # while it waits it is the same trouble
            until = max(now + self._pause(fails, worst.wait, alarm=alarm), at["next_try"] if held else 0)
            store.hold(tx, line.id, fails + 1, worst.reason, now, until, alarm=alarm)
        room = max(window - len({parcel.object_key for parcel in busy} | failed), not busy)
        if held or worst is not None or not room:
            return _Taken(worst=worst, lost=lost)
        parcels = _next(tx, line, ahead, room, window, busy)
        outline = sequences.outline(tx, line.id) if at["bundles"] else None
        return _Taken(parcels, outline, lost=lost, begin=bool(parcels and at["bundles"] and outline is None))

    def _heard(self, tx: Tx, line: _Line, returned: Sequence[Returned], now: int) -> list[Returned]:
        """Take in receipts and what else concerns the line. Returns what counts: numbers of an epoch that is over stand for
        nothing any more, and what they stood for is sent again."""
        counted = []
        for one in returned:
            outline = one.shipment.outline
            if outline is None:
                if one.verdicts:
                    sequences.close(tx, line.id)
            elif not sequences.is_at(tx, line.id, outline.epoch):
                continue
            elif one.receipt is not None:
                line.heard(any_news=bool(one.receipt.later))
                sequences.heard(tx, line.id, outline, one.receipt, one.body,
                                [parcel.sequence for parcel in one.shipment.parcels], self._ids.new(), now)
            elif one.anew_after is not None:
                log.error("the sibling asks for a new epoch: one of us has lost something", sibling=line.origin)
                sequences.begin(tx, line.id, now, after=one.anew_after, hello=True)
            elif one.no_place:
                log.warning("the sibling takes no bundles any more", sibling=line.origin)
                store.takes_no_bundles(tx, line.id)
            counted.append(one)
        return counted

    def _begun(self, line: _Line, busy: list[Parcel], failed: frozenset[bytes], now: int, tx: Tx) -> _Taken:
        """Begin an epoch, and take what goes next in it."""
        sequences.begin(tx, line.id, now)
        return self._written(line, (), busy, failed, now, tx)

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
    either; what has waited for long leaves some places for what is fresh; a single place is for what was not put off first."""
    keys = [parcel.object_key for parcel in busy]
    share = max(1, window // 2) - sum(parcel.tries > 0 for parcel in busy)
    again = store.waiting(tx, line.id, ahead, keys, min(share, room), again=True) if share > 0 else []
    fresh = store.waiting(tx, line.id, ahead, keys, room, again=False)
    left = max(1, window - window // 4) - sum(parcel.lane == BACKLOG for parcel in busy)
    late = [parcel for parcel in fresh if parcel.lane == BACKLOG]
    fresh = [parcel for parcel in fresh if parcel.lane != BACKLOG] + late[:max(left, 0)]
    return (fresh + again if window == 1 else again + fresh)[:room]
