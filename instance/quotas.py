"""How much an app may ask: so many requests in five minutes for each doctor, which every answer tells it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from core.errors import TooMany

WINDOW_SECONDS = 300
_MOST = 20_000


class Standing(NamedTuple):
    """How many requests there are in a window, how many are left, and when it is over (seconds since the epoch)."""

    limit: int
    left: int
    until: int


class Quotas:
    """Counts in memory, for each subject from its first request on; of very many the oldest windows are forgotten."""

    def __init__(self, requests: int, clock: Callable[[], float] = time.time) -> None:
        self._requests, self._clock = requests, clock
        self._windows: dict[str, tuple[int, int]] = {}

    def look(self, subject: str) -> Standing:
        """Where somebody stands, without counting."""
        now = int(self._clock())
        used, until = self._windows.get(subject, (0, 0))
        if until <= now:
            used, until = 0, now + WINDOW_SECONDS
        return Standing(self._requests, max(0, self._requests - used), until)

    def take(self, subject: str) -> Standing:
        """Count one request; `TooMany` where none is left."""
        found = self.look(subject)
        if not found.left:
            raise TooMany("This app asks more than %(most)s times in five minutes. It will go on by itself in a moment.",
                          values={"most": self._requests}, reason="quota", retry_after=max(1, found.until - int(self._clock())))
        self._windows.pop(subject, None)
        self._windows[subject] = (self._requests - found.left + 1, found.until)
        if len(self._windows) > _MOST:
            for oldest in list(self._windows)[:_MOST // 2]:
                del self._windows[oldest]
        return found._replace(left=found.left - 1)
