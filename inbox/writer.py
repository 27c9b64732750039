"""From arrivals to rows: decide, enter the ledger, write the effects; one transaction for a whole batch."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from core.database import Tx
from core.errors import Conflict, KonsilError, Unavailable
from core.ids import Ids
from inbox import ledger
from inbox.activities import create, delete, update
from inbox.arrival import Arrival, Duplicate, Ignored, Outcome, Stored
from inbox.effects import Effect, write
from inbox.known import Known, load

VERBS: dict[str, ModuleType] = {"Create": create, "Update": update, "Delete": delete}
Result = Outcome | KonsilError


class Writer:
    """Applies batches in the writer's thread; `home` is our own origin."""

    def __init__(self, home: str, ids: Ids, grace_ms: int) -> None:
        self._home, self._ids, self._grace_ms = home, ids, grace_ms

    def apply(self, tx: Tx, arrivals: Sequence[Arrival]) -> list[Result]:
        """Decide about every arrival, in order. Neighbouring Creates are one batch; the rest come one by one."""
        origins = {row["origin"]: row["state"] for row in tx.rows("SELECT origin, state FROM siblings")}
        results: list[Result] = []
        start = 0
        while start < len(arrivals):
            end = start + 1
            while end < len(arrivals) and arrivals[start].type == "Create" == arrivals[end].type:
                end += 1
            results += self._together(tx, arrivals[start:end], origins)
            start = end
        return results

    def _together(self, tx: Tx, arrivals: Sequence[Arrival], origins: dict[str, str]) -> list[Result]:
        seen = ledger.seen(tx, arrivals)
        known = load(tx, self._home, arrivals, origins)
        results: list[Result] = []
        decided: list[tuple[Arrival, Outcome]] = []
        effects: list[Effect] = []
        for arrival in arrivals:
            before = seen.get(arrival.uri)
            if before is not None:
                results.append(Duplicate() if before == arrival.digest else Conflict(
                    "This id was used for another activity.", reason="id-reused"))
                continue
            if origins.get(arrival.sibling.origin) != "active":  # revoked or paused since it passed the gate
                results.append(Unavailable("This instance is no longer active here.", reason="paused", retry_after=300))
                continue
            outcome, does = self._decide(arrival, known)
            results.append(outcome)
            if not isinstance(outcome, KonsilError):
                seen[arrival.uri] = arrival.digest
                decided.append((arrival, outcome))
                effects += does
        if decided:
            ledger.record(tx, decided)
            write(tx, effects, arrivals[0].now)
        return results

    def _decide(self, arrival: Arrival, known: Known) -> tuple[Result, list[Effect]]:
        verb = VERBS.get(arrival.type)
        if verb is None:
            return Ignored(f"type {arrival.type[:40]}"), []
        try:
            waits = verb.verify(arrival, known, self._grace_ms)
            if waits is not None:
                return waits, []
            return Stored(), verb.receive(arrival, known, self._ids)
        except KonsilError as error:
            return error, []

    def reconsider(self, tx: Tx, arrivals: Sequence[Arrival]) -> list[Result]:
        """Decide anew about held activities, one by one."""
        origins = {row["origin"]: row["state"] for row in tx.rows("SELECT origin, state FROM siblings")}
        results: list[Result] = []
        for arrival in arrivals:
            outcome, does = self._decide(arrival, load(tx, self._home, [arrival], origins))
            if isinstance(outcome, KonsilError):
                ledger.park(tx, arrival, outcome.message)
            else:
                ledger.settle(tx, arrival, outcome)
                write(tx, does, arrival.now)
            results.append(outcome)
        return results

    def adopt(self, tx: Tx, arrivals: Sequence[Arrival]) -> list[Result]:
        """Take in documents we fetched ourselves, as if their Create had come; they have no place in the ledger."""
        origins = {row["origin"]: row["state"] for row in tx.rows("SELECT origin, state FROM siblings")}
        results: list[Result] = []
        for arrival in arrivals:
            outcome, does = self._decide(arrival, load(tx, self._home, [arrival], origins))
            if isinstance(outcome, Stored):
                write(tx, does, arrival.now)
            results.append(outcome)
        return results



