"""The one way from a public id to a post that a doctor of this instance may read."""

from __future__ import annotations

from actors import aliases
from actors.models import Actor
from core.database import Tx
from core.errors import NotFound
from core.ids import number
from posts import store
from posts.store import Post


def readable(tx: Tx, post_id: str, reader: Actor, *, erased: bool = False, hidden: bool = False) -> Post:
    """The post of this public id; `NotFound`, in the same words, where there is none, where it was deleted (unless `erased`)
    where it is a consult that the reader is not in, and where it is hidden from her (unless `hidden`: then her view of it has
    nothing in it)."""
    inner = number(post_id)
    post = store.by_id(tx, inner) if inner is not None else None
    if post is None or not post.audience.admits(reader) or (post.erased_at is not None and not erased):
        raise NotFound("There is no such post here.")
    if post.hidden_at is not None and not hidden and not aliases.is_hers(tx, post.author_id, reader):
        raise NotFound("There is no such post here.")
    return post
