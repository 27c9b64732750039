"""Editorial desks: who publishes news and congresses here, and which doctor answers for each.

A desk is an actor of its own (ActivityPub `Service`), with a badge that says that it edits; nobody signs in to it. It speaks
through the verified doctor who answers for it, and readers everywhere see her name beside the desk's. Whose desk nobody answers
for publishes nothing until an operator has named somebody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from actors.accounts import Accounts
from actors.models import AccountState, Actor, Answering, Badge, Role
from actors.profiles import announce
from actors.store import COLUMNS, actor_from, by_ids, save
from core.audit import Audit
from core.clock import Clock
from core.countries import specialties
from core.database import Database, Row, Tx
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.ids import Ids, public
from federation.identity import Identity
from federation.lanes import FRESH, URGENT

OF_DESKS = ("SELECT a.actor_id FROM accounts d JOIN accounts a ON a.doctor_id = d.id WHERE d.actor_id = ? AND a.kind = 'desk'"
            " AND a.state = 'verified'")
"""The actors of the desks that the doctor in the one parameter answers for."""
_ROWS = ("SELECT a.handle, a.name, p.specialties, d.handle AS doctor, d.name AS doctor_name, d.state AS doctor_state, a.state,"
         " q.verified_until AS doctor_until, a.created_at FROM accounts a JOIN actors p ON p.id = a.actor_id"
         " LEFT JOIN accounts d ON d.id = a.doctor_id LEFT JOIN actors q ON q.id = d.actor_id WHERE a.kind = 'desk'")


class Desk(NamedTuple):
    """A desk of this instance as operators see it. `doctor` is the handle of who answers for it, '' where nobody does, and `able`
    whether she is verified now, so that it can publish; `open` until it was closed; `created` in milliseconds."""

    handle: str
    name: str
    specialties: tuple[str, ...]
    doctor: str
    doctor_name: str
    able: bool
    open: bool
    created: int


class Desks:
    """Makes desks, hands them over and closes them."""

    def __init__(self, database: Database, identity: Identity, accounts: Accounts, clock: Clock, ids: Ids, audit: Audit) -> None:
        self._database, self._identity, self._accounts = database, identity, accounts
        self._clock, self._ids, self._audit = clock, ids, audit

    async def add(self, handle: str, name: str, doctor: str, codes: tuple[str, ...] = (), by: str = "cli") -> Actor:
        """A desk that `doctor` (a handle) answers for. `InvalidInput`, `Conflict`, `Refused` or `NotFound` says what is wrong,
        and nothing was added."""
        unknown = [code for code in codes if code not in specialties()]
        if unknown:
            raise InvalidInput("There is no specialty %(code)s.", values={"code": unknown[0]}, field="specialty")
        number, now = self._ids.new(), self._clock.ms()

        def write(tx: Tx) -> Actor:
            self._accounts.check_name(tx, handle, name)
            account_id, answering = self._verified(tx, doctor, now)
            badge = Badge(Role.EDITOR, codes, self._identity.country, self._identity.name, now)
            actor = Actor(number, f"{self._identity.origin}/actors/{public(number)}", handle, self._identity.domain, name.strip(),
                          badge, desk=True, answered_by=answering)
            save(tx, actor, now)
            self._accounts.open_desk(tx, handle, actor, account_id)
            self._audit.note(tx, by=by, action="desk.added", target=handle, detail=doctor)
            return actor

        return await self._database.write(write)

    async def hand_over(self, handle: str, doctor: str, by: str = "cli") -> None:
        """Another doctor answers for a desk from now on, everywhere; a closed one is open again."""
        def write(tx: Tx) -> None:
            row, desk, now = *_desk(tx, handle), self._clock.ms()
            account_id, answering = self._verified(tx, doctor, now)
            tx.run("UPDATE accounts SET doctor_id = ?, state = ? WHERE id = ?", (account_id, AccountState.VERIFIED, row["id"]))
            self._become(tx, msgspec.structs.replace(
                desk, answered_by=answering, badge=msgspec.structs.replace(desk.badge, until=None)), FRESH)
            self._audit.note(tx, by=by, action="desk.handed-over", target=handle, detail=doctor)

        await self._database.write(write)

    async def close(self, handle: str, reason: str, by: str = "cli") -> None:
        """A desk publishes nothing more; what it has published stays."""
        if not reason.strip():
            raise InvalidInput("Say why the desk is closed.", field="reason")

        def write(tx: Tx) -> None:
            row, desk = _desk(tx, handle)
            if row["state"] != AccountState.VERIFIED:
                raise Conflict("The desk %(handle)s is closed already.", values={"handle": handle})
            tx.run("UPDATE accounts SET doctor_id = NULL, state = ? WHERE id = ?", (AccountState.SUSPENDED, row["id"]))
            badge = msgspec.structs.replace(desk.badge, until=self._clock.ms())
            self._become(tx, msgspec.structs.replace(desk, answered_by=None, badge=badge), URGENT)
            self._audit.note(tx, by=by, action="desk.closed", target=handle, detail=reason.strip())

        await self._database.write(write)

    async def all(self) -> tuple[Desk, ...]:
        """All desks by handle."""
        now = self._clock.ms()
        rows = await self._database.read(lambda tx: tx.rows(f"{_ROWS} ORDER BY a.handle"))
        return tuple(_seen(row, now) for row in rows)

    async def desk(self, handle: str) -> Desk:
        """One desk; `NotFound` where there is none of that name."""
        row = await self._database.read(lambda tx: tx.row(f"{_ROWS} AND a.handle = ?", (handle,)))
        if row is None:
            raise NotFound("There is no desk %(handle)s.", values={"handle": handle})
        return _seen(row, self._clock.ms())

    async def of(self, doctor: Actor) -> tuple[Actor, ...]:
        """The desks a doctor of this instance answers for, by handle."""
        return await self._database.read(lambda tx: answered_by(tx, doctor.id))

    def left(self, tx: Tx, account_id: int, actor_id: int, now: int) -> None:
        """A doctor leaves: nobody answers any more for the desks that were hers, and readers everywhere see that."""
        for row in tx.rows(f"SELECT {COLUMNS} FROM actors WHERE sibling_id IS NULL AND desk = 1 AND answered_by <> ''"):
            desk = actor_from(row)
            gone = by_ids(tx, [actor_id])[actor_id]
            if desk.answered_by is not None and desk.answered_by.uri == gone.uri:
                self._become(tx, msgspec.structs.replace(desk, answered_by=None), URGENT)

    def _become(self, tx: Tx, desk: Actor, lane: int) -> None:
        now = self._clock.ms()
        save(tx, desk, now)
        announce(tx, self._identity, self._ids, desk, now, lane)

    def _verified(self, tx: Tx, handle: str, now: int) -> tuple[int, Answering]:
        """The account and the name of a doctor who can answer for a desk: she is verified here, and no student."""
        row = tx.row("SELECT id, actor_id, state FROM accounts WHERE handle = ? AND kind = 'doctor'", (handle,))
        actor = by_ids(tx, [row["actor_id"]]).get(row["actor_id"]) if row is not None else None
        if row is None or actor is None:
            raise NotFound("There is no doctor %(handle)s.", values={"handle": handle}, field="doctor")
        if row["state"] != AccountState.VERIFIED or not actor.badge.holds(now) or actor.badge.role == Role.STUDENT:
            raise Refused("Only a verified doctor can answer for a desk.", reason="not-verified")
        return row["id"], Answering(actor.uri, actor.name)


def answered_by(tx: Tx, actor_id: int) -> tuple[Actor, ...]:
    """The open desks that a doctor of this instance answers for, by handle."""
    return tuple(actor_from(row) for row in tx.rows(
        f"SELECT {COLUMNS} FROM actors WHERE id IN ({OF_DESKS}) ORDER BY handle", (actor_id,)))


def answered_for(tx: Tx, actor_id: int) -> tuple[int, ...]:
    """The ids of these desks' actors."""
    return tuple(row["actor_id"] for row in tx.rows(OF_DESKS, (actor_id,)))


def _desk(tx: Tx, handle: str) -> tuple[Row, Actor]:
    row = tx.row("SELECT * FROM accounts WHERE handle = ? AND kind = 'desk'", (handle,))
    if row is None:
        raise NotFound("There is no desk %(handle)s.", values={"handle": handle})
    return row, by_ids(tx, [row["actor_id"]])[row["actor_id"]]


_CODES: Callable[[str], tuple[str, ...]] = msgspec.json.Decoder(tuple[str, ...]).decode


def _seen(row: Row, now: int) -> Desk:
    able = row["doctor_state"] == AccountState.VERIFIED and (row["doctor_until"] is None or row["doctor_until"] > now)
    return Desk(row["handle"], row["name"], _CODES(row["specialties"]), row["doctor"] or "", row["doctor_name"] or "", able,
                row["state"] == AccountState.VERIFIED, row["created_at"])
