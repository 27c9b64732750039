"""Letting go of a sibling: the order to erase what it holds of ours, and then the revocation.

The order is one signed `Delete` of our instance actor by our instance actor; nothing of anybody stands in it. It is sent
when both directions have been stopped already, once, in a short time, and whatever becomes of it the sibling is revoked
then. If this process dies on the way, the sibling stays paused and the order shows how far it came.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from core.audit import Audit
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import Conflict, KonsilError
from core.ids import Ids, public
from core.telemetry import get_logger
from core.words import N_, Phrase, Sentence
from federation.allowlist import Allowlist, Direction, Purpose, SiblingState
from federation.client import Client
from federation.documents import dumps
from federation.identity import CONTEXT, Identity
from federation.overview import SiblingRow
from federation.siblings import Siblings, check_reason
from federation.signatures.cavage import digest
from federation.troubles import in_words, reason

log = get_logger("leaving")
_RECEIVED = "received"
_ACCEPTED = 202
_PATIENCE_SECONDS = 5.0
_ORDERED = (SiblingState.ACTIVE, SiblingState.PAUSED)


class ErasureOrder(NamedTuple):
    """What was asked of a sibling: when and by whom, when that was settled (ms; None: it is not known), whether the sibling
    has confirmed that it got the order, and where it did not, why."""

    sibling_id: int
    by: str
    ordered: int
    settled: int | None
    received: bool
    why: Sentence


class Leaving:
    """Revokes siblings, and asks them to erase what they have from us."""

    def __init__(self, database: Database, siblings: Siblings, allowlist: Allowlist, client: Client, identity: Identity,
                 clock: Clock, ids: Ids, audit: Audit) -> None:
        self._database, self._siblings, self._allowlist, self._client = database, siblings, allowlist, client
        self._identity, self._clock, self._ids, self._audit = identity, clock, ids, audit

    async def revoke(self, domain: str, by: str, why: str, *, erase: bool) -> SiblingRow:
        """Revoke a sibling for a reason; with `erase`, stop both directions, order it to erase what it has from us, and
        revoke it then. One that was never active has nothing, so it is not asked: `Conflict`."""
        check_reason(why)
        if not erase:
            return await self._siblings.revoke(domain, by, why)
        row = await self._siblings.row(domain)
        if row.state not in _ORDERED:
            raise Conflict("Only an active or paused sibling can be asked to erase anything; this one is “%(state)s”.",
                           values={"state": Phrase(row.state)}, reason="nothing-to-erase", field="erase")
        if row.state == SiblingState.ACTIVE:
            await self._siblings.pause(domain, by, why)
        order_id = self._ids.new()
        uri = f"{self._identity.actor_uri}#erasure-{public(order_id)}"
        await self._database.write(lambda tx: self._begin(tx, order_id, row, uri, by))
        outcome = await self._ask(row.origin, uri)
        await self._database.write(lambda tx: self._settle(tx, order_id, row, outcome, by))
        return await self._siblings.revoke(domain, by, why)

    async def orders(self, sibling_id: int) -> tuple[ErasureOrder, ...]:
        """What was asked of one sibling, newest first."""
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT * FROM erasure_orders WHERE sibling_id = ? ORDER BY id DESC", (sibling_id,)))
        return tuple(map(_order, rows))

    async def newest_orders(self) -> dict[int, ErasureOrder]:
        """The last order to each sibling that was ever asked, by the sibling's id."""
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT * FROM erasure_orders WHERE id IN (SELECT max(id) FROM erasure_orders GROUP BY sibling_id)"))
        return {row["sibling_id"]: _order(row) for row in rows}

    async def _ask(self, origin: str, uri: str) -> str:
        """Send the order, once; what became of it as it is stored."""
        actor = self._identity.actor_uri
        body = dumps({"@context": CONTEXT, "id": uri, "type": "Delete", "actor": actor, "object": actor})
        try:
            sibling = self._allowlist.admit(origin, Direction.OUT, Purpose.ERASURE, path=uri)
            async with asyncio.timeout(_PATIENCE_SECONDS):
                answer = await self._client.post(sibling, body, digest(body))
        except KonsilError as error:
            log.warning("an erasure order could not be handed over", sibling=origin, reason=error.reason)
            return reason(error.reason, error.cause)
        except TimeoutError:
            return reason("no-answer", N_("It took too long."))
        if answer.status == _ACCEPTED:
            return _RECEIVED
        return reason("answered", answer.status)

    def _begin(self, tx: Tx, order_id: int, row: SiblingRow, uri: str, by: str) -> None:
        tx.run("INSERT INTO erasure_orders (id, sibling_id, uri, by, ordered_at) VALUES (?, ?, ?, ?, ?)",
               (order_id, row.id, uri, by, self._clock.ms()))
        self._audit.note(tx, by=by, action="sibling.erasure-ordered", target=row.origin, detail=uri)

    def _settle(self, tx: Tx, order_id: int, row: SiblingRow, outcome: str, by: str) -> None:
        tx.run("UPDATE erasure_orders SET settled_at = ?, outcome = ? WHERE id = ?", (self._clock.ms(), outcome, order_id))
        end = "received" if outcome == _RECEIVED else "unconfirmed"
        self._audit.note(tx, by=by, action=f"sibling.erasure-{end}", target=row.origin, detail=outcome)


def _order(row: Row) -> ErasureOrder:
    received = row["outcome"] == _RECEIVED
    return ErasureOrder(row["sibling_id"], row["by"], row["ordered_at"], row["settled_at"], received,
                        in_words("" if received else row["outcome"]))
