"""`Like` of a post (ActivityPub, section 7.10), wherever in the network the post lies."""

from __future__ import annotations

from core.errors import InvalidInput
from core.ids import Ids
from federation.addresses import origin_of
from inbox.arrival import Arrival, Held, Ignored, Wanted
from inbox.authority import may_read
from inbox.effects import Effect, React, TakeBack
from inbox.known import Known
from posts.reactions import Reaction, Table
from posts.store import Post


def verify(arrival: Arrival, known: Known, grace_ms: int) -> Held | Ignored | None:
    """None when it may be counted."""
    post = meant(arrival, known)
    if not isinstance(post, Post):
        return post
    author = known.actors.get(arrival.actor)
    if author is None:
        return Held(arrival.actor, Wanted.ACTOR)
    return Ignored("of one's own post") if author.id == post.author_id else None


def receive(arrival: Arrival, known: Known, ids: Ids) -> list[Effect]:
    """Count it."""
    return counted("likes", arrival, known, ids)


def undo(arrival: Arrival, known: Known) -> list[Effect]:
    """Count it no longer."""
    return taken_back("likes", arrival, known)


def meant(arrival: Arrival, known: Known) -> Post | Held | Ignored:
    """The post that an activity of a reader is about, by its id alone, or what becomes of the activity without it.

    Not there and not for its sender have the same answer: of our own posts an error, unless one can have been
    lost here; of others' none, since what is not there yet may come. So nobody can find out what lies here.
    """
    if not arrival.object_id:
        raise InvalidInput("The object has no id.", reason="bad-object")
    if arrival.uri in known.deleted:
        return Ignored("taken back before it came")
    if arrival.object_id in known.deleted:
        return Ignored("deleted meanwhile")
    post = known.posts.get(arrival.object_id)
    if post is not None and may_read(arrival, post):
        return post
    origin = origin_of(arrival.object_id)
    if origin == known.home:
        return known.not_there(arrival.object_id, no_such_post())
    if post is not None:
        return Ignored("about a post that is not for its sender")
    return Held(arrival.object_id, Wanted.POST) if known.admits(origin) else Ignored("about a post outside our network")


def no_such_post() -> InvalidInput:
    return InvalidInput("It is about a post that is not there.", reason="no-such-post")


def counted(table: Table, arrival: Arrival, known: Known, ids: Ids) -> list[Effect]:
    """The effects of a verified `Like` or `Announce`."""
    post, actor = known.posts[arrival.object_id], known.actors[arrival.actor]
    return [React(table, Reaction(ids.new(), post.id, actor.id, arrival.uri))]


def taken_back(table: Table, arrival: Arrival, known: Known) -> list[Effect]:
    """The effects of its `Undo`. It may come first, or while what it undoes is held."""
    actor = known.actors.get(arrival.actor)
    return [TakeBack(table, arrival.object_id, actor.id if actor is not None else None, arrival.sibling.origin)]
