"""Whether a poll's result that a sibling sends is to be kept: signed by it, the first one, and true about what we told."""

from __future__ import annotations

from core.errors import Conflict, InvalidInput
from inbox.arrival import Arrival
from inbox.known import Known
from posts import counts
from posts.counts import Result


def trusted(arrival: Arrival, known: Known, post_id: int | None = None) -> Result | None:
    """The result to keep; None where there is none, where the same is here, and where the sibling's document key is not known
    yet, so that nobody can tell. `Conflict` for another one than is here: a result stands."""
    found = arrival.result
    if found is None:
        return None
    before = known.results.get(post_id) if post_id is not None else None
    if before == found.digest:
        return None
    if before is not None:
        raise Conflict("The result of a poll stands; this is another one.", reason="result-changed")
    if not arrival.sibling.document_key:
        return None
    counts.check_result(found, arrival.sibling)
    kept = known.kept.get(post_id) if post_id is not None else None
    ours = next((one for one in found.counted if one.actor == f"{known.home}/actor"), None)
    if kept is not None and ours is not None and (ours.epoch, ours.sequence) == (kept.epoch, kept.sequence) \
            and ours.digest != kept.digest:
        raise InvalidInput("It names a tally of ours that we have not sent.", reason="bad-result")
    return found
