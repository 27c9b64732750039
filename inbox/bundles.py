"""Bundles that arrive: each activity passes the same checks as one that comes alone, and a signed receipt says what became of it.

One activity that is refused, or clashes with what is stored, keeps no other from its effect; what it was is in the receipt by
its number. Where nothing can be taken in at all, the answer is a problem document and nothing was stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.clock import Clock
from core.database import Database, IntegrityError, Tx
from core.errors import Conflict, InvalidInput, KonsilError, Unavailable
from core.settings import Federation
from core.telemetry import get_logger
from federation import bundles, rates, sequences
from federation.allowlist import Direction, Purpose, Sibling
from federation.bundles import Head, Later, Receipt, Refusal, Results
from federation.documents import parse
from federation.door import Door, Request, check_head
from federation.identity import Identity
from federation.refusals import RefusalLog
from federation.signatures import proofs
from inbox import ledger, lines
from inbox.arrival import Arrival, Duplicate, Held, Ignored, Stored, arrival
from inbox.authority import check_authority
from inbox.contact import Contacts
from inbox.lines import Line
from inbox.turns import Asked, Turns
from inbox.writer import Result, Writer

log = get_logger("inbox")
_TYPES = frozenset({bundles.JSON_SEQ})
_TOGETHER = 256
_TOLD = {Stored: "stored", Ignored: "stored", Duplicate: "duplicate", Held: "held"}


@dataclass(slots=True)
class _Bundle:
    """A bundle on its way through: its activities by number, as arrivals or as the error they are refused with."""

    sibling: Sibling
    head: Head
    now: int
    items: dict[int, bytes] = field(default_factory=dict)
    arrivals: dict[int, Arrival] = field(default_factory=dict)
    results: dict[int, Result] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Done:
    """What a bundle has done: the line as it is now, what became of each activity, those that were refused by their names, and
    the later outcomes that are told with the receipt."""

    line: Line
    results: dict[int, Result]
    refused: list[tuple[KonsilError, str]]
    later: tuple[Later, ...] = ()


class Bundles:
    """Receives what siblings send in bundles."""

    def __init__(self, database: Database, identity: Identity, door: Door, writer: Writer, refusals: RefusalLog,
                 contacts: Contacts, clock: Clock, settings: Federation) -> None:
        self._database, self._identity, self._door, self._writer = database, identity, door, writer
        self._refusals, self._contacts, self._clock, self._settings = refusals, contacts, clock, settings
        self._turns = Turns(database, clock, self._opened, self._apply)

    def check_head(self, headers: Mapping[str, str]) -> None:
        """Refuse by the head alone, before a byte of the body is read: 415, 413, 503."""
        check_head(headers, bundles.BODY_LIMIT, _TYPES)
        if self._database.pending > self._settings.inbox_pending_limit:
            raise Unavailable("The inbox is full at the moment.", reason="overloaded", retry_after=5)

    def turned_away(self, target: str, raw: Iterable[tuple[bytes, bytes]], error: KonsilError, client: rates.Client) -> None:
        """Note a request that was refused by its head or its size, before its signature was looked at."""
        self._door.turned_away(raw, Purpose.INBOX, error, target, client)

    async def receive(self, target: str, headers: Mapping[str, str], body: bytes, client: rates.Client = None) -> bytes:
        """Take in a bundle; returns the signed receipt once everything in it is durable, raises a `KonsilError` where nothing
        of it was taken in."""
        asked = self._turns.take(Request("POST", target, headers, body, client))
        try:
            done: _Done | KonsilError = await asked.result
            if isinstance(done, KonsilError):
                raise done
        except KonsilError as error:
            if asked.caller is not None:  # what the door refused, it has noted itself
                self._refused(asked.caller.sibling, target, error)
            raise
        assert asked.caller is not None
        self._contacts.note(asked.caller)
        for refused in done.refused:
            self._refused(asked.caller.sibling, target, *refused)
        made = Receipt("Receipt", self._identity.actor_uri, headers["digest"], done.line.epoch, done.line.contiguous,
                       _results(done.results), done.line.ahead[:bundles.RANGES], done.later)
        return bundles.kept(proofs.sign(bundles.signed_part(made), self._identity.documents, self._clock.ms()))

    def _opened(self, asked: Asked, admitted: dict[str, Sibling], now: int) -> _Bundle:
        """The bundle with each of its activities checked as far as that needs no database."""
        asked.caller = self._door.identify(asked.request, Purpose.INBOX, admitted)
        head, activities = bundles.unpack(asked.request.body, asked.caller.sibling.actor_uri)
        bundle = _Bundle(asked.caller.sibling, head, now)
        for sequence, raw in zip(head.sequences, activities, strict=True):
            digest = hashlib.sha256(raw).digest()
            bundle.items[sequence] = digest[:lines.FINGERPRINT]
            try:
                bundle.arrivals[sequence] = self._checked(bundle, sequence, raw, digest)
            except KonsilError as error:
                bundle.results[sequence] = error
        return bundle

    def _checked(self, bundle: _Bundle, sequence: int, raw: bytes, digest: bytes) -> Arrival:
        if len(raw) > self._settings.body_limit_bytes:
            raise InvalidInput("An activity has at most %(most)s bytes.", values={"most": self._settings.body_limit_bytes},
                               reason="too-large")
        document = parse(raw)
        if isinstance(name := document.get("id"), str):
            bundle.names[sequence] = name
        made = arrival(bundle.sibling, document, raw, digest, bundle.now)
        made.sequence = sequence
        if made.type == "Move":
            raise InvalidInput("Nobody moves between instances.", reason="move")
        check_authority(made)
        return made

    def _apply(self, tx: Tx, arrived: Sequence[_Bundle]) -> list[_Done | KonsilError]:
        """In the writer's thread: what stands in these bundles, in order, each with its place in its line."""
        return [done for some in _unconnected(arrived) for done in self._some(tx, some)]

    def _some(self, tx: Tx, arrived: Sequence[_Bundle]) -> list[_Done | KonsilError]:
        """Bundles that know nothing of each other: what stands in them is written together."""
        places = {sibling_id: lines.Place(tx, sibling_id) for sibling_id in {bundle.sibling.id for bundle in arrived}}
        refused: dict[int, KonsilError] = {}
        for number, bundle in enumerate(arrived):
            try:
                places[bundle.sibling.id].check(tx, bundle.head, list(bundle.items.values()))
            except Conflict as error:
                refused[number] = error
        wanted = [one for number, bundle in enumerate(arrived) if number not in refused for one in bundle.arrivals.values()]
        try:
            with tx.savepoint():
                decided = self._writer.apply(tx, wanted)
        except IntegrityError:  # one of them clashes with what is stored: each by itself
            if len(arrived) > 1:
                return [done for bundle in arrived for done in self._some(tx, (bundle,))]
            decided = [self._alone(tx, one) for one in wanted]
        results = iter(decided)
        placed = [refused.get(number) or _placed(bundle, places[bundle.sibling.id], results)
                  for number, bundle in enumerate(arrived)]
        for place in places.values():
            place.keep(tx, arrived[0].now)
        for bundle, done in zip(arrived, placed, strict=True):
            if isinstance(done, _Done):
                _tell(tx, bundle, done)
        return placed

    def _alone(self, tx: Tx, one: Arrival) -> Result:
        try:
            with tx.savepoint():
                [result] = self._writer.apply(tx, [one])
                return result
        except IntegrityError as error:
            log.exception("an activity clashes with what is stored", activity=one.uri)
            return Conflict("This clashes with something that is stored here.", reason="clash", cause=str(error))

    def _refused(self, sibling: Sibling, target: str, error: KonsilError, activity: str = "") -> None:
        self._refusals.record(direction=Direction.IN, origin=sibling.origin, purpose=Purpose.INBOX, reason=error.reason,
                              path=target, detail=activity)


def _unconnected(arrived: Sequence[_Bundle]) -> Iterator[list[_Bundle]]:
    """Neighbours as far as what one of them does changes nothing for another one's place in its line."""
    some, activities = list[_Bundle](), 0
    for bundle in arrived:
        if some and (activities + len(bundle.items) > _TOGETHER or any(_touch(bundle, one) for one in some)):
            yield some
            some, activities = [], 0
        some.append(bundle)
        activities += len(bundle.items)
    if some:
        yield some


def _touch(one: _Bundle, other: _Bundle) -> bool:
    """Whether two bundles are of the same line and have numbers in common, or stand in different epochs of it."""
    if one.sibling.id != other.sibling.id:
        return False
    mine, its = one.head.sequences, other.head.sequences
    return one.head.epoch != other.head.epoch or bool(mine and its and mine[0] <= its[-1] and its[0] <= mine[-1])


def _placed(bundle: _Bundle, place: lines.Place, decided: Iterator[Result]) -> _Done | KonsilError:
    """Where the line is now that it has been decided about a bundle's activities; what was decided about each is next. Or why
    nothing at all could be taken in now, if that is so."""
    results, items = bundle.results | dict(zip(bundle.arrivals, decided, strict=False)), bundle.items
    errors = {sequence: result for sequence, result in results.items() if isinstance(result, KonsilError)}
    if errors:
        unavailable = [error for error in errors.values() if isinstance(error, Unavailable)]
        if len(unavailable) == len(results):
            return unavailable[0]
        items = {sequence: item for sequence, item in items.items() if sequence not in errors or errors[sequence].status < 500}
    return _Done(place.advance(bundle.head, items), results,
                 [(error, bundle.names.get(sequence, "")) for sequence, error in errors.items()])


def _tell(tx: Tx, bundle: _Bundle, done: _Done) -> None:
    """Look up what else is told with the receipt of a bundle that has had its place."""
    again = [bundle.arrivals[sequence] for sequence, result in done.results.items() if isinstance(result, Duplicate)]
    if again:
        done.results |= ledger.still_held(tx, again)
    if bundle.head.received is not None:
        sequences.lost_there(tx, bundle.sibling.id, bundle.head.received, bundle.now)
    done.later = lines.later(tx, bundle.sibling.id, bundle.head.heard)


def _results(results: Mapping[int, Result]) -> Results:
    """What is told of each activity. What is in order and changes nothing here has arrived as well as what does."""
    told: dict[str, list[int]] = {}
    refused: list[Refusal] = []
    for sequence in sorted(results):
        result = results[sequence]
        if not isinstance(result, KonsilError):
            told.setdefault(_TOLD[type(result)], []).append(sequence)
        elif result.status >= 500:
            told.setdefault("postponed", []).append(sequence)
        else:
            refused.append(Refusal(sequence, result.reason, result.message))
    return Results(refused=tuple(refused), **{name: bundles.ranges(found) for name, found in told.items()})
