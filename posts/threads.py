"""Threads: a post and everything that answers it, and a post's history."""

from __future__ import annotations

from actors.models import Actor
from core.clock import Clock
from core.database import Database, Tx
from core.errors import NotFound, Refused
from core.ids import number
from federation.identity import Identity
from posts import store
from posts.models import PostView, Revision
from posts.network import network
from posts.store import Post
from posts.views import views

_LIMIT = 1000


class Threads:
    """Reads conversations for a doctor of this instance."""

    def __init__(self, database: Database, identity: Identity, clock: Clock) -> None:
        self._database, self._identity, self._clock = database, identity, clock

    async def thread(self, viewer: Actor, post_id: str, *, results: bool = False) -> tuple[PostView, ...]:
        """The whole conversation `post_id` belongs to: its root first, then the answers depth first, oldest first."""
        def look(tx: Tx) -> tuple[PostView, ...]:
            post = _find(tx, post_id)
            root = store.by_id(tx, post.root_id) or post
            answers = store.select(tx, "root_id = ? AND parent_id IS NOT NULL ORDER BY id LIMIT ?", (root.id, _LIMIT))
            ordered, depths = _depth_first(root, answers)
            return views(tx, ordered, viewer, network(tx, self._identity), self._clock.ms(), results=results, depths=depths)

        return await self._database.read(look)

    async def history(self, viewer: Actor, post_id: str) -> tuple[Revision, ...]:
        """Earlier versions and the present one, oldest first."""
        def look(tx: Tx) -> tuple[Revision, ...]:
            post = _find(tx, post_id)
            if post.erased_at is not None:
                raise NotFound("There is no such post here.")
            earlier = [Revision(row["revision"], row["question"], row["html"], row["at"], post.language)
                       for row in store.revisions(tx, post.id)]
            return (*earlier, Revision(post.revision, post.question, post.html, post.updated_at or post.published_at,
                                        post.language))

        return await self._database.read(look)

    async def own(self, owner: Actor, post_id: str) -> PostView:
        """One's own post; somebody else's is the same `NotFound` as none at all."""
        def look(tx: Tx) -> PostView:
            post = _find(tx, post_id)
            if post.erased_at is not None or post.author_id != owner.id:
                raise NotFound("There is no such post here.")
            return views(tx, [post], owner, network(tx, self._identity), self._clock.ms())[0]

        return await self._database.read(look)

    async def source(self, author: Actor, post_id: str) -> tuple[PostView, str]:
        """One's own post and its Markdown, for editing."""
        def look(tx: Tx) -> tuple[PostView, str]:
            post = _find(tx, post_id)
            if post.erased_at is not None:
                raise NotFound("There is no such post here.")
            if post.author_id != author.id:
                raise Refused("Only its author can change a post.", reason="not-yours")
            return views(tx, [post], author, network(tx, self._identity), self._clock.ms())[0], post.source

        return await self._database.read(look)


def _find(tx: Tx, post_id: str) -> Post:
    inner = number(post_id)
    post = store.by_id(tx, inner) if inner is not None else None
    if post is None:
        raise NotFound("There is no such post here.")
    return post


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



