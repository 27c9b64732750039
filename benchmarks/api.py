"""Part `api`: the home timeline of an app with a million posts, over HTTP, against fetching its rows by key.

One running server, `konsil serve --no-worker`, in the country of part `home`. A phone asks for twenty posts and waits for them,
on a kept connection, each time with the token of another doctor: the beginning of her list, and five pages further down. By
turns with it, in this process: `Timelines.home` for the same page, and its posts by their ids through the same `Database.read`;
and over HTTP a list that is always empty, which says what remains when nothing is read. Then 32 phones at once.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from actors.models import Actor
from actors.store import shown_by_handle
from benchmarks import apps, crowd, load
from benchmarks.countries import Country
from benchmarks.home import read_through
from benchmarks.pace import Pace
from benchmarks.report import Goal, Part, Table, at
from benchmarks.servers import MeasurementFailed, Server, konsil
from core.database import Tx
from core.ids import number
from instance.assembly import Assembly, assemble
from posts import store
from posts.spans import Span

_PLACES = ("the beginning", "five pages down")
_DOWN = 5
_FULL = 20
_READERS = 200
_PAGES_A_SECOND = 80  # of each place
_CONNECTIONS = 32
_OK = 200


class _Entry(msgspec.Struct):
    """What a phone reads of a post to know where it is, and which one was passed on."""

    id: str
    reblog: _Entry | None = None


class _Page(NamedTuple):
    """A page of a doctor's list: the request for it and for nothing, where it begins, and the posts on it."""

    request: bytes
    nothing: bytes
    reader: Actor
    before: str
    ids: list[int]


class Times(NamedTuple):
    """Seconds: over HTTP, the same page in the process, its rows by key, and nothing over HTTP."""

    page: list[float]
    inside: list[float]
    rows: list[float]
    nothing: list[float]


class Crowded(NamedTuple):
    """Many phones at once, and milliseconds of the processor that the server took for each page."""

    load: load.Round
    cpu_ms: float


_READ = msgspec.json.Decoder(list[_Entry])
Round = dict[str, Times]


def run(directory: Path, pace: Pace) -> Part:
    """Measure; the country lies in the cache, only the server's log below `directory`."""
    country = crowd.country(pace.members, pace.many)
    read_through(country.database)
    server = konsil("api", country.directory / "config.toml", directory / "api.log", "serve", "--no-worker",
                    port=country.settings.server.port)
    try:
        pages, rounds = asyncio.run(_alone(country, server, pace))
        crowded = _together(server, [page.request for place in _PLACES for page in pages[place]], pace)
    finally:
        server.stop()
    setting = (
        f"{pace.members:,} members, {pace.many:,} posts; `GET /api/v1/timelines/home?limit={_FULL}` of `konsil serve --no-worker`"
        f" with the tokens of {_READERS} doctors chosen by chance, full pages only, the file in the system's cache; {pace.rounds}"
        f" rounds. One phone on a kept connection, by turns with the same page in this process, its posts by key, and a list that"
        f" is empty; then {_CONNECTIONS} phones at once, {pace.seconds:g} s a round.")
    return Part("The home timeline of apps", setting, (_table(rounds), _crowded_table(crowded)), _goals(rounds, pace.many))


async def _alone(country: Country, server: Server, pace: Pace) -> tuple[dict[str, list[_Page]], list[Round]]:
    async with assemble(country.settings) as assembly:
        readers = await _readers(assembly, country)
        phone = load.Kept("127.0.0.1", server.port)
        try:
            pages = _walk(phone, country, readers)
            rounds = []
            for turn in range(-1, pace.rounds):
                seen = {place: Times([], [], [], []) for place in _PLACES}
                for one in range(max(4, int(pace.seconds * _PAGES_A_SECOND)) if turn >= 0 else _READERS):
                    for place in _PLACES:
                        await _look(assembly, phone, random.choice(pages[place]), bool(one % 2), seen[place])
                if turn >= 0:
                    rounds.append(seen)
                    print(f"api, round {turn + 1}: {1000 * at(seen[_PLACES[0]].page, 0.5):.1f} ms", flush=True)
        finally:
            phone.close()
    return pages, rounds


async def _readers(assembly: Assembly, country: Country) -> list[tuple[Actor, str]]:
    """Some doctors, and the token of an app that each of them has let in."""
    def write(tx: Tx) -> list[tuple[Actor, str]]:
        some = random.sample(country.doctors, min(_READERS, len(country.doctors)))
        found = [actor for handle in some if (actor := shown_by_handle(tx, handle)) is not None]
        accounts = [row["id"] for actor in found for row in tx.rows("SELECT id FROM accounts WHERE actor_id = ?", (actor.id,))]
        if not len(found) == len(accounts) == len(some):
            raise MeasurementFailed("the country in the cache is not complete")
        return list(zip(found, apps.let_in(assembly, tx, accounts), strict=True))

    return await assembly.database.write(write)


def _walk(phone: load.Kept, country: Country, readers: Sequence[tuple[Actor, str]]) -> dict[str, list[_Page]]:
    """Every doctor's list read downwards, as phones do: the pages that are asked for later on."""
    host = country.settings.instance.url.split("://")[1]
    pages: dict[str, list[_Page]] = {place: [] for place in _PLACES}
    for reader, token in readers:
        def get(path: str, token: str = token) -> bytes:
            return (f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nAuthorization: Bearer {token}"
                    "\r\n\r\n").encode()

        before = ""
        for down in range(_DOWN + 1):
            request = get(f"/api/v1/timelines/home?limit={_FULL}" + (f"&max_id={before}" if before else ""))
            status, body, _ = phone.ask(request)
            if status != _OK:
                raise MeasurementFailed(f"a home timeline was answered {status}")
            shown = _READ.decode(body)
            if len(shown) < _FULL:
                break
            if down in (0, _DOWN):
                ids = [found for one in shown if (found := number((one.reblog or one).id)) is not None]
                pages[_PLACES[down // _DOWN]].append(_Page(request, get("/api/v1/lists"), reader, before, ids))
            before = shown[-1].id
    if not all(pages.values()):
        raise MeasurementFailed("nobody's home timeline is long enough")
    return pages


async def _look(assembly: Assembly, phone: load.Kept, page: _Page, backwards: bool, into: Times) -> None:
    """One page in every way, the order changing from look to look."""
    for way in range(4)[::-1 if backwards else 1]:
        if way == 0:
            into.page.append(_asked(phone, page.request))
        elif way == 1:
            begun = time.perf_counter()
            shown = (await assembly.timelines.home(page.reader, "home", Span(_FULL, page.before))).posts
            into.inside.append(time.perf_counter() - begun)
            if [number(post.id) for post in shown] != page.ids:
                raise MeasurementFailed("a page over HTTP is another one than in the process")
        elif way == 2:
            begun = time.perf_counter()
            rows = await assembly.database.read(lambda tx: store.by_many(tx, page.ids))
            into.rows.append(time.perf_counter() - begun)
            if len(rows) != _FULL:
                raise MeasurementFailed("a page shows posts that are not there")
        else:
            into.nothing.append(_asked(phone, page.nothing))


def _asked(phone: load.Kept, request: bytes) -> float:
    status, _, taken = phone.ask(request)
    if status != _OK:
        raise MeasurementFailed(f"an app was answered {status}")
    return taken


def _together(server: Server, requests: list[bytes], pace: Pace) -> list[Crowded]:
    random.shuffle(requests)
    rounds = []
    for turn in range(-1, pace.rounds):
        before = server.cpu()
        done = load.run("127.0.0.1", server.port, requests, pace.seconds if turn >= 0 else 0.5, connections=_CONNECTIONS,
                        good=_OK, again=True)
        if done.refused or not done.accepted:
            raise MeasurementFailed(f"apps were answered {done.refused}")
        if turn >= 0:
            rounds.append(Crowded(done, 1000 * (server.cpu() - before) / done.accepted))
    return rounds


def _goals(rounds: Sequence[Round], many: int) -> tuple[Goal, ...]:
    """In the process a page is held to what the home page is held to; over HTTP to twice that, for the other half are the
    request, its token, and twenty posts put into words and JSON. Of both places the one that is further from its goal stands
    for both."""
    def against_rows(column: int) -> dict[str, tuple[float, ...]]:
        return {place: tuple(at(each[place][column], 0.5) / at(each[place].rows, 0.5) for each in rounds) for place in _PLACES}

    return tuple(
        Goal(f"api, home timeline, p50 at {many:,} {where} ÷ rows by key ({worst})", found[worst], bound)
        for where, found, bound in (("in the process", against_rows(1), 5.0), ("over HTTP", against_rows(0), 10.0))
        for worst in [max(found, key=lambda place: statistics.median(found[place]))])


def _table(rounds: Sequence[Round]) -> Table:
    table = [["ms", "over HTTP: p50", "p99", "in the process: p50", "p99", "its rows by key: p50", "p99", "an empty list: p50",
              "p99", "HTTP ÷ rows"]]
    for place in _PLACES:
        columns = [[value for each in rounds for value in each[place][column]] for column in range(4)]
        table.append([place, *(f"{1000 * at(times, share):.2f}" for times in columns for share in (0.5, 0.99)),
                      f"{at(columns[0], 0.5) / at(columns[2], 0.5):.1f}"])
    return table


def _crowded_table(rounds: Sequence[Crowded]) -> Table:
    loads, rates = [each.load for each in rounds], [each.load.rate for each in rounds]
    return [[f"{_CONNECTIONS} phones at once", "pages/s", "lowest-highest", "CPU ms each", "p50 ms", "p99 ms", "pages in all"],
            ["home timelines", f"{statistics.median(rates):.0f}", f"{min(rates):.0f}-{max(rates):.0f}",
             f"{statistics.median(each.cpu_ms for each in rounds):.2f}", f"{statistics.median(each.p50 for each in loads):.0f}",
             f"{statistics.median(each.p99 for each in loads):.0f}", f"{sum(each.accepted for each in loads):,}"]]
