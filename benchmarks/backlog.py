"""Part `backlog`: after an outage of all six siblings a long outbox is emptied, and what is said meanwhile has to get through.

The sender is `konsil serve` with its worker inside. One sibling is another `konsil serve`; the other five only answer as if they
were (`benchmarks.receiver`): six real ones would take both cores of a small machine for themselves, and what is measured here
is the sender. Every second one doctor publishes a case over HTTP, and it is looked up in the real sibling's database.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from benchmarks import doctors, outbox, receiver
from benchmarks.countries import Country, admit, befriend, make, on_paper
from benchmarks.doctors import Click, Doctor
from benchmarks.outbox import least
from benchmarks.pace import Pace
from benchmarks.report import Goal, Part, Table, at
from benchmarks.servers import MeasurementFailed, Server, free_port
from core.clock import Clock
from core.database import Tx
from core.ids import uri_key
from federation import store
from federation.troubles import reason
from instance.assembly import assemble

_PAPER = ("it", "es", "gb", "at", "ch")
_SIBLINGS = 1 + len(_PAPER)
_SLICES = 5
_WARM_UP_CLICKS = 20
_CLICK_SECONDS = 1.0
_LOOK_SECONDS = 0.005
_SAMPLE_SECONDS = 0.2
_QUIET_SECONDS = 3.0
_OUTAGE_MS, _UNTIL_MS = 120_000, 890_000
_STALL_SECONDS = 60.0
_LEAST_COUNT = 1_500
_GOAL_MIB, _GOAL_SECONDS = 50.0, 2.0


class Moment(NamedTuple):
    """The sender at a moment: monotonic s, deliveries that are still owed, its CPU s and resident bytes."""

    at: float
    owed: int
    cpu: float
    resident: int


class Emptied(NamedTuple):
    """How it went: the moments in order, resident bytes when there was nothing to do, the seconds each fresh post took, and
    CPU µs for one signature and one unsigned POST."""

    moments: list[Moment]
    idle: int
    fresh: list[float]
    least_us: list[float]


def run(directory: Path, pace: Pace) -> Part:
    """Measure, in two instances and with receivers below `directory`."""
    emptied = asyncio.run(_measure(directory, pace))
    grown = (max(moment.resident for moment in emptied.moments) - emptied.idle) / (1 << 20)
    setting = (
        f"{pace.backlog:,} 2 KB `Create`, each for {_SIBLINGS} siblings that were away for two minutes: "
        f"{pace.backlog * _SIBLINGS:,} deliveries, written in large transactions while the lines wait, and then let loose. The "
        f"sender is `konsil serve`, and so is one sibling; the other {len(_PAPER)} are one process that checks and keeps nothing "
        f"and answers signed receipts. Figures are of each {_SLICES}th of it, medians. Meanwhile one case a second is published "
        "over HTTP, from the moment on when the siblings count as being back: the time from the click to the row in the real "
        "sibling's database. Resident memory is that of the sender's process.")
    fresh = emptied.fresh
    seen = (
        f"Emptied in {emptied.moments[-1].at - emptied.moments[0].at:.1f} s. {len(fresh)} fresh posts meanwhile: p50 "
        f"{at(fresh, 0.5):.2f} s, p99 {at(fresh, 0.99):.2f} s, longest {max(fresh):.2f} s. Resident memory "
        f"{emptied.idle / (1 << 20):.0f} MiB at rest after a warm-up, at most {grown:.0f} MiB more.")
    table, slices = _table(emptied), _slices(emptied.moments)
    return Part("A backlog", setting, (table, seen), (
        Goal("backlog: fresh post meanwhile, p99, s", (at(fresh, 0.99),), _GOAL_SECONDS),
        Goal("backlog: resident above rest, MiB", (grown,), _GOAL_MIB),
        Goal("backlog: CPU ÷ (signature + unsigned POST)",
             tuple(one.cpu_us / statistics.median(emptied.least_us) for one in slices), 1.0)))


async def _measure(directory: Path, pace: Pace) -> Emptied:
    sender, sibling = await make(directory, "de", 1), await make(directory, "fr", 1)
    await befriend([sender, sibling])
    ports = [free_port() for _ in _PAPER]
    receivers, key = receiver.start(ports, directory / "receivers.log")
    running = [receivers]
    try:
        async with assemble(sender.settings) as assembly:
            for code, port in zip(_PAPER, ports, strict=True):
                await admit(assembly, on_paper(code, port, key))
        running += [sibling.start("serve"), served := sender.start("serve")]
        async with doctors.browser() as session:
            clicking = _Clicking(session, await doctors.write(session, sender, sender.doctors[0]), sibling)
            for _ in range(_WARM_UP_CLICKS):
                await clicking.click()
            await _until_empty(sender)
            await _hold(sender)
            await asyncio.sleep(_QUIET_SECONDS)
            idle, before = served.resident(), _posts(sibling)
            print(f"backlog: writing {pace.backlog:,} activities", flush=True)
            await outbox.fill(sender, pace.backlog)
            moments, fresh = await _empty(sender, served, clicking)
            await _until_empty(sender)  # the last fresh post has arrived at one sibling, and may be on its way to others
        if (arrived := _posts(sibling) - before) != pace.backlog + len(fresh):
            raise MeasurementFailed(f"{pace.backlog} and {len(fresh)} fresh activities were sent, and {arrived} arrived")
        if left := _unsettled(sender):
            raise MeasurementFailed(f"{left} deliveries are not acknowledged")
        inboxes = [f"http://127.0.0.1:{port}/inbox" for port in ports]
        share = min(pace.backlog, _LEAST_COUNT)
        return Emptied(moments, idle, fresh, [least(sender, inboxes, share) * 1e6 for _ in range(pace.rounds)])
    finally:
        for server in running:
            server.stop()


class _Clicking:
    """A doctor who publishes, and somebody who looks when it has arrived."""

    def __init__(self, session: doctors.Browser, doctor: Doctor, sibling: Country) -> None:
        self._session, self._doctor, self._number = session, doctor, 0
        self._database = sqlite3.connect(f"file:{sibling.database}?mode=ro", uri=True)

    async def click(self) -> float:
        """Publish a case; seconds until it was stored by the sibling."""
        self._number += 1
        made = await doctors.click(self._session, [self._doctor], 1.0, 1, f"fresh{self._number}")
        if not made:
            raise MeasurementFailed("the sender had no time to publish a case")
        return await self._arrived(made[0])

    async def _arrived(self, made: Click) -> float:
        key = uri_key(made.uri)
        while self._database.execute("SELECT 1 FROM posts WHERE uri_key = ?", (key,)).fetchone() is None:
            if (passed := time.monotonic() - made.at) > _STALL_SECONDS:
                raise MeasurementFailed(f"a fresh post had not arrived after {passed:.0f} s")
            await asyncio.sleep(_LOOK_SECONDS)
        return time.monotonic() - made.at


async def _empty(sender: Country, served: Server, clicking: _Clicking) -> tuple[list[Moment], list[float]]:
    """Let the worker loose and look until nothing is owed; fresh posts are published once every line has recovered."""
    connection = sqlite3.connect(f"file:{sender.database}?mode=ro", uri=True)
    begun = time.monotonic()
    moments = [Moment(begun, _owed(connection), served.cpu(), served.resident())]
    await _let_loose(sender)
    clicks: list[asyncio.Task[float]] = []
    first, moved = 0.0, begun
    while moments[-1].owed or not clicks:
        await asyncio.sleep(_SAMPLE_SECONDS)
        now = time.monotonic()
        moments.append(Moment(now, _owed(connection), served.cpu(), served.resident()))
        moved = now if moments[-1].owed != moments[-2].owed else moved
        if now - moved > _STALL_SECONDS:
            raise MeasurementFailed(f"{moments[-1].owed} deliveries were still owed, and nothing moved any more")
        if not first and connection.execute("SELECT 1 FROM delivery_lines WHERE failing_since IS NOT NULL").fetchone() is None:
            first = now
        if first and now - first >= len(clicks) * _CLICK_SECONDS:
            clicks.append(asyncio.create_task(clicking.click()))
    connection.close()
    return moments, list(await asyncio.gather(*clicks))


async def _hold(sender: Country) -> None:
    """Every line waits, as it does after an outage."""
    now = Clock().ms()

    def hold(tx: Tx) -> None:
        for row in tx.rows("SELECT sibling_id FROM delivery_lines"):
            store.hold(tx, row["sibling_id"], 8, reason("unreachable"), now - _OUTAGE_MS, now + _UNTIL_MS, alarm=False)

    async with assemble(sender.settings) as assembly:
        await assembly.database.write(hold)


async def _let_loose(sender: Country) -> None:
    """The lines' next try is now."""
    now = Clock().ms()
    async with assemble(sender.settings) as assembly:
        await assembly.database.write(lambda tx: tx.run("UPDATE delivery_lines SET next_try = ?", (now,)))


async def _until_empty(sender: Country) -> None:
    until = time.monotonic() + _STALL_SECONDS
    while _unsettled(sender):
        if time.monotonic() > until:
            raise MeasurementFailed(f"{_unsettled(sender)} deliveries of the warm-up are not acknowledged")
        await asyncio.sleep(_SAMPLE_SECONDS)


def _owed(connection: sqlite3.Connection) -> int:
    """How many deliveries the siblings have not confirmed; from the lines, because rows would have to be counted."""
    number: int = connection.execute("SELECT sum(next_sequence - 1 - confirmed) FROM delivery_lines").fetchone()[0]
    return number


def _unsettled(country: Country) -> int:
    return _count(country, "SELECT count(*) FROM deliveries WHERE state <> 'acked'")


def _posts(country: Country) -> int:
    return _count(country, "SELECT count(*) FROM posts")


def _count(country: Country, sql: str) -> int:
    connection = sqlite3.connect(f"file:{country.database}?mode=ro", uri=True)
    try:
        number: int = connection.execute(sql).fetchone()[0]
        return number
    finally:
        connection.close()


class _Slice(NamedTuple):
    """A part of the way: deliveries a second, the sender's CPU µs for each, cores it kept busy."""

    rate: float
    cpu_us: float
    cores: float


def _slices(moments: Sequence[Moment]) -> list[_Slice]:
    """The way in parts of about the same number of deliveries."""
    all_owed = moments[0].owed
    marks = [moments[0], *(next(one for one in moments if one.owed <= all_owed * (_SLICES - number) / _SLICES)
                           for number in range(1, _SLICES + 1))]
    found = []
    for first, last in pairwise(marks):
        if (done := first.owed - last.owed) > 0:
            found.append(_Slice(done / (last.at - first.at), (last.cpu - first.cpu) / done * 1e6,
                                (last.cpu - first.cpu) / (last.at - first.at)))
    return found


def _table(emptied: Emptied) -> Table:
    slices = _slices(emptied.moments)
    middle = [statistics.median(column) for column in zip(*slices, strict=True)]
    low, high = min(one.rate for one in slices), max(one.rate for one in slices)
    cheapest, dearest = min(one.cpu_us for one in slices), max(one.cpu_us for one in slices)
    return [["", "delivered/s", "lowest-highest", "activities/s to all", "CPU µs each", "lowest-highest", "cores busy"],
            ["konsil serve", f"{middle[0]:,.0f}", f"{low:,.0f}-{high:,.0f}", f"{middle[0] / _SIBLINGS:,.0f}", f"{middle[1]:.0f}",
             f"{cheapest:.0f}-{dearest:.0f}", f"{middle[2]:.2f}"],
            ["signature and unsigned POST", "", "", "", f"{statistics.median(emptied.least_us):.0f}",
             f"{min(emptied.least_us):.0f}-{max(emptied.least_us):.0f}", ""]]
