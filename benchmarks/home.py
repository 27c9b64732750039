"""Part `home`: the home page with a million posts, against ten thousand and against fetching its rows by key.

In this process: `Timelines.home` of both databases, tab by tab, for doctors chosen by chance, at the top of the list and
far back in it; right after each page the posts it showed are fetched by their ids, through the same `Database.read`.
Then over HTTP: two running servers, by turns, each with 32 connections of 32 doctors who have signed in.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from actors.models import Actor
from actors.store import shown_by_handle
from benchmarks import crowd, doctors, load
from benchmarks.countries import Country
from benchmarks.pace import Pace
from benchmarks.report import Goal, Part, Table, at
from benchmarks.servers import MeasurementFailed, Server, konsil
from core.database import Database, Tx
from core.ids import number, public
from instance.assembly import Assembly, assemble
from posts import store
from posts.timelines import Timelines

TABS = ("specialties", "following", "country", "abroad", "all", "waiting")
_CONNECTIONS = 32
_OK = 200
_PAGES_A_SECOND = 20  # of each tab, place and size
_FAR_BACK = (0.3, 0.7)
_FULL = 20


class Times(NamedTuple):
    """Seconds for a page, and for its rows by key."""

    page: list[float]
    rows: list[float]


Sizes = tuple[int, int]
Round = dict[tuple[str, int], Times]


def run(directory: Path, pace: Pace) -> Part:
    """Measure; the countries lie in the cache, only the servers' logs below `directory`."""
    sizes = (pace.few, pace.many)
    countries = {size: crowd.country(pace.members, size) for size in sizes}
    for country in countries.values():
        read_through(country.database)
    rounds = asyncio.run(_pages(countries, pace))
    served = _serve(countries, directory, pace)
    setting = (
        f"{pace.members:,} members, {sizes[0]:,} and {sizes[1]:,} posts, a fifth of them at the top of a conversation; "
        f"{pace.rounds} rounds, both sizes by turns. In the process: at the top of each list and far back in it, for doctors "
        "chosen by chance, full pages only, the files in the system's cache; "
        f"over HTTP: `konsil serve --no-worker`, {_CONNECTIONS} kept connections of as many doctors, all tabs in turn, "
        f"{pace.seconds:g} s a round.")
    return Part("The home page", setting, (_table(rounds, sizes), _served_table(served)), _goals(rounds, sizes))


def read_through(path: Path) -> None:
    """Bring a file into the system's cache: what is measured is work, not how long ago somebody last came by."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


async def _pages(countries: Mapping[int, Country], pace: Pace) -> list[Round]:
    few, many = sorted(countries)
    async with assemble(countries[few].settings) as one, assemble(countries[many].settings) as other:
        readers = {few: await _Reader.of(one, countries[few]), many: await _Reader.of(other, countries[many])}
        rounds: list[Round] = []
        for turn in range(-1, pace.rounds):
            seen: Round = {}
            for _ in range(max(2, int(pace.seconds * _PAGES_A_SECOND)) if turn >= 0 else 5):
                for tab in TABS:
                    for size, reader in list(readers.items())[:: -1 if turn % 2 else 1]:
                        await reader.read(tab, False, seen.setdefault((tab, size), Times([], [])))
                        await reader.read(tab, True, seen.setdefault((f"{tab}, far back", size), Times([], [])))
            if turn >= 0:
                rounds.append(seen)
        full = {place for place, _ in rounds[0] if all(each[place, size].page for each in rounds for size in readers)}
        return [{place: times for place, times in each.items() if place[0] in full} for each in rounds]


class _Reader:
    """Doctors of one country, chosen by chance, who look at their home page."""

    def __init__(self, timelines: Timelines, database: Database, readers: Sequence[Actor],
                 ids: tuple[int, int]) -> None:
        self._timelines, self._database, self._readers, self._ids = timelines, database, readers, ids

    @classmethod
    async def of(cls, assembly: Assembly, country: Country) -> _Reader:
        def look(tx: Tx) -> tuple[list[Actor], tuple[int, int]]:
            some = random.sample(country.doctors, min(500, len(country.doctors)))
            found = [actor for handle in some if (actor := shown_by_handle(tx, handle)) is not None]
            ids = tx.row("SELECT min(id) AS first, max(id) AS last FROM posts")
            if len(found) != len(some) or ids is None:
                raise MeasurementFailed("the country in the cache is not complete")
            return found, (ids["first"], ids["last"])

        return cls(assembly.timelines, assembly.database, *await assembly.database.read(look))

    async def read(self, tab: str, back: bool, into: Times) -> None:
        """One page, then its rows by key."""
        viewer = random.choice(self._readers)
        first, last = self._ids
        before = public(last - int((last - first) * random.uniform(*_FAR_BACK))) if back else None
        begun = time.perf_counter()
        page = await self._timelines.home(viewer, tab, before)
        page_time = time.perf_counter() - begun
        ids = [found for post in page.posts if (found := number(post.id)) is not None]
        begun = time.perf_counter()
        rows = await self._database.read(lambda tx: store.by_many(tx, ids))
        rows_time = time.perf_counter() - begun
        if len(rows) != len(page.posts):
            raise MeasurementFailed(f"the page {tab} shows posts that are not there")
        if len(rows) == _FULL:
            into.page.append(page_time)
            into.rows.append(rows_time)


def _serve(countries: Mapping[int, Country], directory: Path, pace: Pace) -> dict[int, list[load.Round]]:
    servers: dict[int, Server] = {}
    rounds: dict[int, list[load.Round]] = {size: [] for size in countries}
    try:
        for size, country in countries.items():
            port = country.settings.server.port
            servers[size] = konsil(f"{size:,} posts", country.directory / "config.toml", directory / f"{size}.log", "serve",
                                   "--no-worker", port=port)
        requests = {size: asyncio.run(_requests(country)) for size, country in countries.items()}
        for turn in range(-1, pace.rounds):
            for size, server in list(servers.items())[:: -1 if turn % 2 else 1]:
                done = load.run("127.0.0.1", server.port, requests[size], pace.seconds if turn >= 0 else 0.5,
                                connections=_CONNECTIONS, good=_OK, again=True)
                if done.refused or not done.accepted:
                    raise MeasurementFailed(f"{server.name} answered {done.refused}")
                if turn >= 0:
                    rounds[size].append(done)
                    print(f"home, round {turn + 1}, {size:,} posts: {done.rate:.0f} pages/s", flush=True)
    finally:
        for server in servers.values():
            server.stop()
    return rounds


async def _requests(country: Country) -> list[bytes]:
    """Every tab for each of the doctors."""
    async with doctors.browser() as session:
        cookies = [await doctors.sign_in(session, country, handle) for handle in country.doctors[:_CONNECTIONS]]
    host = country.settings.instance.url.split("://")[1]
    return [f"GET /?tab={tab} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nCookie: {cookie}\r\n\r\n".encode()
            for tab in TABS for cookie in cookies]


def _goals(rounds: Sequence[Round], sizes: Sizes) -> tuple[Goal, ...]:
    """Both goals for every tab; of the tabs the one that is furthest from its goal stands for all."""
    few, many = sizes
    places = list(dict.fromkeys(place for place, _ in rounds[0]))

    def median(times: list[float]) -> float:
        return at(times, 0.5)

    growth = {place: tuple(median(each[place, many].page) / median(each[place, few].page) for each in rounds) for place in places}
    work = {place: tuple(median(each[place, many].page) / median(each[place, many].rows) for each in rounds) for place in places}
    return tuple(
        Goal(f"home, {name} ({worst})", found[worst], bound)
        for name, found, bound in ((f"p50 at {many:,} ÷ at {few:,}", growth, 2.0), (f"p50 at {many:,} ÷ rows by key", work, 5.0))
        for worst in [max(found, key=lambda place: statistics.median(found[place]))])


def _table(rounds: Sequence[Round], sizes: Sizes) -> Table:
    few, many = sizes
    table = [["ms in the process", f"{few:,}: p50", "p99", f"{many:,}: p50", "p99", "its rows by key: p50", "p99"]]
    for place in dict.fromkeys(place for place, _ in rounds[0]):
        columns = [times for size in sizes for times in [[value for each in rounds for value in each[place, size].page]]]
        columns.append([value for each in rounds for value in each[place, many].rows])
        table.append([place, *(f"{1000 * at(times, share):.2f}" for times in columns for share in (0.5, 0.99))])
    return table


def _served_table(served: Mapping[int, Sequence[load.Round]]) -> Table:
    table = [["over HTTP", "pages/s", "lowest-highest", "p50 ms", "p99 ms", "pages in all"]]
    for size, rounds in served.items():
        rates = [each.rate for each in rounds]
        table.append([f"{size:,} posts", f"{statistics.median(rates):.0f}", f"{min(rates):.0f}-{max(rates):.0f}",
                      f"{statistics.median(each.p50 for each in rounds):.0f}",
                      f"{statistics.median(each.p99 for each in rounds):.0f}", f"{sum(each.accepted for each in rounds):,}"])
    return table
