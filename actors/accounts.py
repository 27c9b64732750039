"""Accounts of this instance: made by operators, verified by them, listed for them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import NamedTuple

from actors.models import Account, AccountState, Actor, Badge, Role
from actors.store import save
from core.audit import note
from core.clock import Clock
from core.countries import specialties
from core.database import Database, IntegrityError, Row, Tx
from core.errors import Conflict, InvalidInput
from core.ids import Ids, public
from core.settings import Accounts as AccountSettings
from core.states import StateGraph
from core.vault import hash_password
from federation.identity import Identity

ACCOUNT_STATES = StateGraph(
    name="account",
    states=tuple(AccountState),
    edges={
        "applicant": ("verified", "rejected"),
        "verified": ("suspended",),
        "suspended": ("verified",),
        "rejected": ("applicant",),
    },
    initial="applicant",
)
_HANDLE = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?")
_YEAR_MS = 365 * 86_400_000
_YEARS = {Role.RESIDENT: 2, Role.STUDENT: 1}


class NewDoctor(NamedTuple):
    """What an operator enters; without `method` and `evidence` the account is an applicant's."""

    handle: str
    name: str
    password: str
    role: Role = Role.DOCTOR
    specialties: tuple[str, ...] = ()
    method: str = ""
    evidence: str = ""


class DoctorRow(NamedTuple):
    """A doctor of this instance as operators see her."""

    handle: str
    name: str
    role: str
    specialties: str
    state: str
    method: str
    until: int | None
    created: int


class Accounts:
    """Makes and lists accounts."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, ids: Ids, settings: AccountSettings) -> None:
        self._database, self._identity, self._clock, self._ids = database, identity, clock, ids
        self._settings = settings

    async def add_doctor(self, new: NewDoctor, by: str = "cli") -> Actor:
        """A doctor with her actor; `InvalidInput` or `Conflict` says what is wrong, and nothing was added."""
        _check(new.handle, new.name, new.password, self._settings.password_min_length)
        unknown = [code for code in new.specialties if code not in specialties()]
        if unknown:
            raise InvalidInput("There is no specialty %(code)s.", values={"code": unknown[0]}, field="specialty")
        if bool(new.method) != bool(new.evidence):
            raise InvalidInput("A verification needs both its method and its evidence.", field="evidence")
        now, number = self._clock.ms(), self._ids.new()
        years = _YEARS.get(new.role)
        badge = Badge(new.role, new.specialties, self._identity.country, self._identity.name, now,
                      now + years * _YEAR_MS if years else None)
        actor = Actor(number, f"{self._identity.origin}/actors/{public(number)}", new.handle, self._identity.domain,
                      new.name.strip(), badge)
        state = AccountState.VERIFIED if new.method else AccountState.APPLICANT
        hashed = await asyncio.to_thread(hash_password, new.password)

        def store(tx: Tx) -> None:
            save(tx, actor, now)
            self._account(tx, new.handle, actor.name, "doctor", state, actor.id, hashed, new.method, new.evidence)
            note(tx, self._ids, self._clock, by=by, action=f"doctor.{state}", target=new.handle, detail=new.method)

        await self._write(store, new.handle)
        return actor

    async def add_operator(self, handle: str, name: str, password: str, by: str = "cli") -> None:
        """An operator: a login without an actor and without a timeline."""
        _check(handle, name, password, self._settings.password_min_length)
        hashed = await asyncio.to_thread(hash_password, password)

        def store(tx: Tx) -> None:
            self._account(tx, handle, name.strip(), "operator", AccountState.VERIFIED, None, hashed, "", "")
            note(tx, self._ids, self._clock, by=by, action="operator.added", target=handle)

        await self._write(store, handle)

    async def doctors(self) -> tuple[DoctorRow, ...]:
        """All doctors of this instance by handle."""
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT a.handle, a.name, p.role, p.specialties, a.state, a.method, p.verified_until, a.created_at"
            " FROM accounts a JOIN actors p ON p.id = a.actor_id ORDER BY a.handle"))
        return tuple(DoctorRow(*row) for row in rows)

    async def by_handle(self, handle: str) -> Account | None:
        row = await self._database.read(lambda tx: tx.row("SELECT * FROM accounts WHERE handle = ?", (handle,)))
        return account_from(row) if row is not None else None

    def _account(self, tx: Tx, handle: str, name: str, kind: str, state: AccountState, actor_id: int | None, hashed: str,
                 method: str, evidence: str) -> None:
        tx.run("INSERT INTO accounts (id, handle, name, kind, state, actor_id, password_hash, method, evidence, created_at)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
               (self._ids.new(), handle, name, kind, state, actor_id, hashed, method, evidence, self._clock.ms()))

    async def _write(self, store: Callable[[Tx], None], handle: str) -> None:
        try:
            await self._database.write(store)
        except IntegrityError:
            raise Conflict("The handle %(handle)s is taken.", values={"handle": handle}, field="handle") from None


def account_from(row: Row) -> Account:
    return Account(row["id"], row["handle"], row["name"], row["kind"], AccountState(row["state"]), row["actor_id"])


def _check(handle: str, name: str, password: str, shortest: int) -> None:
    if not _HANDLE.fullmatch(handle):
        raise InvalidInput("A handle is 1-40 lower-case letters, digits, dots, dashes or underscores.", field="handle")
    if not name.strip() or len(name) > 120:
        raise InvalidInput("A name has 1-120 characters.", field="name")
    if len(password) < shortest:
        raise InvalidInput("A password has at least %(least)s characters.", values={"least": shortest}, field="password")
