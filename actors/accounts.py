"""Accounts of this instance: made by operators, verified, rejected, suspended and listed by them.

The badge in `actors` follows the account: it begins when somebody verifies the doctor and ends when she is suspended. The
siblings are told when it ends and when it holds again; before it has begun nobody there can have met her.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from actors import mails, verifications
from actors.handles import is_reserved
from actors.mails import MailKind
from actors.models import Account, AccountState, Actor, Badge, Role
from actors.passwords import Passwords
from actors.profiles import announce
from actors.relations import follow_topics
from actors.store import SESSIONS, by_ids, save
from actors.verifications import Seen, Step, how_of, term
from core.audit import Audit
from core.clock import Clock
from core.countries import specialties
from core.database import Database, IntegrityError, Row, Tx
from core.errors import Conflict, InvalidInput, NotFound
from core.i18n import is_language
from core.ids import Ids, public
from core.settings import Joining
from core.states import StateGraph
from core.vault import KeyVault
from core.words import Phrase
from federation import due
from federation.identity import Identity
from federation.lanes import FRESH, URGENT
from federation.listed import sent_to

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
            " FROM accounts a JOIN actors p ON p.id = a.actor_id AND a.kind = 'doctor'")


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
                 passwords: Passwords, joining: Joining) -> None:
        self._database, self._identity, self._clock, self._ids, self._audit = database, identity, clock, ids, audit
        self._vault, self._passwords, self._joining = vault, passwords, joining

    async def add_doctor(self, new: NewDoctor, by: str = "cli") -> Actor:
        """A doctor with her actor; `InvalidInput` or `Conflict` says what is wrong, and nothing was added."""
        _check(new.handle, new.name)
        unknown = [code for code in new.specialties if code not in specialties()]
        if unknown:
            raise InvalidInput("There is no specialty %(code)s.", values={"code": unknown[0]}, field="specialty")
        if bool(new.method) != bool(new.evidence):
            raise InvalidInput("A verification needs both its method and its evidence.", field="evidence")
        now, number = self._clock.ms(), self._ids.new()
        badge = Badge(new.role, new.specialties, self._identity.country, self._identity.name, 0)
        if new.method:
            badge = self._begun(badge, now, new.method)
        actor = Actor(number, f"{self._identity.origin}/actors/{public(number)}", new.handle, self._identity.domain,
                      new.name.strip(), badge)
        state = AccountState.VERIFIED if new.method else AccountState.APPLICANT
        hashed = await self._passwords.made(new.password, (new.handle, new.name, self._identity.name))

        def store(tx: Tx) -> None:
            save(tx, actor, now)
            follow_topics(tx, actor.id, dict.fromkeys(new.specialties), now)
            made = self._account(tx, new.handle, actor.name, "doctor", state, actor.id, hashed, new.method, new.evidence)
            if new.method:
                verifications.record(tx, self._ids, Step.VERIFIED, by=by, at=now, account_id=made, role=new.role,
                                     seen=Seen(new.method, new.evidence), until=badge.until)
            self._audit.note(tx, by=by, action=f"doctor.{state}", target=new.handle, detail=new.method)

        await self._write(store, new.handle)
        return actor

    def admit(self, tx: Tx, new: NewDoctor, hashed: str, until: int | None, now: int, language: str = "") -> tuple[int, Actor]:
        """An account with its actor for somebody who was verified, within the transaction of that decision; `Conflict` where the
        handle is taken. `hashed` is a password's hash; her account's id and the actor."""
        _check(new.handle, new.name)
        self.check_handle(tx, new.handle)
        number = self._ids.new()
        badge = Badge(new.role, new.specialties, self._identity.country, self._identity.name, now, until, how_of(new.method))
        actor = Actor(number, f"{self._identity.origin}/actors/{public(number)}", new.handle, self._identity.domain,
                      new.name.strip(), badge)
        save(tx, actor, now)
        follow_topics(tx, actor.id, dict.fromkeys(new.specialties), now)
        made = self._account(tx, new.handle, actor.name, "doctor", AccountState.VERIFIED, actor.id, hashed, new.method,
                             new.evidence, language)
        return made, actor

    def check_handle(self, tx: Tx, handle: str) -> None:
        """`InvalidInput` for a handle that cannot be one, `Conflict` for one that is taken."""
        _check(handle, handle)
        if tx.row("SELECT 1 FROM accounts WHERE handle = ?", (handle,)) is not None or is_reserved(tx, self._vault, handle):
            raise _taken(handle)

    def check_name(self, tx: Tx, handle: str, name: str) -> None:
        """`InvalidInput` for a handle or a name that cannot be one, `Conflict` for a handle that is taken."""
        _check(handle, name)
        self.check_handle(tx, handle)

    def open_desk(self, tx: Tx, handle: str, desk: Actor, doctor_id: int) -> None:
        """An account for an editorial desk, within the transaction that makes the desk: without a password, so that nobody signs
        in to it. `doctor_id` is the account of the doctor who answers for it."""
        made = self._account(tx, handle, desk.name, "desk", AccountState.VERIFIED, desk.id, "", "", "")
        tx.run("UPDATE accounts SET doctor_id = ? WHERE id = ?", (doctor_id, made))

    def renew(self, tx: Tx, account_id: int, role: Role, specialties: tuple[str, ...], method: str, evidence: str,
              until: int | None, now: int) -> str:
        """A doctor was verified anew: her badge says so from now on, everywhere; her handle. Whoever is suspended has to be
        resumed first, which is another decision."""
        row = tx.row("SELECT * FROM accounts WHERE id = ?", (account_id,))
        actor = by_ids(tx, [row["actor_id"]]).get(row["actor_id"]) if row is not None and row["actor_id"] else None
        if row is None or actor is None:
            raise NotFound("There is no doctor %(handle)s.", values={"handle": row["handle"] if row is not None else ""})
        if row["state"] not in (AccountState.VERIFIED, AccountState.WITHDRAWN):
            raise Conflict("The account of %(handle)s is “%(state)s”.",
                           values={"handle": row["handle"], "state": Phrase(row["state"])})
        if row["state"] != AccountState.VERIFIED:
            ACCOUNT_STATES.check(row["state"], AccountState.VERIFIED)
            due.add(tx, AccountState.VERIFIED, row["handle"], now)
        tx.run("UPDATE accounts SET state = 'verified', method = ?, evidence = ? WHERE id = ?", (method, evidence, account_id))
        self._badge(tx, actor, msgspec.structs.replace(
            actor.badge, role=role, specialties=specialties, verified_on=now, until=until, how=how_of(method),
            verified_by=self._identity.name), now, FRESH)
        return str(row["handle"])

    async def add_operator(self, handle: str, name: str, password: str, by: str = "cli", doctor: str = "") -> None:
        """An operator: a login without an actor and without a timeline. `doctor` is her own handle where she is a doctor of this
        instance too, so that she decides nothing about herself or whom she has invited."""
        _check(handle, name)
        hashed = await self._passwords.made(password, (handle, name, self._identity.name))

        def store(tx: Tx) -> None:
            made = self._account(tx, handle, name.strip(), "operator", AccountState.VERIFIED, None, hashed, "", "")
            self._audit.note(tx, by=by, action="operator.added", target=handle)
            if doctor:
                self._link(tx, made, handle, doctor, by)

        await self._write(store, handle)

    async def link_operator(self, handle: str, doctor: str, by: str = "cli") -> None:
        """Note which doctor an operator is; an empty handle: none."""
        def store(tx: Tx) -> None:
            row = tx.row("SELECT id FROM accounts WHERE handle = ? AND kind = 'operator'", (handle,))
            if row is None:
                raise NotFound("There is no operator %(handle)s.", values={"handle": handle})
            self._link(tx, row["id"], handle, doctor, by)

        await self._database.write(store)

    def _link(self, tx: Tx, account_id: int, handle: str, doctor: str, by: str) -> None:
        row = tx.row("SELECT id FROM accounts WHERE handle = ? AND kind = 'doctor'", (doctor,)) if doctor else None
        if doctor and row is None:
            raise NotFound("There is no doctor %(handle)s.", values={"handle": doctor})
        tx.run("UPDATE accounts SET doctor_id = ? WHERE id = ?", (row["id"] if row is not None else None, account_id))
        self._audit.note(tx, by=by, action="operator.linked", target=handle, detail=doctor)

    async def approve(self, handle: str, method: str, evidence: str, by: str = "cli") -> None:
        """The proof of an applicant, or of somebody whose verification was taken back, was seen: from now on she is verified."""
        if not method.strip() or not evidence.strip():
            raise InvalidInput("A verification needs both its method and its evidence.", field="evidence")

        def begin(tx: Tx, account: Account, actor: Actor, now: int) -> None:
            tx.run("UPDATE accounts SET method = ?, evidence = ? WHERE id = ?", (method, evidence, account.id))
            badge = self._begun(actor.badge, now, method)
            verifications.record(tx, self._ids, Step.VERIFIED, by=by, at=now, account_id=account.id, role=badge.role,
                                 seen=Seen(method, evidence), until=badge.until)
            if account.state == AccountState.APPLICANT:  # nobody there can have met her
                save(tx, msgspec.structs.replace(actor, badge=badge), now)
            else:
                self._badge(tx, actor, badge, now, FRESH)

        await self._change(handle, AccountState.VERIFIED, (AccountState.APPLICANT, AccountState.WITHDRAWN), by, method, begin)

    async def look_again(self, handle: str, method: str, evidence: str, by: str = "cli") -> None:
        """An operator has looked at a verified doctor's proof anew, without an application: her badge begins again."""
        if not method.strip() or not evidence.strip():
            raise InvalidInput("A verification needs both its method and its evidence.", field="evidence")

        def write(tx: Tx) -> None:
            row = tx.row("SELECT id, actor_id, state FROM accounts WHERE handle = ? AND kind = 'doctor'", (handle,))
            actor = by_ids(tx, [row["actor_id"]]).get(row["actor_id"]) if row is not None else None
            if row is None or actor is None:
                raise NotFound("There is no doctor %(handle)s.", values={"handle": handle})
            if row["state"] != AccountState.VERIFIED:
                raise Conflict("The account of %(handle)s is “%(state)s”.",
                               values={"handle": handle, "state": Phrase(row["state"])})
            now, badge = self._clock.ms(), actor.badge
            until = term(badge.role, self._joining, now)
            self.renew(tx, row["id"], badge.role, badge.specialties, method, evidence, until, now)
            verifications.record(tx, self._ids, Step.RENEWED, by=by, at=now, account_id=row["id"], role=badge.role,
                                 seen=Seen(method, evidence), until=until)
            self._audit.note(tx, by=by, action="doctor.renewed", target=handle, detail=method)

        await self._database.write(write)

    async def reject(self, handle: str, reason: str, by: str = "cli") -> None:
        """An applicant's proof did not hold."""
        def end(tx: Tx, account: Account, actor: Actor, now: int) -> None:
            verifications.record(tx, self._ids, Step.REJECTED, by=by, at=now, account_id=account.id, reason=reason)
            _signed_out(tx, account, actor, now)

        await self._change(handle, AccountState.REJECTED, (AccountState.APPLICANT,), by, reason, end)

    async def suspend(self, handle: str, reason: str, by: str = "cli") -> None:
        """Her sessions end now, and so does her badge, everywhere; what she wrote stays."""
        await self._change(handle, AccountState.SUSPENDED, (AccountState.VERIFIED,), by, reason,
                           self._ending(Step.SUSPENDED, reason, by))

    async def withdraw(self, handle: str, reason: str, by: str = "cli") -> None:
        """Her verification is taken back: she was struck off, or the proof did not hold. To everybody else it looks as when she
        is suspended, or as when her badge has run out."""
        await self._change(handle, AccountState.WITHDRAWN, (AccountState.VERIFIED, AccountState.SUSPENDED), by, reason,
                           self._ending(Step.WITHDRAWN, reason, by))

    async def resume(self, handle: str, by: str = "cli") -> None:
        """A suspended doctor's badge holds again, as long as it would have without the suspension."""
        def go_on(tx: Tx, account: Account, actor: Actor, now: int) -> None:
            verifications.record(tx, self._ids, Step.RESUMED, by=by, at=now, account_id=account.id)
            decided = verifications.begun(tx, account.id)
            until = decided.until if decided is not None else None
            if until is None and actor.badge.role in (Role.RESIDENT, Role.STUDENT):  # verified by an older release
                until = term(actor.badge.role, self._joining, actor.badge.verified_on)
            self._badge(tx, actor, msgspec.structs.replace(actor.badge, until=until), now, FRESH)

        await self._change(handle, AccountState.VERIFIED, (AccountState.SUSPENDED,), by, "", go_on)

    async def doctor(self, handle: str) -> DoctorRow:
        """One doctor of this instance; `NotFound` when there is nobody of that name."""
        row = await self._database.read(lambda tx: tx.row(f"{_DOCTORS} WHERE a.handle = ?", (handle,)))
        if row is None:
            raise NotFound("There is no doctor %(handle)s.", values={"handle": handle})
        return DoctorRow(*row)

    async def reach(self, handle: str) -> dict[str, int]:
        """What ending a doctor's badge would touch: her sessions, her posts, polls she has voted in, countries that are told."""
        def look(tx: Tx) -> dict[str, int]:
            row = tx.row(
                "SELECT (SELECT count(*) FROM sessions WHERE account_id = a.id) AS sessions, (SELECT count(*) FROM posts WHERE"
                " author_id = a.actor_id AND erased_at IS NULL) AS posts, (SELECT count(DISTINCT post_id) FROM votes WHERE"
                " voter_id = a.actor_id) AS polls FROM accounts a WHERE a.handle = ?", (handle,))
            return (dict(row) if row is not None else {}) | {"countries": len(sent_to(tx))}

        return await self._database.read(look)

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

    def _ending(self, step: Step, reason: str, by: str) -> Callable[[Tx, Account, Actor, int], None]:
        """What ends a badge: one and the same for all who may not go on. She is told by mail that it has ended."""
        if not reason.strip():
            raise InvalidInput("Say why: it stays in what was decided about her.", field="reason")

        def end(tx: Tx, account: Account, actor: Actor, now: int) -> None:
            verifications.record(tx, self._ids, step, by=by, at=now, account_id=account.id, reason=reason.strip())
            until = now if actor.badge.until is None else min(actor.badge.until, now)
            self._badge(tx, actor, msgspec.structs.replace(actor.badge, until=until), now, URGENT)
            mails.enqueue(tx, self._ids, account.id, MailKind.ENDED, account.id, now)
            _signed_out(tx, account, actor, now)

        return end

    def _begun(self, badge: Badge, on: int, method: str) -> Badge:
        """The badge of somebody verified at `on`, for as long as this instance lets one hold."""
        return msgspec.structs.replace(badge, verified_on=on, until=term(badge.role, self._joining, on), how=how_of(method))

    async def _change(self, handle: str, to: AccountState, only_from: tuple[AccountState, ...], by: str, detail: str,
                      effect: Callable[[Tx, Account, Actor, int], None]) -> None:
        """Move a doctor's account along the graph, with what that means for her badge and sessions, in one transaction."""
        def change(tx: Tx) -> None:
            row = tx.row("SELECT * FROM accounts WHERE handle = ? AND kind = 'doctor'", (handle,))
            actor = by_ids(tx, [row["actor_id"]]).get(row["actor_id"]) if row is not None and row["actor_id"] else None
            if row is None or actor is None:
                raise NotFound("There is no doctor %(handle)s.", values={"handle": handle})
            if row["state"] not in only_from:
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
                 method: str, evidence: str, language: str = "") -> int:
        self.check_handle(tx, handle)
        number = self._ids.new()
        tx.run("INSERT INTO accounts (id, handle, name, kind, state, actor_id, password_hash, method, evidence, language,"
               " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
               (number, handle, name, kind, state, actor_id, hashed, method, evidence, language, self._clock.ms()))
        return number

    async def _write(self, store: Callable[[Tx], None], handle: str) -> None:
        try:
            await self._database.write(store)
        except IntegrityError:
            raise _taken(handle) from None


def account_from(row: Row) -> Account:
    return Account(row["id"], row["handle"], row["name"], row["kind"], AccountState(row["state"]), row["actor_id"],
                   row["language"])


def _signed_out(tx: Tx, account: Account, actor: Actor, now: int) -> None:
    for table in ("sessions", "app_tokens", "app_codes"):
        tx.run(f"DELETE FROM {table} WHERE account_id = ?", (account.id,))
    tx.wake(SESSIONS)


def _taken(handle: str) -> Conflict:
    """Of somebody who is here, or who has left: both have one answer."""
    return Conflict("The handle %(handle)s is taken.", values={"handle": handle}, field="handle")


def _check(handle: str, name: str) -> None:
    if not _HANDLE.fullmatch(handle):
        raise InvalidInput("A handle is 1-40 lower-case letters, digits, dots, dashes or underscores.", field="handle")
    if not name.strip() or len(name) > 120:
        raise InvalidInput("A name has 1-120 characters.", field="name")
