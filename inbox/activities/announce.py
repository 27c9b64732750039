"""`Announce` of a post (ActivityPub, section 7.11), by reference: what it may carry of the post is not looked at, and whoever
passes it on widens nothing, because each instance fetches a post from its own origin, which answers only its audience."""

from __future__ import annotations

from core.errors import Refused
from core.ids import Ids
from inbox.activities import like
from inbox.arrival import Arrival, Held, Ignored, Wanted
from inbox.effects import Effect
from inbox.known import Known
from posts.models import Reach
from posts.store import Post


def verify(arrival: Arrival, known: Known, grace_ms: int) -> Held | Ignored | None:
    """None when it may be counted."""
    post = like.meant(arrival, known)
    if not isinstance(post, Post):
        return post
    if post.audience.reach == Reach.NAMED:
        raise Refused("A consult is for those it names; it is not passed on.", reason="named")
    return Held(arrival.actor, Wanted.ACTOR) if arrival.actor not in known.actors else None


def receive(arrival: Arrival, known: Known, ids: Ids) -> list[Effect]:
    """Count it; it stands in the lists of those who follow whoever passed it on."""
    return like.counted("boosts", arrival, known, ids)


def undo(arrival: Arrival, known: Known) -> list[Effect]:
    """Count it no longer."""
    return like.taken_back("boosts", arrival, known)
