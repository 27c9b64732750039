"""`Reject` of a Follow (ActivityPub, section 7.7): it was declined, or a doctor elsewhere ends that one of ours follows her. And
of a key that we announced, or of a report of ours."""

from __future__ import annotations

from core.ids import Ids
from federation.keyring import KeyAnswer
from inbox.activities import flag
from inbox.activities.accept import check_announced, check_asked
from inbox.arrival import Arrival, Held, Ignored
from inbox.effects import Effect, EndFollow, KeyAnswered
from inbox.known import Known


def verify(arrival: Arrival, known: Known, grace_ms: int) -> Held | Ignored | None:
    """None when it may have its effect."""
    if arrival.verdict is not None:
        flag.check_answer(arrival, known)
    elif arrival.by_instance:
        check_announced(arrival, known)
    else:
        check_asked(arrival, known)
    return None


def receive(arrival: Arrival, known: Known, ids: Ids) -> list[Effect]:
    """The request, or the follow, is no more; nobody is told that it was declined. The answer to a key is kept."""
    if arrival.verdict is not None:
        return flag.answered(arrival, known)
    if arrival.by_instance:
        return [KeyAnswered(known.announced[arrival.object_id], arrival.sibling.id, KeyAnswer.REFUSED)]
    return [EndFollow(arrival.object_id, known.follows[arrival.object_id])]
