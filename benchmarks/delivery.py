"""Part `delivery`: the CPU that `konsil worker` spends on an activity it delivers, against one signature and one POST.

A worker empties an outbox of as many activities as the pace says to six siblings: one worker to siblings that take single
activities only (as other software does), another one to siblings that take bundles. The siblings do nothing but answer, in
processes of their own, so that only the worker's CPU is counted. Both are held against the same: what each activity would cost
at least if it were signed and posted by itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import outbox, receiver
from benchmarks.countries import Country, admit, make, on_paper
from benchmarks.pace import Pace
from benchmarks.report import Goal, Part, Table
from benchmarks.servers import MeasurementFailed, Server, free_port
from instance.assembly import assemble

_SIBLINGS = ("fr", "it", "es", "gb", "at", "ch")
_SINGLE, _BUNDLES, _LEAST = "konsil worker, single activities", "konsil worker, bundles", "signature and unsigned POST"
_WARM_UP = 50
_WAIT_SECONDS = 60.0
_LOOK_SECONDS = 0.02


class Sample(NamedTuple):
    """CPU µs for each delivered activity, and how many were delivered per second (0: not counted)."""

    cpu_us: float
    rate: float


class Sender(NamedTuple):
    """An instance with its worker, and the inboxes of its siblings."""

    country: Country
    worker: Server
    inboxes: tuple[str, ...]


def run(directory: Path, pace: Pace) -> Part:
    """Measure, in instances and with sinks below `directory`."""
    running: list[Server] = []
    rounds: list[dict[str, Sample]] = []
    try:
        senders = {name: _start(directory / str(number), running, in_bundles=name == _BUNDLES)
                   for number, name in enumerate((_SINGLE, _BUNDLES))}
        for sender in senders.values():
            _deliver(sender, _WARM_UP)
        names = (*senders, _LEAST)
        for number in range(pace.rounds):
            turn = number % len(names)
            measured = {name: _sample(senders, name, pace.activities) for name in (*names[turn:], *names[:turn])}
            rounds.append({name: measured[name] for name in names})
            print(f"delivery, round {number + 1}: " + ", ".join(f"{name} {rounds[-1][name].cpu_us:.0f} µs" for name in names),
                  flush=True)
    finally:
        for server in running:
            server.stop()
    setting = (
        f"{pace.rounds} rounds; `konsil worker` empties an outbox of {pace.activities} 2 KB `Create` to {len(_SIBLINGS)} "
        "siblings that answer at once: 202 to single activities, and in another instance a signed receipt to bundles; below them "
        "one process that signs (RSA-2048) and posts the same bodies unsigned, each by itself, with the same client on uvloop. "
        "CPU is user and system, of the whole process; medians.")
    return Part("Delivery", setting, (_table(rounds),), (
        _goal("delivery: CPU ÷ (signature + unsigned POST)", rounds, _SINGLE, 1.3),
        _goal("delivery in bundles: CPU ÷ (signature + unsigned POST)", rounds, _BUNDLES, 1.3)))


def _start(directory: Path, running: list[Server], *, in_bundles: bool) -> Sender:
    directory.mkdir()
    ports, key = [free_port() for _ in _SIBLINGS], ""
    if in_bundles:
        server, key = receiver.start(ports, directory / "receivers.log")
        running.append(server)
    else:
        for code, port in zip(_SIBLINGS, ports, strict=True):
            running.append(Server(f"sink {code}", ["-m", "benchmarks.http_only", str(port)], port, directory / f"{code}.log"))
    country = asyncio.run(_make(directory, ports, key))
    running.append(worker := country.start("worker"))
    return Sender(country, worker, tuple(f"http://127.0.0.1:{port}/inbox" for port in ports))


async def _make(directory: Path, ports: Sequence[int], document_key: str) -> Country:
    country = await make(directory, "de", 1)
    async with assemble(country.settings) as assembly:
        for code, port in zip(_SIBLINGS, ports, strict=True):
            await admit(assembly, on_paper(code, port, document_key))
    return country


def _sample(senders: Mapping[str, Sender], name: str, count: int) -> Sample:
    if name in senders:
        return _deliver(senders[name], count)
    single = senders[_SINGLE]
    return Sample(outbox.least(single.country, single.inboxes, count * len(_SIBLINGS)) * 1e6, 0.0)


def _deliver(sender: Sender, count: int) -> Sample:
    """`count` new activities to every sibling."""
    worker = sender.worker
    cpu, begun = worker.cpu(), time.monotonic()
    asyncio.run(outbox.fill(sender.country, count))
    filled = time.monotonic()
    while waiting := _pending(sender.country):
        if time.monotonic() - begun > _WAIT_SECONDS:
            raise MeasurementFailed(f"{waiting} activities were still waiting after {_WAIT_SECONDS:.0f} s")
        worker.cpu()  # says so if it has ended
        time.sleep(_LOOK_SECONDS)
    done = count * len(_SIBLINGS)
    return Sample((worker.cpu() - cpu) / done * 1e6, done / (time.monotonic() - filled))


def _pending(country: Country) -> int:
    """How many deliveries have not been acknowledged."""
    connection = sqlite3.connect(f"file:{country.database}?mode=ro", uri=True)
    try:
        number: int = connection.execute("SELECT count(*) FROM deliveries WHERE state <> 'acked'").fetchone()[0]
        return number
    finally:
        connection.close()


def _goal(name: str, rounds: Sequence[Mapping[str, Sample]], sender: str, bound: float) -> Goal:
    return Goal(name, tuple(each[sender].cpu_us / each[_LEAST].cpu_us for each in rounds), bound)


def _table(rounds: Sequence[Mapping[str, Sample]]) -> Table:
    table = [["", "CPU µs each", "lowest-highest", "delivered/s"]]
    for name in rounds[0]:
        costs, rates = ([each[name][column] for each in rounds] for column in range(2))
        table.append([name, f"{statistics.median(costs):.0f}", f"{min(costs):.0f}-{max(costs):.0f}",
                      f"{statistics.median(rates):,.0f}" if all(rates) else ""])
    return table
