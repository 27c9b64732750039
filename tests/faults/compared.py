"""Two or more instances compared by what lies in their databases: whatever the audience rules say must be there is there once
and with equal content, and nothing else is; nothing deleted can be read anywhere, and nothing was done by halves.

It looks at databases and not at requests, so it holds whichever way things travel. It is meant for instances that have come
to rest; `Compared` says what it found.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from core.ids import uri_key
from core.settings import load

TOKEN = re.compile(rb"zq[0-9a-z]{4,}q")
"""A word that stands in one text only and can be looked for in raw bytes."""

# Each finds rows that one half of a deed has left without the other.
_HALVES = {
    "activity without delivery": "SELECT uri FROM outbox WHERE id NOT IN (SELECT outbox_id FROM deliveries)",
    "delivery without activity": "SELECT sequence FROM deliveries WHERE outbox_id NOT IN (SELECT id FROM outbox)",
    "number without delivery":
        "SELECT sibling_id FROM delivery_lines l WHERE epoch_from > 0 AND next_sequence - epoch_from <>"
        " (SELECT count(*) FROM deliveries d WHERE d.sibling_id = l.sibling_id AND d.sequence >= l.epoch_from)",
    "pending with an empty body":
        "SELECT sequence FROM deliveries WHERE state = 'pending' AND outbox_id IN (SELECT id FROM outbox WHERE length(body) = 0)",
    "post without author": "SELECT uri FROM posts WHERE author_id NOT IN (SELECT id FROM actors)",
    "reply without what it answers":
        "SELECT uri FROM posts WHERE (parent_id IS NULL) <> (kind <> 'reply') OR parent_id NOT IN (SELECT id FROM posts)",
    "poll without its two options":
        "SELECT p.uri FROM posts p WHERE p.kind = 'poll' AND p.erased_at IS NULL AND 2 > (SELECT count(*) FROM polls v"
        " JOIN poll_options o ON o.post_id = v.post_id WHERE v.post_id = p.id)",
    "options of no poll": "SELECT post_id FROM poll_options WHERE post_id NOT IN (SELECT id FROM posts WHERE erased_at IS NULL)",
    "erased with something left":
        "SELECT uri FROM posts p WHERE erased_at IS NOT NULL AND (question || source || html || tags <> '' OR facts <> '{}'"
        " OR EXISTS (SELECT 1 FROM revisions r WHERE r.post_id = p.id) OR EXISTS (SELECT 1 FROM votes v WHERE v.post_id = p.id)"
        " OR EXISTS (SELECT 1 FROM likes l WHERE l.post_id = p.id) OR EXISTS (SELECT 1 FROM boosts b WHERE b.post_id = p.id))",
    "erased without tombstone":
        "SELECT uri FROM posts WHERE erased_at IS NOT NULL AND uri_key NOT IN (SELECT uri_key FROM tombstones)",
    "tombstone of something readable":
        "SELECT uri FROM posts WHERE erased_at IS NULL AND uri_key IN (SELECT uri_key FROM tombstones)",
    "body of something erased":
        "SELECT o.uri FROM outbox o JOIN tombstones t ON t.uri_key = o.about_key WHERE o.type <> 'Delete' AND length(o.body) > 0",
    "deletion that is not in the journal": "SELECT name FROM journal_due",
    "answers miscounted":
        "SELECT uri FROM posts p WHERE replies <> (SELECT count(*) FROM posts r WHERE r.erased_at IS NULL"
        " AND r.parent_id IS NOT NULL AND (r.parent_id = p.id OR r.root_id = p.id))",
    "likes miscounted": "SELECT uri FROM posts p WHERE likes <> (SELECT count(*) FROM likes l WHERE l.post_id = p.id)",
    "boosts miscounted": "SELECT uri FROM posts p WHERE boosts <> (SELECT count(*) FROM boosts b WHERE b.post_id = p.id)",
    "topic of something erased":
        "SELECT topic FROM topic_posts t JOIN posts p ON p.id = t.post_id WHERE p.erased_at IS NOT NULL",
}


class Held(NamedTuple):
    """A post as an instance holds it, everything by URI; times in whole seconds, as they travel."""

    author: str
    parent: str | None
    kind: str
    question: str
    html: str
    language: str
    facts: str
    state: str | None
    audience: frozenset[str]
    readers: frozenset[str]
    tags: str
    published: int
    revision: int
    poll: tuple[Any, ...] | None
    history: tuple[tuple[str, str], ...]


class Reaction(NamedTuple):
    """A like or a boost, by URIs."""

    table: str
    post: str
    actor: str
    uri: str


class Side:
    """What one instance has, read from its database."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = load(directory / "config.toml", {}).instance.url
        with closing(sqlite3.connect(directory / "konsil.db", timeout=30)) as database:
            database.execute("BEGIN")
            self._read(database)

    def _read(self, database: sqlite3.Connection) -> None:
        rows = database.execute
        self.siblings = {origin: activated for origin, state, activated in rows(
            "SELECT origin, state, activated_at FROM siblings") if state in ("active", "paused")}
        self.actors = {row[0]: row[1:] for row in rows(
            "SELECT uri, sibling_id IS NULL, handle, name, role, specialties, country, verified_by, verified_on / 1000, about,"
            " discoverable FROM actors WHERE gone_at IS NULL")}
        polls = {row[0]: row[1:] for row in rows("SELECT post_id, multiple, ends_at, closed_at, voters FROM polls")}
        options: dict[int, list[tuple[str, int]]] = {}
        for post_id, name, votes in rows("SELECT post_id, name, votes FROM poll_options ORDER BY post_id, position"):
            options.setdefault(post_id, []).append((name, votes))
        history: dict[int, list[tuple[str, str]]] = {}
        for post_id, question, html in rows("SELECT post_id, question, html FROM revisions ORDER BY post_id, revision"):
            history.setdefault(post_id, []).append((question, html))
        self.posts: dict[str, Held] = {}
        self.erased: set[str] = set()
        self.parents: dict[str, str | None] = {}
        for row in rows(
                "SELECT p.uri, a.uri, q.uri, p.kind, p.question, p.html, p.language, p.facts, p.state, p.audience, p.readers,"
                " p.tags, p.published_at / 1000, p.revision, p.id, p.erased_at FROM posts p JOIN actors a ON a.id = p.author_id"
                " LEFT JOIN posts q ON q.id = p.parent_id"):
            uri, post_id, erased = row[0], row[14], row[15]
            self.parents[uri] = row[2]
            if erased is not None:
                self.erased.add(uri)
                continue
            self.posts[uri] = Held(
                *row[1:9], _set(row[9]), _set(row[10]), *row[11:14],
                (*polls[post_id], tuple(options.get(post_id, ()))) if post_id in polls else None,
                tuple(history.get(post_id, ())))
        self.tombstones = {uri for (uri,) in rows("SELECT uri FROM tombstones")}
        self.reactions = {Reaction(*row) for table in ("likes", "boosts") for row in rows(
            f"SELECT '{table}', p.uri, a.uri, t.uri FROM {table} t JOIN posts p ON p.id = t.post_id"
            " JOIN actors a ON a.id = t.actor_id")}
        self.follows = set(rows(
            "SELECT f.uri, a.uri, b.uri, f.state FROM follows f JOIN actors a ON a.id = f.follower_id"
            " JOIN actors b ON b.id = f.followed_id"))
        self.votes = rows(
            "SELECT p.uri, a.uri, o.name FROM votes v JOIN posts p ON p.id = v.post_id JOIN actors a ON a.id = v.voter_id"
            " JOIN poll_options o ON o.post_id = v.post_id AND o.position = v.position").fetchall()
        self.deliveries = rows(
            "SELECT s.origin, d.state, d.reason, o.uri, o.type, hex(o.object_key) FROM deliveries d"
            " JOIN outbox o ON o.id = d.outbox_id JOIN siblings s ON s.id = d.sibling_id").fetchall()
        self.keys = {key: uri for uri, key in rows("SELECT uri, hex(uri_key) FROM posts")}
        self.ledger = dict(rows("SELECT hex(uri_key), outcome FROM ledger").fetchall())
        self.activities = rows("SELECT count(*) FROM outbox").fetchone()[0]
        self.halves = [f"{self.home}: {what}: {found[0]}" for what, sql in _HALVES.items() for found in rows(sql)]
        self.halves += [f"{self.home}: {found}" for found in rows("PRAGMA foreign_key_check")]
        self.halves += [f"{self.home}: {found}" for (found,) in rows("PRAGMA quick_check") if found != "ok"]

    def origin(self, uri: str) -> str:
        return "/".join(uri.split("/", 3)[:3])

    def hangs_below_something_erased(self, uri: str) -> bool:
        """Whether something that this answers, however far above, is erased."""
        above = self.parents.get(uri)
        while above is not None:
            if above in self.erased:
                return True
            above = self.parents.get(above)
        return False


class Compared(NamedTuple):
    """What was compared, and everything that is not as it should be."""

    instances: int
    activities: int
    posts: int
    erased: int
    reactions: int
    votes: int
    follows: int
    parked: Counter[str]
    missing: list[str]
    twice: list[str]
    different: list[str]
    foreign: list[str]
    half: list[str]
    risen: list[str]

    @property
    def equal(self) -> bool:
        return not (self.missing or self.twice or self.different or self.foreign or self.half or self.risen)

    def __str__(self) -> str:
        return (f"{self.instances} instances, {self.activities:,} activities, {self.posts:,} posts ({self.erased:,} erased),"
                f" {self.reactions:,} likes and boosts, {self.votes:,} votes, {self.follows:,} follows:"
                f" {len(self.missing)} missing, {len(self.twice)} twice, {len(self.different)} different,"
                f" {len(self.foreign)} that should not be there,"
                f" {len(self.half)} half, {len(self.risen)} that came back")

    def check(self) -> str:
        """The figures; an AssertionError that names the first of each kind where something is wrong."""
        wrong = {name: getattr(self, name)[:5] for name in ("missing", "twice", "different", "foreign", "half", "risen")
                 if getattr(self, name)}
        assert not wrong, f"{self}\n{wrong}"
        return str(self)


def compare(directories: Sequence[Path], deleted: Iterable[str] = (), *, restored: Path | None = None) -> Compared:
    """Compare instances by their directories. `deleted` are words (`TOKEN`) that no file of any of them may hold any more.

    One that was `restored` from a backup has no memory of what was acknowledged, and of what its own doctors liked since; its
    revisions have jumped ahead. Everything else has to be equal all the same.
    """
    sides = [Side(directory) for directory in directories]
    found = Compared(len(sides), sum(side.activities for side in sides), len({uri for side in sides for uri in side.parents}),
                     len({uri for side in sides for uri in side.erased}), len({one for side in sides for one in side.reactions}),
                     sum(side.home == side.origin(vote[1]) for side in sides for vote in side.votes),
                     len({one for side in sides for one in side.follows}),
                     Counter(row[2] for side in sides for row in side.deliveries if row[1] in ("parked", "dropped")),
                     [], [], [], [], [], [])
    for side in sides:
        found.half.extend(half for half in side.halves if restored is None or "number without delivery" not in half)
        _once(side, found)
        found.risen.extend(_in_files(side.directory, set(deleted)))
        _counts(side, sides, found, restored)
    for here, there in permutations(sides, 2):
        _posts(here, there, found, restored)
        _people(here, there, found)
        if restored is None:
            _deliveries(here, there, found)
    return found


def _set(text: str) -> frozenset[str]:
    return frozenset(msgspec.json.decode(text, type=list[str]))


def _once(side: Side, found: Compared) -> None:
    """No word that one text has alone stands in two posts: a form that was sent again has made no second one."""
    words = Counter(word for post in side.posts.values() for word in set(TOKEN.findall((post.question + post.html).encode())))
    found.twice.extend(f"{side.home}: {word.decode()} {times} times" for word, times in words.items() if times > 1)


def _in_files(directory: Path, deleted: set[str]) -> list[str]:
    """What was deleted and still stands in a file, byte for byte."""
    if not deleted:
        return []
    return [f"{path.name} of {directory.name} holds {word}" for path in directory.iterdir() if path.is_file()
            for word in sorted({found.decode() for found in TOKEN.findall(path.read_bytes())} & deleted)]


def _posts(here: Side, there: Side, found: Compared, restored: Path | None) -> None:
    """What was written here, there."""
    activated = here.siblings.get(there.home)
    for uri, post in here.posts.items():
        if here.origin(uri) != here.home:
            continue
        copy = there.posts.get(uri)
        if there.home not in post.audience:
            if copy is not None:
                found.foreign.append(f"{uri} is at {there.home}, which it was never meant for")
        elif copy is None:
            if uri in there.erased:
                found.missing.append(f"{uri} is erased at {there.home} and not where it was written")
            elif (activated is not None and activated // 1000 <= post.published
                  and not (here.hangs_below_something_erased(uri) or there.hangs_below_something_erased(uri))):
                found.missing.append(f"{uri} is not at {there.home}")
        else:
            if set(copy.history) <= set(post.history):  # one that was fetched comes as it is now, without what it said before
                copy = copy._replace(history=post.history)
            if restored is not None:
                copy = copy._replace(revision=post.revision, history=post.history)
            if copy.published < post.published > time.time():  # where a clock is ahead it is the moment of arrival
                copy = copy._replace(published=post.published)
            if different := [f"{name}: {mine!r} / {its!r}" for name, mine, its in zip(
                    Held._fields, post, copy, strict=True) if mine != its]:
                found.different.append(f"{uri} at {there.home}: {'; '.join(different)[:400]}")
    found.risen.extend(f"{uri} can be read at {there.home}" for uri in here.erased | here.tombstones
                       if here.origin(uri) == here.home and uri in there.posts)
    found.foreign.extend(f"{uri} is at {there.home}, and nobody here has written it" for uri in there.parents
                         if here.origin(uri) == here.home and uri not in here.parents and uri not in here.tombstones)
    mine = {one for one in here.reactions if here.origin(one.actor) == here.home and one.post in there.posts}
    its = {one for one in there.reactions if here.origin(one.actor) == here.home and one.post in here.posts}
    found.missing.extend(f"{one} is not at {there.home}" for one in mine - its)
    if here.directory != restored:
        found.foreign.extend(f"{one} is at {there.home} only" for one in its - mine)


def _people(here: Side, there: Side, found: Compared) -> None:
    """Who is known of here, there; and who follows whom between the two."""
    for uri, (local, *said) in here.actors.items():
        if local and uri in there.actors and said != [*there.actors[uri][1:]]:
            found.different.append(f"{uri} at {there.home}: {said} / {there.actors[uri][1:]}")
    between = {here.home, there.home}
    mine, its = ({one for one in side.follows if {side.origin(one[1]), side.origin(one[2])} == between}
                 for side in (here, there))
    found.missing.extend(f"{one} is not at {there.home}" for one in mine - its)


def _counts(side: Side, sides: Sequence[Side], found: Compared, restored: Path | None) -> None:
    """A poll's counts are the votes that were cast, each known at least where its voter is."""
    for uri, post in side.posts.items():
        if post.poll is None or side.origin(uri) != side.home:
            continue
        cast = {(voter, name) for each in sides for poll, voter, name in each.votes
                if poll == uri and (each.origin(voter) == each.home or restored is not None)}
        *_, voters, options = post.poll
        counted = Counter(name for _, name in cast)
        if voters != len({voter for voter, _ in cast}) or any(votes != counted[name] for name, votes in options):
            found.half.append(f"{uri} counts {voters}: {options}, cast were {sorted(cast)}")


def _deliveries(here: Side, there: Side, found: Compared) -> None:
    """What counts as delivered stands in the other's ledger, with its effect; everything else has an honest end."""
    for origin, state, _, uri, kind, object_key in here.deliveries:
        if origin != there.home:
            continue
        outcome = there.ledger.get(uri_key(uri).hex().upper())
        if state not in ("acked", "superseded", "parked", "dropped"):
            found.half.append(f"{uri} is {state} for {there.home}")
        elif state == "acked" and outcome is None:
            found.missing.append(f"{uri} is acknowledged by {there.home} and not in its ledger")
        elif outcome == "stored" and kind == "Create" and (post := here.keys.get(object_key)) is not None \
                and post not in there.parents and post not in there.tombstones:
            found.half.append(f"{uri} is in the ledger of {there.home} without its effect")
