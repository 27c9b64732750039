"""Whom mails about how somebody stands go to: what became of her application, and that her verification runs out or has ended.

They say that something has happened and where to read it; why stands behind her link, or behind her sign-in.
"""

from __future__ import annotations

from actors.applications import ApplicationState
from actors.mailboxes import address_of
from actors.mails import MailKind, Recipient, WaitingMail
from actors.models import AccountState
from actors.postoffice import UNWANTED, Rule, may_be_mailed
from actors.store import by_ids
from core.database import Tx
from core.words import Phrase


def _applicant(tx: Tx, mail: WaitingMail, *states: ApplicationState) -> Recipient | Phrase:
    """The applicant, as long as her application is still where the mail says."""
    row = tx.row("SELECT address, language, state FROM applications WHERE id = ? AND confirmed_at IS NOT NULL",
                 (mail.application_id,))
    if row is None or not row["address"] or row["state"] not in states:
        return UNWANTED
    return Recipient(row["address"], row["language"])


def _asked(tx: Tx, mail: WaitingMail, _: int) -> Recipient | Phrase:
    return _applicant(tx, mail, ApplicationState.ASKED)


def _rejected(tx: Tx, mail: WaitingMail, _: int) -> Recipient | Phrase:
    return _applicant(tx, mail, ApplicationState.REJECTED)


def _accepted(tx: Tx, mail: WaitingMail, now: int) -> Recipient | Phrase:
    """Who has an account since, as long as the link to its first password works."""
    found = tx.row("SELECT 1 FROM account_links WHERE id = ? AND expires_at > ?", (mail.about_id, now))
    return address_of(tx, mail.account_id) if found is not None else UNWANTED


def _holds(tx: Tx, mail: WaitingMail, now: int) -> Recipient | Phrase:
    return address_of(tx, mail.account_id) if may_be_mailed(tx, mail.account_id, now) else UNWANTED


def _expired(tx: Tx, mail: WaitingMail, now: int) -> Recipient | Phrase:
    """Whose badge has run out by itself, as long as nobody has renewed it."""
    row = tx.row("SELECT state, actor_id FROM accounts WHERE id = ?", (mail.account_id,))
    if row is None or row["state"] != AccountState.VERIFIED or by_ids(tx, [row["actor_id"]])[row["actor_id"]].badge.holds(now):
        return UNWANTED
    return address_of(tx, mail.account_id)


def _ended(tx: Tx, mail: WaitingMail, _: int) -> Recipient | Phrase:
    row = tx.row("SELECT state FROM accounts WHERE id = ?", (mail.account_id,))
    ended = row is not None and row["state"] in (AccountState.SUSPENDED, AccountState.WITHDRAWN)
    return address_of(tx, mail.account_id) if ended else UNWANTED


MAILS = {MailKind.ASKED: Rule(_asked), MailKind.REJECTED: Rule(_rejected), MailKind.ACCEPTED: Rule(_accepted),
         MailKind.RENEWED: Rule(_holds, waits=True),
         MailKind.EXPIRING: Rule(_holds, waits=True), MailKind.EXPIRED: Rule(_expired, waits=True),
         MailKind.ENDED: Rule(_ended, waits=True)}
