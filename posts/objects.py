"""What siblings may read of us: people, posts and collections, each filtered for the one who asks.

"Not yours" and "not there" are the same `NotFound`, and so is "not verified": of an account that never was, nothing is
served. A suspended doctor stays, because others hold her posts; her badge has ended.
"""

from __future__ import annotations

from typing import Any

from actors import aliases
from actors.models import Actor
from actors.store import by_ids, shown_by_handle, shown_by_id
from actors.wire import person
from core.database import Database, Tx
from core.errors import NotFound
from core.ids import number, uri_key
from federation.allowlist import Sibling
from federation.identity import CONTEXT, Identity
from posts import outgoing, pollstore, store
from posts.seals import Seal
from posts.store import Post

_PAGE = 40


class Objects:
    """Documents for siblings."""

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database, self._identity = database, identity

    async def person(self, sibling: Sibling, actor_id: str) -> dict[str, Any]:
        """A local doctor's `Person`, or that of an alias whose thread the sibling may read."""
        return person(await self._database.read(lambda tx: _local(tx, actor_id, sibling)), self._identity)

    async def webfinger(self, resource: str) -> dict[str, Any]:
        """The JRD (RFC 7033) of `acct:handle@domain`, or of the instance itself."""
        handle, _, domain = resource.removeprefix("acct:").removeprefix("@").partition("@")
        if domain != self._identity.domain:
            raise NotFound("There is nobody of that name.")
        if handle == self._identity.domain:
            return _jrd(resource, self._identity.actor_uri)
        actor = await self._database.read(lambda tx: shown_by_handle(tx, handle))
        if actor is None:
            raise NotFound("There is nobody of that name.")
        return _jrd(f"acct:{actor.handle}@{actor.domain}", actor.uri)

    async def post(self, sibling: Sibling, post_id: str) -> dict[str, Any]:
        """A local post, if the sibling is in its audience."""
        def look(tx: Tx) -> dict[str, Any]:
            post = _shared(tx, sibling, post_id)
            return _document(tx, post, self._identity.seal)

        return {"@context": CONTEXT, **await self._database.read(look)}

    async def replies(self, sibling: Sibling, post_id: str) -> dict[str, Any]:
        """The replies to a local post that were written here and the sibling may read."""
        def look(tx: Tx) -> tuple[Post, list[str]]:
            post = _shared(tx, sibling, post_id)
            found = store.select(tx, "root_id = ? AND parent_id = ? AND sibling_id IS NULL AND erased_at IS NULL"
                                 " AND hidden_at IS NULL ORDER BY id LIMIT 500", (post.root_id, post.id))
            return post, [reply.uri for reply in found if sibling.origin in reply.audience.origins]

        post, uris = await self._database.read(look)
        return _collection(f"{post.uri}/replies", uris)

    async def outbox(self, sibling: Sibling, actor_id: str) -> dict[str, Any]:
        """The newest posts of a local doctor that the sibling may read."""
        def look(tx: Tx) -> tuple[Actor, list[str]]:
            actor = _local(tx, actor_id, sibling)
            found = store.select(tx, "author_id = ? AND erased_at IS NULL AND hidden_at IS NULL AND reach <> 'named'"
                                 " ORDER BY id DESC LIMIT ?", (actor.id, _PAGE * 5))
            return actor, [post.uri for post in found if sibling.origin in post.audience.origins][:_PAGE]

        actor, uris = await self._database.read(look)
        return _collection(f"{actor.uri}/outbox", uris)

    async def copy(self, sibling: Sibling, name: str) -> dict[str, Any]:
        """A post of the sibling's own, as it lies here, with the seal that came with it."""
        uri = f"{sibling.origin}/posts/{name}"

        def look(tx: Tx) -> dict[str, Any]:
            post = store.by_keys(tx, [uri_key(uri)]).get(uri)
            if post is None or post.sibling_id != sibling.id or post.erased_at is not None:
                raise NotFound("There is no such post here.")
            return _document(tx, post, None)

        return {"@context": CONTEXT, **await self._database.read(look)}

    def instance_outbox(self) -> dict[str, Any]:
        """The instance actor's outbox, which ActivityPub asks for (section 5.1): it never says anything itself."""
        return _collection(self._identity.outbox, [])

    def members(self) -> dict[str, Any]:
        """The collection posts are addressed to; it lists nobody and counts nobody."""
        return {"@context": CONTEXT, "id": self._identity.members, "type": "Collection"}


def _local(tx: Tx, actor_id: str, sibling: Sibling) -> Actor:
    inner = number(actor_id)
    actor = (shown_by_id(tx, inner) or aliases.shown_to(tx, inner, sibling.origin)) if inner is not None else None
    if actor is None:
        raise NotFound("There is nobody of that name.")
    return actor


def _shared(tx: Tx, sibling: Sibling, post_id: str) -> Post:
    inner = number(post_id)
    post = store.by_id(tx, inner) if inner is not None else None
    if post is None or post.sibling_id is not None or post.erased_at is not None or sibling.origin not in post.audience.origins:
        raise NotFound("There is no such post here.")
    if post.hidden_at is not None:
        raise NotFound("There is no such post here.")
    return post


def _document(tx: Tx, post: Post, seal: Seal | None) -> dict[str, Any]:
    author = by_ids(tx, [post.author_id])[post.author_id]
    parent = store.by_id(tx, post.parent_id) if post.parent_id is not None else None
    return outgoing.document(post, pollstore.whole(tx, post.id), author.uri, parent.uri if parent else None, seal)


def _collection(uri: str, items: list[str]) -> dict[str, Any]:
    return {"@context": CONTEXT, "id": uri, "type": "OrderedCollection", "orderedItems": items}


def _jrd(subject: str, uri: str) -> dict[str, Any]:
    return {"subject": subject, "aliases": [uri],
            "links": [{"rel": "self", "type": "application/activity+json", "href": uri}]}
