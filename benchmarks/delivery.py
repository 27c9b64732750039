"""Part `delivery`: the CPU that `konsil worker` spends on an activity it delivers, against one signature and one POST.

The worker empties an outbox of as many activities as the pace says to six siblings. The siblings are servers that read
a request and answer 202, each a process of its own, so that nothing but the worker's CPU is counted.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from actors.models import Actor
from actors.store import shown_by_handle
from benchmarks.countries import Country, admit, make, on_paper
from benchmarks.pace import Pace
from benchmarks.report import Goal, Part, Table
from benchmarks.sender import SENTENCES
from benchmarks.servers import ROOT, MeasurementFailed, Server, free_port
from core.database import Tx
from core.ids import public
from federation.store import enqueue
from instance.assembly import Assembly, assemble
from posts import store, wire
from posts.models import Audience, CaseFacts, Kind, Reach, State
from posts.network import network
from posts.store import Post

_SIBLINGS = ("fr", "it", "es", "gb", "at", "ch")
_WARM_UP = 50
_WAIT_SECONDS = 60.0
_LOOK_SECONDS = 0.02
_HTML = f"<p>{''.join(SENTENCES * 3)[:1200]}</p>"


class Sample(NamedTuple):
    """One round: CPU µs per delivered activity, the same for signature and POST, and what was delivered per second."""

    worker_us: float
    least_us: float
    rate: float


def run(directory: Path, pace: Pace) -> Part:
    """Measure, in an instance and with sinks below `directory`."""
    running: list[Server] = []
    rounds: list[Sample] = []
    try:
        sinks = {code: free_port() for code in _SIBLINGS}
        for code, port in sinks.items():
            running.append(Server(f"sink {code}", ["-m", "benchmarks.http_only", str(port)], port, directory / f"{code}.log"))
        country = asyncio.run(_make(directory, sinks))
        worker = country.start("worker")
        running.append(worker)
        _deliver(country, worker, _WARM_UP)
        for number in range(pace.rounds):
            if number % 2:
                delivered = _deliver(country, worker, pace.activities)
                least = _least(country, sinks, pace.activities)
            else:
                least = _least(country, sinks, pace.activities)
                delivered = _deliver(country, worker, pace.activities)
            rounds.append(Sample(delivered[0] * 1e6, least * 1e6, delivered[1]))
            print(f"delivery, round {number + 1}: {rounds[-1].worker_us:.0f} µs each, signature and POST "
                  f"{rounds[-1].least_us:.0f} µs, {rounds[-1].rate:,.0f}/s", flush=True)
    finally:
        for server in running:
            server.stop()
    setting = (
        f"{pace.rounds} rounds; `konsil worker` empties an outbox of {pace.activities} 2 KB `Create` to {len(_SIBLINGS)} "
        "siblings that answer 202 at once; below it one process that signs (RSA-2048) and posts the same bodies unsigned, "
        "with the same client on uvloop. CPU is user and system, of the whole process; medians.")
    return Part("Delivery", setting, (_table(rounds),), (
        Goal("delivery: CPU ÷ (signature + unsigned POST)", tuple(each.worker_us / each.least_us for each in rounds), 1.3),))


async def _make(directory: Path, sinks: dict[str, int]) -> Country:
    country = await make(directory, "de", 1)
    async with assemble(country.settings) as assembly:
        for code, port in sinks.items():
            await admit(assembly, on_paper(code, port))
    return country


def _deliver(country: Country, worker: Server, count: int) -> tuple[float, float]:
    """(CPU seconds per delivered activity, deliveries per second) for `count` new activities to every sibling."""
    cpu, begun = worker.cpu(), time.monotonic()
    asyncio.run(_fill(country, count))
    filled = time.monotonic()
    while _pending(country):
        if time.monotonic() - begun > _WAIT_SECONDS:
            raise MeasurementFailed(f"{_pending(country)} activities were still waiting after {_WAIT_SECONDS:.0f} s")
        worker.cpu()  # says so if it has ended
        time.sleep(_LOOK_SECONDS)
    done = count * len(_SIBLINGS)
    return (worker.cpu() - cpu) / done, done / (time.monotonic() - filled)


async def _fill(country: Country, count: int) -> None:
    """Write new posts and their way out in one transaction."""
    async with assemble(country.settings) as assembly:
        def fill(tx: Tx) -> None:
            author = shown_by_handle(tx, country.doctors[0])
            if author is None:
                raise MeasurementFailed("the benchmark's doctor is not there")
            places = network(tx, assembly.identity)
            origins = tuple(place.origin for place in places.destinations(assembly.clock.ms()))
            for _ in range(count):
                post = _post(assembly, author, origins)
                store.insert(tx, [post])
                made = wire.create(post, None, author.uri, None, assembly.identity.seal)
                enqueue(tx, assembly.ids.new(), made, places.recipients(origins),
                        assembly.clock.ms())

        await assembly.database.write(fill)


def _post(assembly: Assembly, author: Actor, origins: tuple[str, ...]) -> Post:
    number, home = assembly.ids.new(), assembly.identity
    return Post(number, f"{home.origin}/posts/{public(number)}", author.id, None, Kind.CASE, number, None,
                f"Endocarditis, question {number}", "", _HTML, "en", CaseFacts(("cardiology",)), State.OPEN,
                Audience(Reach.NETWORK, (home.origin, *origins)), home.country, assembly.clock.ms())


def _pending(country: Country) -> int:
    """How many deliveries have not been acknowledged."""
    connection = sqlite3.connect(f"file:{country.database}?mode=ro", uri=True)
    try:
        number: int = connection.execute("SELECT count(*) FROM deliveries WHERE state <> 'acked'").fetchone()[0]
        return number
    finally:
        connection.close()


def _least(country: Country, sinks: dict[str, int], count: int) -> float:
    """CPU seconds for one signature and one unsigned POST."""
    inboxes = [f"http://127.0.0.1:{port}/inbox" for port in sinks.values()]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.signed_post", str(country.database), str(count * len(inboxes)), *inboxes], cwd=ROOT,
        capture_output=True, text=True, check=False, timeout=_WAIT_SECONDS, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise MeasurementFailed(f"signing and posting failed: {done.stderr.strip()}")
    return float(done.stdout)


def _table(rounds: list[Sample]) -> Table:
    workers, least, rates = ([each[column] for each in rounds] for column in range(3))
    return [["", "CPU µs each", "lowest-highest", "delivered/s"],
            ["konsil worker", f"{statistics.median(workers):.0f}", f"{min(workers):.0f}-{max(workers):.0f}",
             f"{statistics.median(rates):,.0f}"],
            ["signature and unsigned POST", f"{statistics.median(least):.0f}", f"{min(least):.0f}-{max(least):.0f}", ""]]
