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
import time
from collections.abc import Sequence
from functools import partial

from core.clock import Clock, happens
from core.database import Database
from core.ids import Ids
from core.settings import Federation
from core.telemetry import get_logger
from federation import sequences, store
from federation.lines import Line, Settling
from federation.shipments import Shipment, Shipping, shipments
from federation.verdicts import Fate

log = get_logger("delivery")
_POLL_SECONDS = 0.1
_LOOK_SECONDS = 1.0
_BUNCH_SECONDS = 0.001
_DAY_MS = 86_400_000
_PIECE = 500


class Courier:
    """Empties the outbox for as long as `run` runs. One per instance: the worker holds a lock file."""

    def __init__(self, database: Database, shipping: Shipping, clock: Clock, ids: Ids, settings: Federation) -> None:
        self._database, self._shipping, self._clock = database, shipping, clock
        self._settings, self._settling = settings, Settling(ids, settings)
        self._news = asyncio.Event()
        self._lines: dict[int, Line] = {}
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
        for row in await self._database.read(partial(store.lines, ahead=self._settling.ahead(now))):
            line = self._lines.setdefault(row.id, Line(row.id, row.origin))
            if row.asks_only and line.task is None and (soon := line.ask_at - time.monotonic()) > 0:
                wait = min(wait, soon)
                continue
            if line.task is not None:
                if len(line.under_way) < line.window:
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
            await asyncio.sleep(0)

    def _line_ended(self, line: Line, task: asyncio.Task[None]) -> None:
        """A line that ended by an error of ours rests: what it sent could not be written down and would be sent again."""
        line.task = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            line.crashes = 0
        else:
            seconds = self._settling.pause(line.crashes) / 1000
            line.crashes, line.rests_until = line.crashes + 1, task.get_loop().time() + seconds
            log.error("line failed", sibling=line.origin, seconds=round(seconds, 1), exc_info=error)
        self._news.set()

    async def _empty(self, line: Line) -> None:
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

    async def _send(self, line: Line, shipment: Shipment) -> None:
        returned = await self._shipping.send(line.origin, shipment)
        line.returned.append(returned)
        line.stirred.set()

    async def _settle(self, line: Line) -> Sequence[Shipment]:
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
        work = partial(self._settling.written, line, returned, busy, frozenset(line.failed), self._clock.ms())
        taken = await (self._database.write(work) if returned else self._database.read(work))
        if taken.begin:
            work = partial(self._settling.begun, line, busy, frozenset(line.failed), self._clock.ms())
            taken = await self._database.write(work)
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
