"""The ledger: which activities have been seen, and what waits. Digests stay; a body lives here only while it is held."""

from __future__ import annotations

from collections.abc import Sequence

from core.database import Tx, marks
from core.ids import uri_key
from inbox.arrival import Arrival, Held, Ignored, Outcome


def seen(tx: Tx, arrivals: Sequence[Arrival]) -> dict[str, bytes]:
    """The digests under which these activities came before, by their id."""
    asked = {uri_key(arrival.uri): arrival.uri for arrival in arrivals}
    rows = tx.rows(f"SELECT uri_key, digest FROM ledger WHERE uri_key IN ({marks(len(asked))})", list(asked))
    return {asked[row["uri_key"]]: row["digest"] for row in rows}


def record(tx: Tx, decided: Sequence[tuple[Arrival, Outcome]]) -> None:
    """Enter activities that `seen` did not know. Held ones are kept with their body."""
    tx.insert("ledger (uri_key, sibling_id, digest, outcome, received_at)", 5, [
        (uri_key(arrival.uri), arrival.sibling.id, arrival.digest, _word(outcome), arrival.now)
        for arrival, outcome in decided])
    held = [
        (uri_key(arrival.uri), arrival.sibling.id, uri_key(arrival.object_id), outcome.missing, uri_key(outcome.missing),
         arrival.body, arrival.now, arrival.now)
        for arrival, outcome in decided if isinstance(outcome, Held)]
    if held:
        tx.insert("held (activity_key, sibling_id, object_key, missing, missing_key, body, received_at, next_try)", 8, held)
        tx.wake("held")


def settle(tx: Tx, arrival: Arrival, outcome: Outcome) -> None:
    """A held activity has been decided: its body goes, or it waits for the next thing that is missing."""
    if isinstance(outcome, Held):
        tx.run("UPDATE held SET missing = ?, missing_key = ? WHERE activity_key = ?",
               (outcome.missing, uri_key(outcome.missing), uri_key(arrival.uri)))
        return
    tx.run("DELETE FROM held WHERE activity_key = ?", (uri_key(arrival.uri),))
    tx.run("UPDATE ledger SET outcome = ? WHERE uri_key = ?", (_word(outcome), uri_key(arrival.uri)))


def park(tx: Tx, arrival: Arrival, reason: str) -> None:
    """A held activity turned out to be wrong: it stays where an operator can read why, and is not tried again."""
    tx.run("UPDATE held SET state = 'parked', reason = ? WHERE activity_key = ?", (reason, uri_key(arrival.uri)))


def _word(outcome: Outcome) -> str:
    return f"ignored: {outcome.why}" if isinstance(outcome, Ignored) else type(outcome).__name__.lower()
