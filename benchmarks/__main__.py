"""`python -m benchmarks`: durable signed activities per second through the inbox, against two references and a floor.

Everything is measured in one run and interleaved: each round sends to the real inbox, to the HTTP-only server and
to the naive reference one after the other, in an order that changes from round to round. After each round the
accepted activities are counted in the database.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import load, real, report
from benchmarks.floor import Floor
from benchmarks.report import HTTP_ONLY, NAIVE, REAL, Sample
from benchmarks.sender import Prepared, Signers, new_key
from benchmarks.servers import Server, ServerFailed, free_port

RESULTS = Path(__file__).resolve().parent / "results"
_WARM_UP_SECONDS = 1.0
_WARM_UP_REQUESTS = 2000
_MARGIN = 1.15


class Contender(NamedTuple):
    """A running server; `stored` counts what it has made durable, or is None where nothing is stored."""

    name: str
    server: Server
    prepared: Prepared
    stored: Callable[[], int] | None


class NotDurable(Exception):
    """A server answered 202 for something that is not in its database, or refused what it had to accept."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, keep; 0 also when a goal is missed: a miss is a result."""
    options = _parser().parse_args(arguments)
    names = (REAL, HTTP_ONLY, NAIVE)
    with tempfile.TemporaryDirectory(prefix="konsil-bench-", dir=options.dir) as made:
        directory = Path(made)
        measured_on = report.machine(directory)
        print(measured_on.sentence())
        signers = Signers()
        contenders: list[Contender] = []
        try:
            for name in names:
                contenders.append(_start(name, directory))
            rounds, floors = _measure(contenders, signers, Floor(directory, contenders[0].prepared), options)
        except (load.LoadFailed, NotDurable, ServerFailed) as error:
            print(f"benchmarks: {error}", file=sys.stderr)
            return 1
        finally:
            for contender in contenders:
                contender.server.stop()
            signers.close()
    setting = (
        f"{options.rounds} rounds of {options.seconds:g} s per server, {load.CONNECTIONS} kept connections, 2 KB "
        "`Create`, RSA-2048, SQLite `synchronous=FULL`; medians. Every accepted activity was found in the database.")
    print(f"\n{report.aligned(report.servers_table(rounds))}\n\n{report.floor_sentence(rounds, floors)}\n")
    print(report.aligned(report.goals_table(report.goals(rounds, floors))))
    if options.keep:
        print(f"\nkept in benchmarks/results/{report.write(RESULTS, measured_on, rounds, floors, setting).name}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds; medians are taken over them (default 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds per server and round (default 3)")
    parser.add_argument("--dir", default="/var/tmp", help="where the databases lie; a real disk (default /var/tmp)")
    parser.add_argument("--no-keep", dest="keep", action="store_false", help="write no results file")
    return parser


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
             options: argparse.Namespace) -> tuple[list[dict[str, Sample]], list[float]]:
    """A short round that is not counted, then the rounds."""
    expected, signed = {}, {}
    for contender in contenders:
        signed[contender.name] = signers.sign(contender.prepared, _WARM_UP_REQUESTS)
        expected[contender.name] = _round(contender, signed[contender.name], _WARM_UP_SECONDS).rate
    rounds, floors = [], []
    for number in range(options.rounds):
        samples = {}
        turn = number % len(contenders)
        for contender in (*contenders[turn:], *contenders[:turn]):
            requests = signed[contender.name]
            if contender.stored is not None:  # what is stored has to be new each time, and its date recent
                count = int(expected[contender.name] * options.seconds * _MARGIN) + load.CONNECTIONS
                requests = signers.sign(contender.prepared, count)
            samples[contender.name] = _round(contender, requests, options.seconds)
            expected[contender.name] = max(expected[contender.name], samples[contender.name].rate)
        floors.append(floor.measure(min(1.0, options.seconds)) * 1e6)
        rounds.append({contender.name: samples[contender.name] for contender in contenders})
        rates = ", ".join(f"{name} {sample.rate:,.0f}/s" for name, sample in rounds[-1].items())
        print(f"round {number + 1}: {rates}", flush=True)
    floor.close()
    return rounds, floors


def _round(contender: Contender, requests: list[bytes], seconds: float) -> Sample:
    """Send, read the server's CPU time before and after, and compare what was accepted with what is stored."""
    before = contender.stored() if contender.stored is not None else 0
    cpu = contender.server.cpu()
    result = load.run("127.0.0.1", contender.server.port, requests, seconds, again=contender.stored is None)
    cpu = contender.server.cpu() - cpu
    if result.refused or not result.accepted:
        raise NotDurable(f"{contender.name} accepted {result.accepted} and answered {result.refused} to the others")
    if contender.stored is not None and contender.stored() - before != result.accepted:
        raise NotDurable(f"{contender.name} accepted {result.accepted} and stored {contender.stored() - before}")
    return Sample(
        result.rate, cpu / result.accepted * 1e6, result.p50, result.p99, result.accepted, cpu / result.seconds)


if __name__ == "__main__":
    sys.exit(main())
