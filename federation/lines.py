"""A line to one sibling: what is under way, what answers change, and what goes next; the last two in one transaction."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import NamedTuple

from core.database import Tx
from core.ids import Ids
from core.settings import Federation
from core.telemetry import get_logger
from federation import sequences, store
from federation.lanes import BACKLOG
from federation.sequences import Outline
from federation.shipments import Returned
from federation.store import Ahead, Parcel
from federation.verdicts import Fate, Verdict, trouble

log = get_logger("delivery")
_BUNDLES = 4
_ASK_SECONDS = (0.5, 3_600.0)


class Taken(NamedTuple):
    """What goes next to a sibling; the verdict that makes its line wait; how much it has lost and is sent again; whether an epoch
    has to begin before anything can go."""

    parcels: Sequence[Parcel] = ()
    outline: Outline | None = None
    worst: Verdict | None = None
    lost: int = 0
    begin: bool = False


class Line:
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
        self.window = 1

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


class Settling:
    """Writes down what has come back and takes what may go next: what the courier does inside a transaction."""

    def __init__(self, ids: Ids, settings: Federation) -> None:
        self._ids, self._settings = ids, settings

    def written(self, line: Line, returned: Sequence[Returned], busy: list[Parcel], failed: frozenset[bytes], now: int,
                 tx: Tx) -> Taken:
        """Inside the transaction: what goes next, and the verdict that makes the line wait, if one does."""
        ahead = self.ahead(now)
        counted = self._heard(tx, line, returned, now)
        verdicts = [verdict for one in counted for verdict in one.verdicts]
        for parcel, fate, why, asked in verdicts:
            if fate == Fate.PARKED:
                store.park(tx, line.id, parcel.sequence, why, now)
            elif fate in (Fate.PUT_OFF, Fate.ALARMED):  # after an alarm too, so that the next probe is another one
                store.put_off(tx, line.id, parcel.sequence, why, now, now + self.pause(parcel.tries, asked))
        for fate, write in ((Fate.ACKED, store.acknowledge), (Fate.HELD_THERE, store.hold_there)):
            if found := [verdict.parcel.sequence for verdict in verdicts if verdict.fate == fate]:
                write(tx, line.id, found, now)
        if left := [verdict.parcel.sequence for verdict in verdicts
                    if verdict.left and verdict.fate not in (Fate.ACKED, Fate.HELD_THERE)]:
            store.tried(tx, line.id, left, now)
        if any(verdict.good for verdict in verdicts) or any(one.receipt is not None for one in counted):
            store.recovered(tx, line.id, ahead)
        lost = sum(sequences.lost_since(tx, line.id, one.shipment.outline, one.receipt, now) for one in counted
                   if one.shipment.outline is not None and one.receipt is not None)
        at = store.line(tx, line.id)
        if at is None:
            return Taken(lost=lost)
        whole = self._settings.bundle_items * min(_BUNDLES, self._settings.delivery_window) if at["bundles"] \
            else self._settings.delivery_window
        line.window = window = 1 if at["next_try"] else whole
        held = ahead.first <= at["next_try"] <= ahead.last
        worst = trouble(verdicts, all_fail=len(failed) >= min(window, self._settings.delivery_window))
        if worst is not None and not (held and at["alarm"]):
            alarm, fails = worst.fate == Fate.ALARMED, at["fail_count"] - held  # while it waits it is the same trouble
            until = max(now + self.pause(fails, worst.wait, alarm=alarm), at["next_try"] if held else 0)
            store.hold(tx, line.id, fails + 1, worst.reason, now, until, alarm=alarm)
        room = max(window - len({parcel.object_key for parcel in busy} | failed), not busy)
        if held or worst is not None or not room:
            return Taken(worst=worst, lost=lost)
        parcels = next_parcels(tx, line, ahead, room, window, busy)
        outline = sequences.outline(tx, line.id) if at["bundles"] else None
        return Taken(parcels, outline, lost=lost, begin=bool(parcels and at["bundles"] and outline is None))

    def _heard(self, tx: Tx, line: Line, returned: Sequence[Returned], now: int) -> list[Returned]:
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

    def begun(self, line: Line, busy: list[Parcel], failed: frozenset[bytes], now: int, tx: Tx) -> Taken:
        """Begin an epoch, and take what goes next in it."""
        sequences.begin(tx, line.id, now)
        return self.written(line, (), busy, failed, now, tx)

    def pause(self, fails: int, asked: int = 0, *, alarm: bool = False) -> int:
        """Milliseconds until the next try: doubled each time, with jitter, never over the limit."""
        limit = self._settings.retry_limit_seconds
        seconds = limit if alarm else min(limit, self._settings.retry_first_seconds * 2.0 ** min(fails, 20))
        seconds *= random.uniform(0.5, 1.0)
        return int(1000 * max(seconds, min(asked, limit)))

    def ahead(self, now: int) -> Ahead:
        return Ahead(now + 1, now + int(1000 * self._settings.retry_limit_seconds))


def next_parcels(tx: Tx, line: Line, ahead: Ahead, room: int, window: int, busy: Sequence[Parcel]) -> list[Parcel]:
    """What goes next. What was put off has half of the places and no more, so that it holds nobody up and is not forgotten
    either; what has waited for long leaves some places for what is fresh; a single place is for what was not put off first."""
    keys = [parcel.object_key for parcel in busy]
    share = max(1, window // 2) - sum(parcel.tries > 0 for parcel in busy)
    again = store.waiting(tx, line.id, ahead, keys, min(share, room), again=True) \
        if share > 0 and store.was_put_off(tx, line.id) else []
    fresh = store.waiting(tx, line.id, ahead, keys, room, again=False)
    left = max(1, window - window // 4) - sum(parcel.lane == BACKLOG for parcel in busy)
    late = [parcel for parcel in fresh if parcel.lane == BACKLOG]
    fresh = [parcel for parcel in fresh if parcel.lane != BACKLOG] + late[:max(left, 0)]
    return (fresh + again if window == 1 else again + fresh)[:room]
