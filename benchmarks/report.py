"""What came out: tables, the goals they are held to, and the machine they were measured on."""

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

Table = Sequence[Sequence[str]]


class Goal(NamedTuple):
    """A ratio or a time and its bound; each of `values` was measured inside one round, so that a slow moment hits both
    sides of a ratio. `at_least` True: the bound is a floor, False: a ceiling."""

    name: str
    values: tuple[float, ...]
    bound: float
    at_least: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool:
        return self.median >= self.bound if self.at_least else self.median <= self.bound


class Part(NamedTuple):
    """One part of a run: how it was measured, what was seen (sentences and tables), and its goals."""

    title: str
    setting: str
    seen: tuple[str | Table, ...]
    goals: tuple[Goal, ...]


def for_terminal(part: Part) -> str:
    """A part's findings for a terminal; its goals stand in the table at the end of the run."""
    pieces = (piece if isinstance(piece, str) else aligned(piece) for piece in part.seen)
    return "\n\n".join((f"== {part.title}", *pieces))


def goals_table(parts: Sequence[Part]) -> Table:
    """One line per goal of all parts."""
    table = [["", "median", "lowest-highest", "goal", ""]]
    for goal in [goal for part in parts for goal in part.goals]:
        table.append([goal.name, f"{goal.median:.2f}", f"{min(goal.values):.2f}-{max(goal.values):.2f}",
                      f"{'≥' if goal.at_least else '≤'} {goal.bound:g}", "met" if goal.met else "MISSED"])
    return table


def at(values: Sequence[float], share: float) -> float:
    """The value that `share` of all stay below: 0.5 is the median, 0.99 what is called p99."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def aligned(table: Table) -> str:
    """A table for a terminal."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if number == 0 else cell.rjust(width)
                  for number, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in table)


def markdown(table: Table) -> str:
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


def write(directory: Path, measured_on: Machine, parts: Sequence[Part], name: str = "") -> Path:
    """Keep the run as `results/DATE-machine[-name].md`; a later run of the same day replaces it."""
    today = rfc3339(Clock().ms())[:10]
    path = directory / f"{'-'.join(filter(None, (today, measured_on.slug(), name)))}.md"
    directory.mkdir(parents=True, exist_ok=True)
    pieces = [f"# Measured on {today}", f"{measured_on.sentence()}."]
    for part in parts:
        pieces += [f"## {part.title}", part.setting]
        pieces += [piece if isinstance(piece, str) else markdown(piece) for piece in part.seen]
    pieces += ["## Goals", markdown(goals_table(parts))]
    path.write_text("\n\n".join(pieces) + "\n", "utf-8")
    return path
