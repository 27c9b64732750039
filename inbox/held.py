"""Held activities: fetch what each waits for from its own admitted origin, then decide anew. Parked after some weeks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable

import structlog

from actors.store import save
from actors.wire import actor_of
from core.clock import Clock
from core.database import Database, Row, Tx, marks
from core.errors import InvalidInput, KonsilError
from core.ids import Ids, uri_key
from core.settings import Federation
from federation.addresses import origin_of
from federation.allowlist import Allowlist, Direction, Purpose, Sibling
from federation.client import Client
from federation.documents import dumps, parse
from inbox.arrival import NOTES, Arrival, arrival
from inbox.authority import check_authority
from inbox.effects import released
from inbox.writer import Writer

log = structlog.get_logger("held")
_FIRST_MS = 2_000
_LIMIT_MS = 3_600_000
_DAY_MS = 86_400_000


class Waiting:
    """Resolves what `inbox.ledger` holds; run by the worker."""

    def __init__(self, database: Database, allowlist: Allowlist, client: Client, writer: Writer, clock: Clock, ids: Ids,
                 settings: Federation) -> None:
        self._database, self._allowlist, self._client, self._writer = database, allowlist, client, writer
        self._clock, self._ids, self._settings = clock, ids, settings

    async def resolve_due(self) -> int:
        """Try everything that is due once; returns how many activities were looked at."""
        now = self._clock.ms()
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT h.activity_key, h.missing, h.body, h.received_at, h.tries, s.origin FROM held h"
            " JOIN siblings s ON s.id = h.sibling_id WHERE h.state = 'waiting' AND h.next_try <= ?"
            " ORDER BY h.received_at LIMIT 200", (now,)))
        by_missing: dict[str, list[Row]] = {}
        for row in rows:
            by_missing.setdefault(row["missing"], []).append(row)
        await asyncio.gather(*(self._resolve(missing, waiting) for missing, waiting in by_missing.items()))
        return len(rows)

    async def _resolve(self, missing: str, rows: list[Row]) -> None:
        try:
            if not await self._here(missing):
                await self._fetch(missing)
        except KonsilError as error:
            await self._postpone(rows, error)
            return
        except Exception as error:
            log.exception("held")
            await self._postpone(rows, KonsilError("It could not be read.", cause=repr(error)))
            return
        for row in rows:
            await self._decide(row)

    async def _decide(self, row: Row) -> None:
        try:
            sibling = self._allowlist.admit(row["origin"], Direction.IN, Purpose.INBOX)
            body = row["body"]
            made = arrival(sibling, parse(body), body, hashlib.sha256(body).digest(), row["received_at"])
            check_authority(made)
            await self._database.collect(self._writer.reconsider, made)
        except KonsilError as error:
            await self._postpone([row], error)

    async def _here(self, uri: str) -> bool:
        """Whether it has come by itself meanwhile, or is gone for good."""
        key = (uri_key(uri),)
        found = await self._database.read(lambda tx: tx.row(
            "SELECT 1 FROM actors WHERE uri_key = ? UNION SELECT 1 FROM posts WHERE uri_key = ?"
            " UNION SELECT 1 FROM tombstones WHERE uri_key = ?", key * 3))
        return found is not None

    async def _fetch(self, uri: str) -> None:
        """Fetch an actor or a post from its own origin, through the gate, and take it in."""
        sibling = self._allowlist.admit(origin_of(uri), Direction.OUT, Purpose.FETCH, path=uri)
        document = await self._client.get(sibling, uri)
        if document.get("type") in NOTES:
            await self._adopt(sibling, uri, document)
        else:
            actor = actor_of(document, expected=uri, sibling_id=sibling.id, country=sibling.country, actor_id=self._ids.new())

            def store(tx: Tx) -> None:
                save(tx, actor, self._clock.ms())
                released(tx, [actor.uri], self._clock.ms())

            await self._database.write(store)

    async def _adopt(self, sibling: Sibling, uri: str, document: dict[str, object]) -> None:
        """Take in a fetched post as if its Create had come; first whatever it misses itself (author, parent)."""
        for _ in range(4):
            made = self._as_create(sibling, uri, document)
            outcome = await self._database.collect(self._writer.adopt, made)
            if isinstance(outcome, KonsilError):
                raise outcome
            missing = getattr(outcome, "missing", None)
            if missing is None:
                return
            await self._fetch(missing)
        raise InvalidInput("It depends on too much that is missing.", reason="too-deep")

    def _as_create(self, sibling: Sibling, uri: str, document: dict[str, object]) -> Arrival:
        if document.get("id") != uri:
            raise InvalidInput("Another document came back.", reason="bad-object")
        body = dumps({"id": f"{uri}#fetched", "type": "Create", "actor": document.get("attributedTo"), "object": document})
        made = arrival(sibling, parse(body), b"", b"", self._clock.ms())
        check_authority(made)
        return made

    async def _postpone(self, rows: Iterable[Row], error: KonsilError) -> None:
        now = self._clock.ms()
        keys = [row["activity_key"] for row in rows]
        tries = min((row["tries"] for row in rows), default=0)
        next_try = now + min(_LIMIT_MS, _FIRST_MS * 2 ** min(tries, 20))
        limit = now - self._settings.held_days * _DAY_MS

        def store(tx: Tx) -> None:
            tx.run(f"UPDATE held SET tries = tries + 1, next_try = ?, reason = ? WHERE activity_key IN ({marks(len(keys))})",
                   (next_try, error.message, *keys))
            tx.run(f"UPDATE held SET state = 'parked' WHERE received_at < ? AND activity_key IN ({marks(len(keys))})",
                   (limit, *keys))

        await self._database.write(store)
        log.info("still held", count=len(keys), reason=error.reason, cause=error.cause)
