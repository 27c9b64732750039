"""Part `spread`: from a doctor's click to visible on all six siblings.

Seven instances, each `konsil serve` with its worker inside, with real signatures. Doctors sign in, write a case for the
whole network and send it over HTTP at a fixed rate, whether the answers come or not (an open loop, so that a slow moment
is not hidden by fewer clicks). Between instances everything goes in bundles, however few activities wait at the moment. Once
with all the doctors in one country, once with doctors in all seven. A post is visible on a sibling when another process can
read it in the sibling's database; for some of them the page is asked too.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import random
import sqlite3
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks import doctors
from benchmarks.countries import Country, befriend, make
from benchmarks.doctors import Click, Doctor
from benchmarks.pace import Pace
from benchmarks.report import Goal, Part, Table, at
from benchmarks.servers import MeasurementFailed, Server
from benchmarks.watch import Seen, watch
from core.countries import CODES
from core.ids import public, uri_key

ONE, ALL = "one country asks", "all countries ask"
_DOCTORS = 12
_EACH = 2
_ROUNDS = 3
_WARM_UP_SECONDS = 2.0
_SAMPLE = 5
_GOAL_SECONDS = 1.0


class Sample(NamedTuple):
    """One round: seconds from click to answer, to the first and to the last sibling, for each post (endless for one that was
    refused for want of time); how many were refused; cores busy by name; how far two looks of the watcher lay apart at most
    (s)."""

    answered: list[float]
    first: list[float]
    last: list[float]
    refused: int
    cores: dict[str, float]
    widest: float


def run(directory: Path, pace: Pace) -> Part:
    """Measure, in seven instances below `directory`."""
    countries, servers = asyncio.run(_make(directory)), dict[str, Server]()
    rounds: dict[str, list[Sample]] = {ONE: [], ALL: []}
    try:
        for country in countries:
            servers[country.code] = country.start("serve")
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as watcher:
            asyncio.run(_measure(countries, servers, watcher, pace, rounds))
    finally:
        for server in servers.values():
            server.stop()
    setting = (
        f"Seven `konsil serve`, each with its worker inside, which exchange bundles; {pace.spread_rate} cases of 1.2 KB a second "
        f"offered to the network for {pace.spread_seconds:g} s in an open loop by {_DOCTORS} doctors of one country, and by "
        f"{_EACH} of each; {len(rounds[ONE])} rounds of each, medians. Visible is what another process reads in the sibling's "
        f"database (looked at every 3 ms); in each round {_SAMPLE} posts were looked up on every sibling's page.")
    return Part("From click to visible on all six siblings", setting,
                (_times(rounds), _cores(rounds), *(_busiest(name, samples) for name, samples in rounds.items())),
                tuple(Goal(f"spread, {name}: p99, s", tuple(at(each.last, 0.99) for each in samples), _GOAL_SECONDS)
                      for name, samples in rounds.items()))


async def _make(directory: Path) -> list[Country]:
    countries = [await make(directory, code, _DOCTORS if code == CODES[0] else _EACH) for code in CODES]
    await befriend(countries)
    return countries


async def _measure(countries: Sequence[Country], servers: Mapping[str, Server], watcher: ProcessPoolExecutor, pace: Pace,
                   rounds: dict[str, list[Sample]]) -> None:
    async with doctors.browser() as session:
        written = {country.code: [await doctors.write(session, country, handle) for handle in country.doctors]
                   for country in countries}
        one = written[CODES[0]]
        everywhere = [written[code][number] for number in range(_EACH) for code in CODES]
        network = _Network(session, {country.code: country for country in countries}, servers, written, watcher)
        for asking in (one, everywhere):
            await network.round(asking, pace.spread_rate, _WARM_UP_SECONDS, "warm")
        for number in range(min(_ROUNDS, pace.rounds)):
            for name, asking in ((ONE, one), (ALL, everywhere))[::-1 if number % 2 else 1]:
                sample = await network.round(asking, pace.spread_rate, pace.spread_seconds, f"r{number}{name[:3]}")
                rounds[name].append(sample)
                print(f"spread, round {number + 1}, {name}: p50 {at(sample.last, 0.5):.3f} s, p99 {at(sample.last, 0.99):.3f} s",
                      flush=True)


class _Network:
    """Seven running countries, somebody who clicks, somebody who watches."""

    def __init__(self, session: doctors.Browser, countries: Mapping[str, Country], servers: Mapping[str, Server],
                 readers: Mapping[str, Sequence[Doctor]], watcher: ProcessPoolExecutor) -> None:
        self._session, self._countries, self._servers = session, countries, servers
        self._readers, self._watcher = readers, watcher
        self._code = {country.settings.instance.url: code for code, country in countries.items()}

    async def round(self, asking: Sequence[Doctor], rate: int, seconds: float, mark: str) -> Sample:
        """Click for some seconds and wait until everything is visible everywhere."""
        count = int(rate * seconds)
        here = [self._code[asking[number % len(asking)].url] for number in range(count)]
        expected = {code: count - here.count(code) for code in self._countries}
        files = {code: country.database for code, country in self._countries.items() if expected[code]}
        watching = asyncio.get_running_loop().run_in_executor(
            self._watcher, watch, files, expected, seconds)
        await asyncio.sleep(0.3)
        before, mine, idle, begun = self._cpu(), time.process_time(), psutil.cpu_times().idle, time.monotonic()
        clicks = await doctors.click(self._session, asking, rate, count, mark)
        seen = await watching
        passed = time.monotonic() - begun
        cores = {name: (spent - before.get(name, 0.0)) / passed for name, spent in self._cpu().items()}
        cores |= {"the doctors": (time.process_time() - mine) / passed, "the watcher": seen.cpu / passed,
                  "the whole machine": psutil.cpu_count() - (psutil.cpu_times().idle - idle) / passed}
        sample = _sample(clicks, count - len(clicks), seen, cores, len(self._countries) - 1)
        await self._look(random.sample(clicks, min(_SAMPLE, len(clicks))))
        return sample

    def _cpu(self) -> dict[str, float]:
        spent = {}
        for code, server in self._servers.items():
            spent[code], spent[f"{code}, setting texts"] = server.cpu_apart()
        return spent

    async def _look(self, clicks: Sequence[Click]) -> None:
        """Ask every sibling's page for these posts."""
        for click in clicks:
            for code, country in self._countries.items():
                if click.uri.startswith(country.settings.instance.url):
                    continue
                path = f"/p/{_local_id(country.database, click.uri)}"
                if not await doctors.shows(self._session, self._readers[code][0], path, click.mark):
                    raise MeasurementFailed(f"{code} has {click.uri} and does not show it")


def _local_id(database: Path, uri: str) -> str:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return public(connection.execute("SELECT id FROM posts WHERE uri_key = ?", (uri_key(uri),)).fetchone()[0])
    finally:
        connection.close()


def _sample(clicks: Sequence[Click], refused: int, seen: Seen, cores: dict[str, float], siblings: int) -> Sample:
    """Times of every post; one that was taken and is missing somewhere is a failure, not a slow one."""
    never = [math.inf] * refused
    sample = Sample([*never], [*never], [*never], refused, cores, seen.widest)
    for click in clicks:
        arrived = [when[click.uri] for when in seen.when.values() if click.uri in when]
        if len(arrived) != siblings:
            raise MeasurementFailed(f"{click.uri} came to {len(arrived)} of {siblings} siblings")
        sample.answered.append(click.answered - click.at)
        sample.first.append(min(arrived) - click.at)
        sample.last.append(max(arrived) - click.at)
    return sample


def _times(rounds: Mapping[str, Sequence[Sample]]) -> Table:
    table = [["ms after the click", "p50", "p99", "longest", "posts in all", "refused"]]
    for name, samples in rounds.items():
        for what, values in (("answered", [each.answered for each in samples]),
                             ("on the first sibling", [each.first for each in samples]),
                             ("on all six", [each.last for each in samples])):
            table.append([f"{name}: {what}", *(
                f"{1000 * statistics.median(at(each, share) for each in values):.0f}" for share in (0.5, 0.99)),
                f"{1000 * max(map(max, values)):.0f}", f"{sum(map(len, values)):,}",
                f"{sum(each.refused for each in samples):,}"])
    return table


def _cores(rounds: Mapping[str, Sequence[Sample]]) -> Table:
    """Who was how busy; one column each way of asking."""
    table = [["cores busy", *rounds]]
    for name in next(iter(rounds.values()))[0].cores:
        busy = [statistics.median(each.cores[name] for each in samples) for samples in rounds.values()]
        if max(busy) >= 0.005:
            table.append([name, *(f"{each:.2f}" for each in busy)])
    return table


def _busiest(name: str, samples: Sequence[Sample]) -> str:
    """Who is the bottleneck."""
    busy = {who: statistics.median(each.cores[who] for each in samples) for who in samples[0].cores}
    machine = busy.pop("the whole machine")
    who = max(busy, key=lambda one: busy[one])
    apart = 1000 * max(each.widest for each in samples)
    return (f"When {name} the busiest process is {who} with {busy[who]:.2f} of a core. The machine has {machine:.2f} of "
            f"{psutil.cpu_count()} cores busy, {machine - sum(busy.values()):.2f} with what is not in the table. Two looks at "
            f"the databases lay {apart:.0f} ms apart at most.")
