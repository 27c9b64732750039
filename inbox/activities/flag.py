"""`Flag` of a post of ours (ActivityStreams, section 3): a sibling reports it. Which of its doctors did, it does not say."""

from __future__ import annotations

from core.errors import InvalidInput, Refused
from core.ids import Ids
from inbox.activities.like import no_such_post
from inbox.arrival import Arrival, Held, Ignored
from inbox.effects import Effect, TakeFlag, TakeVerdict
from inbox.known import Known
from posts.matters import Said, Verdict


def verify(arrival: Arrival, known: Known, grace_ms: int) -> Held | Ignored | None:
    """None when it is to be looked at. Who may read a post may report it; to everybody else it is not there."""
    if not arrival.by_instance:
        raise Refused("An instance reports for its doctors; none of them is named.", reason="foreign-author")
    if arrival.object_id in known.deleted:
        return Ignored("deleted meanwhile")
    post = known.posts.get(arrival.object_id)
    if post is None or post.sibling_id is not None or arrival.sibling.origin not in post.audience.origins:
        return known.not_there(arrival.object_id, no_such_post())
    return None


def receive(arrival: Arrival, known: Known, ids: Ids) -> list[Effect]:
    """It waits for operators."""
    return [TakeFlag(known.posts[arrival.object_id].id, arrival.sibling.id, arrival.uri, _said(arrival))]


def check_answer(arrival: Arrival, known: Known) -> None:
    """`InvalidInput` unless an `Accept` or `Reject` with a state answers a Flag of ours about a post of its sender."""
    report = known.flags.get(arrival.object_id)
    if not arrival.by_instance or report is None or report.sibling_id != arrival.sibling.id:
        raise InvalidInput("There is no such report here.", reason="no-such-report")


def answered(arrival: Arrival, known: Known) -> list[Effect]:
    """The effect of a verified answer."""
    return [TakeVerdict(known.flags[arrival.object_id].matter_id, _verdict(arrival))]


def _said(arrival: Arrival) -> Said:
    assert arrival.said is not None
    return arrival.said


def _verdict(arrival: Arrival) -> Verdict:
    assert arrival.verdict is not None
    return arrival.verdict
