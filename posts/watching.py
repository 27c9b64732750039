"""What has come that somebody who has a page open may want to know of: read for all of them together, and counted in memory.

One look a moment serves every open page of a process, and every open app (`posts.happenings`). It says which posts, answers and
passings-on are newest and how much is unread for whom; which of them count for a page is decided by what was read when the page
began to listen. Nothing of any text is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from actors import aliases
from actors.credentials import in_force
from actors.models import AccountState, Actor
from actors.relations import shunned_by
from core.database import Database, Tx, marks
from core.ids import least_at
from federation.identity import Identity
from posts.happenings import Hearing, Listening, hear
from posts.models import Reach
from posts.notifications import Unread, unread
from posts.readings import unread_after
from posts.store import READ
from posts.timelines import PAGE, Timelines, topics_of

_BACK_MS = 30_000  # another process may still be writing down what it has numbered before
_MOST = 64  # of what has come at once; a page counts no further than twenty
_AT_A_TIME = 500
_URIS = msgspec.json.Decoder(tuple[str, ...])


class New(NamedTuple):
    """A post or an answer that has come, or, with `by_id`, that somebody has passed one on."""

    id: int
    root_id: int
    is_answer: bool
    author_id: int
    country: str
    waits: bool
    named: bool
    readers: tuple[str, ...]
    topics: frozenset[str]
    by_id: int = 0


class Look(NamedTuple):
    """What one look has found: what is new to it, what of it was found before (to be handed to the next look), how much is
    unread for whom something has come, and which sessions go on; and what apps hear."""

    new: tuple[New, ...]
    known: frozenset[int]
    unread: dict[int, Unread]
    alive: frozenset[int]
    apps: Hearing


class Watched(NamedTuple):
    """What a page shows: a tab of the home page, a topic's list or a conversation, one of them or none; and up to where."""

    tab: str = ""
    topic: str = ""
    thread: int = 0
    since: int = 0


class Watch(msgspec.Struct):
    """Which news count for one page of one doctor. `skipped`: she herself, and whom she shuns."""

    watched: Watched
    uri: str
    home: str
    skipped: frozenset[int]
    topics: frozenset[str] = frozenset()
    follows: frozenset[int] = frozenset()

    def admits(self, new: New) -> bool:
        """Whether this would stand in the list, or the conversation, when it is drawn anew."""
        if new.author_id in self.skipped or new.by_id in self.skipped:
            return False
        tab, topic, thread, _ = self.watched
        if thread:
            return new.is_answer and new.root_id == thread and (not new.named or self.uri in new.readers)
        if new.is_answer or new.named:
            return False
        if new.by_id:
            return tab == "following" and new.by_id in self.follows
        if topic:
            return topic in new.topics
        match tab:
            case "asked":
                return new.waits and not self.topics.isdisjoint(new.topics)
            case "news":
                return READ in new.topics
            case "specialties":
                return not self.topics.isdisjoint(new.topics)
            case "following":
                return new.author_id in self.follows or not self.topics.isdisjoint(new.topics)
            case "country":
                return new.country == self.home
            case "abroad":
                return new.country != self.home
            case "waiting":
                return new.waits
        return tab == "all"


class Begun(NamedTuple):
    """Where a page begins to listen: which news count, how many there are already, how much is unread, and what of the last
    moments is in that."""

    watch: Watch
    already: int
    unread: Unread
    recent: frozenset[int]


class Watching:
    """Looks, for pages that are open."""

    def __init__(self, database: Database, identity: Identity, timelines: Timelines) -> None:
        self._database, self._identity, self._timelines = database, identity, timelines

    async def begin(self, viewer: Actor, watched: Watched, clock: int, now: int) -> Begun:
        """Everything that is to be known for one page, and how it stands at this moment."""
        floor = least_at(clock - _BACK_MS)

        def look(tx: Tx) -> Begun:
            hashtags = watched.tab == "following"
            topics = frozenset(one for one in topics_of(tx, viewer) if one.startswith("#") == hashtags) \
                if watched.tab in ("asked", "specialties", "following") else frozenset[str]()
            follows = frozenset(row["followed_id"] for row in tx.rows(
                "SELECT followed_id FROM follows WHERE follower_id = ? AND state = 'accepted'", (viewer.id,))) \
                if hashtags else frozenset[int]()
            skipped = frozenset(shunned_by(tx, viewer.id, now) | {viewer.id} | aliases.all_of(tx, viewer.id))
            count = unread_after(tx, viewer, watched.thread, watched.since) if watched.thread else \
                self._timelines.count(tx, viewer, watched.tab, watched.topic, watched.since) \
                if watched.tab or watched.topic else 0
            return Begun(Watch(watched, viewer.uri, self._identity.country, skipped, topics, follows), min(count, PAGE + 1),
                         unread(tx, viewer.id), frozenset((*_ids(tx, floor), *_passed(tx, floor))))

        return await self._database.read(look)

    async def look(self, known: frozenset[int], actor_ids: Collection[int], session_ids: Sequence[int], since: int,
                   clock: int, now: int, apps: Listening | None = None) -> Look:
        """One look for all pages: `known` is what the last one has found, and `since` the least session's `seen_at` that is not
        idle. `clock` is the time identifiers are made by (ms), `now` what badges and sessions end by. `apps`: who listens through
        one, if anybody does."""
        floor = least_at(clock - _BACK_MS)

        def look(tx: Tx) -> Look:
            ids, found = _newest(tx, floor, known)
            heard = hear(tx, apps, found, self._identity.country, (floor, clock - _BACK_MS), now) if apps else Hearing()
            return Look(tuple(found), ids, _unread(tx, floor, actor_ids), _alive(tx, session_ids, since, now), heard)

        return await self._database.read(look)


def _newest(tx: Tx, floor: int, known: frozenset[int]) -> tuple[frozenset[int], list[New]]:
    """The newest of what has come since `floor`: all identifiers, and what is not known yet, oldest first."""
    ids, passed = _ids(tx, floor), _passed(tx, floor)
    fresh = [one for one in ids if one not in known]
    boosts = {one: said for one, said in passed.items() if one not in known}
    wanted = sorted({*fresh, *(post_id for post_id, _ in boosts.values())})
    posts = {one.id: one for one in _posts(tx, wanted)}
    made = [posts[one] for one in fresh if one in posts]
    made += [posts[post_id]._replace(id=one, by_id=by_id) for one, (post_id, by_id) in boosts.items() if post_id in posts]
    return frozenset((*ids, *passed)), sorted(made)


def _ids(tx: Tx, floor: int) -> list[int]:
    return [row["id"] for row in tx.rows("SELECT id FROM posts WHERE id > ? ORDER BY id DESC LIMIT ?", (floor, _MOST))]


def _passed(tx: Tx, floor: int) -> dict[int, tuple[int, int]]:
    """What was passed on since `floor`: which post, and by whom."""
    return {row["id"]: (row["post_id"], row["actor_id"]) for row in tx.rows(
        "SELECT id, post_id, actor_id FROM boosts WHERE id > ? ORDER BY id DESC LIMIT ?", (floor, _MOST))}


def _posts(tx: Tx, ids: Sequence[int]) -> Iterable[New]:
    if not ids:
        return
    inside = marks(len(ids))
    topics: dict[int, set[str]] = {}
    for row in tx.rows(f"SELECT topic, post_id FROM topic_posts WHERE post_id IN ({inside})", ids):
        topics.setdefault(row["post_id"], set()).add(row["topic"])
    for row in tx.rows("SELECT id, root_id, parent_id, author_id, country, state, answers, reach, readers FROM posts"
                       f" WHERE id IN ({inside}) AND erased_at IS NULL AND hidden_at IS NULL", ids):
        named = row["reach"] == Reach.NAMED
        yield New(row["id"], row["root_id"], row["parent_id"] is not None, row["author_id"], row["country"],
                  row["state"] == "open" and not row["answers"], named, _URIS.decode(row["readers"]) if named else (),
                  frozenset(topics.get(row["id"], ())))


def _unread(tx: Tx, floor: int, actor_ids: Collection[int]) -> dict[int, Unread]:
    """How much is unread for those among these doctors who were told something since `floor`."""
    told = {row["actor_id"] for row in tx.rows(
        "SELECT DISTINCT n.actor_id FROM notification_events e JOIN notifications n ON n.id = e.notification_id WHERE e.id > ?",
        (floor,))} if actor_ids else set()
    return {actor_id: unread(tx, actor_id) for actor_id in told.intersection(actor_ids)}


def _alive(tx: Tx, session_ids: Sequence[int], since: int, now: int) -> frozenset[int]:
    """Those of these sessions that have not ended and are not idle, whose bearers' verification is in force."""
    found: dict[int, int] = {}
    for start in range(0, len(session_ids), _AT_A_TIME):
        some = session_ids[start:start + _AT_A_TIME]
        found |= {row["id"]: row["actor_id"] for row in tx.rows(
            "SELECT s.id, a.actor_id FROM sessions s JOIN accounts a ON a.id = s.account_id"
            f" WHERE s.id IN ({marks(len(some))}) AND s.expires_at > ? AND s.seen_at > ? AND a.state = ?"
            " AND a.actor_id IS NOT NULL", (*some, now, since, AccountState.VERIFIED))}
    holding = in_force(tx, found.values(), now)
    return frozenset(one for one, actor_id in found.items() if actor_id in holding)
