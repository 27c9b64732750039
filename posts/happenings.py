"""What open apps are told of: posts that came, changed or went, and what a doctor is told; for whom each is, worked out for all
doctors who listen at once.

Nothing of any text is read here. Whoever gets something reads the post anew, in the moment in which it is sent, as one who may.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from actors import aliases, grants
from actors.relations import shunning
from actors.store import by_uris
from core.database import Row, Tx, marks
from posts import changes
from posts.models import Reach

if TYPE_CHECKING:
    from posts.watching import New

_MOST_TOLD = 2_000  # in half a minute; whoever was told more reads it in her list
_MOST_CHANGED = 200
_AT_A_TIME = 500
_URIS = msgspec.json.Decoder(tuple[str, ...])
_NOBODY: frozenset[int] = frozenset()


class What(StrEnum):
    """What has happened to a post, or that a doctor is told of something."""

    NEW = "new"
    CHANGED = "changed"
    GONE = "gone"
    TOLD = "told"


class Heard(NamedTuple):
    """Something that has happened: to the post `entry`, or a passing-on of that id (`boost`), or the event of what a doctor is
    told. `home`: in whose own stream it stands (None: everybody's); `direct`: in whose consults. Where it is `listed` it is in
    public lists, under its `topics` (None: they are not known any more). `away` are those who get it nowhere: they do not want to
    read who wrote it. `local`: it was written in this country. `root` is the conversation of what was written in a consult."""

    what: What
    entry: int
    home: frozenset[int] | None = _NOBODY
    direct: frozenset[int] = _NOBODY
    listed: bool = False
    local: bool = True
    topics: frozenset[str] | None = frozenset()
    away: frozenset[int] = _NOBODY
    boost: bool = False
    root: int = 0


class Listening(NamedTuple):
    """Who listens through apps: the doctors and their apps' tokens, of which one counts that was used since `unused` (ms); and
    what was heard of before."""

    actor_ids: Collection[int]
    token_ids: Sequence[int]
    unused: int
    before: frozenset[tuple[int, int]]


class Hearing(NamedTuple):
    """What has happened, in order, what of it not to hear of again, and which tokens go on."""

    heard: tuple[Heard, ...] = ()
    before: frozenset[tuple[int, int]] = frozenset()
    alive: frozenset[int] = _NOBODY


class _Changed(NamedTuple):
    id: int
    root_id: int
    author_id: int
    is_answer: bool
    local: bool
    named: bool
    gone: bool
    erased: bool
    readers: tuple[str, ...]


def hear(tx: Tx, listening: Listening, found: Iterable[New], home: str, floors: tuple[int, int], now: int) -> Hearing:
    """`found` is what has come; `home` this country's code; `floors` the identifier and the moment from which on to look."""
    events, changed = _told(tx, floors[0]), changes.since(tx, floors[1], _MOST_CHANGED)
    before = frozenset((*((row["id"], 0) for row in events), *changed))
    people = _People(tx, sorted(listening.actor_ids), now)
    heard = [people.new(one, one.country == home) for one in found if not one.is_answer or one.named]
    fresh = sorted((at, post_id) for post_id, at in changed if (post_id, at) not in listening.before)
    heard += [people.gone(one) if one.gone else people.changed(one) for one in _changed(tx, [one for _, one in fresh], home)]
    heard += [Heard(What.TOLD, row["id"], frozenset((row["actor_id"],))) for row in sorted(events, key=lambda row: row["id"])
              if (row["id"], 0) not in listening.before and row["actor_id"] in people.actors and row["id"] == row["newest"]]
    return Hearing(tuple(heard), before, grants.alive(tx, listening.token_ids, listening.unused, now))


class _People:
    """For whom something is, among the doctors who listen."""

    def __init__(self, tx: Tx, actors: Sequence[int], now: int) -> None:
        self._tx, self._all, self._now, self.actors = tx, actors, now, frozenset(actors)

    def new(self, one: New, local: bool) -> Heard:
        """A post, an answer in a consult, or that one was passed on."""
        away = self._away(one.author_id, one.by_id or one.author_id)
        if one.named:
            return Heard(What.NEW, one.id, direct=self._consulting(one.root_id), local=local, away=away, root=one.root_id)
        if one.by_id:
            return Heard(What.NEW, one.id, self._followers(one.by_id), local=local, away=away, boost=True)
        return Heard(What.NEW, one.id, self._at_home(one.author_id, one.topics), listed=True, local=local,
                     topics=one.topics, away=away)

    def changed(self, one: _Changed) -> Heard:
        """It says something else. Also whoever has the conversation open hears that, or has been in it."""
        readers = self._among("SELECT actor_id FROM thread_reads WHERE post_id = ? AND actor_id IN ({})", one.root_id)
        own = frozenset(aliases.writers(self._tx, [one.author_id]).values()) | {one.author_id}
        if one.named:
            consulting = self._consulting(one.root_id)
            return Heard(What.CHANGED, one.id, readers & consulting | own & self.actors, local=one.local)
        topics = frozenset(row["topic"] for row in self._tx.rows(
            "SELECT topic FROM topic_posts WHERE post_id = ?", (one.id,)))
        home = _NOBODY if one.is_answer else self._at_home(one.author_id, topics)
        return Heard(What.CHANGED, one.id, readers | home | own & self.actors, listed=not one.is_answer, local=one.local,
                     topics=topics, away=self._away(one.author_id, one.author_id))

    def gone(self, one: _Changed) -> Heard:
        """It was deleted, or is hidden from everybody but its author."""
        own = _NOBODY if one.erased else \
            frozenset((one.author_id, *aliases.writers(self._tx, [one.author_id]).values()))
        if one.named:
            readers = frozenset(actor.id for actor in by_uris(self._tx, one.readers).values()) & self.actors
            return Heard(What.GONE, one.id, readers, readers, local=one.local, away=own)
        return Heard(What.GONE, one.id, None, listed=not one.is_answer, local=one.local, topics=None, away=own)

    def _at_home(self, author_id: int, topics: Collection[str]) -> frozenset[int]:
        own = frozenset((author_id,)) & self.actors
        followed = self._among(
            f"SELECT actor_id FROM topic_follows WHERE topic IN ({marks(len(topics))}) AND actor_id IN ({{}})", *topics) \
            if topics else _NOBODY
        return own | followed | self._followers(author_id)

    def _followers(self, author_id: int) -> frozenset[int]:
        return self._among("SELECT follower_id FROM follows WHERE followed_id = ? AND state = 'accepted'"
                           " AND follower_id IN ({})", author_id)

    def _consulting(self, root_id: int) -> frozenset[int]:
        return self._among("SELECT actor_id FROM consults WHERE root_id = ? AND actor_id IN ({})", root_id)

    def _away(self, *others: int) -> frozenset[int]:
        found: set[int] = set()
        for other in {*others}:
            for some in _chunks(self._all):
                found |= {actor for actor, _ in shunning(self._tx, [(actor, other) for actor in some], self._now)}
        return frozenset(found)

    def _among(self, sql: str, *values: object) -> frozenset[int]:
        return frozenset(row[0] for some in _chunks(self._all)
                         for row in self._tx.rows(sql.format(marks(len(some))), (*values, *some)))


def _chunks(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start:start + _AT_A_TIME] for start in range(0, len(ids), _AT_A_TIME))


def _told(tx: Tx, floor: int) -> list[Row]:
    """What doctors were told last, with the newest event of what it is gathered in: apps know that by it."""
    return tx.rows("SELECT e.id, n.actor_id, n.newest FROM notification_events e JOIN notifications n ON n.id = e.notification_id"
                   " WHERE e.id > ? ORDER BY e.id DESC LIMIT ?", (floor, _MOST_TOLD))


def _changed(tx: Tx, ids: Sequence[int], home: str) -> list[_Changed]:
    if not ids:
        return []
    rows = {row["id"]: row for row in tx.rows(
        "SELECT id, root_id, author_id, parent_id, country, reach, readers, erased_at, hidden_at FROM posts"
        f" WHERE id IN ({marks(len(ids))})", ids)}
    return [_Changed(row["id"], row["root_id"], row["author_id"], row["parent_id"] is not None, row["country"] == home,
                     row["reach"] == Reach.NAMED, row["erased_at"] is not None or row["hidden_at"] is not None,
                     row["erased_at"] is not None, _URIS.decode(row["readers"]) if row["readers"] else ())
            for row in (rows[one] for one in ids if one in rows)]
