"""`Accept` of a Follow (ActivityPub, section 7.6): a doctor elsewhere lets one of ours follow her. And of a key: the operators
of a sibling have confirmed the one we announced. And of a report: something came of it."""

from __future__ import annotations

from core.errors import InvalidInput
from core.ids import Ids
from federation.keyring import KeyAnswer
from inbox.activities import flag
from inbox.arrival import Arrival, Held, Ignored
from inbox.effects import AcceptFollow, Effect, KeyAnswered
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
    """The request becomes a follow; the answer to a key is kept."""
    if arrival.verdict is not None:
        return flag.answered(arrival, known)
    if arrival.by_instance:
        return [KeyAnswered(known.announced[arrival.object_id], arrival.sibling.id, KeyAnswer.CONFIRMED)]
    return [AcceptFollow(known.follows[arrival.object_id])]


def check_asked(arrival: Arrival, known: Known) -> None:
    """`InvalidInput` unless it answers a Follow that named its actor. One that named somebody else, and one that was
    withdrawn or never was, get the same answer."""
    follow, actor = known.follows.get(arrival.object_id), known.actors.get(arrival.actor)
    if follow is None or actor is None or follow.followed_id != actor.id:
        raise InvalidInput("There is no such request here.", reason="no-such-follow")


def check_announced(arrival: Arrival, known: Known) -> None:
    """`InvalidInput` unless it answers the announcement of a key of ours that is to come, or has come."""
    if arrival.object_id not in known.announced:
        raise InvalidInput("There is no such announcement here.", reason="no-such-announcement")
