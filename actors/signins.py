"""What happened to how somebody signs in: kept for her own eyes for half a year, told her by mail, and of operators audited."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from actors import mails
from actors.devices import NOWHERE, Visit
from actors.mails import MailKind, Recipient, WaitingMail
from actors.models import AccountState
from actors.postoffice import UNWANTED, Rule
from core.audit import Audit
from core.clock import Clock
from core.database import Tx
from core.ids import Ids
from core.words import N_, Phrase

KEPT_DAYS = 180
"""How long it is kept what happened."""
_DAY_MS = 86_400_000
_DEVICE_DAYS = 365
_MOST = 50
MAY_SIGN_IN = (AccountState.VERIFIED, AccountState.APPLICANT)
"""Whose accounts open a session; whose verification has run out still reads what she wrote."""


class Happened(StrEnum):
    """What can happen; `SAID` has it in words."""

    NEW_DEVICE = "new-device"
    GUESSED = "guessed"
    PASSWORD_CHANGED = "password-changed"
    PASSWORD_RESET = "password-reset"
    PASSWORD_GIVEN = "password-given"
    CODES_ON = "codes-on"
    CODES_OFF = "codes-off"
    RECOVERY_MADE = "recovery-made"
    RECOVERY_USED = "recovery-used"
    PASSKEY_ADDED = "passkey-added"
    PASSKEY_REMOVED = "passkey-removed"
    FACTORS_RESET = "factors-reset"
    APP_LET_IN = "app-let-in"
    APP_ENDED = "app-ended"


SAID = {
    Happened.NEW_DEVICE: N_("Somebody signed in with a browser that was not used before."),
    Happened.GUESSED: N_("Somebody knew the password and typed wrong codes. Change the password if it was not you."),
    Happened.PASSWORD_CHANGED: N_("The password was changed."),
    Happened.PASSWORD_RESET: N_("A new password was set with a link from a mail; all sessions ended."),
    Happened.PASSWORD_GIVEN: N_("The operators set a new password; all sessions ended."),
    Happened.CODES_ON: N_("Codes from an app are asked for from now on."),
    Happened.CODES_OFF: N_("Codes from an app are not asked for any more."),
    Happened.RECOVERY_MADE: N_("New recovery codes were made; older ones do not work any more."),
    Happened.RECOVERY_USED: N_("A recovery code was used."),
    Happened.PASSKEY_ADDED: N_("A passkey was added."),
    Happened.PASSKEY_REMOVED: N_("A passkey was removed."),
    Happened.FACTORS_RESET: N_("The operators removed the second factors; all sessions ended."),
    Happened.APP_LET_IN: N_("An app was let in; it reads and writes here as you allowed."),
    Happened.APP_ENDED: N_("An app was shut out."),
}
_MAILED = frozenset(Happened) - {Happened.NEW_DEVICE}


class SignInEvent(NamedTuple):
    """One thing that happened, when (ms), on which device and in which network."""

    what: Happened
    device: str
    network: str
    at: int


class SignIns:
    """Takes note within the transactions of whoever changes something."""

    def __init__(self, audit: Audit, clock: Clock, ids: Ids) -> None:
        self._audit, self._clock, self._ids = audit, clock, ids

    def note(self, tx: Tx, account_id: int, what: Happened, visit: Visit = NOWHERE, by: str = "") -> None:
        """Keep it and have it told; `by` is who did it, where that was not she herself."""
        now = self._clock.ms()
        tx.run("INSERT INTO sign_in_events (id, account_id, what, device, network, at) VALUES (?, ?, ?, ?, ?, ?)",
               (self._ids.new(), account_id, what, visit.device, visit.network, now))
        kind = MailKind.SECURED if what in _MAILED else MailKind.SIGNED_IN
        row = tx.row("SELECT a.handle, a.kind, m.address FROM accounts a LEFT JOIN mailboxes m ON m.account_id = a.id"
                     " WHERE a.id = ?", (account_id,))
        if row is None:
            return
        if row["address"]:
            mails.enqueue(tx, self._ids, account_id, kind, self._ids.new(), now, facts={"what": what, "device": visit.device})
        if row["kind"] == "operator":
            self._audit.note(tx, by=by or row["handle"], action="operator.secured", target=row["handle"], detail=what)
        elif by:
            self._audit.note(tx, by=by, action="doctor.secured", target=row["handle"], detail=what)


def prune(tx: Tx, now: int) -> None:
    """Forget what happened long ago, and browsers that nobody has used for a year."""
    tx.run("DELETE FROM sign_in_events WHERE at < ?", (now - KEPT_DAYS * _DAY_MS,))
    tx.run("DELETE FROM known_devices WHERE used_at < ?", (now - _DEVICE_DAYS * _DAY_MS,))


def lately(tx: Tx, account_id: int) -> tuple[SignInEvent, ...]:
    """What happened last, newest first."""
    return tuple(SignInEvent(Happened(what), *rest) for what, *rest in tx.rows(
        "SELECT what, device, network, at FROM sign_in_events WHERE account_id = ? ORDER BY id DESC LIMIT ?",
        (account_id, _MOST)))


def _recipient(tx: Tx, mail: WaitingMail, now: int) -> Recipient | Phrase:
    """Whoever can sign in, at the address she has confirmed, however often she wants to hear of other things."""
    row = tx.row("SELECT m.address, a.language, a.state FROM mailboxes m JOIN accounts a ON a.id = m.account_id"
                 " WHERE a.id = ?", (mail.account_id,))
    if row is None or not row["address"] or row["state"] not in MAY_SIGN_IN:
        return UNWANTED
    return Recipient(row["address"], row["language"])


MAILS = {MailKind.SIGNED_IN: Rule(_recipient), MailKind.SECURED: Rule(_recipient)}
