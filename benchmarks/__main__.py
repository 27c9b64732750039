"""`python -m benchmarks [PART...]`: what Konsil costs, as medians and ratios that were measured in one run.

Whatever is compared is measured in turns, in an order that changes from round to round, so that a slow moment of the
machine hits both sides. A miss is a result: the exit code says only whether everything could be measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import api, backlog, bundles, delivery, home, inbox, linter, live, report, search, spread, streams
from benchmarks.load import LoadFailed
from benchmarks.pace import SMALL, Pace
from benchmarks.report import Part
from benchmarks.servers import MeasurementFailed, ServerFailed

RESULTS = Path(__file__).resolve().parent / "results"
PARTS: dict[str, Callable[[Path, Pace], Part]] = {
    "inbox": inbox.run, "bundles": bundles.run, "spread": spread.run, "home": home.run, "api": api.run, "search": search.run,
    "delivery": delivery.run, "backlog": backlog.run, "linter": linter.run, "live": live.run,
    "streams": streams.run}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, keep; 0 also when a goal is missed."""
    options = _parser().parse_args(arguments)
    chosen = [name for name in PARTS if name in (options.parts or PARTS)]
    pace = SMALL if options.small else Pace(rounds=options.rounds, seconds=options.seconds)
    parts: list[Part] = []
    with tempfile.TemporaryDirectory(prefix="konsil-bench-", dir=options.dir) as made:
        measured_on = report.machine(Path(made))
        print(measured_on.sentence(), flush=True)
        for name in chosen:
            directory = Path(made) / name
            directory.mkdir()
            try:
                parts.append(PARTS[name](directory, pace))
            except (LoadFailed, MeasurementFailed, ServerFailed) as error:
                print(f"benchmarks: {name}: {error}", file=sys.stderr)
                return 1
    for part in parts:
        print(f"\n{report.for_terminal(part)}")
    print(f"\n{report.aligned(report.goals_table(parts))}")
    if options.keep and not options.small:
        kept = report.write(RESULTS, measured_on, parts, "" if len(chosen) == len(PARTS) else "-".join(chosen))
        print(f"\nkept in benchmarks/results/{kept.name}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n", 1)[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART",  # argparse checks the empty default too
                        help=f"{', '.join(PARTS)}; all when none is named")
    parser.add_argument("--rounds", type=int, default=Pace().rounds, help="rounds; medians are taken over them (default 5)")
    parser.add_argument("--seconds", type=float, default=Pace().seconds, help="seconds per server and round (default 3)")
    parser.add_argument("--dir", default="/var/tmp", help="where the databases lie; a real disk (default /var/tmp)")
    parser.add_argument("--small", action="store_true", help="only see that every part runs; keeps nothing")
    parser.add_argument("--no-keep", dest="keep", action="store_false", help="write no results file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
