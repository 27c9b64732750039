"""A country that has been lived in: members at home and abroad, and years of cases, polls, notes, answers and consults.

It is written through the program's own `store` functions, straight into the file and without waiting for the disk, and
kept in `.cache/`, so that the next run finds it there. Its name holds what it depends on: the migrations and how it is
made. Its posts are entered into the index only where somebody searches, for that takes longer than all the rest.
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

import msgspec

from benchmarks.countries import Country, admit, on_paper
from benchmarks.members import Members, Person
from benchmarks.servers import free_port
from benchmarks.vocabulary import Vocabulary
from core.clock import Clock
from core.countries import CODES
from core.database import Tx
from core.ids import Ids, public
from core.migrate import migrations
from core.settings import load
from federation.store import enqueue
from instance.assembly import assemble
from instance.setup import create_instance
from posts import ballots, outgoing, store
from posts.models import Audience, CaseFacts, Kind, Reach, State, Tags
from posts.store import Poll, Post
from posts.telling import Event, Told, tell

_HERE = Path(__file__).resolve().parent
CACHE = _HERE / ".cache"
_MADE_BY = (Path(__file__), _HERE / "members.py", _HERE / "vocabulary.py")
_YEARS_MS = 3 * 365 * 86_400_000
_BATCH = 500
_ENTERED = 4_000
_TOP_SHARE = 0.2  # the others are answers
_NAMED_SHARE, _TAGGED_SHARE, _GONE_SHARE = 0.02, 0.3, 0.01
_LONELY_SHARE = 0.1  # of the questions: nobody answers them
_OPEN_THREADS = 2_000
_SENT_LAST, _VOTED_LAST, _TOUCHED_LAST, _TOLD_LAST = 20_000, 3_000, 100_000, 100_000
_READ_SHARE = 0.8


class _Time(Clock):
    """The years that pass while the posts are written, in milliseconds."""

    def __init__(self, begin: int) -> None:
        super().__init__()
        self.at = begin

    def ms(self) -> int:
        return self.at


def country(members: int, posts: int) -> Country:
    """The country with so many members at home and so many posts, from the cache or made now."""
    made_of = "".join(each.digest for each in migrations()).encode() + b"".join(path.read_bytes() for path in _MADE_BY)
    key = hashlib.sha256(made_of).hexdigest()[:12]
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


async def enter(made: Country) -> None:
    """Enter everything into the index, as the worker would, but in large pieces and without waiting for the disk; what an
    earlier run has entered stays, also when it was ended in the middle."""
    begun, entered = time.monotonic(), 0
    hasty = msgspec.structs.replace(made.settings.database, synchronous="OFF")
    async with assemble(msgspec.structs.replace(made.settings, database=hasty)) as assembly:
        await assembly.indexing.begin()
        while step := await assembly.indexing.step(_ENTERED):
            entered += step
    if entered:
        print(f"entered {entered:,} posts in {time.monotonic() - begun:.0f} s", flush=True)


def _fill(directory: Path, members: int, posts: int) -> None:
    settings = load(directory / "config.toml")
    connection = sqlite3.connect(directory / "konsil.db", isolation_level=None)
    connection.row_factory = sqlite3.Row
    for pragma in ("journal_mode=DELETE", "journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF", "cache_size=-400000"):
        connection.execute(f"PRAGMA {pragma}")
    years = _Years(Tx(connection), settings.instance.url, members)
    for step in (years.settle, *years.write(posts), years.send, years.erase, years.react, years.tell):
        connection.execute("BEGIN")
        step()
        connection.execute("COMMIT")
    connection.close()


class _Years:
    """Writes the members, then the posts in the order of their time, then what became of them."""

    def __init__(self, tx: Tx, origin: str, members: int) -> None:
        self._tx, self._origin, self._count = tx, origin, members
        self._chance = random.Random(2026)
        self._words = Vocabulary(self._chance)
        self._end = Clock().ms() - 60_000
        self._time = _Time(self._end - _YEARS_MS)
        self._ids = Ids(self._time, tag=0)
        self._members = Members(tx, self._chance, self._ids.new, self._time.ms())
        self._people: list[Person] = []
        self._here: list[Person] = []
        self._threads: list[list[Post]] = []
        self._listed: list[int] = []
        self._polls: list[int] = []
        self._mine: list[tuple[Post, Poll | None, str | None]] = []
        self._gone: dict[int, str] = {}
        self._told: list[Event] = []
        self._siblings: dict[str, int] = {}
        self._by_id: dict[int, Person] = {}
        self._by_uri: dict[str, Person] = {}

    def settle(self) -> None:
        """The people."""
        self._people = self._members.settle(self._origin, self._count)
        self._members.relate(self._people)
        self._here = [person for person in self._people if person.here]
        self._by_id = {person.id: person for person in self._people}
        self._by_uri = {person.uri: person for person in self._people}
        self._siblings = {row["origin"]: row["id"] for row in self._tx.rows("SELECT origin, id FROM siblings")}

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
            poll = parent = None
            if not self._threads or self._chance.random() < _TOP_SHARE:
                post = self._top()
                if post.kind == Kind.POLL:
                    poll = self._poll(post)
                    polls.append((post.id, poll))
            else:
                post, parent = self._answer()
            made.append(post)
            if self._by_id[post.author_id].here and len(post.audience.origins) > 1:
                self._mine.append((post, poll, parent.uri if parent is not None else None))
            if self._chance.random() < _GONE_SHARE:
                self._gone[post.id] = post.uri
            if parent is not None and self._by_id[parent.author_id].here and post.id not in self._gone:
                self._told.append(Event(parent.author_id, Told.ANSWER, post.author_id, parent.id, post.root_id,
                                        post.audience.reach == Reach.NAMED, post.id))
        store.insert(self._tx, made)
        store.insert_polls(self._tx, polls)
        self._polls += [post_id for post_id, _ in polls]
        self._listed += [post.id for post in made
                         if post.parent_id is None and post.audience.reach != Reach.NAMED and post.id not in self._gone]
        del self._threads[:-2 * _OPEN_THREADS], self._mine[:-_SENT_LAST], self._told[:-_TOLD_LAST]

    def _top(self) -> Post:
        author, chance = self._chance.choice(self._people), self._chance.random()
        kind = Kind.CASE if chance < 0.7 else Kind.POLL if chance < 0.85 else Kind.NOTE
        special = (self._members.specialty(),)
        facts = CaseFacts(special, "50-59", "f", "therapeutic") if kind == Kind.CASE else CaseFacts(special)
        state = None if kind != Kind.CASE else State.KNOWN if self._chance.random() < 0.2 else State.OPEN
        tags = Tags((), (self._members.hashtag(),)) if self._chance.random() < _TAGGED_SHARE else Tags()
        audience = self._consult(author) if self._chance.random() < _NAMED_SHARE else self._audience(author)
        post = self._post(author, kind, None, audience, facts, state, tags)
        if self._chance.random() > _LONELY_SHARE:
            self._threads.append([post])
        return post

    def _audience(self, author: Person) -> Audience:
        origins, chance = {author.origin, self._origin}, self._chance.random()
        if author.here and chance < 0.2:
            return Audience(Reach.HOME, (self._origin,))
        if chance < 0.7:
            return Audience(Reach.NETWORK, tuple(sorted(origins | set(self._siblings))))
        return Audience(Reach.COUNTRIES, tuple(sorted(origins | set(self._chance.sample(sorted(self._siblings), 2)))))

    def _consult(self, author: Person) -> Audience:
        readers = {author, self._chance.choice(self._here), *self._chance.sample(self._people, min(3, len(self._people)))}
        return Audience(Reach.NAMED, tuple(sorted({person.origin for person in readers})),
                        tuple(sorted(person.uri for person in readers)))

    def _answer(self) -> tuple[Post, Post]:
        """An answer to one of the threads people still talk in, the latest most of all, and what it answers."""
        thread = self._threads[-1 - min(int(self._chance.expovariate(0.005)), len(self._threads) - 1)]
        parent = thread[0] if self._chance.random() < 0.7 else self._chance.choice(thread)
        author = self._by_uri[self._chance.choice(parent.audience.readers)] if parent.audience.readers else None
        while author is None or author.origin not in parent.audience.origins:
            author = self._chance.choice(self._people)
        post = self._post(author, Kind.REPLY, parent, parent.audience, CaseFacts(), None, Tags())
        thread.append(post)
        return post, parent

    def _post(self, author: Person, kind: Kind, parent: Post | None, audience: Audience, facts: CaseFacts,
              state: State | None, tags: Tags) -> Post:
        number, text = self._ids.new(), f"<p>{self._words.text()}</p>"
        return Post(
            number, f"{author.origin}/posts/{public(number)}", author.id, author.sibling_id, kind,
            parent.root_id if parent is not None else number, parent.id if parent is not None else None,
            "" if parent is not None else f"Would you treat this? Question {public(number)}",
            text if author.here else "", text, "en", facts, state, audience, author.country, self._time.ms(), tags=tags)

    def _poll(self, post: Post) -> Poll:
        names = tuple(f"option {number}" for number in range(self._chance.randint(2, 6)))
        ends = post.published_at + 3 * 86_400_000
        votes = tuple((name, self._chance.randrange(80)) for name in names)
        return Poll(False, ends, ends if ends < self._end else None, sum(number for _, number in votes), votes)

    def send(self) -> None:
        """The way out of the last posts written here, and that they arrived."""
        for post, poll, parent_uri in self._mine:
            enqueue(self._tx, self._ids.new(), outgoing.create(post, poll, self._by_id[post.author_id].uri, parent_uri, bytes),
                    [self._siblings[origin] for origin in post.audience.origins if origin in self._siblings], post.published_at)
        self._tx.run("UPDATE deliveries SET state = 'acked', settled_at = 1")

    def react(self) -> None:
        """Votes of this country's doctors in the latest polls; likes, what was passed on, what was kept."""
        for post_id in self._polls[-_VOTED_LAST:]:
            voters = self._chance.sample(self._here, min(20, len(self._here)))
            ballots.insert_votes(self._tx, [(post_id, voter.id, 0, self._chance.randrange(2), self._end) for voter in voters])
        self._members.react(self._people, self._listed[-_TOUCHED_LAST:])

    def erase(self) -> None:
        """One post in a hundred has been deleted."""
        for uri in self._gone.values():
            store.erase(self._tx, uri, self._origin, self._end)

    def tell(self) -> None:
        """Who was answered lately has been told, and has read most of it."""
        self._told = [event for event in self._told if event.post_id not in self._gone and event.about_id not in self._gone]
        read = int(len(self._told) * _READ_SHARE)
        tell(self._tx, self._ids, self._told[:read], self._end)
        self._tx.run("UPDATE notifications SET read_at = ?", (self._end,))
        tell(self._tx, self._ids, self._told[read:], self._end)
