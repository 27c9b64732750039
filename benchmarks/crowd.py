"""A country that has been lived in: members at home and abroad, and years of cases, polls, notes and answers.

It is written through the program's own `store` functions, straight into the file and without waiting for the disk, and
kept in `.cache/`, so that the next run finds it there. Its name holds what it depends on: the migrations and this file.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from actors.models import AccountState, Actor, Badge, Role
from actors.store import save
from benchmarks.countries import PASSWORD, Country, admit, on_paper
from benchmarks.sender import SENTENCES
from benchmarks.servers import free_port
from core.clock import Clock
from core.countries import CODES, specialties
from core.database import Tx, marks
from core.ids import Ids, public
from core.migrate import migrations
from core.settings import load
from core.vault import hash_password
from federation.store import enqueue
from instance.assembly import assemble
from instance.setup import create_instance
from posts import store, wire
from posts.models import Audience, CaseFacts, Kind, Reach, State
from posts.store import Poll, Post

CACHE = Path(__file__).resolve().parent / ".cache"
_YEARS_MS = 3 * 365 * 86_400_000
_BATCH = 500
_TOP_SHARE = 0.2  # the others are answers
_LONELY_SHARE = 0.1  # of the questions: nobody answers them
_GONE_SHARE = 0.01
_OPEN_THREADS = 2_000
_SENT_LAST = 20_000
_VOTED_LAST = 3_000
_TEXTS = tuple("<p>" + "".join(random.Random(number).choices(SENTENCES, k=12)) + "</p>" for number in range(97))
_NAMES = ("Weber", "Rossi", "Martin", "García", "Smith", "Gruber", "Keller", "Moreau", "Conti", "Jones", "Huber", "López")


class _Author(NamedTuple):
    id: int
    uri: str
    sibling_id: int | None
    origin: str
    country: str


class _Time(Clock):
    """The years that pass while the posts are written, in milliseconds."""

    def __init__(self, begin: int) -> None:
        super().__init__()
        self.at = begin

    def ms(self) -> int:
        return self.at


def country(members: int, posts: int) -> Country:
    """The country with so many members at home and so many posts, from the cache or made now."""
    key = hashlib.sha256("".join(each.digest for each in migrations()).encode() + Path(__file__).read_bytes()).hexdigest()[:12]
    kept = CACHE / key / f"{posts}-posts-{members}-members"
    if not kept.exists():
        for old in CACHE.iterdir() if CACHE.exists() else ():
            if old.name != key:
                shutil.rmtree(old)
        begun = time.monotonic()
        unfinished = kept.with_name(f"{kept.name}-unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        asyncio.run(_found(unfinished / CODES[0]))
        _fill(unfinished / CODES[0], members, posts)
        unfinished.rename(kept)
        print(f"made {posts:,} posts of {members:,} members in {time.monotonic() - begun:.0f} s", flush=True)
    return Country(CODES[0], load(kept / CODES[0] / "config.toml"), tuple(f"m{number}" for number in range(members)))


async def _found(directory: Path) -> None:
    """An instance with the other countries on its list."""
    settings = await create_instance(directory, country=CODES[0], domain="127.0.0.1", port=free_port())
    async with assemble(settings) as assembly:
        for code in CODES[1:]:
            await admit(assembly, on_paper(code, free_port()))


def _fill(directory: Path, members: int, posts: int) -> None:
    settings = load(directory / "config.toml")
    connection = sqlite3.connect(directory / "konsil.db", isolation_level=None)
    connection.row_factory = sqlite3.Row
    for pragma in ("journal_mode=DELETE", "journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF", "cache_size=-400000"):
        connection.execute(f"PRAGMA {pragma}")
    crowd = _Crowd(Tx(connection), settings.instance.url, members)
    for step in (crowd.meet, *crowd.write(posts), crowd.send, crowd.vote, crowd.erase):
        connection.execute("BEGIN")
        step()
        connection.execute("COMMIT")
    connection.close()


class _Crowd:
    """Writes the members, then the posts in the order of their time."""

    def __init__(self, tx: Tx, origin: str, members: int) -> None:
        self._tx, self._origin, self._members = tx, origin, members
        self._random = random.Random(2026)
        self._end = Clock().ms() - 60_000
        self._time = _Time(self._end - _YEARS_MS)
        self._ids = Ids(self._time, tag=0)
        self._authors: list[_Author] = []
        self._threads: list[list[Post]] = []
        self._polls: list[int] = []
        self._mine: list[tuple[Post, Poll | None, str | None]] = []
        self._gone: list[int] = []
        self._uris: dict[int, str] = {}
        self._siblings: dict[str, int] = {}

    def meet(self) -> None:
        """Members at home with their accounts, all with the same password, and a sixth as many in each other country."""
        hashed = hash_password(PASSWORD)
        homes = {row["country"]: row for row in self._tx.rows("SELECT id, origin, country FROM siblings")}
        self._siblings = {row["origin"]: row["id"] for row in homes.values()}
        for code in CODES:
            row = homes.get(code)
            origin, sibling_id = (row["origin"], row["id"]) if row is not None else (self._origin, None)
            for number in range(self._members if row is None else max(1, self._members // 6)):
                self._add(f"m{number}", origin, sibling_id, code, hashed)

    def _add(self, handle: str, origin: str, sibling_id: int | None, code: str, hashed: str) -> None:
        ids, domain, now = self._ids, origin.split("://")[1], self._time.ms()
        number = ids.new()
        some = tuple(dict.fromkeys(self._specialty() for _ in range(self._random.choice((1, 1, 1, 2)))))
        actor = Actor(number, f"{origin}/actors/{public(number)}", handle, domain, f"Dr. {self._random.choice(_NAMES)} {handle}",
                      Badge(Role.DOCTOR, some, code, f"Konsil {code.upper()}", now), sibling_id)
        save(self._tx, actor, now)
        self._authors.append(_Author(number, actor.uri, sibling_id, origin, code))
        if sibling_id is None:
            self._tx.run(
                "INSERT INTO accounts (id, handle, name, kind, state, actor_id, password_hash, method, evidence, created_at)"
                " VALUES (?, ?, ?, 'doctor', ?, ?, ?, 'register', 'benchmark', ?)",
                (ids.new(), handle, actor.name, AccountState.VERIFIED, number, hashed, now))

    def _specialty(self) -> str:
        """One of all specialties; a few have most doctors."""
        codes = specialties()
        return codes[min(int(self._random.expovariate(0.12)), len(codes) - 1)]

    def write(self, posts: int) -> Iterator[Callable[[], None]]:
        """The posts, a batch a transaction; time passes evenly."""
        step = _YEARS_MS // posts
        for start in range(0, posts, _BATCH):
            yield partial(self._write, min(_BATCH, posts - start), step)

    def _write(self, count: int, step: int) -> None:
        made: list[Post] = []
        polls: list[tuple[int, Poll]] = []
        for _ in range(count):
            self._time.at += step
            if not self._threads or self._random.random() < _TOP_SHARE:
                post = self._top()
                poll = self._poll(post) if post.kind == Kind.POLL else None
                if poll is not None:
                    polls.append((post.id, poll))
                    self._polls.append(post.id)
                if self._random.random() > _LONELY_SHARE:
                    self._threads.append([post])
                if len(self._threads) > 2 * _OPEN_THREADS:
                    del self._threads[:_OPEN_THREADS]
                parent_uri = None
            else:
                post, parent_uri, poll = *self._answer(), None
            made.append(post)
            if self._random.random() < _GONE_SHARE:
                self._gone.append(post.id)
            if post.sibling_id is None and len(post.audience.origins) > 1:
                self._mine.append((post, poll, parent_uri))
        store.insert(self._tx, made)
        if polls:
            store.insert_polls(self._tx, polls)
        if len(self._mine) > 2 * _SENT_LAST:
            del self._mine[:-_SENT_LAST]

    def _top(self) -> Post:
        author, chance = self._random.choice(self._authors), self._random.random()
        kind = Kind.CASE if chance < 0.7 else Kind.POLL if chance < 0.85 else Kind.NOTE
        origins, reach = {author.origin, self._origin}, Reach.COUNTRIES
        if author.sibling_id is None and self._random.random() < 0.2:
            reach = Reach.HOME
        elif self._random.random() < 0.6:
            origins, reach = {*origins, *self._siblings}, Reach.NETWORK
        else:
            origins |= set(self._random.sample(sorted(self._siblings), 2))
        facts = CaseFacts((self._specialty(),), *(("50-59", "f", "therapeutic") if kind == Kind.CASE else ()))
        state = None if kind != Kind.CASE else State.KNOWN if self._random.random() < 0.2 else State.OPEN
        return self._post(author, kind, None, Audience(reach, tuple(sorted(origins))), facts, state)

    def _answer(self) -> tuple[Post, str]:
        """An answer to one of the threads people still talk in, the latest most of all, and the URI of what it answers."""
        thread = self._threads[-1 - min(int(self._random.expovariate(0.005)), len(self._threads) - 1)]
        parent = thread[0] if self._random.random() < 0.7 else self._random.choice(thread)
        while True:
            author = self._random.choice(self._authors)
            if author.origin in parent.audience.origins:
                break
        post = self._post(author, Kind.REPLY, parent, parent.audience, CaseFacts(), None)
        thread.append(post)
        return post, parent.uri

    def _post(self, author: _Author, kind: Kind, parent: Post | None, audience: Audience, facts: CaseFacts,
              state: State | None) -> Post:
        number, now = self._ids.new(), self._time.ms()
        text = self._random.choice(_TEXTS)
        self._uris[author.id] = author.uri
        return Post(
            number, f"{author.origin}/posts/{public(number)}", author.id, author.sibling_id, kind,
            parent.root_id if parent is not None else number, parent.id if parent is not None else None,
            "" if parent is not None else f"Would you treat this? Question {public(number)}",
            text if author.sibling_id is None else "", text, "en", facts, state, audience, author.country, now)

    def _poll(self, post: Post) -> Poll:
        names = tuple(f"option {number}" for number in range(self._random.randint(2, 6)))
        ends = post.published_at + 3 * 86_400_000
        votes = tuple((name, self._random.randrange(80)) for name in names)
        return Poll(False, ends, ends if ends < self._end else None, sum(number for _, number in votes), votes)

    def send(self) -> None:
        """The way out of the last posts written here, and that they arrived."""
        for post, poll, parent_uri in self._mine[-_SENT_LAST:]:
            enqueue(self._tx, self._ids.new(), wire.create(post, poll, self._uris[post.author_id], parent_uri),
                    [self._siblings[origin] for origin in post.audience.origins if origin in self._siblings], post.published_at)
        self._tx.run("UPDATE deliveries SET state = 'acked', settled_at = 1")

    def vote(self) -> None:
        """Votes of this country's doctors in the latest polls."""
        here = [author.id for author in self._authors if author.sibling_id is None]
        for post_id in self._polls[-_VOTED_LAST:]:
            voters = self._random.sample(here, min(20, len(here)))
            store.insert_votes(self._tx, [(post_id, voter, 0, self._random.randrange(2), self._end) for voter in voters])

    def erase(self) -> None:
        """What has been deleted since."""
        for start in range(0, len(self._gone), _BATCH):
            some = self._gone[start:start + _BATCH]
            self._tx.run("UPDATE posts SET question = '', source = '', html = '', facts = '{}', state = NULL,"
                         f" erased_at = published_at + 1 WHERE id IN ({marks(len(some))})", some)
