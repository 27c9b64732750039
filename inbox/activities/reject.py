"""`Reject` of a Follow (ActivityPub, section 7.7): it was declined, or a doctor elsewhere ends that one of ours follows her."""

from __future__ import annotations

from core.ids import Ids
from inbox.activities.accept import check_asked
from inbox.arrival import Arrival, Held, Ignored
from inbox.effects import Effect, EndFollow
from inbox.known import Known


def verify(arrival: Arrival, known: Known, grace_ms: int) -> Held | Ignored | None:
    """None when it may have its effect."""
    check_asked(arrival, known)
    return None


def receive(arrival: Arrival, known: Known, ids: Ids) -> list[Effect]:
    """The request, or the follow, is no more; nobody is told that it was declined."""
    return [EndFollow(arrival.object_id, known.follows[arrival.object_id])]
