"""What operators and the program did that somebody may ask about later: appended, never changed."""

from __future__ import annotations

from core.clock import Clock
from core.database import Tx
from core.ids import Ids


def note(tx: Tx, ids: Ids, clock: Clock, *, by: str, action: str, target: str, detail: str = "") -> None:
    """Append one line inside the transaction that does the thing itself."""
    tx.run("INSERT INTO audit (id, at, by, action, target, detail) VALUES (?, ?, ?, ?, ?, ?)",
           (ids.new(), clock.ms(), by, action, target, detail))
