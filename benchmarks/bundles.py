"""Part `bundles`: how much faster activities become durable when they come in bundles, against single ones.

Interleaved, at the same real inbox: each round sends single activities, bundles of 16 and bundles of 64, in an order that
changes from round to round. Every activity of a bundle has to be stored according to its receipt, and after each round what
was accepted is counted in the database. Both ways carry the same activities, written as instances write them.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import load, real
from benchmarks.pace import Pace
from benchmarks.report import Goal, Part, Table
from benchmarks.sender import Prepared, Signers
from benchmarks.servers import MeasurementFailed, Server

_SIZES = (1, 16, 64)
_CONNECTIONS = {1: 64, 16: 16, 64: 8}
_ACCEPTED, _RECEIPT = 202, 200
_WARM_UP_SECONDS = 1.0
_WARM_UP_ACTIVITIES = 2048
_MARGIN = 1.2
_GOAL = 2.5


class Sample(NamedTuple):
    """One way of sending in one round: stored activities per second, server CPU µs for each, milliseconds a request took, how
    many activities were stored, cores busy."""

    rate: float
    cpu_us: float
    p50: float
    p99: float
    stored: int
    cores: float


class Inbox(NamedTuple):
    """The real inbox, and how many activities it has made durable."""

    server: Server
    prepared: Prepared
    stored: Callable[[], int]


def run(directory: Path, pace: Pace) -> Part:
    """Measure, in an instance below `directory`."""
    home = directory / "instance"
    prepared = real.prepare_instance(home)
    inbox, signers = Inbox(real.start(home, prepared), prepared, lambda: real.stored(home)), Signers()
    try:
        rounds = _measure(inbox, signers, pace)
    finally:
        inbox.server.stop()
        signers.close()
    setting = (
        f"{pace.rounds} rounds of {pace.seconds:g} s each way, at one inbox; 2 KB `Create`, RSA-2048, SQLite `synchronous=FULL`; "
        f"{_CONNECTIONS[1]} kept connections for single activities, {_CONNECTIONS[16]} for bundles of 16, {_CONNECTIONS[64]} for "
        "bundles of 64; medians. Each activity of a bundle was stored by its receipt, and found in the database.")
    return Part("Bundles", setting, (_table(rounds),), tuple(
        Goal(f"bundles of {size}: activities/s ÷ single", tuple(each[size].rate / each[1].rate for each in rounds), _GOAL, True)
        for size in _SIZES[1:]))


def _measure(inbox: Inbox, signers: Signers, pace: Pace) -> list[dict[int, Sample]]:
    """A short round that is not counted, then the rounds."""
    epoch, expected = 1, dict[int, float]()
    for size in _SIZES:
        requests = _signed(inbox, signers, size, _WARM_UP_ACTIVITIES, epoch)
        expected[size] = _round(inbox, requests, size, _WARM_UP_SECONDS).rate
        epoch += 1
    rounds = []
    for number in range(pace.rounds):
        turn, samples = number % len(_SIZES), dict[int, Sample]()
        for size in (*_SIZES[turn:], *_SIZES[:turn]):
            requests = _signed(inbox, signers, size, int(expected[size] * pace.seconds * _MARGIN), epoch)
            samples[size] = _round(inbox, requests, size, pace.seconds)
            expected[size] = max(expected[size], samples[size].rate)
            epoch += 1
        rounds.append(samples)
        print(f"bundles, round {number + 1}: " + ", ".join(f"{_name(size)} {samples[size].rate:,.0f}/s" for size in _SIZES),
              flush=True)
    return rounds


def _signed(inbox: Inbox, signers: Signers, size: int, activities: int, epoch: int) -> list[bytes]:
    count = max(activities // size, _CONNECTIONS[size])
    return signers.sign(inbox.prepared, count) if size == 1 else signers.bundles(inbox.prepared, count, size, epoch)


def _round(inbox: Inbox, requests: list[bytes], size: int, seconds: float) -> Sample:
    """Send, read the server's CPU time before and after, and compare receipts and rows with what was sent."""
    before, cpu, answers = inbox.stored(), inbox.server.cpu(), list[bytes]()
    result = load.run("127.0.0.1", inbox.server.port, requests, seconds, connections=_CONNECTIONS[size],
                      good=_ACCEPTED if size == 1 else _RECEIPT, answers=answers)
    cpu, stored = inbox.server.cpu() - cpu, result.accepted * size
    if result.refused or not stored:
        raise MeasurementFailed(f"{_name(size)}: {result.accepted} accepted, and {result.refused} answered to the others")
    if size > 1 and any(_stored_by(answer) != size for answer in answers):
        raise MeasurementFailed(f"{_name(size)}: a receipt says of an activity that it was not stored")
    if (found := inbox.stored() - before) != stored:
        raise MeasurementFailed(f"{_name(size)}: {stored} accepted and {found} stored")
    return Sample(stored / result.seconds, cpu / stored * 1e6, result.p50, result.p99, stored, cpu / result.seconds)


def _stored_by(receipt: bytes) -> int:
    """How many activities a receipt says were stored."""
    return sum(last - first + 1 for first, last in json.loads(receipt)["results"]["stored"])


def _name(size: int) -> str:
    return "single" if size == 1 else f"bundles of {size}"


def _table(rounds: Sequence[dict[int, Sample]]) -> Table:
    """One line each way; medians over the rounds."""
    table = [["", "activities/s", "lowest-highest", "CPU µs each", "cores busy", "p50 ms", "p99 ms", "stored in all"]]
    for size in _SIZES:
        samples = [each[size] for each in rounds]
        rates = [sample.rate for sample in samples]
        middle = [statistics.median(column) for column in zip(*samples, strict=True)]
        table.append([_name(size), f"{middle[0]:,.0f}", f"{min(rates):,.0f}-{max(rates):,.0f}", f"{middle[1]:,.1f}",
                      f"{middle[5]:.2f}", f"{middle[2]:.1f}", f"{middle[3]:.1f}", f"{sum(each.stored for each in samples):,}"])
    return table
