"""Threads: a post and everything that answers it, and a post's history."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from actors import aliases
from actors.models import Actor
from actors.relations import shunned_by
from actors.store import by_ids, by_uris
from core.clock import Clock
from core.database import Database, Tx
from core.errors import NotFound, Refused
from core.ids import number, public, uri_key
from federation.identity import Identity
from posts import readings, store
from posts.history import PAGE, History, Version, compared, versions
from posts.models import AskedAbroad, Mark, PostView
from posts.network import Network, network
from posts.notifications import Seen, seen_in_history, seen_in_thread
from posts.reading import readable
from posts.readings import Place
from posts.store import Post
from posts.views import views

ANSWERS = 200
"""How many answers one page of a conversation holds."""


class Conversation(NamedTuple):
    """A page of a conversation: its root and answers; where the next page begins (`?after=`), and whether some came before;
    which of the viewer's notifications it answers. `line` is up to where she had read before, `new` the answers of others that
    have come since, as they stand on the page, and `place` is up to where it shows the conversation."""

    posts: tuple[PostView, ...]
    after: str | None
    earlier: bool
    seen: Seen
    place: Place
    line: Mark | None = None
    new: tuple[str, ...] = ()


class Around(NamedTuple):
    """Who stands around some posts: doctors they name by their URIs, and the authors of posts by the posts' ids."""

    named: dict[str, Actor]
    authors: dict[str, Actor]


class Threads:
    """Reads conversations for a doctor of this instance."""

    def __init__(self, database: Database, identity: Identity, clock: Clock) -> None:
        self._database, self._identity, self._clock = database, identity, clock
        self._comparing = asyncio.Semaphore(2)  # it is work for the processor

    async def thread(self, viewer: Actor, post_id: str, *, results: bool = False, after: str | None = None) -> Conversation:
        """The conversation `post_id` belongs to: its root first, then the answers depth first, oldest first.

        Of very many answers, a page: those that came after the answer `after`, else the first ones, else, where `post_id` is
        none of these, the ones from it on.
        """
        def look(tx: Tx) -> Conversation:
            post = readable(tx, post_id, viewer, erased=True, hidden=True)
            root = store.by_id(tx, post.root_id) or post
            start = (number(after) if after else None) or 0
            answers = _answers(tx, root, start)
            if start == 0 and post.parent_id is not None and answers and post.id > answers[-1].id:
                start = post.id - 1
                answers = _answers(tx, root, start)
            shown = answers[:ANSWERS]
            ordered, depths = _depth_first(root, [answer for answer in shown if answer.audience.admits(viewer)])
            now = self._clock.ms()
            places = network(tx, self._identity)
            posts = views(tx, ordered, viewer, places, now, results=results, depths=depths,
                          shunned=shunned_by(tx, viewer.id, now))
            if posts[0].mine:
                posts = (msgspec.structs.replace(posts[0], asked_abroad=_asked_abroad(tx, root, places)), *posts[1:])
            last = shown[-1].id if len(answers) > ANSWERS else None
            line, place = readings.line_in_thread(tx, viewer, root.id, shown[-1].id if shown else root.id, now)
            new = tuple(post.id for stored, post in zip(ordered[1:], posts[1:], strict=True)
                        if line is not None and stored.id > line.id and not (post.mine or post.erased or post.hidden))
            return Conversation(posts, public(last) if last is not None else None, start > 0,
                                seen_in_thread(tx, viewer.id, root.id, last),
                                place, line, new)

        return await self._database.read(look)

    async def root(self, viewer: Actor, post_id: str) -> int:
        """The identifier of the post that began a conversation she may read."""
        return await self._database.read(lambda tx: readable(tx, post_id, viewer, erased=True, hidden=True).root_id)

    async def history(self, viewer: Actor, post_id: str, before: str | None = None) -> History:
        """A post's versions, newest first, each with what it changed; `before` is the cursor of a later page."""
        revision = number(before) if before else None

        def look(tx: Tx) -> tuple[Post, list[Version], Seen]:
            post = readable(tx, post_id, viewer)
            return post, versions(tx, post, revision), seen_in_history(tx, viewer.id, post.id)

        post, found, seen = await self._database.read(look)
        async with self._comparing:
            changes = await asyncio.to_thread(compared, found)
        older = public(changes[-1].now.revision) if len(found) > PAGE else None
        return History(changes, older, revision is None, post.language, post.parent_id is not None, seen)

    async def one(self, viewer: Actor, post_id: str) -> PostView:
        """One post by itself, without its conversation."""
        return await self._database.read(lambda tx: views(
            tx, [readable(tx, post_id, viewer)], viewer, network(tx, self._identity), self._clock.ms())[0])

    async def at(self, viewer: Actor, uri: str) -> PostView:
        """The post whose id on the wire this is, if it is here; nobody is asked for it."""
        def look(tx: Tx) -> PostView:
            found = store.select(tx, "uri_key = ? AND uri = ?", (uri_key(uri), uri))
            post = readable(tx, public(found[0].id) if found else "", viewer)
            return views(tx, [post], viewer, network(tx, self._identity), self._clock.ms())[0]

        return await self._database.read(look)

    async def several(self, viewer: Actor, post_ids: Collection[str]) -> dict[str, PostView]:
        """Those of some posts that she may read, by their ids."""
        wanted = [inner for inner in map(number, sorted(set(post_ids))) if inner is not None]

        def look(tx: Tx) -> dict[str, PostView]:
            found = [post for post in store.by_many(tx, wanted).values()
                     if post.audience.admits(viewer) and post.erased_at is None
                     and (post.hidden_at is None or aliases.is_hers(tx, post.author_id, viewer))]
            return {post.id: post for post in views(tx, found, viewer, network(tx, self._identity), self._clock.ms())}

        return await self._database.read(look) if wanted else {}

    async def around(self, posts: Collection[PostView]) -> Around:
        """Whom some posts name, and who wrote what they answer."""
        uris = sorted({mention.uri for post in posts for mention in post.tags.mentions})
        by_id = {post.id: post.author for post in posts}
        missing = sorted({post.parent_id for post in posts if post.parent_id is not None and post.parent_id not in by_id})
        if not uris and not missing:
            return Around({}, by_id)

        def look(tx: Tx) -> Around:
            parents = store.by_many(tx, [inner for inner in map(number, missing) if inner is not None])
            people = by_ids(tx, [post.author_id for post in parents.values()])
            return Around(by_uris(tx, uris) if uris else {}, by_id | {
                public(post.id): people[post.author_id] for post in parents.values()
                if post.erased_at is None and post.hidden_at is None})

        return await self._database.read(look)

    async def network(self) -> Network:
        """The countries and how each is doing, for pages that speak of somebody in one."""
        return await self._database.read(lambda tx: network(tx, self._identity))

    async def own(self, owner: Actor, post_id: str) -> PostView:
        """One's own post; somebody else's is the same `NotFound` as none at all."""
        def look(tx: Tx) -> PostView:
            post = readable(tx, post_id, owner)
            if not aliases.is_hers(tx, post.author_id, owner):
                raise NotFound("There is no such post here.")
            return views(tx, [post], owner, network(tx, self._identity), self._clock.ms())[0]

        return await self._database.read(look)

    async def source(self, author: Actor, post_id: str) -> tuple[PostView, str]:
        """One's own post and its Markdown, for editing."""
        def look(tx: Tx) -> tuple[PostView, str]:
            post = readable(tx, post_id, author)
            if not aliases.is_hers(tx, post.author_id, author):
                raise Refused("Only its author can change a post.", reason="not-yours")
            return views(tx, [post], author, network(tx, self._identity), self._clock.ms())[0], post.source

        return await self._database.read(look)


def _asked_abroad(tx: Tx, root: Post, places: Network) -> tuple[AskedAbroad, ...]:
    return tuple(AskedAbroad(public(post.id), tuple(places.code(origin) for origin in post.audience.origins[1:]), post.replies)
                 for post in store.select(tx, "asked_from = ? AND erased_at IS NULL ORDER BY id", (root.id,)))


def _answers(tx: Tx, root: Post, after: int) -> list[Post]:
    return store.select(tx, "root_id = ? AND parent_id IS NOT NULL AND id > ? ORDER BY id LIMIT ?", (root.id, after, ANSWERS + 1))


def _depth_first(root: Post, answers: list[Post]) -> tuple[list[Post], dict[int, int]]:
    """Answers under what they answer; an answer whose parent is missing hangs under the root."""
    below: dict[int, list[Post]] = {}
    known = {root.id, *(answer.id for answer in answers)}
    for answer in answers:
        parent = answer.parent_id if answer.parent_id in known and answer.parent_id is not None else root.id
        below.setdefault(parent, []).append(answer)
    ordered: list[Post] = []
    depths: dict[int, int] = {}
    stack = [(root, 0)]
    while stack:
        post, depth = stack.pop()
        ordered.append(post)
        depths[post.id] = depth
        stack += [(answer, depth + 1) for answer in reversed(below.get(post.id, []))]
    return ordered, depths
