"""What a sibling's answer to an activity means. Pure: `federation.delivery` tells the story, this decides."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple

from core.errors import KonsilError
from federation.bundles import Receipt, numbers
from federation.client import Answer
from federation.store import Parcel
from federation.troubles import reason

_ON_THE_WIRE = frozenset({"answered", "no-answer", "no-receipt", "refused", "too-large", "postponed"})
_NO_BUNDLES = frozenset({404, 405, 415})


class Fate(Enum):
    """What becomes of a parcel, or of the whole line because of it."""

    ACKED = auto()
    HELD_THERE = auto()
    PARKED = auto()
    PUT_OFF = auto()
    HELD = auto()
    ALARMED = auto()


class Verdict(NamedTuple):
    """One parcel's fate, the stored reason of it, and how many seconds the sibling asks us to wait."""

    parcel: Parcel
    fate: Fate
    reason: str = ""
    wait: int = 0

    @property
    def good(self) -> bool:
        """Whether the sibling is well: it has dealt with the activity, one way or the other."""
        return self.fate in (Fate.ACKED, Fate.HELD_THERE, Fate.PARKED)

    @property
    def left(self) -> bool:
        """Whether the activity was on the wire, whatever came back: the sibling may have it."""
        return self.fate in (Fate.ACKED, Fate.HELD_THERE) or self.reason.partition(" ")[0] in _ON_THE_WIRE


def judge(parcel: Parcel, answer: Answer) -> Verdict:
    """An answer. Only 202 acknowledges: a page that a proxy sends with 200 says nothing about the activity."""
    status, problem, wait = answer.status, answer.problem or {}, answer.retry_after or 0
    if status == 202:
        return Verdict(parcel, Fate.ACKED)
    if status in (408, 429, 503):
        return Verdict(parcel, Fate.HELD, reason("answered", status), wait)
    if status >= 500:
        return Verdict(parcel, Fate.PUT_OFF, reason("answered", status), wait)
    if status == 413:
        return Verdict(parcel, Fate.PARKED, reason("too-large"))
    if status >= 400 and problem.get("activity") == parcel.uri:
        return Verdict(parcel, Fate.PARKED, reason("refused", problem.get("title", status)))
    return Verdict(parcel, Fate.ALARMED, reason("no-receipt", status))


def judge_bundle(parcels: Sequence[Parcel], answer: Answer) -> list[Verdict]:
    """An answer to a bundle that is no receipt: what it means for each of its activities. What is too large together is tried
    by itself."""
    if answer.status == 413 and len(parcels) > 1:
        return [Verdict(parcel, Fate.PUT_OFF, reason("too-large")) for parcel in parcels]
    if answer.status == 202:
        return [Verdict(parcel, Fate.ALARMED, reason("no-receipt", 202)) for parcel in parcels]
    return [judge(parcel, answer) for parcel in parcels]


def is_no_place(answer: Answer) -> bool:
    """Whether nobody takes bundles where this one was sent: an older release, or a proxy that answers for everything."""
    return answer.status in _NO_BUNDLES


def judge_receipt(parcels: Sequence[Parcel], made: Receipt) -> list[Verdict]:
    """A receipt, which says of each number what became of it."""
    results, most = made.results, len(parcels)
    fates = dict.fromkeys(numbers((*results.stored, *results.duplicate), most), Fate.ACKED)
    fates |= dict.fromkeys(numbers(results.held, most), Fate.HELD_THERE)
    refused = {one.sequence: one.title for one in results.refused}
    return [
        Verdict(parcel, Fate.PARKED, reason("refused", refused[parcel.sequence])) if parcel.sequence in refused
        else Verdict(parcel, fates[parcel.sequence]) if parcel.sequence in fates
        else Verdict(parcel, Fate.PUT_OFF, reason("postponed"))
        for parcel in parcels]


def judge_error(parcel: Parcel, error: Exception) -> Verdict:
    """No answer: where there was a connection it may be this activity that is not borne, else it is the line. What nobody
    foresaw is ours and concerns this parcel only."""
    if not isinstance(error, KonsilError):
        return Verdict(parcel, Fate.PUT_OFF, reason("internal"))
    fate = Fate.PUT_OFF if error.reason == "no-answer" else Fate.HELD
    return Verdict(parcel, fate, reason(error.reason, error.cause))


def trouble(verdicts: Sequence[Verdict], *, all_fail: bool) -> Verdict | None:
    """The verdict that concerns the whole line, an alarm first; the last of those put off when nothing else succeeds."""
    wanted = (Fate.ALARMED, Fate.HELD, *((Fate.PUT_OFF,) if all_fail else ()))
    return next((verdict for fate in wanted for verdict in reversed(verdicts) if verdict.fate == fate), None)
