"""Part `search`: a million posts searched by words, facts and conditions, against fetching what was found by key; and a
conversation of 500 answers among as many.

In this process: `Search.find` for doctors chosen by chance, by turns with `store.by_many` of the very posts it found. Then over
HTTP: the pages of a running server as two doctors see them who ask one after the other.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from actors.models import Actor
from actors.store import shown_by_handle
from benchmarks import crowd, doctors, load
from benchmarks.countries import Country
from benchmarks.home import read_through
from benchmarks.pace import Pace
from benchmarks.report import Goal, Part, Table, at
from benchmarks.servers import MeasurementFailed, konsil
from benchmarks.vocabulary import Vocabulary
from core.database import Tx
from core.ids import number, public
from instance.assembly import Assembly, assemble
from posts import store
from posts.models import Audience, CaseFacts, Kind, Reach, State
from posts.sought import Filters
from posts.store import Post

ANSWERS = 500
_SECRET = "arcanum"
_ASKED: dict[str, tuple[str, Filters]] = {
    "a word of nearly all": ("patient", Filters()),
    "a word of some": ("endocarditis", Filters()),
    "a rare word": ("gallolyticus", Filters()),
    "a word of nobody": ("xyzzy", Filters()),
    "a word of others' consults": (_SECRET, Filters()),
    "how many words begin": ("pat", Filters()),
    "five words": ("the and with patient gallolyticus", Filters()),
    "two that never meet": ("xyzzy patient", Filters()),
    "without a word": ("fever -patient", Filters()),
    "words in a row": ('"patient with fever"', Filters()),
    "a condition": ("sarkoidose", Filters()),
    "a word, filtered": ("patient", Filters(kind="case", specialty="cardiology", state="known", language="en")),
    "a word, a month, unanswered": ("patient", Filters(answers="without", since="2024-10", until="2024-10")),
    "filters alone": ("", Filters(specialty="cardiology", answers="without")),
    "a word, of those followed": ("endocarditis", Filters(whose="following")),
    "a word, of one's own": ("fever", Filters(whose="mine")),
}
_OK = 200
_CONNECTIONS = 2
_READERS = 8
_AT_ONCE = 40  # of each kind and round, in the process


class Times(NamedTuple):
    """Seconds for what was found, and for its rows by key; how often the time of a page was over."""

    search: list[float]
    rows: list[float]
    cut: list[bool]


Round = dict[str, Times]


class Served(NamedTuple):
    """How pages went out in a round, and milliseconds of the processor that the server took for each."""

    load: load.Round
    cpu_ms: float


def run(directory: Path, pace: Pace) -> Part:
    """Measure; the country lies in the cache, only the server's log below `directory`."""
    country = crowd.country(pace.members, pace.many)
    asyncio.run(crowd.enter(country))
    root = asyncio.run(_furnish(country))
    read_through(country.database)
    rounds = asyncio.run(_searches(country, pace))
    served = _serve(country, root, directory, pace)
    setting = (
        f"{pace.members:,} members, {pace.many:,} posts of about 270 words; {pace.rounds} rounds. In the process: doctors chosen"
        f" by chance, the first page, the file in the system's cache; over HTTP: `konsil serve --no-worker`, {_CONNECTIONS} kept"
        f" connections of {_READERS} doctors, the conversation has {ANSWERS} answers and is read page by page.")
    return Part("Search", setting, (_table(rounds), _served_table(served)), _goals(rounds, served))


async def _furnish(country: Country) -> str:
    """A conversation of many answers, its id; and a consult with a word nobody else uses. Both are written once."""
    async with assemble(country.settings) as assembly:
        found = await assembly.database.read(lambda tx: tx.row("SELECT id FROM posts WHERE question = ?", (_SECRET,)))
        if found is None:
            await assembly.database.write(partial(_write, assembly))
            while await assembly.indexing.step():
                pass
        row = await assembly.database.read(lambda tx: tx.row("SELECT id FROM posts WHERE replies = ? AND parent_id IS NULL"
                                                             " ORDER BY id DESC LIMIT 1", (ANSWERS,)))
        if row is None:
            raise MeasurementFailed("the country in the cache is not complete")
        return public(row["id"])


def _write(assembly: Assembly, tx: Tx) -> None:
    chance = random.Random(7)
    words = Vocabulary(chance)
    people = [row["id"] for row in tx.rows("SELECT id FROM actors WHERE sibling_id IS NULL LIMIT 200")]
    origin, now = assembly.identity.origin, assembly.clock.ms()
    everybody = Audience(Reach.HOME, (origin,))
    root = assembly.ids.new()

    def post(number: int, kind: Kind, parent: int | None, question: str, text: str, audience: Audience, author: int) -> Post:
        return Post(number, f"{origin}/posts/{public(number)}", author, None, kind, root if parent else number, parent, question,
                    text, f"<p>{text}</p>", "en", CaseFacts(("cardiology",)) if parent is None else CaseFacts(),
                    State.OPEN if parent is None else None, audience, assembly.settings.instance.country, now)

    made = [post(root, Kind.CASE, None, "What do all of you think?", words.text(), everybody, people[0])]
    for _ in range(ANSWERS):
        above = root if chance.random() < 0.6 else chance.choice(made).id
        made.append(post(assembly.ids.new(), Kind.REPLY, above, "", words.text(60), everybody, chance.choice(people)))
    readers = tuple(row["uri"] for row in tx.rows("SELECT uri FROM actors WHERE id IN (?, ?)", people[-2:]))
    them = Audience(Reach.NAMED, (origin,), readers)
    secret = post(assembly.ids.new(), Kind.NOTE, None, _SECRET, words.text(), them, people[-1])
    for start in range(0, len(made), 100):
        store.insert(tx, made[start:start + 100])
    store.insert(tx, [secret])
    tx.run("UPDATE posts SET replies = ? WHERE id = ?", (ANSWERS, root))


async def _searches(country: Country, pace: Pace) -> list[Round]:
    async with assemble(country.settings) as assembly:
        def look(tx: Tx) -> list[Actor]:
            some = random.sample(country.doctors, min(300, len(country.doctors)))
            return [actor for handle in some if (actor := shown_by_handle(tx, handle)) is not None]

        readers = await assembly.database.read(look)
        rounds: list[Round] = []
        for turn in range(-1, pace.rounds):
            seen: Round = {}
            for name, (typed, filters) in _ASKED.items():
                times = seen.setdefault(name, Times([], [], []))
                for _ in range(max(4, int(_AT_ONCE * pace.seconds / 3)) if turn >= 0 else 3):
                    await _one(assembly, random.choice(readers), typed, filters, times)
            if turn >= 0:
                rounds.append(seen)
                slowest = max(1000 * at(times.search, 0.5) for times in seen.values())
                print(f"search, round {turn + 1}: the slowest kind at {slowest:.0f} ms", flush=True)
        return rounds


async def _one(assembly: Assembly, reader: Actor, typed: str, filters: Filters, into: Times) -> None:
    """One page of results, then its posts by key."""
    begun = time.perf_counter()
    results = await assembly.search.find(reader, typed, filters)
    into.search.append(time.perf_counter() - begun)
    into.cut.append(results.until is not None)
    ids = [found for one in results.found if (found := number(one.post.id)) is not None]
    begun = time.perf_counter()
    rows = await assembly.database.read(lambda tx: store.by_many(tx, ids))
    if ids:
        into.rows.append(time.perf_counter() - begun)
    if len(rows) != len(ids):
        raise MeasurementFailed(f"the search for {typed} shows posts that are not there")


def _serve(country: Country, root: str, directory: Path, pace: Pace) -> dict[str, list[Served]]:
    port = country.settings.server.port
    server = konsil("search", country.directory / "config.toml", directory / "search.log", "serve", "--no-worker", port=port)
    try:
        asked = asyncio.run(_requests(country, root))
        rounds: dict[str, list[Served]] = {name: [] for name in asked}
        for turn in range(-1, pace.rounds):
            for name, requests in asked.items():
                before = server.cpu()
                done = load.run("127.0.0.1", port, requests, pace.seconds if turn >= 0 else 0.5, connections=_CONNECTIONS,
                                good=_OK, again=True)
                if done.refused or not done.accepted:
                    raise MeasurementFailed(f"{name} was answered {done.refused}")
                if turn >= 0:
                    rounds[name].append(Served(done, 1000 * (server.cpu() - before) / done.accepted))
    finally:
        server.stop()
    return rounds


_SERVED = ("a word of nearly all", "a word of some", "words in a row", "a condition", "a word, filtered")


async def _requests(country: Country, root: str) -> dict[str, list[bytes]]:
    """Pages of results, one kind after the other, and every page of the conversation."""
    async with doctors.browser() as session:
        cookies = [await doctors.sign_in(session, country, handle) for handle in country.doctors[:_READERS]]
    host = country.settings.instance.url.split("://")[1]

    def get(path: str) -> list[bytes]:
        return [f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nCookie: {cookie}\r\n\r\n".encode()
                for cookie in cookies]

    paths = {}
    for name in _SERVED:
        typed, filters = _ASKED[name]
        chosen = {field: value for field in Filters.__struct_fields__ if (value := getattr(filters, field))}
        paths[f"search: {name}"] = get(f"/search?{urlencode({'q': typed} | chosen)}")
    for page, after in enumerate(await _pages(country, root), 1):
        paths[f"conversation, page {page}"] = get(f"/p/{root}" + (f"?after={after}" if after else ""))
    return paths


async def _pages(country: Country, root: str) -> list[str]:
    """Where each page of the conversation begins."""
    async with assemble(country.settings) as assembly:
        reader = await assembly.database.read(lambda tx: shown_by_handle(tx, country.doctors[0]))
        if reader is None:
            raise MeasurementFailed("the country in the cache is not complete")
        pages, after = [""], ""
        while (found := await assembly.threads.thread(reader, root, after=after or None)).after is not None:
            after = found.after
            pages.append(after)
        return pages


def _goals(rounds: Sequence[Round], served: dict[str, list[Served]]) -> tuple[Goal, ...]:
    """Of the kinds the one that is furthest from its goal stands for all."""
    slow = {name: tuple(1000 * at(each[name].search, 0.99) for each in rounds) for name in _ASKED}
    work = {name: tuple(at(each[name].search, 0.5) / at(each[name].rows, 0.5) for each in rounds)
            for name in _ASKED if all(each[name].rows and not any(each[name].cut) for each in rounds)}
    worst = max(slow, key=lambda name: statistics.median(slow[name]))
    most = max(work, key=lambda name: statistics.median(work[name]))
    goals = [Goal(f"search: p99 ms in the process ({worst})", slow[worst], 100.0),
             Goal(f"search: p50 ÷ its rows by key ({most})", work[most], 40.0)]
    for kind, bound in (("search", 100.0), ("conversation", 150.0)):
        pages = {name: tuple(each.load.p99 for each in found) for name, found in served.items() if name.startswith(kind)}
        last = max(pages, key=lambda name: statistics.median(pages[name]))
        goals.append(Goal(f"{last}: p99 ms over HTTP", pages[last], bound))
    return tuple(goals)


def _table(rounds: Sequence[Round]) -> Table:
    table = [["ms in the process", "p50", "p99", "its rows by key: p50", "p50 ÷ rows", "ended early"]]
    for name in _ASKED:
        found = [value for each in rounds for value in each[name].search]
        rows = [value for each in rounds for value in each[name].rows]
        cut = [value for each in rounds for value in each[name].cut]
        ratio = f"{at(found, 0.5) / at(rows, 0.5):.1f}" if rows else "-"
        table.append([name, f"{1000 * at(found, 0.5):.2f}", f"{1000 * at(found, 0.99):.2f}",
                      f"{1000 * at(rows, 0.5):.2f}" if rows else "-", ratio, f"{100 * sum(cut) / len(cut):.0f} %"])
    return table


def _served_table(served: dict[str, list[Served]]) -> Table:
    table = [["over HTTP", "pages/s", "CPU ms each", "p50 ms", "p99 ms", "lowest-highest p99", "pages in all"]]
    for name, rounds in served.items():
        slow = [each.load.p99 for each in rounds]
        table.append([name, f"{statistics.median(each.load.rate for each in rounds):.0f}",
                      f"{statistics.median(each.cpu_ms for each in rounds):.1f}",
                      f"{statistics.median(each.load.p50 for each in rounds):.0f}", f"{statistics.median(slow):.0f}",
                      f"{min(slow):.0f}-{max(slow):.0f}", f"{sum(each.load.accepted for each in rounds):,}"])
    return table
