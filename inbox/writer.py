"""From arrivals to rows: decide, enter the ledger, write the effects; one transaction for a whole batch."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from actors.models import Actor
from core.clock import Clock
from core.database import Tx
from core.errors import Conflict, KonsilError, Unavailable
from core.ids import Ids, uri_key
from federation.allowlist import Sibling, SiblingState, sibling_states
from inbox import ledger
from inbox.activities import accept, announce, count, create, delete, flag, follow, lapse, like, offer, reject, undo, update
from inbox.arrival import Arrival, Duplicate, Held, Ignored, Outcome, Stored
from inbox.effects import Effect, ErasePost, Keys, SaveActor, write
from inbox.known import Known, load

VERBS: dict[str, ModuleType] = {
    "Create": create, "Update": update, "Delete": delete, "Like": like, "Announce": announce, "Follow": follow,
    "Accept": accept, "Reject": reject, "Undo": undo, "Count": count, "Lapse": lapse, "Flag": flag, "Offer": offer}
_TOGETHER = frozenset({"Create", "Like", "Announce"})
Result = Outcome | KonsilError


class Writer:
    """Applies batches in the writer's thread; `home` is our own origin, `held_most` how much of one sibling may wait."""

    def __init__(self, home: str, clock: Clock, ids: Ids, keys: Keys, grace_ms: int, held_most: int) -> None:
        self._home, self._clock, self._ids, self._keys = home, clock, ids, keys
        self._grace_ms, self._held_most = grace_ms, held_most

    def apply(self, tx: Tx, arrivals: Sequence[Arrival]) -> list[Result]:
        """Decide about every arrival, in order. Neighbours that only add something are one batch; the rest come one by one."""
        states = sibling_states(tx)
        results: list[Result] = []
        start = 0
        while start < len(arrivals):
            end = start + 1
            while end < len(arrivals) and arrivals[start].type in _TOGETHER and arrivals[end].type in _TOGETHER:
                end += 1
            results += self._together(tx, arrivals[start:end], states)
            start = end
        return results

    def _together(self, tx: Tx, arrivals: Sequence[Arrival], states: dict[str, str]) -> list[Result]:
        seen = ledger.seen(tx, arrivals)
        known = load(tx, self._home, arrivals, states)
        results: list[Result] = []
        decided: list[tuple[Arrival, Outcome]] = []
        effects: list[Effect] = []
        waiting: dict[int, int] = {}
        for arrival in arrivals:
            before = seen.get(arrival.uri)
            if before is not None:
                results.append(Duplicate() if before == arrival.digest else Conflict(
                    "This id was used for another activity.", reason="id-reused"))
                continue
            if not _active(arrival.sibling, states):
                results.append(_inactive())
                continue
            outcome, does = self._decide(arrival, known)
            if isinstance(outcome, Held):
                outcome = self._bounded(tx, arrival.sibling.id, outcome, waiting)
            results.append(outcome)
            if not isinstance(outcome, KonsilError):
                seen[arrival.uri] = arrival.digest
                decided.append((arrival, outcome))
                effects += does
        if decided:
            ledger.record(tx, decided)
            write(tx, effects, arrivals[0].now, self._ids, self._keys)
        return results

    def _bounded(self, tx: Tx, sibling_id: int, outcome: Held, waiting: dict[int, int]) -> Result:
        """The same, unless as much of this sibling waits as may; `waiting` counts what this batch adds."""
        if sibling_id not in waiting:
            waiting[sibling_id] = ledger.waiting_of(tx, sibling_id, self._held_most)
        if waiting[sibling_id] >= self._held_most:
            return Unavailable("Too much of yours waits here for something that is missing.", reason="held-full", retry_after=300)
        waiting[sibling_id] += 1
        return outcome

    def _decide(self, arrival: Arrival, known: Known) -> tuple[Result, list[Effect]]:
        verb = VERBS.get(arrival.type)
        if verb is None:
            return Ignored(f"type {arrival.type[:40]}"), []
        if arrival.actor in known.deleted and arrival.type != "Delete":
            buried = arrival.type == "Create" and arrival.note is not None and not arrival.note.is_vote
            return Ignored("its actor has left"), [ErasePost(arrival.object_id, arrival.sibling.origin)] if buried else []
        try:
            waits = verb.verify(arrival, known, self._grace_ms)
            if isinstance(waits, Ignored) and waits.for_good:
                return waits, [ErasePost(arrival.object_id, arrival.sibling.origin)]
            if waits is not None:
                return waits, []
            return _STORED, verb.receive(arrival, known, self._ids)
        except KonsilError as error:
            return error, []

    def reconsider(self, tx: Tx, arrivals: Sequence[Arrival]) -> list[Result]:
        """Decide anew about held activities, one by one, unless something has ended their waiting meanwhile."""
        states = sibling_states(tx)
        return [self._reconsider(tx, arrival, states) for arrival in arrivals]

    def _reconsider(self, tx: Tx, arrival: Arrival, states: dict[str, str]) -> Result:
        if not ledger.is_held(tx, arrival):
            return Ignored("nobody waits for it any more")
        if not _active(arrival.sibling, states):
            return _inactive()
        outcome, does = self._decide(arrival, load(tx, self._home, [arrival], states))
        if isinstance(outcome, KonsilError):
            ledger.park(tx, [uri_key(arrival.uri)], outcome.message)
        else:
            ledger.settle(tx, arrival, outcome, self._clock.ms())
            write(tx, does, arrival.now, self._ids, self._keys)
        return outcome

    def adopt(self, tx: Tx, arrivals: Sequence[Arrival]) -> list[Result]:
        """Take in posts we fetched ourselves, as if their Create had come; they have no place in the ledger."""
        states = sibling_states(tx)
        results: list[Result] = []
        for arrival in arrivals:
            outcome, does = (self._decide(arrival, load(tx, self._home, [arrival], states))
                             if _active(arrival.sibling, states) else (_inactive(), []))
            if not isinstance(outcome, KonsilError):
                write(tx, does, arrival.now, self._ids, self._keys)
            results.append(outcome)
        return results

    def welcome(self, tx: Tx, fetched: Sequence[tuple[Sibling, Actor]]) -> list[Result]:
        """Take in actors we fetched ourselves."""
        states = sibling_states(tx)
        results: list[Result] = []
        for sibling, actor in fetched:
            if _active(sibling, states):
                write(tx, [SaveActor(actor)], self._clock.ms(), self._ids, self._keys)
            results.append(Stored() if _active(sibling, states) else _inactive())
        return results


_STORED = Stored()


def _inactive() -> Unavailable:
    return Unavailable("This instance is no longer active here.", reason="paused", retry_after=300)


def _active(sibling: Sibling, states: dict[str, str]) -> bool:
    """Whether it is so still, in the transaction that acts on what it said."""
    return states.get(sibling.origin) == SiblingState.ACTIVE
