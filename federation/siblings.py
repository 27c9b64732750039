"""What operators do with the allowlist. Every change is checked against the state graph and written to the audit log in the
same transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import msgspec

from core.audit import Audit
from core.clock import Clock
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.ids import Ids
from core.words import N_, Phrase
from federation import overview, store
from federation.addresses import domain_of, is_loopback, origin_for_domain
from federation.allowlist import SIBLING_STATES, SiblingState
from federation.client import Candidate, Client
from federation.descriptor import Descriptor, from_actor
from federation.identity import Identity
from federation.listed import Damage, damage
from federation.overview import Details, SiblingRow
from federation.signatures.keys import read_fingerprint

_AT_THE_MACHINE = "cli:"
_DETAIL_LENGTH, _NOTE_LENGTH = 300, 2_000


class SiblingChange(msgspec.Struct, frozen=True):
    """A sibling has gone from one state to another (None: it was not on the list). Who listens is called in the same
    transaction, before anybody else can see it; `now` in milliseconds."""

    sibling_id: int
    origin: str
    old: SiblingState | None
    new: SiblingState
    now: int


class Siblings:
    """The operators' side of the allowlist."""

    def __init__(self, database: Database, identity: Identity, client: Client, clock: Clock, ids: Ids, audit: Audit, *,
                 four_eyes: bool = False, on_change: Sequence[Callable[[Tx, SiblingChange], None]] = ()) -> None:
        self._database, self._identity, self._client = database, identity, client
        self._clock, self._ids, self._audit = clock, ids, audit
        self._four_eyes, self._on_change = four_eyes, on_change

    async def rows(self) -> tuple[SiblingRow, ...]:
        """All siblings, by country."""
        return await overview.rows(self._database)

    async def damage(self) -> Damage:
        """What of the list cannot be read."""
        return await self._database.read(damage)

    async def row(self, domain: str) -> SiblingRow:
        """One sibling; `NotFound` when nobody of that name was ever proposed."""
        return await overview.row(self._database, domain)

    async def described(self, domain: str) -> Descriptor:
        """A sibling as it is pinned, for whoever keeps the list as a file."""
        row = await self.row(domain)
        pinned = await self._database.read(lambda tx: tx.row("SELECT * FROM siblings WHERE id = ?", (row.id,)))
        assert pinned is not None
        return Descriptor(actor=pinned["actor_uri"], **{name: pinned[name] for name in (
            "origin", "country", "name", "key_id", "public_pem", "inbox", "members", "document_key", "bundle_inbox")})

    async def add(self, domain: str, country: str, fingerprint: str, *, descriptor: Descriptor | None = None,
                  by: str = "cli", details: Details | None = None) -> SiblingRow:
        """Propose a sibling. Its key comes from the descriptor, or from its `/actor`, and is pinned only when it has
        exactly the fingerprint the operator typed; anything else leaves no trace but an error. What `details` leave open
        about its people is taken from the descriptor."""
        self._check_named(by)
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
        found, noted = descriptor, checked(_filled(details or Details(), descriptor))
        await self._database.write(lambda tx: self._propose(tx, found, noted, by))
        return await self.row(domain)

    async def confirm(self, domain: str, by: str, *, fingerprint: str | None = None) -> SiblingRow:
        """Confirm that this is its key: from now on the two instances can try each other out, and nothing else. Where four
        eyes are wanted it takes another operator than the one who proposed it, and the fingerprint once more."""
        row = await self.row(domain)
        self._check_named(by)
        if self._four_eyes and by == row.admission.proposed_by:
            raise Refused("You proposed this sibling yourself: another operator confirms it.", reason="four-eyes")
        if self._four_eyes and fingerprint is None:
            raise InvalidInput("Type the fingerprint as its operator read it to you.", reason="fingerprint", field="fingerprint")
        self._compare(row, fingerprint)
        return await self._move(domain, (SiblingState.CONFIRMED,), by, "")

    async def activate(self, domain: str, by: str, how: str) -> SiblingRow:
        """Let a confirmed sibling in: from now on activities are exchanged. `how` says what was tried before."""
        row = await self.row(domain)
        SIBLING_STATES.check(row.state, SiblingState.ACTIVE)
        if row.state != SiblingState.CONFIRMED:
            raise Conflict("%(domain)s is not waiting for this; its state is “%(state)s”.",
                           values={"domain": row.domain, "state": Phrase(row.state)})
        return await self._move(domain, (SiblingState.ACTIVE,), by, how)

    async def approve(self, domain: str, by: str, *, fingerprint: str | None = None) -> SiblingRow:
        """Confirm and activate without a self-test; when a fingerprint is given it is compared once more."""
        row = await self.row(domain)
        if row.state == SiblingState.PROPOSED:
            await self.confirm(domain, by, fingerprint=fingerprint)
        else:
            self._compare(row, fingerprint)
        return await self.activate(domain, by, N_("approved without self-test"))

    async def describe(self, domain: str, by: str, details: Details) -> SiblingRow:
        """Note who runs a sibling, whom to ask and on what footing; what was noted before is replaced."""
        row, noted = await self.row(domain), checked(details)
        changed = ", ".join(name for name in noted.__struct_fields__ if getattr(noted, name) != getattr(row.details, name))
        if changed:
            def store_details(tx: Tx) -> None:
                _note_details(tx, row.id, noted)
                self._audit.note(tx, by=by, action="sibling.described", target=row.origin, detail=changed)

            await self._database.write(store_details)
        return await self.row(domain)

    async def pause(self, domain: str, by: str, reason: str) -> SiblingRow:
        """Stop both directions and keep everything; it takes a reason."""
        check_reason(reason)
        return await self._move(domain, (SiblingState.PAUSED,), by, reason)

    def pause_within(self, tx: Tx, origin: str, by: str, reason: str) -> None:
        """The same inside the transaction that has found out why."""
        self._change(tx, origin, (SiblingState.PAUSED,), by, reason)

    async def resume(self, domain: str, by: str) -> SiblingRow:
        """Both directions go on where they stopped. Where they never stopped, an alarm is cleared and what waits goes at once."""
        row = await self.row(domain)
        if row.state == SiblingState.ACTIVE and (row.alarm or row.fail_count):
            await self._database.write(lambda tx: self._retry(tx, row.id, row.origin, by))
            return await self.row(domain)
        if row.state == SiblingState.CONFIRMED:  # from there one gets in by `activate`, which asks what was tried before
            raise Conflict("%(domain)s is not waiting for this; its state is “%(state)s”.",
                           values={"domain": row.domain, "state": Phrase(row.state)})
        return await self._move(domain, (SiblingState.ACTIVE,), by, "")

    async def revoke(self, domain: str, by: str, reason: str) -> SiblingRow:
        """Stop at once and for good, for a reason; what was waiting for it will never be confirmed."""
        check_reason(reason)
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
            SIBLING_STATES.check(state, step)
            self._audit.note(tx, by=by, action=f"sibling.{step}", target=origin,
                             detail=f"from {state}; {reason}" if reason else f"from {state}")
            tx.run("UPDATE siblings SET state = ?, changed_at = ?, reason = ?, activated_at = CASE WHEN ? = 'active'"
                   " THEN coalesce(activated_at, ?) ELSE activated_at END WHERE id = ?",
                   (step, now, reason, step, now, row["id"]))
            if step == SiblingState.CONFIRMED:
                tx.run("UPDATE sibling_details SET confirmed_by = ?, confirmed_at = ? WHERE sibling_id = ?", (by, now, row["id"]))
            self._changed(tx, SiblingChange(row["id"], origin, SiblingState(state), step, now))
            state = step

    def _changed(self, tx: Tx, change: SiblingChange) -> None:
        """Whatever hangs on a sibling's state changes with it, in the same transaction."""
        store.sibling_changed(tx, change.sibling_id, change.new, change.now)
        for listener in self._on_change:
            listener(tx, change)

    def _retry(self, tx: Tx, sibling_id: int, origin: str, by: str) -> None:
        store.retry(tx, sibling_id)
        self._audit.note(tx, by=by, action="sibling.retry", target=origin)

    def _propose(self, tx: Tx, descriptor: Descriptor, details: Details, by: str) -> None:
        now = self._clock.ms()
        known = tx.row("SELECT id, state FROM siblings WHERE origin = ?", (descriptor.origin,))
        if known is not None and known["state"] != SiblingState.REVOKED:
            raise Conflict("%(domain)s is on the list already; its state is “%(state)s”.",
                           values={"domain": domain_of(descriptor.origin), "state": Phrase(known["state"])})
        values = (descriptor.country, descriptor.name, SiblingState.PROPOSED, descriptor.actor, descriptor.key_id,
                  descriptor.public_pem, descriptor.fingerprint, descriptor.inbox, descriptor.members,
                  descriptor.document_key, descriptor.bundle_inbox, now)
        if known is not None:
            tx.run("UPDATE siblings SET country = ?, name = ?, state = ?, actor_uri = ?, key_id = ?, public_pem = ?,"
                   " fingerprint = ?, inbox = ?, members = ?, document_key = ?, bundle_inbox = ?, changed_at = ?,"
                   " activated_at = NULL, reason = '', next_key_id = '', next_public_pem = '' WHERE id = ?",
                   (*values, known["id"]))
            sibling_id = known["id"]
            tx.run("UPDATE sibling_details SET proposed_by = ?, pinned_at = ?, confirmed_by = '', confirmed_at = NULL,"
                   " next_by = '', next_at = NULL, seen_key = '', seen_key_at = NULL WHERE sibling_id = ?", (by, now, sibling_id))
            tx.run("DELETE FROM announced_keys WHERE sibling_id = ?", (sibling_id,))
        else:
            sibling_id = self._ids.new()
            tx.run("INSERT INTO siblings (id, origin, country, name, state, actor_uri, key_id, public_pem, fingerprint, inbox,"
                   " members, document_key, bundle_inbox, changed_at, created_at)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   (sibling_id, descriptor.origin, *values, now))
            tx.run("INSERT INTO delivery_lines (sibling_id) VALUES (?)", (sibling_id,))
            tx.run("INSERT INTO sibling_details (sibling_id, proposed_by, pinned_at) VALUES (?, ?, ?)", (sibling_id, by, now))
        _note_details(tx, sibling_id, details)
        self._audit.note(tx, by=by, action="sibling.proposed", target=descriptor.origin, detail=descriptor.fingerprint)
        self._changed(tx, SiblingChange(sibling_id, descriptor.origin, SiblingState.REVOKED if known is not None else None,
                                        SiblingState.PROPOSED, now))

    def _check_named(self, by: str) -> None:
        """Four eyes are those of two operators with a name; whoever sits at the command line has to say which one it is."""
        if self._four_eyes:
            check_named(by)

    def _compare(self, row: SiblingRow, fingerprint: str | None) -> None:
        if fingerprint is not None and read_fingerprint(fingerprint) != row.fingerprint:
            raise InvalidInput("The fingerprint you typed is not the pinned one. Nothing was changed.", reason="fingerprint",
                               field="fingerprint")


def check_named(by: str) -> None:
    """`Refused` for somebody at the command line who has not said which operator she is."""
    if by.startswith(_AT_THE_MACHINE):
        raise Refused("This takes two operators, so say which one you are: --as HANDLE.", reason="four-eyes")


def checked(details: Details) -> Details:
    """The same details without blanks at their ends; `InvalidInput` for a text too long or a day that is none."""
    found = Details(**{name: getattr(details, name).strip() for name in details.__struct_fields__})
    for name in found.__struct_fields__:
        if len(getattr(found, name)) > (_NOTE_LENGTH if name == "note" else _DETAIL_LENGTH):
            raise InvalidInput("This is longer than what can be kept.", field=name)
    for name in ("agreement_on", "review_on"):
        if getattr(found, name):
            try:
                date.fromisoformat(getattr(found, name))
            except ValueError:
                raise InvalidInput("Write a day as 2026-12-31.", field=name) from None
    return found


def _filled(details: Details, descriptor: Descriptor) -> Details:
    """What nobody has typed, as the other side's operator describes it."""
    return msgspec.structs.replace(details, **{
        name: getattr(details, name) or getattr(descriptor, name)
        for name in ("operator", "medical_contact", "technical_contact", "dpo")})


def _note_details(tx: Tx, sibling_id: int, details: Details) -> None:
    columns = ", ".join(f"{name} = ?" for name in details.__struct_fields__)
    tx.run(f"UPDATE sibling_details SET {columns} WHERE sibling_id = ?", (*msgspec.structs.astuple(details), sibling_id))


def check_reason(reason: str) -> None:
    """`InvalidInput` for nothing but blanks."""
    if not reason.strip():
        raise InvalidInput("Say why: it stays in the audit log.", field="reason", reason="no-reason")
