"""Mail on its way to doctors of this instance and to applicants, in SQL: what is due, what has become of it, what operators see.

A row holds no words: what a mail says is made when it is sent, out of the same facts each time, so that a second try is the
same mail under the same name. It is sent at least once; what the server took just before a crash is sent once more.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from core.database import Tx
from core.ids import Ids
from core.states import StateGraph
from core.words import N_, Phrase

_FIRST_MS = 60_000
_LIMIT_MS = 3_600_000
_PATIENCE_MS = 4 * 86_400_000  # RFC 5321, section 4.5.4.1
_KEPT_MS = 30 * 86_400_000
TOPIC = "mail"
"""What wakes whoever sends."""


class MailKind(StrEnum):
    CONFIRMATION = N_("confirmation")
    DIGEST = N_("digest")
    APPLICATION = N_("application")
    SIGNED_IN = N_("new device")
    SECURED = N_("signing in changed")
    RESET = N_("new password")
    ASKED = N_("asked")
    REJECTED = N_("rejected")
    ACCEPTED = N_("accepted")
    RENEWED = N_("renewed")
    EXPIRING = N_("expiring")
    EXPIRED = N_("expired")
    ENDED = N_("ended")
    LEAVING = N_("departure")
    ARCHIVE = N_("archive")


class MailState(StrEnum):
    PENDING = N_("pending")
    SENT = N_("sent")
    PARKED = N_("parked")
    DROPPED = N_("dropped")


MAIL_STATES = StateGraph(
    name="mail", states=tuple(MailState), edges={"pending": ("sent", "parked", "dropped")}, initial="pending")


Facts = dict[str, int | str]
"""What a mail says beside its kind, in numbers and in words out of fixed sets; never anything that somebody wrote."""


class WaitingMail(NamedTuple):
    """A mail that is due, to an account or to an applicant. `about_id` says what it is about: a confirmation, the newest event
    of a digest, a link."""

    id: int
    account_id: int | None
    application_id: int | None
    kind: MailKind
    about_id: int
    facts: Facts
    created_at: int
    tries: int


class Recipient(msgspec.Struct, frozen=True):
    """Whom a mail goes to, in which language (empty: none was chosen)."""

    address: str
    language: str


Finder = Callable[[Tx, WaitingMail, int], Recipient | Phrase]
"""Whom a mail goes to at this moment, or why it goes to nobody."""


class MailRow(NamedTuple):
    """A mail as operators see it: the handle, or an application's reference, no address and nothing of what it says. Times in
    milliseconds."""

    id: int
    handle: str
    kind: str
    state: str
    reason: str
    tries: int
    created: int
    next_try: int
    settled: int | None


def enqueue(tx: Tx, ids: Ids, account_id: int | None, kind: MailKind, about_id: int, now: int, *,
            application_id: int | None = None, facts: Mapping[str, int | str] = MappingProxyType({})) -> None:
    """Have a mail sent to an account or to an applicant."""
    tx.run("INSERT INTO mails (id, account_id, application_id, kind, about_id, facts, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
           (ids.new(), account_id, application_id, kind, about_id, msgspec.json.encode(dict(facts)).decode(), now))
    tx.wake(TOPIC)


def due(tx: Tx, now: int, limit: int) -> list[WaitingMail]:
    """What may be sent now, longest waiting first."""
    rows = tx.rows("SELECT id, account_id, application_id, kind, about_id, facts, created_at, tries FROM mails"
                   " WHERE state = 'pending' AND next_try <= ? ORDER BY next_try, id LIMIT ?", (now, limit))
    return [WaitingMail(number, account_id, application_id, MailKind(kind), about, msgspec.json.decode(facts, type=Facts), *rest)
            for number, account_id, application_id, kind, about, facts, *rest in rows]


def is_pending(tx: Tx, account_id: int, kind: MailKind) -> bool:
    return tx.row("SELECT 1 FROM mails WHERE account_id = ? AND kind = ? AND state = 'pending'", (account_id, kind)) is not None


def latest(tx: Tx, account_id: int, kind: MailKind) -> tuple[MailState, str] | None:
    """What has become of the newest mail of a kind to somebody, and why."""
    row = tx.row("SELECT state, reason FROM mails WHERE account_id = ? AND kind = ? ORDER BY id DESC LIMIT 1", (account_id, kind))
    return (MailState(row["state"]), row["reason"]) if row is not None else None


def made_since(tx: Tx, account_id: int, kind: MailKind, since: int) -> list[int]:
    """When mails of a kind to somebody were made, as far as that is not before a moment; oldest first."""
    return [row["created_at"] for row in tx.rows(
        "SELECT created_at FROM mails WHERE account_id = ? AND kind = ? AND created_at >= ? ORDER BY id",
        (account_id, kind, since))]


def settle(tx: Tx, mail_id: int, state: MailState, reason: str, now: int) -> None:
    """It was sent, or never will be."""
    MAIL_STATES.check(MailState.PENDING, state)
    tx.run("UPDATE mails SET state = ?, reason = ?, tries = tries + 1, settled_at = ? WHERE id = ? AND state = 'pending'",
           (state, reason, now, mail_id))


def put_off(tx: Tx, mail: WaitingMail, reason: str, now: int) -> bool:
    """Try it again after a minute, then twice as long each time, at most an hour; after four days it is parked, and False."""
    if now - mail.created_at > _PATIENCE_MS:
        settle(tx, mail.id, MailState.PARKED, reason, now)
        return False
    pause = min(_FIRST_MS << min(mail.tries, 10), _LIMIT_MS) * random.uniform(0.8, 1.2)
    tx.run("UPDATE mails SET tries = tries + 1, next_try = ?, reason = ? WHERE id = ? AND state = 'pending'",
           (now + int(pause), reason, mail.id))
    return True


def hold(tx: Tx, held: Sequence[tuple[int, int]]) -> None:
    """Do not send these before their moments (id, ms); that is no try."""
    for mail_id, until in held:
        tx.run("UPDATE mails SET next_try = ? WHERE id = ? AND state = 'pending'", (until, mail_id))


def listed(tx: Tx, states: Sequence[str], limit: int) -> list[MailRow]:
    """Mails in some states, newest first."""
    return [MailRow(*row) for row in tx.rows(
        "SELECT m.id, coalesce(a.handle, p.reference), m.kind, m.state, m.reason, m.tries, m.created_at, m.next_try, m.settled_at"
        " FROM mails m LEFT JOIN accounts a ON a.id = m.account_id LEFT JOIN applications p ON p.id = m.application_id"
        f" WHERE m.state IN ({','.join('?' * len(states))}) ORDER BY m.id DESC LIMIT ?",
        (*states, limit))]


def prune(tx: Tx, now: int) -> None:
    """What was settled weeks ago is not kept."""
    tx.run("DELETE FROM mails WHERE settled_at < ?", (now - _KEPT_MS,))
