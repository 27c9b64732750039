"""What about a sibling an operator should look at, in a few words each."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from core.words import N_, Sentence
from federation.overview import SiblingRow

SKEW_MS = 30_000
"""From how far apart (ms) two clocks are worth an alarm; at five minutes signatures are refused."""

_AHEAD = timedelta(days=30)


def needs(row: SiblingRow, now: int) -> tuple[Sentence, ...]:
    """What it is, worst first; `now` in milliseconds. Nothing for one that was revoked."""
    if row.state == "revoked":
        return ()
    found = []
    if row.alarm:
        found.append(Sentence(N_("Sending has stopped.")))
    if row.shows_strange_key:
        found.append(Sentence(N_("It shows a key that nobody here has confirmed.")))
    if row.announced:
        found.append(Sentence(N_("It has announced a new key: compare it.")))
    if row.check_passed is False:
        found.append(Sentence(N_("The last self-test failed.")))
    if row.skew_ms is not None and abs(row.skew_ms) >= SKEW_MS:
        found.append(Sentence(N_("Its clock and ours differ.")))
    if row.parked:
        found.append(Sentence(N_("Something for it is parked: try it again, or drop it.")))
    if row.undeleted and row.state != "active":
        found.append(Sentence(N_("It has not confirmed deletions.")))
    if is_due(row.details.review_on, now):
        found.append(Sentence(N_("The agreement is to be looked at again.")))
    return tuple(found)


def is_due(day: str, now: int) -> bool:
    """Whether a day (`YYYY-MM-DD`, or nothing) lies behind, or less than a month ahead."""
    return bool(day) and date.fromisoformat(day) - _AHEAD <= datetime.fromtimestamp(now / 1000, UTC).date()
