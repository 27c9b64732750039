"""Leaving, as far as it is about the account: asked for, taken back, and what goes with it when the time has come.

A doctor asks for it and has some days to take it back; an operator can have it begin at once. What she wrote and did goes
afterwards, stage by stage (`posts.departing`). Of the account stays a row without anything in it, and a keyed hash of her handle,
so that nobody is ever taken for her.
"""

from __future__ import annotations

from typing import NamedTuple

from actors import handles, mails
from actors.accounts import ACCOUNT_STATES
from actors.mails import MailKind, Recipient, WaitingMail
from actors.models import Account, AccountState
from actors.postoffice import UNWANTED, Rule
from core.audit import Audit
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import Conflict, InvalidInput, NotFound
from core.ids import Ids, public
from core.vault import KeyVault
from core.words import Phrase

TOPIC = "departures"
"""What wakes whoever carries departures out."""
_DAY_MS = 86_400_000
_COLUMNS = ("SELECT d.*, a.handle, a.name, a.state FROM departures d JOIN accounts a ON a.id = d.account_id")


class Departure(NamedTuple):
    """A doctor of this instance who leaves or has left; times in ms. `handle` and `name` are empty once that has begun. `by` is
    her handle where she asked for it herself, else who did; `posts` is how many were erased so far."""

    actor_id: int
    account_id: int
    handle: str
    name: str
    by: str
    asked: int
    due: int
    begun: int | None
    done: int | None
    posts: int


class Departures:
    """Who leaves."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, audit: Audit, days: int) -> None:
        self._database, self._clock, self._ids, self._audit, self.days = database, clock, ids, audit, days

    async def ask(self, account: Account, typed: str) -> Departure:
        """A doctor wants to leave, and has typed her handle to say that she means it. Asked again, nothing changes."""
        self.check(account, typed)
        return await self._enter(account.handle, account.handle, self.days * _DAY_MS)

    def check(self, account: Account, typed: str) -> None:
        """`InvalidInput` unless this is the account's handle."""
        if typed.strip().lower().removeprefix("@").partition("@")[0] != account.handle:
            raise InvalidInput("This is not your handle. Nothing was done.", field="handle")

    async def order(self, handle: str, by: str) -> Departure:
        """An operator has somebody leave at once."""
        return await self._enter(handle, by, 0)

    async def stay(self, account: Account) -> bool:
        """She stays after all; whether she was leaving. `Conflict` once everything of hers has begun to go."""
        def write(tx: Tx) -> bool:
            row = tx.row("SELECT begun_at FROM departures WHERE account_id = ?", (account.id,))
            if row is None:
                return False
            if row["begun_at"] is not None:
                raise Conflict("Your departure has begun; it cannot be taken back any more.", reason="begun")
            tx.run("DELETE FROM departures WHERE account_id = ?", (account.id,))
            self._audit.note(tx, by=account.handle, action="doctor.stays", target=account.handle)
            return True

        return await self._database.write(write)

    async def of(self, account_id: int) -> Departure | None:
        """Whether somebody leaves."""
        row = await self._database.read(lambda tx: tx.row(f"{_COLUMNS} WHERE d.account_id = ?", (account_id,)))
        return _departure(row) if row is not None else None

    async def waiting(self) -> tuple[Departure, ...]:
        """Those who leave and can still take it back, the next one first."""
        rows = await self._database.read(lambda tx: tx.rows(
            f"{_COLUMNS} WHERE d.begun_at IS NULL ORDER BY d.due_at, d.actor_id"))
        return tuple(map(_departure, rows))

    async def _enter(self, handle: str, by: str, wait: int) -> Departure:
        now = self._clock.ms()

        def write(tx: Tx) -> Departure:
            row = tx.row("SELECT id, state, actor_id FROM accounts WHERE handle = ? AND kind = 'doctor'", (handle,))
            if row is None:
                raise NotFound("There is no doctor %(handle)s.", values={"handle": handle})
            ACCOUNT_STATES.check(row["state"], AccountState.DEPARTED)
            known = tx.row("SELECT due_at FROM departures WHERE account_id = ?", (row["id"],))
            if known is None or (not wait and known["due_at"] > now):
                tx.run("INSERT INTO departures (actor_id, account_id, by, asked_at, due_at) VALUES (?, ?, ?, ?, ?)"
                       " ON CONFLICT (actor_id) DO UPDATE SET by = excluded.by, asked_at = excluded.asked_at,"
                       " due_at = excluded.due_at", (row["actor_id"], row["id"], by, now, now + wait))
                self._audit.note(tx, by=by, action="doctor.leaves", target=handle)
                if wait and mailed(tx, row["id"]) is not None:
                    mails.enqueue(tx, self._ids, row["id"], MailKind.LEAVING, now, now, facts={"due": now + wait})
                tx.wake(TOPIC)
            found = tx.row(f"{_COLUMNS} WHERE d.account_id = ?", (row["id"],))
            assert found is not None
            return _departure(found)

        return await self._database.write(write)


def close(tx: Tx, vault: KeyVault, account: Row, actor_uri: str, now: int) -> None:
    """Take everything about a person out of an account: it is departed, nobody signs in to it, and its handle is nobody's. What
    was decided about her stays, without a word that says who she was: what, how, by whom, when, and the keyed hash of her number
    in the register."""
    number = (account["id"],)
    handles.reserve(tx, handles.key_of(vault, account["handle"]), actor_uri, now)
    tx.run("UPDATE accounts SET state = ?, handle = ?, name = '', password_hash = '', method = '', evidence = '', language = '',"
           " doctor_id = NULL WHERE id = ?", (AccountState.DEPARTED, f"-{public(account['id'])}", *number))
    tx.run("UPDATE accounts SET doctor_id = NULL WHERE doctor_id = ?", number)
    for table in ("sessions", "app_tokens", "app_codes", "account_links", "mailboxes", "mail_confirmations", "mails",
                  "invitations"):
        tx.run(f"DELETE FROM {table} WHERE account_id = ?", number)
    tx.run("DELETE FROM mails WHERE application_id IN (SELECT id FROM applications WHERE account_id = ?)", number)
    tx.run("UPDATE applications SET token_hash = NULL WHERE account_id = ?", number)
    tx.run("UPDATE verifications SET evidence = '', register_text = '', reason = '' WHERE account_id = ? OR application_id IN"
           " (SELECT id FROM applications WHERE account_id = ?)", (*number, *number))


def leaves(tx: Tx, actor_id: int) -> int | None:
    """When a doctor leaves (ms), if she does."""
    row = tx.row("SELECT due_at FROM departures WHERE actor_id = ?", (actor_id,))
    return row["due_at"] if row is not None else None


def mailed(tx: Tx, account_id: int | None) -> Recipient | None:
    """Where somebody is told by mail what concerns her account, however rarely she wants to be told of posts."""
    row = tx.row("SELECT b.address, a.language FROM mailboxes b JOIN accounts a ON a.id = b.account_id"
                 " WHERE b.account_id = ? AND b.address <> ''", (account_id,))
    return Recipient(row["address"], row["language"]) if row is not None else None


def _recipient(tx: Tx, mail: WaitingMail, now: int) -> Recipient | Phrase:
    """Who leaves, as long as she can take that back."""
    row = tx.row("SELECT 1 FROM departures WHERE account_id = ? AND asked_at = ? AND begun_at IS NULL",
                 (mail.account_id, mail.about_id))
    return (mailed(tx, mail.account_id) if row is not None else None) or UNWANTED


MAILS = {MailKind.LEAVING: Rule(_recipient)}


def _departure(row: Row) -> Departure:
    begun = row["begun_at"] is not None
    return Departure(row["actor_id"], row["account_id"], "" if begun else row["handle"], row["name"], row["by"], row["asked_at"],
                     row["due_at"], row["begun_at"], row["done_at"], row["posts"])
