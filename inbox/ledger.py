"""The ledger: which activities have been seen, and what waits. Digests stay; a body lives here only while it is held."""

from __future__ import annotations

from collections.abc import Sequence

from core.database import Tx, marks
from core.ids import uri_hash
from inbox.arrival import Arrival, Held, Ignored, Outcome


def seen(tx: Tx, arrivals: Sequence[Arrival]) -> dict[bytes, bytes]:
    """The digests under which these activities came before, by the hash of their id."""
    rows = tx.rows(f"SELECT uri_hash, digest FROM ledger WHERE uri_hash IN ({marks(len(arrivals))})",
                   [arrival.hash for arrival in arrivals])
    return {row["uri_hash"]: row["digest"] for row in rows}


def record(tx: Tx, decided: Sequence[tuple[Arrival, Outcome]]) -> set[bytes]:
    """Enter them; returns the hashes that are new. Held ones are kept with their body."""
    rows = [(arrival.hash, arrival.sibling.id, arrival.digest, _word(outcome), arrival.now) for arrival, outcome in decided]
    new = {row["uri_hash"] for row in tx.insert(
        "ledger (uri_hash, sibling_id, digest, outcome, received_at)", 5, rows,
        "ON CONFLICT (uri_hash) DO NOTHING RETURNING uri_hash")}
    held = [
        (arrival.hash, arrival.sibling.id, uri_hash(arrival.object_id), outcome.missing, uri_hash(outcome.missing), arrival.body,
         arrival.now, arrival.now)
        for arrival, outcome in decided if isinstance(outcome, Held) and arrival.hash in new]
    if held:
        tx.insert("held (activity_hash, sibling_id, object_hash, missing, missing_hash, body, received_at, next_try)", 8, held,
                  "ON CONFLICT (activity_hash) DO NOTHING")
        tx.wake("held")
    return new


def settle(tx: Tx, arrival: Arrival, outcome: Outcome) -> None:
    """A held activity has been decided: its body goes, or it waits for the next thing that is missing."""
    if isinstance(outcome, Held):
        tx.run("UPDATE held SET missing = ?, missing_hash = ? WHERE activity_hash = ?",
               (outcome.missing, uri_hash(outcome.missing), arrival.hash))
        return
    tx.run("DELETE FROM held WHERE activity_hash = ?", (arrival.hash,))
    tx.run("UPDATE ledger SET outcome = ? WHERE uri_hash = ?", (_word(outcome), arrival.hash))


def _word(outcome: Outcome) -> str:
    return f"ignored: {outcome.why}" if isinstance(outcome, Ignored) else type(outcome).__name__.lower()
