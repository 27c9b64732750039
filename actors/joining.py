"""Joining, the applicant's side: she asks for a link by mail, fills in what is asked step by step, hands it in, and sees behind
her link what becomes of it.

Whoever asks for a link is answered the same and costs the same, whether or not there is an application or an account with that
address; the link goes to whoever reads its mail. Nothing here decides.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import msgspec

from actors import mails
from actors.applications import (
    APPLICATION_STATES,
    Application,
    ApplicationKind,
    ApplicationState,
    by_id,
    by_token,
)
from actors.invitations import usable
from actors.lapsing import Lapsing
from actors.mails import MailKind, Recipient, WaitingMail
from actors.models import Account, Actor
from actors.postoffice import UNWANTED, Rule
from actors.progress import Progress, is_edited, progress_of
from actors.statements import Entry, Person, Statements
from core.clock import Clock
from core.countries import CountryPack
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput, NotFound, TooMany
from core.ids import Ids
from core.mailaddress import mail_address
from core.settings import Settings
from core.throttle import count, network_of
from core.vault import KeyVault, token_hash
from core.words import Phrase

APPEAL_LIMIT = 2_000
"""The most characters of an appeal."""

_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # nothing that could be read as something else
_PER_NETWORK = 10  # a hospital's
_IN_ALL = 200  # what a flood from everywhere may leave behind
_LINKS_A_DAY = 5  # more would be mail to somebody who did not ask for it
_DAY_MS = 86_400_000
_OPEN = "state IN ('draft', 'submitted', 'asked')"
_DECIDED = "state IN ('accepted', 'rejected')"


class Joining:
    """Takes applications in; `lapsing` forgets them."""

    def __init__(self, database: Database, vault: KeyVault, clock: Clock, ids: Ids, pack: CountryPack, settings: Settings,
                 lapsing: Lapsing) -> None:
        self._database, self._vault, self._clock, self._ids = database, vault, clock, ids
        self._settings, self._window = settings.joining, settings.accounts.login_window_seconds * 1000
        self.lapsing, self.statements = lapsing, Statements(pack, vault)

    async def ask(self, address: str, language: str, network: str, invitation: str = "") -> None:
        """Have a link sent to an address: to its application, or to a new one. `InvalidInput` for what is no address, `TooMany`
        for too many from one network; whatever else is the case, nobody learns of it."""
        address = mail_address(address)
        limits = {f"join:{network_of(network)}": _PER_NETWORK, "joins": _IN_ALL}

        def write(tx: Tx) -> int | None:
            now = self._clock.ms()
            wait = count(tx, limits, now, self._window)
            if wait is None:
                self._link(tx, address, language, usable(tx, invitation, now), now)
            return wait

        wait = await self._database.write(write)
        if wait is not None:
            raise TooMany("Too many people have asked for links from your network. Please try again in a while.",
                          retry_after=wait)

    def token(self, application_id: int) -> str:
        """The secret of an application's link."""
        return self._vault.token_for(f"application {application_id}")

    async def progress(self, token: str) -> Progress:
        """How an application stands; `NotFound` for a link that leads nowhere."""
        return await self._database.read(lambda tx: self._progress(tx, _found(tx, token)))

    async def confirm(self, token: str) -> None:
        """Its applicant reads the mail that comes to her address; a second time changes nothing."""
        def write(tx: Tx) -> None:
            found = _found(tx, token)
            if found.confirmed_at is None and found.state == ApplicationState.DRAFT:
                _set(tx, found.id, confirmed_at=self._clock.ms(), touched_at=self._clock.ms())

        await self._database.write(write)

    async def say_who(self, token: str, person: Person, language: str) -> None:
        """Her name, role and specialties. `InvalidInput` names the field; so below."""
        said = self.statements.person(person)
        await self._edit(token, language, lambda _: {
            "name": said.name, "birth_name": said.birth_name, "role": said.role,
            "specialties": msgspec.json.encode(said.specialties).decode()})

    async def say_number(self, token: str, entry: Entry, language: str) -> None:
        """Where she is registered, and what else her country asks. A number that does not fit is taken all the same."""
        def said(application: Application) -> dict[str, object]:
            whole = self.statements.entry(entry, application.role)
            return {"register": whole.register, "chamber": whole.chamber, "number": whole.number,
                    "number_key": self.statements.number_key(whole.register, whole.number),
                    "answers": msgspec.json.encode(whole.answers).decode()}

        await self._edit(token, language, said)

    async def consent(self, token: str, given: frozenset[str], invitation: str, language: str) -> None:
        """What she agrees to and promises; all of it, or nothing is stored. An invitation may be left out."""
        def said(tx: Tx, application: Application) -> dict[str, object]:
            now = self._clock.ms()
            changes: dict[str, object] = {"consents": msgspec.json.encode(self.statements.consents(given, now)).decode()}
            if invitation.strip():
                changes["invitation_id"] = usable(tx, invitation, now, application.id)
                if changes["invitation_id"] is None:
                    raise InvalidInput("This invitation does not work, or not any more. You can leave it out: it proves nothing.",
                                       field="invitation")
            return changes

        await self._edit_in(token, language, said)

    async def hand_in(self, token: str) -> None:
        """From now on operators look at it. `InvalidInput` for what is not whole; its field is the step."""
        def write(tx: Tx) -> None:
            found = _found(tx, token)
            self._check_edited(found)
            if missing := self._progress(tx, found).missing:
                raise InvalidInput("Something is still missing. Please complete the step that is marked.", field=missing)
            self._move(tx, found, ApplicationState.SUBMITTED, submitted_at=self._clock.ms())

        await self._database.write(write)

    async def appeal(self, token: str, text: str) -> None:
        """Have a rejected application looked at once more."""
        text = text.replace("\0", "").replace("\r\n", "\n").strip()
        if not 0 < len(text) <= APPEAL_LIMIT:
            raise InvalidInput("Say in 1 to %(most)s characters why the decision should be another one.",
                               values={"most": APPEAL_LIMIT}, field="appeal")

        def write(tx: Tx) -> None:
            found = _found(tx, token)
            progress = self._progress(tx, found)
            if progress.appeal_until is None:
                raise Conflict("There is no appeal against this, or not any more.")
            self._move(tx, found, ApplicationState.SUBMITTED, submitted_at=self._clock.ms(), appeal=text, decided_at=None)

        await self._database.write(write)

    async def withdraw(self, token: str) -> None:
        """She does not want to join any more: what she has handed in is deleted now."""
        def write(tx: Tx) -> None:
            found = _found(tx, token)
            self._move(tx, found, ApplicationState.WITHDRAWN, decided_at=self._clock.ms())
            self.lapsing.forget(tx, found)

        await self._database.write(write)

    async def renew(self, account: Account, actor: Actor) -> str:
        """The link of the application that renews a doctor's badge; there is at most one, begun with what is known of her."""
        def write(tx: Tx) -> str:
            row = tx.row(f"SELECT id FROM applications WHERE account_id = ? AND kind = ? AND {_OPEN}",
                         (account.id, ApplicationKind.RENEWAL))
            if row is not None:
                return self.token(row["id"])
            now, number = self._clock.ms(), self._ids.new()
            box = tx.row("SELECT address FROM mailboxes WHERE account_id = ?", (account.id,))
            address = box["address"] if box is not None else ""
            self._begin(tx, number, ApplicationKind.RENEWAL, address, account.language, None, now)
            _set(tx, number, account_id=account.id, confirmed_at=now, name=actor.name, role=actor.badge.role,
                 specialties=msgspec.json.encode(actor.badge.specialties).decode())
            return self.token(number)

        return await self._database.write(write)

    def _link(self, tx: Tx, address: str, language: str, invitation: int | None, now: int) -> None:
        """The application of an address gets another mail with its link, at most some a day; else there is a new one. Both take
        the same statements."""
        row = tx.row(f"SELECT id FROM applications WHERE address = ? AND kind = ? AND ({_OPEN} OR {_DECIDED} AND decided_at > ?)"
                     " ORDER BY id DESC LIMIT 1",
                     (address, ApplicationKind.JOINING, now - self._settings.document_days * _DAY_MS))
        number = row["id"] if row is not None else self._ids.new()
        self._begin(tx, number, ApplicationKind.JOINING, address, language, invitation, now)
        [sent] = tx.rows("SELECT count(*) AS made, count(CASE WHEN state = 'pending' THEN 1 END) AS waiting FROM mails"
                         " WHERE application_id = ? AND kind = ? AND created_at > ?",
                         (number, MailKind.APPLICATION, now - _DAY_MS))
        if not sent["waiting"] and sent["made"] < _LINKS_A_DAY:
            mails.enqueue(tx, self._ids, None, MailKind.APPLICATION, number, now, application_id=number)

    def _begin(self, tx: Tx, number: int, kind: ApplicationKind, address: str, language: str, invitation: int | None,
               now: int) -> None:
        """A new application; of one that is there, only the invitation, if it has none."""
        letters = "".join(secrets.choice(_ALPHABET) for _ in range(8))
        tx.run("INSERT INTO applications (id, reference, kind, state, token_hash, language, address, invitation_id, created_at,"
               " touched_at) VALUES (?, ?, ?, 'draft', ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
               " invitation_id = coalesce(applications.invitation_id, excluded.invitation_id)",
               (number, f"{letters[:4]}-{letters[4:]}", kind, token_hash(self.token(number)), language, address, invitation,
                now, now))

    def _progress(self, tx: Tx, application: Application) -> Progress:
        return progress_of(tx, application, self.statements, self._settings.document_days * _DAY_MS, self._clock.ms())

    async def _edit(self, token: str, language: str, said: Callable[[Application], dict[str, object]]) -> None:
        await self._edit_in(token, language, lambda _, application: said(application))

    async def _edit_in(self, token: str, language: str, said: Callable[[Tx, Application], dict[str, object]]) -> None:
        """Store a step while she may still change it."""
        def write(tx: Tx) -> None:
            found = _found(tx, token)
            self._check_edited(found)
            _set(tx, found.id, **said(tx, found), language=language, touched_at=self._clock.ms())

        await self._database.write(write)

    def _check_edited(self, application: Application) -> None:
        if not is_edited(application.state):
            raise Conflict("This application is “%(state)s”: what is in it cannot be changed now.",
                           values={"state": Phrase(application.state)})
        if application.confirmed_at is None:
            raise Conflict("First confirm your mail address.")

    def _move(self, tx: Tx, application: Application, to: ApplicationState, **changes: object) -> None:
        APPLICATION_STATES.check(application.state, to)
        _set(tx, application.id, state=to, touched_at=self._clock.ms(), **changes)


def _found(tx: Tx, token: str) -> Application:
    found = by_token(tx, token)
    if found is None:
        raise NotFound("This link leads nowhere, or not any more. You can ask for another one.")
    return found


def _set(tx: Tx, application_id: int, **changes: object) -> None:
    """Change columns of an application; their names are this module's own."""
    tx.run(f"UPDATE applications SET {', '.join(f'{name} = ?' for name in changes)} WHERE id = ?",
           (*changes.values(), application_id))


def _recipient(tx: Tx, mail: WaitingMail, now: int) -> Recipient | Phrase:
    """Who has applied, as long as there is an address to send it to."""
    found = by_id(tx, mail.application_id or 0)
    if found is None or not found.address:  # withdrawn, or lapsed
        return UNWANTED
    return Recipient(found.address, found.language)


MAILS = {MailKind.APPLICATION: Rule(_recipient)}
