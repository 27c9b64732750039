"""The handshake: two instances that have each other on their lists ask each other for a sign of life, signed both ways.

Whoever is asked sends a ping of its own back to the asker's pinned origin before it answers, so one question shows both
directions. An answering ping names the one it answers and causes nothing but a note: there can be no loop. What came back
is noted in the database, because the asking may be done in one process and the ping reach another.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from core import VERSION
from core.clock import Clock, rfc3339
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput, KonsilError, Refused, TooMany
from federation import rates
from federation.allowlist import Allowlist, Direction, Purpose, Sibling
from federation.client import Client, Told
from federation.documents import dumps, parse
from federation.door import Door, Request, check_head
from federation.identity import CONTEXT, Identity
from federation.refusals import RefusalLog
from federation.signatures import cavage

BODY_LIMIT = 8_192
TYPE = "Handshake"
_FRESH_MS = 5 * 60_000
_KEPT_MS = 24 * 3_600_000
_AT_ONCE = 2
_BACK_SECONDS = 4.0
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")


class Ping(NamedTuple):
    """What a ping says: its nonce, and whether it answers one of ours."""

    nonce: str
    answers: bool


class Shaken(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to a ping: the nonce, in which state the answerer has the asker, what it runs, its time (RFC 3339), whether
    its own ping came through and, if not, a code of why (`unreachable`, `no-answer`, `special-address`, `refused`,
    `not-admitted`)."""

    nonce: str
    state: str
    software: str
    time: str
    arrived: bool = False
    reason: str = ""


class Handshake:
    """Asks and answers."""

    def __init__(self, database: Database, identity: Identity, allowlist: Allowlist, client: Client, door: Door,
                 refusals: RefusalLog, clock: Clock) -> None:
        self._database, self._identity, self._allowlist, self._client = database, identity, allowlist, client
        self._door, self._refusals, self._clock = door, refusals, clock
        self._under_way: Counter[int] = Counter()

    async def ask(self, sibling: Sibling) -> tuple[str, Told]:
        """Send a ping: its nonce, and what was answered. `Unavailable` for transport trouble."""
        nonce, now = secrets.token_urlsafe(24), self._clock.ms()
        await self._database.write(lambda tx: tx.run(
            "INSERT INTO pings (nonce, sibling_id, asked_at) VALUES (?, ?, ?)", (nonce, sibling.id, now)))
        return nonce, await self._send(sibling, nonce, answers=False)

    async def came_back(self, nonce: str) -> bool:
        """Whether the sibling's own ping has reached this instance, in whichever process."""
        row = await self._database.read(lambda tx: tx.row(
            "SELECT 1 FROM pings WHERE nonce = ? AND answered_at IS NOT NULL", (nonce,)))
        return row is not None

    async def prune(self) -> None:
        """Forget pings nobody waits for any more."""
        limit = self._clock.ms() - _KEPT_MS
        await self._database.write(lambda tx: tx.run("DELETE FROM pings WHERE asked_at < ?", (limit,)))

    def check_head(self, headers: Mapping[str, str]) -> None:
        """Refuse by the head alone: 415, 413."""
        check_head(headers, BODY_LIMIT)

    def turned_away(self, target: str, raw: Iterable[tuple[bytes, bytes]], error: KonsilError, client: rates.Client) -> None:
        """Note a request that was refused by its head or its size, before its signature was looked at."""
        self._door.turned_away(raw, Purpose.HANDSHAKE, error, target, client)

    async def receive(self, target: str, headers: Mapping[str, str], body: bytes, client: rates.Client = None) -> bytes:
        """Take in a ping and answer it; raises a `KonsilError` when it was refused, and has stored nothing then."""
        sibling = self._door.identify(Request("POST", target, headers, body, client), Purpose.HANDSHAKE).sibling
        try:
            ping = self._read(parse(body), sibling)
            if ping.answers:
                await self._note(ping, sibling)
                answer = self._shaken(ping, sibling, arrived=False, reason="")
            else:
                reason = await self._answer_back(ping, sibling)
                answer = self._shaken(ping, sibling, arrived=not reason, reason=reason)
        except KonsilError as error:
            self._refusals.record(direction=Direction.IN, origin=sibling.origin, purpose=Purpose.HANDSHAKE,
                                  reason=error.reason, path=target)
            raise
        return msgspec.json.encode(answer)

    def _read(self, document: dict[str, Any], sibling: Sibling) -> Ping:
        nonce, answers = document.get("nonce"), document.get("inReplyTo")
        if document.get("type") != TYPE or not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
            raise InvalidInput("This is no handshake.", reason="bad-handshake")
        if document.get("actor") != sibling.actor_uri or document.get("id") != _name(sibling.origin, nonce):
            raise Refused("An instance speaks for itself only.", reason="foreign-actor")
        if document.get("object") != self._identity.actor_uri or answers not in (None, _name(self._identity.origin, nonce)):
            raise InvalidInput("This handshake is with somebody else.", reason="not-addressed")
        return Ping(nonce, answers is not None)

    async def _note(self, ping: Ping, sibling: Sibling) -> None:
        now = self._clock.ms()

        def store(tx: Tx) -> None:
            if not tx.run("UPDATE pings SET answered_at = ? WHERE nonce = ? AND sibling_id = ? AND answered_at IS NULL"
                          " AND asked_at > ?", (now, ping.nonce, sibling.id, now - _FRESH_MS)):
                raise Conflict("Nobody here waits for this answer.", reason="unknown-nonce")

        await self._database.write(store)

    async def _answer_back(self, ping: Ping, asker: Sibling) -> str:
        """Send our own ping to where the asker is pinned; nothing, or a code of why it did not arrive."""
        if self._under_way[asker.id] >= _AT_ONCE:
            raise TooMany("More handshakes are under way than are answered at once.", reason="busy", retry_after=10)
        self._under_way[asker.id] += 1
        try:
            sibling = self._allowlist.admit(asker.origin, Direction.OUT, Purpose.HANDSHAKE)
            async with asyncio.timeout(_BACK_SECONDS):
                told = await self._send(sibling, ping.nonce, answers=True)
        except TimeoutError:
            return "no-answer"
        except KonsilError as error:
            return error.reason
        finally:
            self._under_way[asker.id] -= 1
        return "" if told.status == 200 else "refused"

    async def _send(self, sibling: Sibling, nonce: str, *, answers: bool) -> Told:
        body = dumps({
            "@context": CONTEXT, "id": _name(self._identity.origin, nonce), "type": TYPE, "actor": self._identity.actor_uri,
            "object": sibling.actor_uri, "nonce": nonce, **({"inReplyTo": _name(sibling.origin, nonce)} if answers else {})})
        return await self._client.handshake(sibling, body, cavage.digest(body))

    def _shaken(self, ping: Ping, sibling: Sibling, *, arrived: bool, reason: str) -> Shaken:
        return Shaken(ping.nonce, sibling.state, f"konsil/{VERSION}", rfc3339(self._clock.ms()), arrived, reason)


def shaken(told: Told, nonce: str) -> Shaken | None:
    """What a sibling answered, if it is an answer to the ping with this nonce."""
    try:
        answer = msgspec.convert(told.document, Shaken)
    except msgspec.ValidationError:
        return None
    return answer if told.status == 200 and answer.nonce == nonce else None


def _name(origin: str, nonce: str) -> str:
    """What the ping of an instance is called."""
    return f"{origin}/handshake/{nonce}"
