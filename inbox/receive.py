"""What happens to an activity that arrives, top to bottom.

content type, size → signature, gate, host, window, digest, key (`federation.door`) → strict JSON → envelope →
authority → seen before? → verify → effects and ledger in one transaction → durable → outcome.

Every refusal is an error with a status and a reason. Once the signer is known and the activity has a name, the error
carries that name, so that the sender can set aside this one activity and go on with the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from core.clock import Clock
from core.database import Database, Tx
from core.errors import InvalidInput, KonsilError, TooLarge, Unavailable, UnsupportedMedia
from core.settings import Federation
from federation.allowlist import Purpose
from federation.documents import parse
from federation.door import Door
from federation.refusals import RefusalLog
from inbox.arrival import Outcome, arrival
from inbox.authority import check_authority
from inbox.writer import Writer

_TYPES = frozenset({"application/activity+json", "application/ld+json"})
_SKEW_STEP_MS = 1000
_SEEN_STEP_MS = 10_000


class Inbox:
    """Receives what siblings send."""

    def __init__(self, database: Database, door: Door, writer: Writer, refusals: RefusalLog, clock: Clock,
                 settings: Federation) -> None:
        self._database, self._door, self._writer = database, door, writer
        self._refusals, self._clock, self._settings = refusals, clock, settings
        self._noted: dict[int, tuple[int, int]] = {}
        self._apply = writer.apply

    def check_head(self, headers: Mapping[str, str]) -> None:
        """Refuse by the head alone, before a byte of the body is read: 415, 413, 503."""
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _TYPES:
            raise UnsupportedMedia("An activity is application/activity+json.", reason="content-type")
        if "content-encoding" in headers:
            raise UnsupportedMedia("An encoded body is not read.", reason="content-encoding")
        length = headers.get("content-length", "")
        if length and (not length.isdigit() or len(length) > 12 or int(length) > self._settings.body_limit_bytes):
            raise TooLarge("An activity has at most %(most)s bytes.", values={"most": self._settings.body_limit_bytes})
        if self._database.pending > self._settings.inbox_pending_limit:
            raise Unavailable("The inbox is full at the moment.", reason="overloaded", retry_after=5)

    async def receive(self, target: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Take in one activity; returns once it is durable, raises a `KonsilError` when it was refused."""
        sibling, skew = self._door.identify("POST", target, headers, body, Purpose.INBOX)
        now = self._clock.ms()
        name = None
        try:
            document = parse(body)
            name = document.get("id") if isinstance(document.get("id"), str) else None
            made = arrival(sibling, document, body, hashlib.sha256(body).digest(), now)
            if made.type == "Move":
                raise InvalidInput("Nobody moves between instances.", reason="move")
            check_authority(made)
            result = await self._database.collect(self._apply, made)
            if isinstance(result, KonsilError):
                raise result
        except KonsilError as error:
            if error.status < 500:
                error.activity = name
            self._refusals.record(direction="in", origin=sibling.origin, purpose=Purpose.INBOX, reason=error.reason,
                                  path=target, detail=name or "")
            raise
        self._note_contact(sibling.id, now, int(skew * 1000))
        return result

    def _note_contact(self, sibling_id: int, now: int, skew_ms: int) -> None:
        """Keep when a sibling was last heard and how far its clock is off, at most every few seconds."""
        at, skew = self._noted.get(sibling_id, (0, 0))
        if now - at < _SEEN_STEP_MS and abs(skew - skew_ms) < 5 * _SKEW_STEP_MS:
            return
        self._noted[sibling_id] = (now, skew_ms)

        def store(tx: Tx) -> None:
            tx.run("UPDATE siblings SET last_in = ?, skew_ms = ? WHERE id = ?", (now, skew_ms, sibling_id))

        self._database.later(store)
