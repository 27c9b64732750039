"""When a sibling was last heard, and how far its clock is off."""

from __future__ import annotations

from core.clock import Clock
from core.database import Database, Tx
from federation.door import Caller

_STEP_MS = 10_000
_SKEW_STEP_MS = 5_000


class Contacts:
    """Keeps both, at most every few seconds for each sibling."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._noted: dict[int, tuple[int, int]] = {}

    def note(self, caller: Caller) -> None:
        """A request of a sibling has been taken in."""
        now, skew_ms, sibling_id = self._clock.ms(), int(caller.skew * 1000), caller.sibling.id
        at, skew = self._noted.get(sibling_id, (0, 0))
        if now - at < _STEP_MS and abs(skew - skew_ms) < _SKEW_STEP_MS:
            return
        self._noted[sibling_id] = (now, skew_ms)

        def store(tx: Tx) -> None:
            tx.run("UPDATE siblings SET last_in = ?, skew_ms = ? WHERE id = ?", (now, skew_ms, sibling_id))

        self._database.later(store)
