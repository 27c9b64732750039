"""`Retry-After` (RFC 9110, section 10.2.3): for how long a sibling asks us to wait."""

from __future__ import annotations

import math
from email.utils import parsedate_to_datetime

from core.numbers import whole

_MOST = 99_999


def retry_after(said: str | None, now: float) -> int | None:
    """The seconds from `now` (seconds since the epoch), at most a day or so; None where nothing was said that can be read.

    It is a number of seconds or an HTTP date; one that has passed asks for nothing.
    """
    if said is None:
        return None
    if (seconds := whole(said.strip(), 10**17)) is not None:
        return min(seconds, _MOST)
    try:
        moment = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        return None
    return min(max(0, math.ceil(moment.timestamp() - now)), _MOST)
