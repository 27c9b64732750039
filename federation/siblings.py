"""What operators do with the allowlist, and what they see of it. Every change is checked against the state graph and
written to the audit table in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from core.audit import note
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import Conflict, InvalidInput, NotFound
from core.ids import Ids
from core.words import N_, Phrase, Sentence
from federation import store
from federation.addresses import domain_of, is_loopback, origin_for_domain
from federation.allowlist import SIBLING_STATES, SiblingState
from federation.client import Candidate, Client
from federation.descriptor import Descriptor, from_actor
from federation.identity import Identity
from federation.signatures.keys import read_fingerprint
from federation.troubles import in_words


class SiblingChange(msgspec.Struct, frozen=True):
    """A sibling has gone from one state to another (None: it was not on the list). Who listens is called in the same
    transaction, before anybody else can see it; `now` in milliseconds."""

    sibling_id: int
    origin: str
    old: SiblingState | None
    new: SiblingState
    now: int


class SiblingRow(NamedTuple):
    """One sibling as operators see it; times in milliseconds.

    `fail_count`, `next_try` and `last_error` are the line's while it waits as a whole, else those of the objects that are
    put off (`postponed`) while others go on. `alarm` is `last_error` where the line stopped because of it.
    """

    id: int
    origin: str
    domain: str
    country: str
    state: str
    name: str
    fingerprint: str
    actor_uri: str
    reason: str
    created: int
    activated: int | None
    last_in: int | None
    last_out: int | None
    queued: int
    parked: int
    fail_count: int
    failing_since: int | None
    next_try: int
    last_error: Sentence
    skew_ms: int | None
    refused: int
    alarm: Sentence
    postponed: int


_ROWS = """
SELECT s.*, d.last_out, d.failing_since, d.alarm,
 max(d.fail_count, coalesce(p.tries, 0)) AS fail_count, coalesce(nullif(d.next_try, 0), p.next_try, 0) AS next_try,
 coalesce(nullif(d.last_error, ''), p.reason, '') AS last_error, coalesce(p.n, 0) AS postponed,
 (SELECT count(*) FROM deliveries q WHERE q.sibling_id = s.id AND q.state = 'pending') AS queued,
 (SELECT count(*) FROM deliveries q WHERE q.sibling_id = s.id AND q.state = 'parked') AS parked,
 (SELECT coalesce(sum(r.count), 0) FROM refusals r WHERE r.origin = s.origin) AS refused
FROM siblings s JOIN delivery_lines d ON d.sibling_id = s.id
LEFT JOIN (SELECT sibling_id, count(*) AS n, max(tries) AS tries, min(next_try) AS next_try, max(reason) AS reason
           FROM deliveries WHERE state = 'pending' AND tries > 0 GROUP BY sibling_id) p ON p.sibling_id = s.id
"""


class Siblings:
    """The operators' side of the allowlist."""

    def __init__(self, database: Database, identity: Identity, client: Client, clock: Clock, ids: Ids, *,
                 on_change: Sequence[Callable[[Tx, SiblingChange], None]] = ()) -> None:
        self._database, self._identity, self._client = database, identity, client
        self._clock, self._ids, self._on_change = clock, ids, on_change

    async def rows(self) -> tuple[SiblingRow, ...]:
        """All siblings, by country."""
        found = await self._database.read(lambda tx: tx.rows(_ROWS + " ORDER BY s.country, s.origin"))
        return tuple(_seen(row) for row in found)

    async def row(self, domain: str) -> SiblingRow:
        """One sibling; `NotFound` when nobody of that name was ever proposed."""
        origin = origin_for_domain(domain)
        for row in await self.rows():
            if row.origin == origin:
                return row
        raise NotFound("There is no sibling %(domain)s.", values={"domain": domain})

    async def add(self, domain: str, country: str, fingerprint: str, *, descriptor: Descriptor | None = None,
                  by: str = "cli") -> SiblingRow:
        """Propose a sibling. Its key comes from the descriptor, or from its `/actor`, and is pinned only when it has
        exactly the fingerprint the operator typed; anything else leaves no trace but an error."""
        origin = origin_for_domain(domain)
        typed = read_fingerprint(fingerprint)
        if origin == self._identity.origin:
            raise InvalidInput("An instance cannot be its own sibling.")
        if is_loopback(origin) and not is_loopback(self._identity.origin):
            raise InvalidInput("A loopback address can be a sibling on loopback only.")
        if descriptor is None:
            descriptor = from_actor(await self._client.fetch_descriptor(Candidate(origin)), origin)
        if descriptor.origin != origin:
            raise InvalidInput("The descriptor is of %(found)s, not of %(typed)s.",
                               values={"found": descriptor.origin, "typed": origin})
        if descriptor.fingerprint != typed:
            raise InvalidInput("The fingerprint you typed is not the fingerprint of this key. Nothing was added.",
                               reason="fingerprint")
        if descriptor.country != country.lower():
            raise InvalidInput("This instance says it is %(found)s, not %(typed)s.",
                               values={"found": descriptor.country.upper(), "typed": country.upper()})
        found = descriptor
        await self._database.write(lambda tx: self._propose(tx, found, by))
        return await self.row(domain)

    async def approve(self, domain: str, by: str, *, fingerprint: str | None = None) -> SiblingRow:
        """Confirm and activate; when a fingerprint is given it is compared once more."""
        row = await self.row(domain)
        if fingerprint is not None and read_fingerprint(fingerprint) != row.fingerprint:
            raise InvalidInput("The fingerprint you typed is not the pinned one. Nothing was changed.", reason="fingerprint")
        return await self._move(domain, (SiblingState.CONFIRMED, SiblingState.ACTIVE), by, N_("approved without self-test"))

    async def pause(self, domain: str, by: str, reason: str) -> SiblingRow:
        """Stop both directions and keep everything."""
        return await self._move(domain, (SiblingState.PAUSED,), by, reason)

    async def resume(self, domain: str, by: str) -> SiblingRow:
        """Both directions go on where they stopped. Where they never stopped, an alarm is cleared and what waits goes at once."""
        row = await self.row(domain)
        if row.state == SiblingState.ACTIVE and (row.alarm or row.fail_count):
            await self._database.write(lambda tx: self._retry(tx, row.id, row.origin, by))
            return await self.row(domain)
        return await self._move(domain, (SiblingState.ACTIVE,), by, "")

    async def revoke(self, domain: str, by: str, reason: str) -> SiblingRow:
        """Stop at once and for good; what was waiting for it will never be confirmed."""
        return await self._move(domain, (SiblingState.REVOKED,), by, reason)

    async def _move(self, domain: str, steps: tuple[SiblingState, ...], by: str, reason: str) -> SiblingRow:
        origin = origin_for_domain(domain)
        await self._database.write(lambda tx: self._change(tx, origin, steps, by, reason))
        return await self.row(domain)

    def _change(self, tx: Tx, origin: str, steps: tuple[SiblingState, ...], by: str, reason: str) -> None:
        row = tx.row("SELECT id, state FROM siblings WHERE origin = ?", (origin,))
        if row is None:
            raise NotFound("There is no sibling %(domain)s.", values={"domain": domain_of(origin)})
        now, state = self._clock.ms(), row["state"]
        for step in steps:
            if step == SiblingState.CONFIRMED and state == SiblingState.CONFIRMED:
                continue
            SIBLING_STATES.check(state, step)
            note(tx, self._ids, self._clock, by=by, action=f"sibling.{step}", target=origin, detail=f"from {state}; {reason}")
            tx.run("UPDATE siblings SET state = ?, changed_at = ?, reason = ?, activated_at = CASE WHEN ? = 'active'"
                   " THEN coalesce(activated_at, ?) ELSE activated_at END WHERE id = ?",
                   (step, now, reason, step, now, row["id"]))
            self._changed(tx, SiblingChange(row["id"], origin, SiblingState(state), step, now))
            state = step

    def _changed(self, tx: Tx, change: SiblingChange) -> None:
        """Whatever hangs on a sibling's state changes with it, in the same transaction."""
        store.sibling_changed(tx, change.sibling_id, change.new, change.now)
        for listener in self._on_change:
            listener(tx, change)

    def _retry(self, tx: Tx, sibling_id: int, origin: str, by: str) -> None:
        store.retry(tx, sibling_id)
        note(tx, self._ids, self._clock, by=by, action="sibling.retry", target=origin)

    def _propose(self, tx: Tx, descriptor: Descriptor, by: str) -> None:
        now = self._clock.ms()
        known = tx.row("SELECT id, state FROM siblings WHERE origin = ?", (descriptor.origin,))
        if known is not None and known["state"] != SiblingState.REVOKED:
            raise Conflict("%(domain)s is on the list already; its state is “%(state)s”.",
                           values={"domain": domain_of(descriptor.origin), "state": Phrase(known["state"])})
        values = (descriptor.country, descriptor.name, SiblingState.PROPOSED, descriptor.actor, descriptor.key_id,
                  descriptor.public_pem, descriptor.fingerprint, descriptor.inbox, descriptor.members, now)
        if known is not None:
            tx.run("UPDATE siblings SET country = ?, name = ?, state = ?, actor_uri = ?, key_id = ?, public_pem = ?,"
                   " fingerprint = ?, inbox = ?, members = ?, changed_at = ?, activated_at = NULL, reason = '' WHERE id = ?",
                   (*values, known["id"]))
            sibling_id = known["id"]
        else:
            sibling_id = self._ids.new()
            tx.run("INSERT INTO siblings (id, origin, country, name, state, actor_uri, key_id, public_pem, fingerprint, inbox,"
                   " members, changed_at, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   (sibling_id, descriptor.origin, *values, now))
            tx.run("INSERT INTO delivery_lines (sibling_id) VALUES (?)", (sibling_id,))
        note(tx, self._ids, self._clock, by=by, action="sibling.proposed", target=descriptor.origin,
             detail=descriptor.fingerprint)
        self._changed(tx, SiblingChange(sibling_id, descriptor.origin, SiblingState.REVOKED if known is not None else None,
                                        SiblingState.PROPOSED, now))


def _seen(row: Row) -> SiblingRow:
    trouble = in_words(row["last_error"])
    return SiblingRow(
        row["id"], row["origin"], domain_of(row["origin"]), row["country"], row["state"], row["name"], row["fingerprint"],
        row["actor_uri"], row["reason"], row["created_at"], row["activated_at"], row["last_in"], row["last_out"],
        row["queued"], row["parked"], row["fail_count"], row["failing_since"], row["next_try"], trouble, row["skew_ms"],
        row["refused"], trouble if row["alarm"] else in_words(""), row["postponed"])
