"""What happens to an activity that arrives, top to bottom.

content type, size → signature, gate, host, window, digest, key (`federation.door`) → strict JSON → envelope →
authority → seen before? → verify → effects and ledger in one transaction → durable → outcome.

Every refusal is an error with a status and a reason. Once the signer is known and the activity has a name, the error
carries that name, so that the sender can set aside this one activity and go on with the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.clock import Clock
from core.database import Database, IntegrityError
from core.errors import Conflict, InvalidInput, KonsilError, Unavailable
from core.settings import Federation
from core.telemetry import get_logger
from federation.allowlist import Direction, Purpose, Sibling
from federation.documents import parse
from federation.door import Door, Request, check_head
from federation.rates import Client
from federation.refusals import RefusalLog
from inbox.arrival import Arrival, Outcome, arrival
from inbox.authority import check_authority
from inbox.contact import Contacts
from inbox.turns import Asked, Turns
from inbox.writer import Result, Writer

log = get_logger("inbox")


class Inbox:
    """Receives what siblings send."""

    def __init__(self, database: Database, door: Door, writer: Writer, refusals: RefusalLog, contacts: Contacts, clock: Clock,
                 settings: Federation) -> None:
        self._database, self._door, self._refusals = database, door, refusals
        self._contacts, self._settings = contacts, settings
        self._turns = Turns(database, clock, self._check, writer.apply)

    def check_head(self, headers: Mapping[str, str]) -> None:
        """Refuse by the head alone, before a byte of the body is read: 415, 413, 503."""
        check_head(headers, self._settings.body_limit_bytes)
        if self._database.pending > self._settings.inbox_pending_limit:
            raise Unavailable("The inbox is full at the moment.", reason="overloaded", retry_after=5)

    def turned_away(self, target: str, raw: Iterable[tuple[bytes, bytes]], error: KonsilError, client: Client) -> None:
        """Note a request that was refused by its head or its size, before its signature was looked at."""
        self._door.turned_away(raw, Purpose.INBOX, error, target, client)

    async def receive(self, target: str, headers: Mapping[str, str], body: bytes, client: Client) -> Outcome:
        """Take in one activity; returns once it is durable, raises a `KonsilError` when it was refused."""
        asked = self._turns.take(Request("POST", target, headers, body, client))
        try:
            result: Result = await asked.result
        except IntegrityError as error:  # no retry would help, so the sender is told which one it is
            log.exception("an activity clashes with what is stored", activity=asked.name)
            result = Conflict("This clashes with something that is stored here.", reason="clash", cause=str(error))
        if isinstance(result, KonsilError):
            raise self._refused(asked, result)
        if asked.caller is not None:
            self._contacts.note(asked.caller)
        return result

    def _check(self, asked: Asked, admitted: dict[str, Sibling], now: int) -> Arrival:
        """From the request to an arrival that may be decided about; raises what it is refused with."""
        asked.caller = self._door.identify(asked.request, Purpose.INBOX, admitted)
        document = parse(asked.request.body)
        asked.name = document.get("id") if isinstance(document.get("id"), str) else None
        made = arrival(asked.caller.sibling, document, asked.request.body, asked.caller.digest, now)
        if made.type == "Move":
            raise InvalidInput("Nobody moves between instances.", reason="move")
        check_authority(made)
        return made

    def _refused(self, asked: Asked, error: KonsilError) -> KonsilError:
        """Name the activity in the error and note the refusal; what the door refused, it has noted itself."""
        if asked.caller is not None:
            if error.status < 500:
                error.activity = asked.name
            self._refusals.record(direction=Direction.IN, origin=asked.caller.sibling.origin, purpose=Purpose.INBOX,
                                  reason=error.reason, path=asked.request.target, detail=asked.name or "")
        return error
