"""Lists of posts, newest first, a page at a time by key and never by offset.

Nothing is copied into anybody's list when a post is written: a list is put together when it is read. One that has many
sources (the doctors and topics somebody follows) first looks up the newest entry of each source, which is one step in an
index, and then reads only from those that can be on the page at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

import msgspec

from actors import aliases
from actors.desks import OF_DESKS
from actors.models import Actor
from actors.relations import shunned_by
from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Tx, marks
from core.ids import number, public
from federation.identity import Identity
from posts import readings, store
from posts.models import Page, PostView, Shelf
from posts.network import network
from posts.spans import END, GAP, Span, span_of
from posts.store import LISTED, READ, Post, on_shelf
from posts.views import views

PAGE = 20
TABS = ("asked", "following", "abroad", "news", "specialties", "country", "all", "waiting")
"""The lists of the home page, the one it begins with first."""
_TAKEN = PAGE + 8  # one more than a page holds, and some for what is passed on twice or shunned
_WAITING = f"{LISTED} AND hidden_at IS NULL AND state = 'open' AND answers = 0"
_WAITING_SEEN = 300
_ANNOUNCED = 500
_DELETED = ("erased_at IS NOT NULL AND EXISTS (SELECT 1 FROM deliveries d"
            " WHERE d.object_key = posts.uri_key AND d.deletes = 1")
_ASKED = {"waiting": "'pending', 'held'", "ended": "'parked', 'dropped'"}
_BY_ENTRY = itemgetter(0)
_AUTHOR, _BOOSTER, _TOPIC = (
    f"SELECT id AS entry, id AS post_id, 0 AS by_id FROM posts WHERE author_id IN ({{}}) AND {LISTED} AND id < ? AND id >= ?"
    " ORDER BY id DESC LIMIT ?",
    "SELECT id AS entry, post_id, actor_id AS by_id FROM boosts WHERE actor_id IN ({}) AND id < ? AND id >= ?"
    " ORDER BY id DESC LIMIT ?",
    "SELECT post_id AS entry, post_id, 0 AS by_id FROM topic_posts WHERE topic IN ({}) AND post_id < ? AND post_id >= ?"
    " ORDER BY post_id DESC LIMIT ?",
)
_NEWEST_FOLLOWED = (
    f"SELECT followed_id AS source, (SELECT p.id FROM posts p WHERE p.author_id = f.followed_id AND {LISTED} AND p.id < ?"
    " ORDER BY p.id DESC LIMIT 1) AS newest, (SELECT b.id FROM boosts b WHERE b.actor_id = f.followed_id AND b.id < ?"
    " ORDER BY b.id DESC LIMIT 1) AS boosted FROM follows f WHERE f.follower_id = ? AND f.state = 'accepted'")
_NEWEST_TOPIC = (
    "SELECT topic AS source, (SELECT t.post_id FROM topic_posts t WHERE t.topic = f.topic AND t.post_id < ?"
    " ORDER BY t.post_id DESC LIMIT 1) AS newest FROM topic_follows f WHERE f.actor_id = ? AND substr(f.topic, 1, 1) {} '#'")


class _Entry(NamedTuple):
    """A place in a list: `entry` is what it is sorted by, `by_id` who passed the post on (0: nobody)."""

    entry: int
    post_id: int
    by_id: int


Take = Callable[[Tx, int, int], Sequence[_Entry]]
"""The entries before a key, newest first, at most so many."""
Cursor = str | Span | None
"""Where a page begins: behind an entry, or any part of the list."""
Finish = Callable[[Tx, Sequence[_Entry], Sequence[PostView]], tuple[PostView, ...]]
"""What the entries say about the posts of a page."""


class Timelines:
    """Lists for a doctor of this instance. What is in them may be read by all of its doctors; consults have a list apart."""

    def __init__(self, database: Database, identity: Identity, clock: Clock) -> None:
        self._database, self._identity, self._clock = database, identity, clock

    async def home(self, viewer: Actor, tab: str, before: Cursor) -> Page:
        """Twenty posts of a tab, older than the cursor: `asked` are the cases without an answer in the specialties the viewer
        follows, `waiting` all of these, `specialties` and `following` what she follows, `country` and `abroad` where it was
        asked, `news` what is to be read and asks nobody, `all` everything; for apps, `home` is everything she follows, with what
        she has written herself."""
        return await self._page(viewer, self._tab(viewer, tab), before, name=tab)

    async def newer(self, viewer: Actor, tab: str, since: str) -> int:
        """How many posts of others stand in a tab above the entry `since` (`Page.newest`, empty for a page with none); of very
        many only `PAGE` and one more are counted."""
        return await self._database.read(lambda tx: self.count(tx, viewer, tab, "", number(since) or 0))

    def count(self, tx: Tx, viewer: Actor, tab: str, topic: str, known: int) -> int:
        """The same within a transaction, of a tab or of a topic's list, above the entry `known`."""
        take = _of_topic(topic) if topic else self._tab(viewer, tab)
        skipped = shunned_by(tx, viewer.id, self._clock.ms()) | {viewer.id} | aliases.all_of(tx, viewer.id)
        found = store.by_many(tx, [entry.post_id for entry in take(tx, END, PAGE + 1)
                                   if entry.entry > known and entry.by_id not in skipped])
        return sum(post.author_id not in skipped and post.hidden_at is None for post in found.values())

    def _tab(self, viewer: Actor, tab: str) -> Take:
        here = self._identity.country
        match tab:
            case "asked":
                return _where(f"{_WAITING} AND EXISTS (SELECT 1 FROM topic_posts t JOIN topic_follows f ON f.topic = t.topic"
                              " WHERE t.post_id = posts.id AND f.actor_id = ? AND substr(f.topic, 1, 1) <> '#')", viewer.id)
            case "news":
                return _of_topic(READ)
            case "specialties":
                return _followed_topics(viewer, "<>")
            case "following":
                return _following(viewer)
            case "country":
                return _where(f"{LISTED} AND country = ?", here)
            case "abroad":
                return _where(f"{LISTED} AND country <> ?", here)
            case "waiting":
                return _where(_WAITING)
            case "home":
                return _at_home(viewer)
            case _:
                return _where(LISTED)

    async def topic(self, viewer: Actor, topic: str, before: Cursor, *, waiting: bool = False) -> Page:
        """The posts of one specialty (its code, or what of it stands on a shelf) or hashtag (with its `#`), or those of its cases
        that nobody has answered."""
        if waiting:
            return await self._page(viewer, _where(
                f"{_WAITING} AND EXISTS (SELECT 1 FROM topic_posts t WHERE t.topic = ? AND t.post_id = posts.id)", topic), before)
        return await self._page(viewer, _of_topic(topic), before)

    async def congresses(self, viewer: Actor, today: str, topic: str = "") -> tuple[PostView, ...]:
        """The congresses of one specialty or of all that are not over today (YYYY-MM-DD), the next one first; of very many those
        that were announced last."""
        taken = _of_topic(on_shelf(topic, Shelf.CONGRESSES) if topic else READ)

        def look(tx: Tx) -> tuple[PostView, ...]:
            shunned = shunned_by(tx, viewer.id, self._clock.ms())
            found = store.by_many(tx, [entry.post_id for entry in taken(tx, END, _ANNOUNCED)])
            coming = [(post.parts.congress.starts, post) for post in found.values()
                      if post.parts.congress is not None and post.parts.congress.ends >= today
                      and not _is_hidden(post, viewer) and post.author_id not in shunned]
            chosen = [post for _, post in sorted(coming, key=lambda pair: (pair[0], pair[1].id))]
            return views(tx, chosen, viewer, network(tx, self._identity), self._clock.ms())

        return await self._database.read(look)

    async def of(self, viewer: Actor, author: Actor, before: Cursor) -> Page:
        """What a doctor has asked, for her profile."""
        return await self._page(viewer, lambda tx, key, most: _read(tx, _AUTHOR, [author.id], key, most), before, shunning=False)

    async def pinned(self, viewer: Actor, author: Actor) -> tuple[PostView, ...]:
        """What a doctor has put first on her page, last pinned first."""
        return (await self._page(viewer, _by_choice("pins", author), "", shunning=False)).posts

    async def mine(self, viewer: Actor, before: Cursor) -> Page:
        """What the viewer has written and not deleted, questions, answers and consults alike, by name and by role."""
        return await self._page(viewer, _hers(viewer, "erased_at IS NULL"), before)

    async def deletions(self, viewer: Actor, show: str, before: Cursor) -> Page:
        """What the viewer has deleted and other countries had received: `waiting` where some have not confirmed that yet,
        `ended` where some never will by themselves, else all of it."""
        return await self._page(viewer, _hers(viewer, f"{_DELETED} AND d.state IN ({_ASKED.get(show, 'd.state')}))"), before)

    async def deletions_waiting(self, viewer: Actor) -> int:
        """How many of the viewer's deletions are on their way."""
        row = await self._database.read(lambda tx: tx.row(
            "SELECT count(*) AS n FROM posts WHERE (author_id = ?"
            f" OR author_id IN (SELECT actor_id FROM aliases WHERE owner_id = ?)) AND {_DELETED}"
            f" AND d.state IN ({_ASKED['waiting']}))", (viewer.id, viewer.id)))
        return int(row["n"]) if row is not None else 0

    async def consults(self, viewer: Actor, before: Cursor) -> Page:
        """The consults the viewer is in, those that were written in last first."""
        return await self._page(viewer, _consults(viewer), before, shunning=False, finish=_last_written)

    async def consult(self, viewer: Actor, root_id: str) -> PostView | None:
        """One of them by the post that began it."""
        take = _consults(viewer, number(root_id) or 0)
        page = await self._page(viewer, take, "", shunning=False, finish=_last_written)
        return page.posts[0] if page.posts else None

    async def asked(self, author: Actor) -> tuple[int, int | None]:
        """How much a doctor has asked that is in lists, and when she did last (ms)."""
        row = await self._database.read(lambda tx: tx.row(
            f"SELECT count(*) AS n, max(published_at) AS last FROM posts WHERE author_id = ? AND {LISTED}", (author.id,)))
        return (row["n"], row["last"]) if row is not None else (0, None)

    async def bookmarks(self, viewer: Actor, before: Cursor) -> Page:
        """What the viewer has kept, last kept first."""
        return await self._page(viewer, _by_choice("bookmarks", viewer), before, shunning=False)

    async def followed(self, viewer: Actor, before: Cursor) -> Page:
        """The conversations the viewer follows, last followed first."""
        return await self._page(viewer, _by_choice("case_follows", viewer), before, shunning=False)

    async def muted(self, viewer: Actor, before: Cursor) -> Page:
        """The conversations the viewer has muted, last muted first."""
        return await self._page(viewer, _by_choice("case_mutes", viewer), before, shunning=False)

    async def liked(self, viewer: Actor, before: Cursor) -> Page:
        """What the viewer has liked, by name and by role, the newest post first."""
        sources = ("= ?", "IN (SELECT actor_id FROM aliases WHERE owner_id = ?)")

        def take(tx: Tx, key: int, most: int) -> list[_Entry]:
            found = {_Entry(row["post_id"], row["post_id"], 0) for source in sources for row in tx.rows(
                f"SELECT post_id FROM likes WHERE actor_id {source} AND post_id < ? ORDER BY post_id DESC LIMIT ?",
                (viewer.id, key, most))}
            return sorted(found, key=_BY_ENTRY, reverse=True)[:most]

        return await self._page(viewer, take, before, shunning=False)

    async def _page(self, viewer: Actor, take: Take, before: Cursor, *, shunning: bool = True,
                    finish: Finish | None = None, name: str = "") -> Page:
        """One page out of a list: what the viewer shuns is left out, and what stands in it twice stands where it is newest. In
        one that has a `name`, it is known up to where she had read."""
        def look(tx: Tx) -> Page:
            shunned = shunned_by(tx, viewer.id, self._clock.ms()) if shunning else frozenset()
            span = span_of(before, PAGE)
            shown: dict[int, tuple[_Entry, Post]] = {}
            for entry, post in _from(tx, take, span.key):
                if entry.entry <= span.floor:
                    break
                if post.id in shown or not post.audience.admits(viewer) or _is_hidden(post, viewer):
                    continue
                if post.author_id in shunned or entry.by_id in shunned:
                    continue
                shown[post.id] = entry, post
                if len(shown) > (GAP if span.after else span.most):
                    break
            chosen = list(shown.values())[-span.most:] if span.after else list(shown.values())[:span.most]
            posts = views(tx, [post for _, post in chosen], viewer, network(tx, self._identity), self._clock.ms())
            came = readings.unread(tx, viewer, [post.id for _, post in chosen if post.replies])
            posts = tuple(msgspec.structs.replace(post, unread=came[found.id]) if found.id in came else post
                          for (_, found), post in zip(chosen, posts, strict=True))
            line = readings.line_in_list(tx, viewer, name, self._clock.ms()) if name and not isinstance(before, Span) else None
            return Page((finish or _passed_on)(tx, [entry for entry, _ in chosen], posts),
                        public(chosen[-1][0].entry) if len(shown) > span.most else None,
                        public(chosen[0][0].entry) if chosen else "", line,
                        sum(entry.entry > line.id for entry, _ in chosen) if line is not None else 0,
                        public(chosen[-1][0].entry) if chosen else "")

        return await self._database.read(look)


def _from(tx: Tx, take: Take, key: int) -> Iterator[tuple[_Entry, Post]]:
    """What a list holds before a key, newest first, read on for as long as somebody asks; posts not before they are needed."""
    while entries := take(tx, key, _TAKEN):
        for some in (entries[:PAGE + 1], entries[PAGE + 1:]):
            found = store.by_many(tx, [entry.post_id for entry in some])
            yield from ((entry, found[entry.post_id]) for entry in some if entry.post_id in found)
        if len(entries) < _TAKEN:
            return
        key = entries[-1].entry


def _is_hidden(post: Post, viewer: Actor) -> bool:
    """Whether a post is in no list of hers, because it is hidden here and not her own."""
    return post.hidden_at is not None and post.author_id != viewer.id


def topics_of(tx: Tx, viewer: Actor) -> tuple[str, ...]:
    """The specialties and hashtags a doctor follows, specialties first."""
    rows = tx.rows("SELECT topic FROM topic_follows WHERE actor_id = ? ORDER BY topic", (viewer.id,))
    return tuple(sorted((row["topic"] for row in rows), key=lambda topic: (topic.startswith("#"), topic)))


def waiting_by_topic(tx: Tx) -> dict[str, int]:
    """How many cases nobody has answered yet: for each topic, and under `""` in all. Of very many only the newest count."""
    newest = f"SELECT id FROM posts WHERE {_WAITING} ORDER BY id DESC LIMIT {_WAITING_SEEN}"
    counts = {row["topic"]: row["n"] for row in tx.rows(
        f"SELECT t.topic, count(*) AS n FROM ({newest}) AS w JOIN topic_posts t ON t.post_id = w.id"
        " WHERE t.topic NOT LIKE '%/%' GROUP BY t.topic")}
    whole = tx.row(f"SELECT count(*) AS n FROM ({newest}) AS w")
    return counts | {"": whole["n"] if whole is not None else 0}


def _passed_on(tx: Tx, entries: Sequence[_Entry], posts: Sequence[PostView]) -> tuple[PostView, ...]:
    """Say of each post that was passed on by whom."""
    people = by_ids(tx, [entry.by_id for entry in entries if entry.by_id])
    return tuple(msgspec.structs.replace(post, boosted_by=people[entry.by_id], boost_id=public(entry.entry))
                 if entry.by_id in people else post
                 for entry, post in zip(entries, posts, strict=True))


def _last_written(tx: Tx, entries: Sequence[_Entry], posts: Sequence[PostView]) -> tuple[PostView, ...]:
    """Say of each consult when it was last written in."""
    newest = store.by_many(tx, [entry.entry for entry in entries])
    return tuple(msgspec.structs.replace(post, latest=newest[entry.entry].published_at, latest_id=public(entry.entry))
                 if entry.entry in newest else post for entry, post in zip(entries, posts, strict=True))


def _where(condition: str, *values: object) -> Take:
    """Posts by a condition written in this module."""
    def take(tx: Tx, key: int, most: int) -> list[_Entry]:
        return [_Entry(row["id"], row["id"], 0) for row in tx.rows(
            f"SELECT id FROM posts WHERE {condition} AND id < ? ORDER BY id DESC LIMIT ?", (*values, key, most))]

    return take


def _by_choice(table: str, actor: Actor) -> Take:
    """What somebody has put into a list of her own, by when she did."""
    return lambda tx, key, most: [_Entry(*row) for row in tx.rows(
        f"SELECT id, post_id, 0 FROM {table} WHERE actor_id = ? AND id < ? ORDER BY id DESC LIMIT ?", (actor.id, key, most))]


def _of_topic(topic: str) -> Take:
    """What stands under a topic."""
    return lambda tx, key, most: _read(tx, _TOPIC, [topic], key, most)


def _consults(viewer: Actor, root_id: int | None = None) -> Take:
    """The consults the viewer is in, or one of them."""
    one, values = (" AND c.root_id = ?", [root_id]) if root_id is not None else ("", [])
    return lambda tx, key, most: [_Entry(*row) for row in tx.rows(
        f"SELECT c.newest, c.root_id, 0 FROM consults c JOIN posts p ON p.id = c.root_id WHERE c.actor_id = ?{one}"
        " AND c.newest < ? AND (p.erased_at IS NULL OR p.replies > 0) ORDER BY c.newest DESC LIMIT ?",
        (viewer.id, *values, key, most))]


def _hers(viewer: Actor, condition: str) -> Take:
    """What a doctor has written, by name, under her aliases or for desks she answers for, by a condition of this module."""
    names = ("author_id = ?", "author_id IN (SELECT actor_id FROM aliases WHERE owner_id = ?)", f"author_id IN ({OF_DESKS})")

    def take(tx: Tx, key: int, most: int) -> list[_Entry]:
        found = [_Entry(row["id"], row["id"], 0) for name in names for row in tx.rows(
            f"SELECT id FROM posts WHERE {name} AND {condition} AND id < ? ORDER BY id DESC LIMIT ?", (viewer.id, key, most))]
        return sorted(found, key=_BY_ENTRY, reverse=True)[:most]

    return take


def _followed_topics(viewer: Actor, hashtags: str) -> Take:
    """The posts of all specialties (`<>`) or hashtags (`=`) that the viewer follows."""
    def take(tx: Tx, key: int, most: int) -> list[_Entry]:
        return _merged(tx, _topic_heads(tx, viewer, hashtags, key), key, most)

    return take


def _following(viewer: Actor) -> Take:
    """What the doctors the viewer follows ask and pass on, and the posts of the hashtags she follows."""
    def take(tx: Tx, key: int, most: int) -> list[_Entry]:
        return _merged(tx, _people_heads(tx, viewer, key) + _topic_heads(tx, viewer, "=", key), key, most)

    return take


def _at_home(viewer: Actor) -> Take:
    """What doctors, specialties and hashtags bring that the viewer follows, and what she has asked herself."""
    def take(tx: Tx, key: int, most: int) -> list[_Entry]:
        own = _read(tx, _AUTHOR, [viewer.id], key, 1)
        heads = [*(_Head(entry.entry, _AUTHOR, viewer.id) for entry in own), *_people_heads(tx, viewer, key),
                 *_topic_heads(tx, viewer, "=", key), *_topic_heads(tx, viewer, "<>", key)]
        return _merged(tx, heads, key, most)

    return take


class _Head(NamedTuple):
    """The newest entry of a source, and how to read on from it."""

    entry: int
    sql: str
    source: object


def _people_heads(tx: Tx, viewer: Actor, key: int) -> list[_Head]:
    people = tx.rows(_NEWEST_FOLLOWED, (key, key, viewer.id))
    heads = [_Head(newest, _AUTHOR, source) for source, newest, _ in people if newest is not None]
    return heads + [_Head(boosted, _BOOSTER, source) for source, _, boosted in people if boosted is not None]


def _topic_heads(tx: Tx, viewer: Actor, hashtags: str, key: int) -> list[_Head]:
    rows = tx.rows(_NEWEST_TOPIC.format(hashtags), (key, viewer.id))
    return [_Head(newest, _TOPIC, source) for source, newest in rows if newest is not None]


def _merged(tx: Tx, heads: list[_Head], key: int, most: int) -> list[_Entry]:
    """The newest entries of several sources: a source whose newest is not among the newest heads has none of them, and
    nothing older than the last of these heads is one. So there is little to read, and sources of one kind are read together;
    where there are too few heads to say how far, each source is read by itself, in the order in which it lies there."""
    heads.sort(key=_BY_ENTRY, reverse=True)
    if len(heads) < most:
        found = {entry for _, sql, source in heads for entry in _read(tx, sql, [source], key, most)}
    else:
        kinds: dict[str, list[object]] = {}
        for _, sql, source in heads[:most]:
            kinds.setdefault(sql, []).append(source)
        found = {entry for sql, sources in kinds.items() for entry in _read(tx, sql, sources, key, most, heads[most - 1].entry)}
    return sorted(found, key=_BY_ENTRY, reverse=True)[:most]


def _read(tx: Tx, sql: str, sources: Sequence[object], key: int, most: int, oldest: int = 0) -> list[_Entry]:
    return [_Entry(*row) for row in tx.rows(sql.format(marks(len(sources))), (*sources, key, oldest, most))]
