"""Time: one place that knows what time it is, so that tests and the demo can move it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from functools import lru_cache


class Clock:
    """The system's clock, shifted by `offset` seconds (0 outside tests and seeding)."""

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.offset

    def ms(self) -> int:
        """Milliseconds since the epoch: the unit of every time column."""
        return int(self.now() * 1000)


async def happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most so long; whether it happened. Safe to cancel, which `asyncio.wait_for` is not before
    Python 3.12 when the event happens at the same moment."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


@lru_cache(maxsize=4096)  # the newest posts are on everybody's page, and in everybody's app
def rfc3339(ms: int) -> str:
    """Milliseconds since the epoch as RFC 3339 in UTC, whole seconds: `2026-11-24T09:12:00Z`."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_rfc3339(text: str) -> int:
    """Milliseconds since the epoch; `ValueError` unless `text` is RFC 3339 with an offset, in a year from 2001 to 2198.

    The years are bounded because every later calculation with a time has to hold, and nothing here is older or later.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or "T" not in text:
        raise ValueError("a time needs a date, a T and an offset")
    if not 2000 < moment.year < 2199:
        raise ValueError("a time lies in a year from 2001 to 2198")
    return int(moment.timestamp() * 1000)
