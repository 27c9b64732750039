"""Part `inbox`: durable signed activities per second, against two references and a floor.

Interleaved: each round sends to the real inbox, to the HTTP-only server and to the naive reference one after the
other, in an order that changes from round to round. After each round the accepted activities are counted in the
database.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import load, real
from benchmarks.floor import Floor
from benchmarks.pace import Pace
from benchmarks.report import Goal, Part, Table
from benchmarks.sender import Prepared, Signers, new_key
from benchmarks.servers import MeasurementFailed, Server, free_port

REAL, HTTP_ONLY, NAIVE = "real inbox", "HTTP only", "naive reference"
_CONNECTIONS = 64
_ACCEPTED = 202
_WARM_UP_SECONDS = 1.0
_WARM_UP_REQUESTS = 2000
_MARGIN = 1.15


class Sample(NamedTuple):
    """One server in one round: accepted activities per second, server CPU µs per activity, and how it went."""

    rate: float
    cpu_us: float
    p50: float
    p99: float
    accepted: int
    cores: float


class Contender(NamedTuple):
    """A running server; `stored` counts what it has made durable, or is None where nothing is stored."""

    name: str
    server: Server
    prepared: Prepared
    stored: Callable[[], int] | None


def run(directory: Path, pace: Pace) -> Part:
    """Measure, in servers and databases below `directory`."""
    signers = Signers()
    contenders: list[Contender] = []
    try:
        for name in (REAL, HTTP_ONLY, NAIVE):
            contenders.append(_start(name, directory))
        rounds, floors = _measure(contenders, signers, Floor(directory, contenders[0].prepared), pace)
    finally:
        for contender in contenders:
            contender.server.stop()
        signers.close()
    setting = (
        f"{pace.rounds} rounds of {pace.seconds:g} s per server, {_CONNECTIONS} kept connections, 2 KB `Create`, RSA-2048, "
        "SQLite `synchronous=FULL`; medians. Every accepted activity was found in the database.")
    return Part("The inbox", setting, (_servers_table(rounds), _floor_sentence(rounds, floors)), _goals(rounds, floors))


def _start(name: str, directory: Path) -> Contender:
    if name == REAL:
        home = directory / "instance"
        prepared = real.prepare_instance(home)
        return Contender(name, real.start(home, prepared), prepared, lambda: real.stored(home))
    port = free_port()
    private, public_pem = new_key()
    origin, url = "http://127.0.0.1:1", f"http://127.0.0.1:{port}"
    prepared = Prepared(
        f"{url}/inbox", f"{origin}/actor#main-key", private, f"{origin}/actors/sender", f"{url}/members")
    if name == HTTP_ONLY:
        server = Server(name, ["-m", "benchmarks.http_only", str(port)], port, directory / "http_only.log")
        return Contender(name, server, prepared, None)
    database = directory / "naive.db"
    server = Server(name, ["-m", "hypercorn", "benchmarks.naive:create_app()", "--bind", f"127.0.0.1:{port}"], port,
                    directory / "naive.log", {"NAIVE_DATABASE": str(database), "NAIVE_KEY_ID": prepared.key_id,
                                              "NAIVE_PEM": public_pem})
    return Contender(name, server, prepared, lambda: real.count_posts(database))


def _measure(contenders: list[Contender], signers: Signers, floor: Floor,
             pace: Pace) -> tuple[list[dict[str, Sample]], list[float]]:
    """A short round that is not counted, then the rounds."""
    expected, signed = {}, {}
    for contender in contenders:
        signed[contender.name] = signers.sign(contender.prepared, _WARM_UP_REQUESTS)
        expected[contender.name] = _round(contender, signed[contender.name], _WARM_UP_SECONDS).rate
    rounds, floors = [], []
    for number in range(pace.rounds):
        samples = {}
        turn = number % len(contenders)
        for contender in (*contenders[turn:], *contenders[:turn]):
            requests = signed[contender.name]
            if contender.stored is not None:  # what is stored has to be new each time, and its date recent
                count = int(expected[contender.name] * pace.seconds * _MARGIN) + _CONNECTIONS
                requests = signers.sign(contender.prepared, count)
            samples[contender.name] = _round(contender, requests, pace.seconds)
            expected[contender.name] = max(expected[contender.name], samples[contender.name].rate)
        floors.append(floor.measure(min(1.0, pace.seconds)) * 1e6)
        rounds.append({contender.name: samples[contender.name] for contender in contenders})
        rates = ", ".join(f"{name} {sample.rate:,.0f}/s" for name, sample in rounds[-1].items())
        print(f"inbox, round {number + 1}: {rates}", flush=True)
    floor.close()
    return rounds, floors


def _round(contender: Contender, requests: list[bytes], seconds: float) -> Sample:
    """Send, read the server's CPU time before and after, and compare what was accepted with what is stored."""
    before = contender.stored() if contender.stored is not None else 0
    cpu = contender.server.cpu()
    result = load.run("127.0.0.1", contender.server.port, requests, seconds, connections=_CONNECTIONS, good=_ACCEPTED,
                      again=contender.stored is None)
    cpu = contender.server.cpu() - cpu
    if result.refused or not result.accepted:
        raise MeasurementFailed(f"{contender.name} accepted {result.accepted} and answered {result.refused} to the others")
    if contender.stored is not None and contender.stored() - before != result.accepted:
        raise MeasurementFailed(f"{contender.name} accepted {result.accepted} and stored {contender.stored() - before}")
    return Sample(
        result.rate, cpu / result.accepted * 1e6, result.p50, result.p99, result.accepted, cpu / result.seconds)


def _goals(rounds: Sequence[dict[str, Sample]], floors: Sequence[float]) -> tuple[Goal, ...]:
    return (
        Goal("inbox: activities/s ÷ HTTP only",
             tuple(each[REAL].rate / each[HTTP_ONLY].rate for each in rounds), 0.15, True),
        Goal("inbox: activities/s ÷ naive reference",
             tuple(each[REAL].rate / each[NAIVE].rate for each in rounds), 15.0, True),
        Goal("inbox: CPU per activity ÷ floor",
             tuple(each[REAL].cpu_us / (each[HTTP_ONLY].cpu_us + floor)
                   for each, floor in zip(rounds, floors, strict=True)), 2.5),
    )


def _servers_table(rounds: Sequence[dict[str, Sample]]) -> Table:
    """One line per server: medians over the rounds."""
    table = [["", "activities/s", "lowest-highest", "CPU µs each", "cores busy", "p50 ms", "p99 ms", "accepted in all"]]
    for name in rounds[0]:
        samples = [each[name] for each in rounds]
        rates = [sample.rate for sample in samples]
        table.append([
            name, f"{statistics.median(rates):,.0f}", f"{min(rates):,.0f}-{max(rates):,.0f}",
            f"{statistics.median(sample.cpu_us for sample in samples):,.1f}",
            f"{statistics.median(sample.cores for sample in samples):.2f}",
            f"{statistics.median(sample.p50 for sample in samples):.1f}",
            f"{statistics.median(sample.p99 for sample in samples):.1f}",
            f"{sum(sample.accepted for sample in samples):,}"])
    return table


def _floor_sentence(rounds: Sequence[dict[str, Sample]], floors: Sequence[float]) -> str:
    """The CPU floor and what it consists of."""
    http = statistics.median(each[HTTP_ONLY].cpu_us for each in rounds)
    rest = statistics.median(floors)
    return (f"CPU floor: {http + rest:.1f} µs an activity (HTTP {http:.1f}, SHA-256 + RSA verify + JSON + insert at "
            f"batch 32 {rest:.1f}).")
