"""Search: posts that a doctor may read, by their words, facts and conditions, the newest first.

What she may not read is left out before anything is counted or cut off. Consults have blocks of their own in the index, of which
only those places are looked at that are hers; hidden and erased posts and those of authors she does not want to read are left
out one by one, before a page is full. How long a page takes is bounded: where much has to be looked through it ends early and
says from where to go on, so neither a rare word nor a slow moment of the machine makes anybody wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice

import msgspec

from actors import aliases
from actors.models import Actor
from actors.relations import shunned_by
from core.clock import Clock
from core.database import Database, Tx, marks
from core.ids import made_at, number, public
from core.text import spoken
from federation.identity import Identity
from posts import postings, store
from posts.excerpts import Piece, excerpt, marked
from posts.indexed import options_of, texts_of
from posts.models import Kind, PostView
from posts.network import network
from posts.postings import BLOCK, CONSULTS
from posts.sought import Conditions, Filters, Sought, sought
from posts.store import Post
from posts.views import views

PAGE = 20
_SECONDS = 0.04
_END = 1 << 62
_BLOCKS_AT_ONCE = (1, 4, 16)  # the newest are often enough
_POSTS_AT_ONCE = (24, 64)
_HERS = ("SELECT root_id AS id FROM consults WHERE actor_id = ? UNION ALL SELECT p.id FROM consults c"
         " JOIN posts p ON p.root_id = c.root_id AND p.parent_id IS NOT NULL WHERE c.actor_id = ?")


class Found(msgspec.Struct, frozen=True):
    """A post that answers a search, with what was looked for marked: its question, or that of what it answers, and some of its
    text."""

    post: PostView
    question: tuple[Piece, ...]
    text: tuple[Piece, ...]


class Results(msgspec.Struct, frozen=True):
    """A page of what was found, newest first, and the cursor (`?before=`) of the next or None; `until` is set (ms) where the time
    for one page was over: so far back it has looked. `codes` are the conditions the words name."""

    found: tuple[Found, ...]
    before: str | None
    until: int | None = None
    codes: tuple[str, ...] = ()


class Search:
    """Finds posts for a doctor of this instance."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, conditions: Conditions, *,
                 seconds: float = _SECONDS) -> None:
        self._database, self._identity, self._clock, self._conditions = database, identity, clock, conditions
        self._seconds = seconds
        self._searching = asyncio.Semaphore(2)  # who reads a page does not wait for those who search

    async def find(self, reader: Actor, typed: str, filters: Filters, before: str | None = None) -> Results:
        """Twenty posts that answer a query, older than the cursor; nothing where nothing was asked for."""
        wanted = sought(typed, filters, self._conditions)
        if wanted is None:
            return Results((), None)
        async with self._searching:
            return await self._database.read(lambda tx: self._find(tx, reader, wanted, filters, before))

    def _find(self, tx: Tx, reader: Actor, wanted: Sought, filters: Filters, before: str | None) -> Results:
        now = self._clock.ms()
        reading = _Reading(tx, reader, wanted, filters, shunned_by(tx, reader.id, now), time.perf_counter() + self._seconds)
        upto = _cursor(before)
        lanes = [_Lane(reading, min(upto[1], _END), consults=True)]
        if filters.whose != "consults":
            lanes.append(_Lane(reading, min(upto[0], CONSULTS), consults=False))
        chosen: list[Post] = []
        while len(chosen) < PAGE and (lane := _next(lanes)) is not None:
            chosen.append(lane.take())
        cut = any(lane.cut for lane in lanes)
        more = cut or _next(lanes) is not None
        posts = views(tx, chosen, reader, network(tx, self._identity), now)
        return Results(
            _shown(tx, chosen, posts, reader, wanted), _cursor_of(lanes) if more else None,
            _looked_back(tx, min(lanes, key=lambda lane: lane.upto).upto) if cut and len(chosen) < PAGE else None, wanted.codes)


class _Reading:
    """Who looks for what, and until when (monotonic seconds)."""

    def __init__(self, tx: Tx, reader: Actor, wanted: Sought, filters: Filters, shunned: Collection[int], ends: float) -> None:
        self.tx, self.reader, self.wanted, self.ends = tx, reader, wanted, ends
        self._shunned = shunned
        self._hers = frozenset((reader.id, *aliases.all_of(tx, reader.id)))
        self._mask: Callable[[Sequence[int]], dict[int, int]] | None = None
        if filters.whose == "mine":
            self._mask = self._by(marks(len(self._hers)), sorted(self._hers))
        elif filters.whose == "following":
            self._mask = self._by("SELECT followed_id FROM follows WHERE follower_id = ? AND state = 'accepted'", [reader.id])

    @property
    def over(self) -> bool:
        return time.perf_counter() > self.ends

    def mask(self, blocks: Sequence[int]) -> dict[int, int] | None:
        """Of these blocks the places that are asked for, where not all are."""
        return self._mask(blocks) if self._mask is not None else None

    def own_consults(self) -> dict[int, int]:
        """The places of everything in the consults she is in, by block."""
        return postings.as_bits(row["place"] for row in self.tx.rows(
            f"SELECT place FROM places WHERE post_id IN ({_HERS})", (self.reader.id, self.reader.id)))

    def fetch(self, ids: Sequence[int]) -> dict[int, Post]:
        """Those of some posts that she may and wants to read and that have the words in the order asked for, by their ids."""
        if self.wanted.rows or self.wanted.no_rows:
            options = options_of(self.tx, ids)
            ids = [row["id"] for row in self.tx.rows(
                f"SELECT id, question, html, parts, pictures FROM posts WHERE id IN ({marks(len(ids))})", ids)
                   if self.wanted.has_rows(texts_of(row["question"], row["html"], options.get(row["id"], ()),
                                                       store.parts_from(row), store.pictures_from(row)))]
        return {post.id: post for post in store.by_many(self.tx, ids).values()
                if post.erased_at is None and post.audience.admits(self.reader) and post.author_id not in self._shunned
                and (post.hidden_at is None or post.author_id in self._hers)}

    def _by(self, authors: str, values: Sequence[object]) -> Callable[[Sequence[int]], dict[int, int]]:
        def mask(blocks: Sequence[int]) -> dict[int, int]:
            return postings.as_bits(row["place"] for row in self.tx.rows(
                f"SELECT place FROM places WHERE author_id IN ({authors}) AND place >= ? AND place < ?",
                (*values, min(blocks) * BLOCK, (max(blocks) + 1) * BLOCK)))

        return mask


class _Lane:
    """Consults, or everything else: what of it answers, newest first. What lies at `upto` and above has been dealt with; `cut`:
    the time was over before it was known whether there is more. However little time there is, a step is always taken."""

    def __init__(self, reading: _Reading, upto: int, *, consults: bool) -> None:
        self._reading, self.upto = reading, upto
        self._own = reading.own_consults() if consults else None
        self._blocks = [block for block in postings.blocks(reading.tx, upto, consults=consults)
                        if self._own is None or block in self._own]
        self._steps, self._sizes = iter(_BLOCKS_AT_ONCE), iter(_POSTS_AT_ONCE)
        self._places: Iterator[int] = iter(())
        self._ready: deque[tuple[int, Post]] = deque()
        self._floor = upto
        self.cut = self._begun = False

    def head(self) -> Post | None:
        """The next post, if there is one and there is time to find it."""
        while not self._ready and not self.cut:
            if self._begun and self._reading.over:
                self.cut = bool(self._blocks) or self._floor < self.upto
                break
            if not self._look() and not self._go_on():
                break
        return self._ready[0][1] if self._ready else None

    def take(self) -> Post:
        self.upto, post = self._ready.popleft()
        return post

    def _look(self) -> bool:
        """Fetch some of the posts at places that are known to answer; whether there were such places."""
        some = list(islice(self._places, next(self._sizes, _POSTS_AT_ONCE[-1])))
        self._begun = self._begun or bool(some) or self._floor < self.upto
        if not some:
            self.upto = min(self.upto, self._floor)
            return False
        at = postings.at(self._reading.tx, some)
        posts = self._reading.fetch([place.post_id for place in at])
        self._ready.extend((place, posts[post_id]) for place, post_id in at if post_id in posts)
        if not self._ready:
            self.upto = some[-1]
        return True

    def _go_on(self) -> bool:
        """Look into some more blocks; whether there were any."""
        count = next(self._steps, _BLOCKS_AT_ONCE[-1])
        some, self._blocks = self._blocks[:count], self._blocks[count:]
        if not some:
            return False
        wanted = self._reading.wanted
        found = postings.read(self._reading.tx, some, wanted.words, wanted.beginnings)
        mask = self._reading.mask(some)
        places: list[tuple[int, int]] = []
        for block in some:
            bits = -1
            for group in wanted.groups:
                bits &= group.bits(found[block])
                if not bits:
                    break
            for group in wanted.without if bits else ():
                bits &= ~group.bits(found[block])
            if mask is not None:
                bits &= mask.get(block, 0)
            if self._own is not None:
                bits &= self._own.get(block, 0)
            if block == self.upto // BLOCK:
                bits &= (1 << self.upto % BLOCK) - 1
            if bits:
                places.append((block, bits))
        self._places = (place for block, bits in places for place in postings.newest_first(block, bits))
        self._floor = some[-1] * BLOCK
        return True


def _next(lanes: Sequence[_Lane]) -> _Lane | None:
    """The lane whose next post is the newest."""
    heads = [(head.id, lane) for lane in lanes if (head := lane.head()) is not None]
    return max(heads, key=lambda pair: pair[0])[1] if heads else None


def _cursor(before: str | None) -> tuple[int, int]:
    """Up to which places everything has been shown, in general and of consults; nothing yet where it is none of ours."""
    if before is None or len(before) != 26:
        return CONSULTS, _END
    places = number(before[:13]), number(before[13:])
    return (places[0], places[1]) if places[0] is not None and places[1] is not None else (CONSULTS, _END)


def _cursor_of(lanes: Sequence[_Lane]) -> str:
    upto = {lane.upto >= CONSULTS or lane is lanes[0]: lane.upto for lane in lanes}
    return public(upto.get(False, 0)) + public(upto[True])


def _looked_back(tx: Tx, upto: int) -> int | None:
    """When the post came that lies next below a place (ms)."""
    row = tx.row("SELECT post_id FROM places WHERE place < ? AND post_id IS NOT NULL ORDER BY place DESC LIMIT 1", (upto,))
    return made_at(row["post_id"]) if row is not None else None


def _shown(tx: Tx, chosen: Sequence[Post], posts: Sequence[PostView], reader: Actor, wanted: Sought) -> tuple[Found, ...]:
    roots = store.by_many(tx, [post.root_id for post in chosen if post.parent_id is not None])
    options = options_of(tx, [post.id for post in chosen if post.kind == Kind.POLL])
    found = []
    for post, view in zip(chosen, posts, strict=True):
        root = roots.get(post.root_id, post)
        known = root.erased_at is None and (root.hidden_at is None or root is post)
        said = " · ".join((spoken(post.html), *options.get(post.id, ())))
        found.append(Found(view, marked(root.question, wanted.marks) if known else (), excerpt(said.strip(" ·"), wanted.marks)))
    return tuple(found)
