"""What came out: medians, ratios, the goals they are held to, and the machine they were measured on."""

from __future__ import annotations

import os
import platform
import re
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from core.clock import Clock, rfc3339


class Sample(NamedTuple):
    """One server in one round: accepted activities per second, server CPU µs per activity, and how it went."""

    rate: float
    cpu_us: float
    p50: float
    p99: float
    accepted: int
    cores: float


class Goal(NamedTuple):
    """A ratio and its bound; `floor` True: at least, False: at most."""

    name: str
    values: tuple[float, ...]
    bound: float
    at_least: bool

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool:
        return self.median >= self.bound if self.at_least else self.median <= self.bound


REAL, HTTP_ONLY, NAIVE = "real inbox", "HTTP only", "naive reference"


def goals(rounds: Sequence[dict[str, Sample]], floors: Sequence[float]) -> list[Goal]:
    """The three goals; each value is a ratio inside one round, so that a slow moment hits both of its sides."""
    real = [each[REAL] for each in rounds]
    return [
        Goal("activities/s ÷ HTTP only",
             tuple(each[REAL].rate / each[HTTP_ONLY].rate for each in rounds), 0.15, True),
        Goal("activities/s ÷ naive reference",
             tuple(each[REAL].rate / each[NAIVE].rate for each in rounds), 15.0, True),
        Goal("CPU per activity ÷ floor",
             tuple(sample.cpu_us / (each[HTTP_ONLY].cpu_us + floor)
                   for sample, each, floor in zip(real, rounds, floors, strict=True)), 2.5, False),
    ]


def servers_table(rounds: Sequence[dict[str, Sample]]) -> list[list[str]]:
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


def goals_table(reached: Sequence[Goal]) -> list[list[str]]:
    """One line per goal."""
    table = [["", "median", "lowest-highest", "goal", ""]]
    for goal in reached:
        table.append([goal.name, f"{goal.median:.2f}", f"{min(goal.values):.2f}-{max(goal.values):.2f}",
                      f"{'≥' if goal.at_least else '≤'} {goal.bound:g}", "met" if goal.met else "MISSED"])
    return table


def aligned(table: Sequence[Sequence[str]]) -> str:
    """A table for a terminal."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if number == 0 else cell.rjust(width)
                  for number, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in table)


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A table for a results file."""
    lines = ["| " + " | ".join(row) + " |" for row in table]
    lines.insert(1, "| --- |" + " ---: |" * (len(table[0]) - 1))
    return "\n".join(lines)


class Machine(NamedTuple):
    """What the numbers were measured on; `sync_ms` is the median of appending 4 KB and waiting for the disk."""

    processor: str
    cores: int
    python: str
    system: str
    sync_ms: float

    def sentence(self) -> str:
        return (f"{self.processor}, {self.cores} cores; {self.python}; {self.system}; "
                f"4 KB to disk in {self.sync_ms:.2f} ms")

    def slug(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", f"{self.processor} {self.cores} cores".lower()).strip("-")


def machine(directory: Path) -> Machine:
    """This machine, with the disk that `directory` lies on."""
    return Machine(_processor(), os.cpu_count() or 1, f"{platform.python_implementation()} {platform.python_version()}",
                   f"{platform.system()} {platform.release()}", _sync_ms(directory))


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return named[1].strip() if named else platform.processor() or platform.machine()


def _sync_ms(directory: Path) -> float:
    times = []
    with (directory / "sync").open("wb", buffering=0) as probe:
        for _ in range(41):
            before = time.perf_counter()
            probe.write(b"." * 4096)
            os.fsync(probe.fileno())
            times.append(time.perf_counter() - before)
    return statistics.median(times) * 1000


def write(directory: Path, measured_on: Machine, rounds: Sequence[dict[str, Sample]], floors: Sequence[float],
          setting: str) -> Path:
    """Keep the run as `results/DATE-machine.md`; a later run of the same day replaces it."""
    today = rfc3339(Clock().ms())[:10]
    path = directory / f"{today}-{measured_on.slug()}.md"
    directory.mkdir(parents=True, exist_ok=True)
    parts = (f"# Inbox, {today}", f"{measured_on.sentence()}.\n{setting}", markdown(servers_table(rounds)),
             floor_sentence(rounds, floors), markdown(goals_table(goals(rounds, floors))))
    path.write_text("\n\n".join(parts) + "\n", "utf-8")
    return path


def floor_sentence(rounds: Sequence[dict[str, Sample]], floors: Sequence[float]) -> str:
    """The CPU floor and what it consists of."""
    http = statistics.median(each[HTTP_ONLY].cpu_us for each in rounds)
    rest = statistics.median(floors)
    return (f"CPU floor: {http + rest:.1f} µs an activity (HTTP {http:.1f}, SHA-256 + RSA verify + JSON + insert at "
            f"batch 32 {rest:.1f}).")
