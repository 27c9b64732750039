"""The second look of an app: what could say who a patient is goes out when exactly the same text is sent again.

A page shows findings beside their field and has its author confirm them. An app cannot, so its doctor reads them in the refusal,
and sending the same text once more says that she has looked. What an app repeats by itself, at once, says nothing.
"""

from __future__ import annotations

from core.clock import Clock

MINUTES = 10
"""For how long a refusal is remembered."""
SECONDS = 3
"""How long somebody takes to read it at the least."""
_MOST = 10_000


class SecondLooks:
    """Remembers in memory which doctor was told of which text (its digest)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[tuple[int, str], int] = {}

    def given(self, doctor_id: int, digest: str) -> bool:
        """Whether she was told of this text some seconds ago and no more than minutes; if never, she is told now."""
        now, key = self._clock.ms(), (doctor_id, digest)
        at = self._told.get(key)
        if at is not None and 0 <= now - at <= MINUTES * 60_000:
            return now - at >= SECONDS * 1000
        self._told.pop(key, None)
        self._told[key] = now
        while len(self._told) > _MOST:
            del self._told[next(iter(self._told))]
        return False
