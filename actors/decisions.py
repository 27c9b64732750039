"""Deciding about applications: verify, ask for more, reject; alone, or as the first and the second of two operators.

Whoever has invited somebody, or is herself who applies, does not decide; nor does whoever has rejected an application that comes
back with an appeal, as long as there is another operator. All of it is written down with method and evidence, in the same
transaction as what it means: an account with its actor, another state, a mail.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec

from actors import identities, mails, verifications
from actors.accounts import Accounts, NewDoctor
from actors.applications import APPLICATION_STATES, Application, ApplicationKind, ApplicationState, by_reference
from actors.links import Links, Purpose
from actors.mailboxes import Mailboxes
from actors.mails import MailKind
from actors.models import Role
from actors.verifications import NOTHING, Method, Seen, Step
from core.audit import Audit
from core.clock import Clock
from core.countries import specialties
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.i18n import is_language
from core.ids import Ids
from core.settings import Joining
from core.vault import hash_password, token
from core.words import N_, Phrase
from federation.siblings import check_named

TEXT_LIMIT = 2_000
"""The most characters of evidence, of a register's words, and of a sentence for the applicant."""
WANTED = {
    "number": N_("Your number in the register, as it stands on your card or in your chamber's letters."),
    "register": N_("An entry in the public register, or a letter of your chamber that confirms it: we could not find you there."),
    "diploma": N_("Your diploma or licence to practise, all pages."),
    "student-card": N_("A student card or a certificate of enrolment that is valid today."),
    "identity": N_("A card or passport that shows your name; cover everything else."),
    "name": N_("A document that shows why your name is another one than in the register."),
    "readable": N_("A picture or file that can be read to its edges: what we have is too dark, cut off or blurred."),
    "recent": N_("A document of the last three months: what we have is too old."),
    "standing": N_("A certificate of good standing of the country where you practised before."),
    "specialty": N_("The certificate of your specialty."),
}
"""What can be asked for, by its code, as the applicant reads it in her language."""
REASONS = {
    "no-doctor": N_("What you handed in does not show that you are a doctor, a resident or a student of medicine."),
    "not-found": N_("We could not find you in the register, and nothing else showed that you are in it."),
    "not-yours": N_("We could not see that the number or the document is yours."),
    "other-country": N_("You practise in another country: please apply at its instance."),
    "struck-off": N_("The register says that you may not practise at present."),
    "unanswered": N_("What we asked for did not come."),
    "double": N_("You have an account here already."),
    "changed": N_("A document was changed, or is not genuine."),
}
"""Why somebody is rejected, by its code, as she reads it in her language."""


class Acceptance(msgspec.Struct, frozen=True, tag="accept"):
    """Verify her as this, until then (ms; None: no end), under this handle (of a renewal: the one she has)."""

    role: Role
    specialties: tuple[str, ...]
    until: int | None
    method: Method
    evidence: str
    register_text: str = ""
    handle: str = ""


class Rejection(msgspec.Struct, frozen=True, tag="reject"):
    """A code of `REASONS`, and a sentence of the operator's own that she reads on her page; what was seen where."""

    reason: str
    note: str = ""
    method: Method = Method.OTHER
    evidence: str = ""


Decision = Acceptance | Rejection
_DECISION = msgspec.json.Decoder(Decision)


class Proposal(NamedTuple):
    """What a first operator wants decided."""

    decision: Decision
    by: str
    at: int


class Asked(NamedTuple):
    """What an applicant was asked for: codes of `WANTED`, and a sentence of the operator's own."""

    wanted: tuple[str, ...]
    note: str
    by: str
    at: int


class Decisions:
    """Decides. `by` is an operator's handle, or whoever sits at the machine; `seen` is when the applicant had last touched what
    was looked at (ms; None: not compared)."""

    def __init__(self, database: Database, accounts: Accounts, mailboxes: Mailboxes, links: Links, clock: Clock, ids: Ids,
                 audit: Audit, settings: Joining) -> None:
        self._database, self._accounts, self._mailboxes, self._links = database, accounts, mailboxes, links
        self._clock, self._ids, self._audit, self._settings = clock, ids, audit, settings

    async def decide(self, reference: str, decision: Decision, by: str, seen: int | None = None) -> ApplicationState:
        """Verify or reject; where two operators decide this proposes it. The application's state afterwards. `Refused` for
        whoever may not decide about her, `Conflict` where it is not waiting any more or has changed meanwhile."""
        _check(decision, self._clock.ms())
        hashed = await asyncio.to_thread(hash_password, token())  # nobody knows it: she chooses one with the link she is sent

        def write(tx: Tx) -> ApplicationState:
            application = self._open(tx, reference, by, seen)
            if self._settings.four_eyes:
                check_named(by)
                return self._propose(tx, application, decision, by)
            return self._carry_out(tx, application, decision, by, "", hashed)

        return await self._database.write(write)

    async def confirm(self, reference: str, by: str) -> ApplicationState:
        """The second operator agrees: what was proposed is done."""
        hashed = await asyncio.to_thread(hash_password, token())

        def write(tx: Tx) -> ApplicationState:
            application, made = self._proposed(tx, reference, by)
            tx.run("DELETE FROM application_proposals WHERE application_id = ?", (application.id,))
            return self._carry_out(tx, application, made.decision, by, made.by, hashed)

        return await self._database.write(write)

    async def decline(self, reference: str, reason: str, by: str) -> None:
        """The second operator does not agree: nothing is done, and the application waits again."""
        if not reason.strip():
            raise InvalidInput("Say why: your colleague reads it.", field="reason")

        def write(tx: Tx) -> None:
            application, made = self._proposed(tx, reference, by)
            tx.run("DELETE FROM application_proposals WHERE application_id = ?", (application.id,))
            self._record(tx, application, Step.DECLINED, by, proposed_by=made.by, reason=reason.strip()[:TEXT_LIMIT])
            self._audit.note(tx, by=by, action="application.declined", target=application.reference)

        await self._database.write(write)

    async def ask(self, reference: str, wanted: tuple[str, ...], note: str, by: str, seen: int | None = None) -> None:
        """Ask an applicant for more. What it is stands on her page; the mail says only that there is something."""
        codes = tuple(code for code in WANTED if code in wanted)
        if len(codes) != len(set(wanted)) or not (codes or note.strip()):
            raise InvalidInput("Choose what is missing, or say it in a sentence.", field="wanted")
        _check_text(note, "note")

        def write(tx: Tx) -> None:
            application = self._open(tx, reference, by, seen)
            now = self._clock.ms()
            self._move(tx, application, ApplicationState.ASKED, now, decided=False)
            tx.run("UPDATE applications SET touched_at = ? WHERE id = ?", (now, application.id))  # her time to answer begins
            tx.run("INSERT INTO application_requests (id, application_id, wanted, note, by, at) VALUES (?, ?, ?, ?, ?, ?)",
                   (self._ids.new(), application.id, msgspec.json.encode(codes).decode(), note.strip(), by, now))
            self._record(tx, application, Step.ASKED, by, reason=" ".join(codes))
            self._audit.note(tx, by=by, action="application.asked", target=application.reference, detail=" ".join(codes))
            mails.enqueue(tx, self._ids, None, MailKind.ASKED, application.id, now, application_id=application.id)

        await self._database.write(write)

    def _open(self, tx: Tx, reference: str, by: str, seen: int | None) -> Application:
        """An application that this operator may decide about now."""
        application = _found(tx, reference)
        refuse_partial(tx, application, by)
        if application.state not in (ApplicationState.SUBMITTED, ApplicationState.ASKED):
            raise Conflict("This application is “%(state)s”: nothing is to be decided.", values={
                "state": Phrase(application.state)}, reason="state")
        if seen is not None and seen != application.touched_at:
            raise Conflict("The applicant has changed something since you opened this page: look at it once more.",
                           reason="changed")
        if proposal(tx, application.id) is not None:
            raise Conflict("Another operator has proposed a decision: confirm or refuse that first.", reason="proposed")
        return application

    def _propose(self, tx: Tx, application: Application, decision: Decision, by: str) -> ApplicationState:
        if isinstance(decision, Acceptance) and application.kind == ApplicationKind.JOINING:
            self._accounts.check_handle(tx, decision.handle)
        now = self._clock.ms()
        tx.run("INSERT INTO application_proposals (application_id, decision, by, at) VALUES (?, ?, ?, ?)",
               (application.id, msgspec.json.encode(decision).decode(), by, now))
        self._record(tx, application, Step.PROPOSED, by)
        self._audit.note(tx, by=by, action="application.proposed", target=application.reference)
        return application.state

    def _proposed(self, tx: Tx, reference: str, by: str) -> tuple[Application, Proposal]:
        check_named(by)
        application = _found(tx, reference)
        refuse_partial(tx, application, by)
        made = proposal(tx, application.id)
        if made is None:
            raise Conflict("Nothing is proposed here any more.", reason="state")
        if made.by == by:
            raise Refused("You proposed this yourself: another operator confirms it.", reason="four-eyes")
        return application, made

    def _carry_out(self, tx: Tx, application: Application, decision: Decision, by: str, proposed_by: str,
                   hashed: str) -> ApplicationState:
        if isinstance(decision, Rejection):
            self._reject(tx, application, decision, by, proposed_by)
            return ApplicationState.REJECTED
        self._accept(tx, application, decision, by, proposed_by, hashed)
        return ApplicationState.ACCEPTED

    def _reject(self, tx: Tx, application: Application, decision: Rejection, by: str, proposed_by: str) -> None:
        now = self._clock.ms()
        self._move(tx, application, ApplicationState.REJECTED, now)
        tx.run("INSERT INTO application_requests (id, application_id, wanted, note, by, at) VALUES (?, ?, '[]', ?, ?, ?)",
               (self._ids.new(), application.id, decision.note.strip(), by, now))
        self._record(tx, application, Step.REJECTED, by, seen=Seen(decision.method, decision.evidence), reason=decision.reason,
                     proposed_by=proposed_by)
        self._audit.note(tx, by=by, action="application.rejected", target=application.reference, detail=decision.reason)
        mails.enqueue(tx, self._ids, None, MailKind.REJECTED, application.id, now, application_id=application.id)

    def _accept(self, tx: Tx, application: Application, decision: Acceptance, by: str, proposed_by: str, hashed: str) -> None:
        now = self._clock.ms()
        self._move(tx, application, ApplicationState.ACCEPTED, now)
        if application.kind == ApplicationKind.RENEWAL and application.account_id is not None:
            account_id, step = application.account_id, Step.RENEWED
            handle = self._accounts.renew(tx, account_id, decision.role, decision.specialties, decision.method, decision.evidence,
                                          decision.until, now)
            mails.enqueue(tx, self._ids, account_id, MailKind.RENEWED, account_id, now)
        else:
            step, handle = Step.VERIFIED, decision.handle
            language = application.language if is_language(application.language) else ""
            account_id, _ = self._accounts.admit(tx, NewDoctor(
                handle, application.name, "", decision.role, decision.specialties, decision.method, decision.evidence), hashed,
                decision.until, now, language)
            self._mailboxes.adopt(tx, account_id, application.address, now)
            tx.run("UPDATE applications SET account_id = ? WHERE id = ?", (account_id, application.id))
            identities.carry_over(tx, application.id, account_id, now)
            mails.enqueue(tx, self._ids, account_id, MailKind.ACCEPTED,
                          self._links.issue(tx, account_id, Purpose.WELCOME, now), now)
        self._record(tx, application, step, by, account_id=account_id, role=decision.role,
                     seen=Seen(decision.method, decision.evidence, decision.register_text), until=decision.until,
                     proposed_by=proposed_by)
        self._audit.note(tx, by=by, action="application.accepted", target=application.reference, detail=f"@{handle}")

    def _move(self, tx: Tx, application: Application, to: ApplicationState, now: int, *, decided: bool = True) -> None:
        APPLICATION_STATES.check(application.state, to)
        tx.run("UPDATE applications SET state = ?, decided_at = ? WHERE id = ?", (to, now if decided else None, application.id))

    def _record(self, tx: Tx, application: Application, step: Step, by: str, *, account_id: int | None = None, role: str = "",
                seen: Seen = NOTHING, until: int | None = None, reason: str = "", proposed_by: str = "") -> None:
        verifications.record(
            tx, self._ids, step, by=by, at=self._clock.ms(), account_id=account_id or application.account_id,
            application_id=application.id, role=role, seen=seen, number_key=application.number_key, until=until, reason=reason,
            proposed_by=proposed_by)


def refuse_partial(tx: Tx, application: Application, by: str) -> None:
    """`Refused` for an operator who is not to decide about an application, with the sentence that says why."""
    row = tx.row("SELECT doctor_id FROM accounts WHERE handle = ? AND kind = 'operator'", (by,))
    doctor = row["doctor_id"] if row is not None else None
    if doctor is not None and doctor == application.account_id:
        raise Refused("This is about yourself: another operator decides.", reason="partial")
    inviter = tx.row("SELECT account_id FROM invitations WHERE id = ?", (application.invitation_id,))
    if doctor is not None and inviter is not None and inviter["account_id"] == doctor:
        raise Refused("You have invited her: another operator decides.", reason="partial")
    if application.appeal and by in _rejected_by(tx, application) and _others(tx, by):
        raise Refused("She appeals against what you decided: another operator looks at it.", reason="partial")


def proposal(tx: Tx, application_id: int) -> Proposal | None:
    """What is proposed about an application, if anything."""
    row = tx.row("SELECT decision, by, at FROM application_proposals WHERE application_id = ?", (application_id,))
    return Proposal(_DECISION.decode(row["decision"]), row["by"], row["at"]) if row is not None else None


def asked(tx: Tx, application_id: int) -> Asked | None:
    """What an applicant was asked for the last time, or was told with a rejection."""
    row = tx.row("SELECT wanted, note, by, at FROM application_requests WHERE application_id = ? ORDER BY id DESC LIMIT 1",
                 (application_id,))
    return Asked(msgspec.json.decode(row["wanted"], type=tuple[str, ...]), row["note"], row["by"], row["at"]) \
        if row is not None else None


def rejected_for(tx: Tx, application_id: int) -> str:
    """The code in `REASONS` of the last rejection; nothing where there is none."""
    row = tx.row("SELECT reason FROM verifications WHERE application_id = ? AND what = 'rejected' ORDER BY id DESC LIMIT 1",
                 (application_id,))
    return row["reason"] if row is not None else ""


def _rejected_by(tx: Tx, application: Application) -> set[str]:
    return {name for row in tx.rows("SELECT by, proposed_by FROM verifications WHERE application_id = ? AND what = 'rejected'",
                                    (application.id,)) for name in row}


def _others(tx: Tx, by: str) -> bool:
    """Whether there is another operator."""
    return tx.row("SELECT 1 FROM accounts WHERE kind = 'operator' AND state = 'verified' AND handle <> ?", (by,)) is not None


def _found(tx: Tx, reference: str) -> Application:
    application = by_reference(tx, reference)
    if application is None or application.state in (ApplicationState.DRAFT, ApplicationState.LAPSED):
        raise NotFound("There is no application %(reference)s.", values={"reference": reference.strip().upper()[:20]})
    return application


def _check(decision: Decision, now: int) -> None:
    """`InvalidInput` for a decision that cannot be written down."""
    if isinstance(decision, Rejection):
        if decision.reason not in REASONS:
            raise InvalidInput("Choose a reason.", field="reason")
        _check_text(decision.note, "note")
        _check_text(decision.evidence, "evidence")
        return
    if decision.role not in (Role.DOCTOR, Role.RESIDENT, Role.STUDENT):
        raise InvalidInput("Choose doctor, resident or student.", field="role")
    if decision.role != Role.DOCTOR and decision.until is None:
        raise InvalidInput("Residents and students are verified until a day.", field="until")
    if decision.until is not None and decision.until <= now:
        raise InvalidInput("This day lies behind us.", field="until")
    if unknown := [code for code in decision.specialties if code not in specialties()]:
        raise InvalidInput("There is no specialty %(code)s.", values={"code": unknown[0]}, field="specialty")
    if not decision.evidence.strip():
        raise InvalidInput("Write down what you have seen: it is what can be checked later.", field="evidence")
    if decision.method == Method.REGISTER and not decision.register_text.strip():
        raise InvalidInput("Copy what stands in the register, word for word.", field="register_text")
    _check_text(decision.evidence, "evidence")
    _check_text(decision.register_text, "register_text")


def _check_text(text: str, field: str) -> None:
    if len(text) > TEXT_LIMIT:
        raise InvalidInput("The text has %(count)s characters; at most %(most)s are possible.",
                           values={"count": len(text), "most": TEXT_LIMIT}, field=field)
