"""`Delete` (ActivityPub, section 7.4): a permanent tombstone, also when the Create has not come yet. A doctor who deletes herself
has left, and everything of hers goes. A sibling's instance actor that deletes itself orders us to erase everything of that
instance. Neither can say that about others."""

from __future__ import annotations

from core.errors import Refused
from core.ids import Ids
from inbox.arrival import Arrival, Held, Ignored
from inbox.effects import Effect, EraseOrigin, ErasePerson, ErasePost
from inbox.known import Known
from posts.matters import Category


def verify(arrival: Arrival, known: Known, grace_ms: int) -> Held | Ignored | None:
    """None when it may erase: the author of a known post may, or the operators of her instance, which then speaks itself; and an
    instance all that is its own."""
    if arrival.object_id == arrival.sibling.actor_uri:
        if arrival.actor != arrival.sibling.actor_uri:
            raise Refused("An instance deletes itself; none of its doctors can.", reason="foreign-author")
        return None
    if arrival.object_id == arrival.actor:
        return None
    if arrival.object_id in known.actors:
        raise Refused("A doctor leaves herself; nobody else can say that she has.", reason="foreign-author")
    post = known.posts.get(arrival.object_id)
    if post is not None and post.erased_at is None and not arrival.by_instance:
        author = known.actors.get(arrival.actor)
        if author is None or author.id != post.author_id:
            raise Refused("A post is deleted by its author.", reason="foreign-author")
    return None


def receive(arrival: Arrival, known: Known, ids: Ids) -> list[Effect]:
    """Erase it and leave a tombstone; of a doctor, or a whole instance, write down that everything of theirs is to go."""
    if arrival.object_id == arrival.sibling.actor_uri:
        return [EraseOrigin(arrival.sibling.id)]
    if arrival.object_id == arrival.actor:
        return [ErasePerson(arrival.object_id, arrival.sibling.origin)]
    return [ErasePost(arrival.object_id, arrival.sibling.origin, _taken_down(arrival))]


def _taken_down(arrival: Arrival) -> str:
    """What a post was reported for that its instance's operators have taken down; '' for one that its author has deleted."""
    if not arrival.by_instance:
        return ""
    named = arrival.object.get("takenDown") if isinstance(arrival.object, dict) else None
    return named if isinstance(named, str) and named in tuple(Category) else Category.OTHER
