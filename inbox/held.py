"""Held activities: fetch what each waits for from its own admitted origin, then decide anew. Parked after some weeks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from actors.wire import actor_of
from core.clock import Clock
from core.database import Database, Tx
from core.errors import InvalidInput, KonsilError, NotFound
from core.ids import Ids, uri_key
from core.settings import Federation
from core.telemetry import get_logger
from core.words import N_
from federation.addresses import origin_of
from federation.allowlist import Allowlist, Direction, Purpose, Sibling, SiblingState
from federation.client import Client
from federation.documents import dumps, parse
from federation.siblings import SiblingChange
from inbox import ledger
from inbox.arrival import Arrival, Held, Wanted, arrival, is_note
from inbox.authority import check_authority
from inbox.ledger import HeldOf, Waiting
from inbox.writer import Result, Writer

log = get_logger("held")
_DAY_MS = 86_400_000
_AT_A_TIME = 16
_CHAIN = 50
_SHOWN = 50
_REVOKED = N_("Its instance was revoked.")


class HeldActivities:
    """Resolves what `inbox.ledger` holds; run by the worker. `home` is our own origin: what is missing of ours is waited for, and
    nobody is asked for it here (`inbox.reconciler` does that)."""

    def __init__(self, home: str, database: Database, allowlist: Allowlist, client: Client, writer: Writer, clock: Clock,
                 ids: Ids, settings: Federation) -> None:
        self._home, self._database, self._allowlist, self._client, self._writer = home, database, allowlist, client, writer
        self._clock, self._ids, self._settings = clock, ids, settings
        self._busy: dict[str, asyncio.Task[None]] = {}

    async def start_due(self) -> int:
        """Begin with everything that is due and not under way, each missing thing by itself; returns how many were begun."""
        now = self._clock.ms()
        found = await self._database.read(lambda tx: ledger.due(tx, now, 500))
        by_missing: dict[str, list[Waiting]] = {}
        for waiting in found:
            by_missing.setdefault(waiting.missing, []).append(waiting)
        begun = [missing for missing in by_missing if missing not in self._busy][:_AT_A_TIME - len(self._busy)]
        for missing in begun:
            task = asyncio.create_task(self._resolve(missing, by_missing[missing]))
            self._busy[missing] = task
            task.add_done_callback(lambda _, missing=missing: self._busy.pop(missing, None))  # type: ignore[misc]
        return len(begun)

    async def fetch(self, uri: str) -> None:
        """Take in a post of a sibling that is missing here, and first whatever it needs itself; a `KonsilError` where that cannot
        be had. Whether it has a place here is looked for afterwards."""
        await self._obtain(uri, Wanted.POST)

    async def renew(self, uri: str) -> Result:
        """Take in the present version of a sibling's post that lies here."""
        sibling = self._allowlist.admit(origin_of(uri), Direction.OUT, Purpose.FETCH, path=uri)
        return await self._take_in(sibling, uri, Wanted.POST, await self._client.get(sibling, uri), "Update")

    async def of(self, sibling_id: int) -> HeldOf:
        """What a sibling has sent that has no effect yet, for operators."""
        return await self._database.read(lambda tx: ledger.held_of(tx, sibling_id, _SHOWN))

    async def close(self) -> None:
        """Stop what is under way; nothing is lost by that."""
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _resolve(self, missing: str, waiting: Sequence[Waiting]) -> None:
        """Obtain what is missing, then decide about everything that waits for it."""
        left, anew = list(waiting), list[Waiting]()
        try:
            await self._obtain(missing, waiting[0].wanted)
            while left:
                result = await self._decide(left[0])
                one = left.pop(0)
                if isinstance(result, Held) and result.missing == missing:  # ours, and not for its sender: the same
                    anew.append(one)
            if anew:
                await self._postpone(anew, not_back())
        except KonsilError as error:
            await self._postpone(left, error)
        except Exception as error:
            log.exception("held activities failed", missing=missing)
            await self._postpone(left, KonsilError("It could not be read.", cause=repr(error)))

    async def _decide(self, waiting: Waiting) -> Result | None:
        sibling = self._allowlist.admit(waiting.origin, Direction.IN, Purpose.INBOX)
        try:
            made = arrival(sibling, parse(waiting.body), waiting.body, hashlib.sha256(waiting.body).digest(),
                           waiting.received_at)
            check_authority(made)
        except InvalidInput as error:  # it was in order when it came: the rules have changed since
            reason = error.message
            await self._database.write(lambda tx: ledger.park(tx, [waiting.key], reason))
            return None
        result = await self._database.collect(self._writer.reconsider, made)
        if isinstance(result, KonsilError):
            log.info("held activity refused", sibling=waiting.origin, activity=made.uri, error=result)
        return result

    async def _obtain(self, uri: str, wanted: Wanted) -> None:
        """Fetch a thing and first whatever it needs itself (its author, what it answers), down to something that is here.

        Documents are fetched once each and at most `_CHAIN` of them; a circle is refused.
        """
        chain, documents = [(uri, wanted)], dict[str, dict[str, Any]]()
        while chain:
            uri, wanted = chain[-1]
            if await self._here(uri, wanted):
                chain.pop()
                continue
            if (origin := origin_of(uri)) == self._home:
                raise not_back()
            sibling = self._allowlist.admit(origin, Direction.OUT, Purpose.FETCH, path=uri)
            if uri not in documents:
                if len(documents) == _CHAIN:
                    raise InvalidInput("It depends on too much that is missing.", reason="too-deep")
                documents[uri] = await self._client.get(sibling, uri)
            result = await self._take_in(sibling, uri, wanted, documents[uri])
            if isinstance(result, KonsilError):
                raise result
            if not isinstance(result, Held):
                chain.pop()
            elif result.missing in documents:
                raise InvalidInput("What it answers leads back to itself.", reason="circle")
            else:
                chain.append((result.missing, result.wanted))

    async def _take_in(self, sibling: Sibling, uri: str, wanted: Wanted, document: dict[str, Any],
                       verb: str = "Create") -> Result:
        """Store a document that we fetched, if it is what it should be, as if this had come of it."""
        if wanted == Wanted.ACTOR:
            actor = actor_of(document, expected=uri, sibling_id=sibling.id, country=sibling.country, actor_id=self._ids.new())
            return await self._database.collect(self._writer.welcome, (sibling, actor))
        if not is_note(document) or document.get("id") != uri:
            raise InvalidInput("Another document came back.", reason="bad-object")
        body = dumps({"id": f"{uri}#fetched", "type": verb, "actor": document.get("attributedTo"), "object": document})
        made: Arrival = arrival(sibling, parse(body), b"", b"", self._clock.ms())
        check_authority(made)
        return await self._database.collect(self._writer.adopt, made)

    async def _here(self, uri: str, wanted: Wanted) -> bool:
        """Whether it has come by itself meanwhile, or is gone for good."""
        def look(tx: Tx) -> bool:
            there = "actors WHERE uri_key = ? AND gone_at IS NULL" if wanted == Wanted.ACTOR else "posts WHERE uri_key = ?"
            return tx.row(f"SELECT 1 FROM {there} UNION ALL SELECT 1 FROM tombstones WHERE uri_key = ?",
                          (uri_key(uri),) * 2) is not None

        return await self._database.read(look)

    async def _postpone(self, waiting: Sequence[Waiting], error: KonsilError) -> None:
        now = self._clock.ms()
        limit = now - self._settings.held_days * _DAY_MS
        old = [one.key for one in waiting if one.received_at < limit]

        def store(tx: Tx) -> None:
            ledger.park(tx, old, error.message)
            ledger.postpone(tx, [one.key for one in waiting], now, error.message)

        await self._database.write(store)
        log.info("still held", count=len(waiting), error=error)


def not_back() -> NotFound:
    return NotFound("It is about a post that was lost here when a backup was restored, and that has not come back.",
                    reason="lost")


def sibling_changed(tx: Tx, change: SiblingChange) -> None:
    """What a revoked sibling sent is not tried any more. When a sibling is let in again, what it sent and what waits for
    something of its own is tried at once: nobody waits for an hour because a sibling had been away."""
    if change.new == SiblingState.REVOKED:
        ledger.park_sibling(tx, change.sibling_id, _REVOKED)
    elif change.new == SiblingState.ACTIVE:
        ledger.release_sibling(tx, change.sibling_id, change.origin, change.now)
