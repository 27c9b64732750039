"""`Lapse`: how many of a sibling's doctors whose votes are counted in a poll of ours are no longer verified (FEDERATION.md).

The votes stay counted, and nobody says whose they are; whoever reads the poll is told the number.
"""

from __future__ import annotations

from typing import Any

import msgspec

from core.errors import InvalidInput, Refused
from core.ids import Ids
from inbox.activities.create import no_such_poll
from inbox.arrival import Arrival, Held, Ignored
from inbox.authority import may_read
from inbox.effects import Effect, TakeLapse
from inbox.known import Known
from posts.counts import Mode
from posts.models import Kind

_PEOPLE = 10_000_000
_LATEST = 1 << 53


class _Lapsed(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    lapsed_voters: int
    moment: int


def verify(arrival: Arrival, known: Known, grace_ms: int) -> Held | Ignored | None:
    """None when the number is to be kept; an older one changes nothing."""
    if not arrival.by_instance:
        raise Refused("An instance counts for itself; none of its doctors can.", reason="foreign-author")
    said = _read(arrival.object)
    if said.id in known.deleted:
        return Ignored("deleted meanwhile")
    post = known.posts.get(said.id)
    if post is None or not may_read(arrival, post):
        return known.not_there(said.id, no_such_poll())
    if post.kind != Kind.POLL or post.sibling_id is not None or post.erased_at is not None or post.id not in known.polls:
        raise no_such_poll()
    if known.modes.get((post.id, arrival.sibling.id), Mode.VOTES) != Mode.TALLY:
        raise Refused("In this poll your instance sends votes, and no tally.", reason="votes-expected")
    return None


def receive(arrival: Arrival, known: Known, ids: Ids) -> list[Effect]:
    """The effect of a verified one."""
    said = _read(arrival.object)
    return [TakeLapse(known.posts[said.id].id, arrival.sibling.id, said.lapsed_voters, said.moment)]


def _read(document: Any) -> _Lapsed:
    try:
        said = msgspec.convert(document, _Lapsed)
    except msgspec.ValidationError as error:
        raise InvalidInput("This says nothing about votes.", reason="bad-tally", cause=str(error)) from None
    if not 0 <= said.lapsed_voters <= _PEOPLE or not 0 < said.moment < _LATEST:
        raise InvalidInput("This says nothing about votes.", reason="bad-tally", cause="numbers that cannot be")
    return said
