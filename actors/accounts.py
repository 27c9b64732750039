"""Accounts of this instance: made by operators, verified, rejected, suspended and listed by them.

The badge in `actors` follows the account: it begins when somebody verifies the doctor and ends when she is suspended. The
siblings are told when it ends and when it holds again; before it has begun nobody there can have met her.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from actors.handles import is_reserved
from actors.models import Account, AccountState, Actor, Badge, Role
from actors.profiles import announce
from actors.relations import follow_topics
from actors.store import by_ids, save
from core.audit import Audit
from core.clock import Clock
from core.countries import specialties
from core.database import Database, IntegrityError, Row, Tx
from core.errors import Conflict, InvalidInput, NotFound
from core.i18n import is_language
from core.ids import Ids, public
from core.settings import Accounts as AccountSettings
from core.states import StateGraph
from core.vault import KeyVault, hash_password
from core.words import Phrase
from federation import due
from federation.identity import Identity
from federation.lanes import FRESH, URGENT

ACCOUNT_STATES = StateGraph(
    name="account",
    states=tuple(AccountState),
    edges={
        "applicant": ("verified", "rejected", "departed"),
        "verified": ("suspended", "withdrawn", "departed"),
        "suspended": ("verified", "withdrawn", "departed"),
        "withdrawn": ("verified", "departed"),
        "rejected": ("applicant", "departed"),
    },
    initial="applicant",
)
_HANDLE = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?")
_DOCTORS = ("SELECT a.handle, a.name, p.role, p.specialties, a.state, a.method, p.verified_until, a.created_at"
            " FROM accounts a JOIN actors p ON p.id = a.actor_id")
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

    def __init__(self, database: Database, identity: Identity, vault: KeyVault, clock: Clock, ids: Ids, audit: Audit,
                 settings: AccountSettings) -> None:
        self._database, self._identity, self._clock, self._ids, self._audit = database, identity, clock, ids, audit
        self._vault, self._settings = vault, settings

    async def add_doctor(self, new: NewDoctor, by: str = "cli") -> Actor:
        """A doctor with her actor; `InvalidInput` or `Conflict` says what is wrong, and nothing was added."""
        _check(new.handle, new.name, new.password, self._settings.password_min_length)
        unknown = [code for code in new.specialties if code not in specialties()]
        if unknown:
            raise InvalidInput("There is no specialty %(code)s.", values={"code": unknown[0]}, field="specialty")
        if bool(new.method) != bool(new.evidence):
            raise InvalidInput("A verification needs both its method and its evidence.", field="evidence")
        now, number = self._clock.ms(), self._ids.new()
        badge = Badge(new.role, new.specialties, self._identity.country, self._identity.name, 0)
        if new.method:
            badge = _begun(badge, now)
        actor = Actor(number, f"{self._identity.origin}/actors/{public(number)}", new.handle, self._identity.domain,
                      new.name.strip(), badge)
        state = AccountState.VERIFIED if new.method else AccountState.APPLICANT
        hashed = await asyncio.to_thread(hash_password, new.password)

        def store(tx: Tx) -> None:
            save(tx, actor, now)
            follow_topics(tx, actor.id, dict.fromkeys(new.specialties), now)
            self._account(tx, new.handle, actor.name, "doctor", state, actor.id, hashed, new.method, new.evidence)
            self._audit.note(tx, by=by, action=f"doctor.{state}", target=new.handle, detail=new.method)

        await self._write(store, new.handle)
        return actor

    async def add_operator(self, handle: str, name: str, password: str, by: str = "cli") -> None:
        """An operator: a login without an actor and without a timeline."""
        _check(handle, name, password, self._settings.password_min_length)
        hashed = await asyncio.to_thread(hash_password, password)

        def store(tx: Tx) -> None:
            self._account(tx, handle, name.strip(), "operator", AccountState.VERIFIED, None, hashed, "", "")
            self._audit.note(tx, by=by, action="operator.added", target=handle)

        await self._write(store, handle)

    async def approve(self, handle: str, method: str, evidence: str, by: str = "cli") -> None:
        """An applicant's proof was seen: from now on she is verified."""
        if not method.strip() or not evidence.strip():
            raise InvalidInput("A verification needs both its method and its evidence.", field="evidence")

        def begin(tx: Tx, account: Account, actor: Actor, now: int) -> None:
            tx.run("UPDATE accounts SET method = ?, evidence = ? WHERE id = ?", (method, evidence, account.id))
            save(tx, msgspec.structs.replace(actor, badge=_begun(actor.badge, now)), now)

        await self._change(handle, AccountState.VERIFIED, AccountState.APPLICANT, by, method, begin)

    async def reject(self, handle: str, reason: str, by: str = "cli") -> None:
        """An applicant's proof did not hold."""
        await self._change(handle, AccountState.REJECTED, AccountState.APPLICANT, by, reason, _signed_out)

    async def suspend(self, handle: str, reason: str, by: str = "cli") -> None:
        """Her sessions end now, and so does her badge, everywhere; what she wrote stays."""
        def end(tx: Tx, account: Account, actor: Actor, now: int) -> None:
            until = now if actor.badge.until is None else min(actor.badge.until, now)
            self._badge(tx, actor, msgspec.structs.replace(actor.badge, until=until), now, URGENT)
            _signed_out(tx, account, actor, now)

        await self._change(handle, AccountState.SUSPENDED, AccountState.VERIFIED, by, reason, end)

    async def resume(self, handle: str, by: str = "cli") -> None:
        """A suspended doctor's badge holds again, as long as it would have without the suspension."""
        def go_on(tx: Tx, account: Account, actor: Actor, now: int) -> None:
            self._badge(tx, actor, _begun(actor.badge, actor.badge.verified_on), now, FRESH)

        await self._change(handle, AccountState.VERIFIED, AccountState.SUSPENDED, by, "", go_on)

    async def doctor(self, handle: str) -> DoctorRow:
        """One doctor of this instance; `NotFound` when there is nobody of that name."""
        row = await self._database.read(lambda tx: tx.row(f"{_DOCTORS} WHERE a.handle = ?", (handle,)))
        if row is None:
            raise NotFound("There is no doctor %(handle)s.", values={"handle": handle})
        return DoctorRow(*row)

    async def doctors(self) -> tuple[DoctorRow, ...]:
        """All doctors of this instance by handle, but those who have left."""
        rows = await self._database.read(lambda tx: tx.rows(f"{_DOCTORS} WHERE a.state <> 'departed' ORDER BY a.handle"))
        return tuple(DoctorRow(*row) for row in rows)

    async def by_handle(self, handle: str) -> Account | None:
        row = await self._database.read(lambda tx: tx.row("SELECT * FROM accounts WHERE handle = ?", (handle,)))
        return account_from(row) if row is not None else None

    async def choose_language(self, account: Account, language: str) -> None:
        """Speak to somebody in this language from now on; '' is what her browser asks for."""
        if language and not is_language(language):
            raise InvalidInput("Choose one of the languages offered.", field="language")
        await self._database.write(lambda tx: tx.run("UPDATE accounts SET language = ? WHERE id = ?", (language, account.id)))

    async def _change(self, handle: str, to: AccountState, only_from: AccountState, by: str, detail: str,
                      effect: Callable[[Tx, Account, Actor, int], None]) -> None:
        """Move a doctor's account along the graph, with what that means for her badge and sessions, in one transaction."""
        def change(tx: Tx) -> None:
            row = tx.row("SELECT * FROM accounts WHERE handle = ?", (handle,))
            actor = by_ids(tx, [row["actor_id"]]).get(row["actor_id"]) if row is not None and row["actor_id"] else None
            if row is None or actor is None:
                raise NotFound("There is no doctor %(handle)s.", values={"handle": handle})
            if row["state"] != only_from:
                raise Conflict("The account of %(handle)s is “%(state)s”.",
                               values={"handle": handle, "state": Phrase(row["state"])})
            ACCOUNT_STATES.check(row["state"], to)
            tx.run("UPDATE accounts SET state = ? WHERE id = ?", (to, row["id"]))
            due.add(tx, to, handle, self._clock.ms())
            effect(tx, account_from(row), actor, self._clock.ms())
            self._audit.note(tx, by=by, action=f"doctor.{to}", target=handle, detail=detail)

        await self._database.write(change)

    def _badge(self, tx: Tx, actor: Actor, badge: Badge, now: int, lane: int) -> None:
        """Another badge for a doctor whom others may have met: they are told."""
        changed = msgspec.structs.replace(actor, badge=badge)
        save(tx, changed, now)
        announce(tx, self._identity, self._ids, changed, now, lane)

    def _account(self, tx: Tx, handle: str, name: str, kind: str, state: AccountState, actor_id: int | None, hashed: str,
                 method: str, evidence: str) -> None:
        if is_reserved(tx, self._vault, handle):
            raise _taken(handle)
        tx.run("INSERT INTO accounts (id, handle, name, kind, state, actor_id, password_hash, method, evidence, created_at)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
               (self._ids.new(), handle, name, kind, state, actor_id, hashed, method, evidence, self._clock.ms()))

    async def _write(self, store: Callable[[Tx], None], handle: str) -> None:
        try:
            await self._database.write(store)
        except IntegrityError:
            raise _taken(handle) from None


def account_from(row: Row) -> Account:
    return Account(row["id"], row["handle"], row["name"], row["kind"], AccountState(row["state"]), row["actor_id"],
                   row["language"])


def _begun(badge: Badge, on: int) -> Badge:
    """The badge of somebody verified at `on`; residents and students have it for some years only."""
    years = _YEARS.get(badge.role)
    return msgspec.structs.replace(badge, verified_on=on, until=on + years * _YEAR_MS if years else None)


def _signed_out(tx: Tx, account: Account, actor: Actor, now: int) -> None:
    tx.run("DELETE FROM sessions WHERE account_id = ?", (account.id,))


def _taken(handle: str) -> Conflict:
    """Of somebody who is here, or who has left: both have one answer."""
    return Conflict("The handle %(handle)s is taken.", values={"handle": handle}, field="handle")


def _check(handle: str, name: str, password: str, shortest: int) -> None:
    if not _HANDLE.fullmatch(handle):
        raise InvalidInput("A handle is 1-40 lower-case letters, digits, dots, dashes or underscores.", field="handle")
    if not name.strip() or len(name) > 120:
        raise InvalidInput("A name has 1-120 characters.", field="name")
    if len(password) < shortest:
        raise InvalidInput("A password has at least %(least)s characters.", values={"least": shortest}, field="password")
