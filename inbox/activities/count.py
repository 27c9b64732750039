"""`Count` of a tally: what a sibling's doctors have voted in a poll of ours, added up there and signed (FEDERATION.md)."""

from __future__ import annotations

from core.errors import Conflict, InvalidInput, Refused
from core.ids import Ids
from inbox.activities.create import no_such_poll
from inbox.arrival import Arrival, Held, Ignored
from inbox.authority import may_read
from inbox.effects import Effect, TakeTally
from inbox.known import Known
from posts.counts import Mode, Tally
from posts.models import Kind
from posts.store import Post


def verify(arrival: Arrival, known: Known, grace_ms: int) -> Held | Ignored | None:
    """None when it may take the place of the one before. Its own rules and its proof have been checked (`posts.counts`)."""
    if not arrival.by_instance:
        raise Refused("An instance counts for itself; none of its doctors can.", reason="foreign-author")
    tally = _tally(arrival)
    if tally.question in known.deleted:
        return Ignored("deleted meanwhile")
    post = known.posts.get(tally.question)
    poll = known.polls.get(post.id) if post is not None else None
    if post is None or not may_read(arrival, post):
        return known.not_there(tally.question, no_such_poll())
    if poll is None or post.kind != Kind.POLL or post.sibling_id is not None or post.erased_at is not None:
        raise no_such_poll()
    if known.modes.get((post.id, arrival.sibling.id), Mode.VOTES) != Mode.TALLY:
        raise Refused("In this poll your instance sends votes, and no tally.", reason="votes-expected")
    if [name for name, _ in tally.sums.options] != [name for name, _ in poll.options]:
        raise InvalidInput("The poll has other options.", reason="no-such-option")
    if not poll.multiple and sum(votes for _, votes in tally.sums.options) != tally.sums.voters:
        raise InvalidInput("One voter, one vote.", reason="bad-tally")
    before = known.tallied.get((post.id, arrival.sibling.id))
    if before is not None and (tally.epoch, tally.sequence) <= before[:2]:
        return Ignored("an older tally")
    if poll.result_at is not None:
        raise Conflict("The poll has closed.", reason="poll-closed")
    if before is not None and before[2] and tally.epoch == before[0]:
        raise Conflict("The final tally stands.", reason="tally-final")
    return None


def receive(arrival: Arrival, known: Known, ids: Ids) -> list[Effect]:
    """The effect of a verified tally."""
    tally, post = _tally(arrival), _post(arrival, known)
    return [TakeTally(post.id, arrival.sibling.id, tally)]


def _tally(arrival: Arrival) -> Tally:
    assert arrival.tally is not None
    return arrival.tally


def _post(arrival: Arrival, known: Known) -> Post:
    return known.posts[_tally(arrival).question]
