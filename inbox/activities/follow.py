"""`Follow` of a doctor of this instance (ActivityPub, section 7.5): a request, which waits for her; and taking it back."""

from __future__ import annotations

from actors.follows import Follow, FollowState
from core.errors import InvalidInput, Refused
from core.ids import Ids
from inbox.arrival import Arrival, Held, Ignored, Wanted
from inbox.effects import Effect, EndFollow, RequestFollow
from inbox.known import Known


def verify(arrival: Arrival, known: Known, grace_ms: int) -> Held | Ignored | None:
    """None when it may wait for an answer. Whether she has blocked who asks, nobody is told: she just never sees it."""
    if not arrival.object_id:
        raise InvalidInput("The object has no id.", reason="bad-object")
    if arrival.object_id not in known.here:
        raise InvalidInput("There is no such doctor here.", reason="no-such-doctor")
    return Held(arrival.actor, Wanted.ACTOR) if arrival.actor not in known.actors else None


def receive(arrival: Arrival, known: Known, ids: Ids) -> list[Effect]:
    """A request, in the place of whatever there was between the two."""
    follower, followed = known.actors[arrival.actor], known.actors[arrival.object_id]
    return [RequestFollow(Follow(arrival.uri, follower.id, followed.id, FollowState.REQUESTED, arrival.now))]


def undo(arrival: Arrival, known: Known) -> list[Effect]:
    """It is withdrawn, or over; harmless where there is none, or none any more."""
    follow, actor = known.follows.get(arrival.object_id), known.actors.get(arrival.actor)
    if follow is not None and (actor is None or follow.follower_id != actor.id):
        raise Refused("An activity is undone by its own actor.", reason="foreign-author")
    return [EndFollow(arrival.object_id, follow)]
