"""As whom an author speaks: by name, or in a thread that she signs by role only under an alias of her own."""

from __future__ import annotations

from actors import aliases
from actors.models import Actor, Author
from actors.store import save
from core.countries import pack
from core.database import Tx
from core.errors import Refused
from federation.identity import Identity
from posts import store
from posts.models import Tags
from posts.store import Post
from posts.texts import check_hidden


def beginning(identity: Identity, author: Author, uri: str, tags: Tags, now: int, *, by_role: bool) -> Actor:
    """Who begins a thread at this address. `Refused` where her country wants a name, `InvalidInput` where the text says hers."""
    if not by_role or author.actor.desk:
        return author.actor
    if not pack(identity.country).role_posts:
        raise Refused("In this country posts are signed with a name.", reason="no-role-posts")
    check_hidden(tags, author.actor)
    return aliases.alias_of(identity, author.actor, uri, now)


def begin(tx: Tx, post: Post, speaker: Actor, author: Author, now: int) -> None:
    """Store the first post of a thread, and whose alias has written it."""
    if speaker.alias:
        save(tx, speaker, now)
    store.insert(tx, [post])
    if speaker.alias:
        aliases.attach(tx, speaker, author.actor.id, post.id, post.audience.origins)


def answering(tx: Tx, author: Author, root_id: int, tags: Tags) -> Actor:
    """Who answers in a thread: whoever has signed it by role only does so under the same alias."""
    speaker = aliases.speaking(tx, author.actor, root_id)
    if speaker.alias:
        check_hidden(tags, author.actor)
    return speaker
