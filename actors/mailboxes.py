"""Where a doctor is told by mail and how often. An address counts once somebody has opened the link that was sent to it."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple

from actors import mails
from actors.mails import MailKind, MailState, Recipient, WaitingMail
from actors.models import Account
from actors.postoffice import UNVERIFIED, UNWANTED, Rule, may_be_mailed
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import TooMany
from core.ids import Ids
from core.mailaddress import mail_address
from core.vault import KeyVault, token_hash
from core.words import N_, Phrase

_HOUR = 7  # on the clock of the country's walls
_MONDAY = 0
_DAY_MS = 86_400_000
_VALID_MS = 3 * _DAY_MS
_CONFIRMATIONS = 5  # a day; more would be mail to somebody who did not ask for it


class Rhythm(StrEnum):
    NONE = "none"
    DAILY = "daily"
    WEEKLY = "weekly"


class Asked(NamedTuple):
    """An address that nobody has confirmed yet: until when its link works (ms), and what has become of the mail with it."""

    address: str
    until: int
    state: MailState
    reason: str


class Mailbox(NamedTuple):
    """A doctor's mail: the address that counts (or none), the rhythm, an address that is asked for, and why her last digest
    could not be delivered, if it could not."""

    address: str
    rhythm: Rhythm
    asked: Asked | None
    trouble: str


class Mailboxes:
    """Keeps doctors' mail addresses. Where a digest is due is decided by `zone`, the country's."""

    def __init__(self, database: Database, vault: KeyVault, clock: Clock, ids: Ids, zone: tzinfo) -> None:
        self._database, self._vault, self._clock, self._ids, self._zone = database, vault, clock, ids, zone

    async def of(self, account: Account) -> Mailbox:
        """A doctor's mail as it is set."""
        now = self._clock.ms()

        def look(tx: Tx) -> Mailbox:
            box = _box(tx, account.id)
            asked = tx.row("SELECT address, expires_at FROM mail_confirmations WHERE account_id = ? AND expires_at > ?",
                           (account.id, now))
            sent = mails.latest(tx, account.id, MailKind.CONFIRMATION) or (MailState.PENDING, "")
            told = mails.latest(tx, account.id, MailKind.DIGEST)
            return Mailbox(box["address"] if box is not None else "", Rhythm(box["rhythm"]) if box is not None else Rhythm.NONE,
                           Asked(asked["address"], asked["expires_at"], *sent) if asked is not None else None,
                           told[1] if told is not None and told[0] == MailState.PARKED else "")

        return await self._database.read(look)

    async def change(self, account: Account, address: str, rhythm: Rhythm) -> None:
        """Set address and rhythm. Another address than the one that counts is sent a link, and takes its place when that is
        opened; no address ends all mail. `InvalidInput` for what is no address, `TooMany` for too many links a day."""
        wanted, now = mail_address(address) if address.strip() else "", self._clock.ms()

        def write(tx: Tx) -> None:
            box = _box(tx, account.id)
            counts = box["address"] if box is not None and wanted else ""
            self._set(tx, account.id, counts, rhythm if wanted else Rhythm.NONE, now)
            if wanted == counts:
                tx.run("DELETE FROM mail_confirmations WHERE account_id = ?", (account.id,))
            else:
                self._ask(tx, account.id, wanted, now)

        await self._database.write(write)

    async def confirm(self, token: str) -> bool:
        """The link of this token was opened: its address counts from now on. False when it was used or has run out."""
        now = self._clock.ms()

        def write(tx: Tx) -> bool:
            asked = tx.row("SELECT id, account_id, address FROM mail_confirmations WHERE token_hash = ? AND expires_at > ?",
                           (token_hash(token), now))
            if asked is None:
                return False
            tx.run("DELETE FROM mail_confirmations WHERE id = ?", (asked["id"],))
            box = _box(tx, asked["account_id"])
            self._set(tx, asked["account_id"], asked["address"], Rhythm(box["rhythm"]) if box is not None else Rhythm.NONE, now)
            return True

        return await self._database.write(write)

    async def stop(self, token: str) -> None:
        """No more digests to whom this token was sent; unknown ones are no error."""
        await self._database.write(lambda tx: tx.run(
            "UPDATE mailboxes SET rhythm = 'none', due = NULL WHERE stop_hash = ?", (token_hash(token),)))

    def adopt(self, tx: Tx, account_id: int, address: str, now: int) -> None:
        """The address that somebody has confirmed as an applicant counts from now on; it gets no digests until she wants them."""
        self._set(tx, account_id, address, Rhythm.NONE, now)

    async def listed(self, states: tuple[MailState, ...], limit: int) -> list[mails.MailRow]:
        """Mails for operators, newest first."""
        return await self._database.read(lambda tx: mails.listed(tx, states, limit))

    def confirm_token(self, confirmation_id: int) -> str:
        """The secret of a confirmation's link."""
        return self._vault.token_for(f"mail confirm {confirmation_id}")

    def stop_token(self, account_id: int, address: str) -> str:
        """The secret of the link in each digest that ends them."""
        return self._vault.token_for(f"mail stop {account_id} {address}")

    def _ask(self, tx: Tx, account_id: int, address: str, now: int) -> None:
        """Have a link sent to an address, unless one is on its way there already."""
        asked = tx.row("SELECT address FROM mail_confirmations WHERE account_id = ? AND expires_at > ?", (account_id, now))
        if asked is not None and asked["address"] == address and mails.is_pending(tx, account_id, MailKind.CONFIRMATION):
            return
        made = mails.made_since(tx, account_id, MailKind.CONFIRMATION, now - _DAY_MS)
        if len(made) >= _CONFIRMATIONS:
            raise TooMany("You have asked for many links today; please try again tomorrow.",
                          retry_after=max(1, (made[-_CONFIRMATIONS] + _DAY_MS - now) // 1000))
        number = self._ids.new()
        tx.run("DELETE FROM mail_confirmations WHERE account_id = ?", (account_id,))
        tx.run("INSERT INTO mail_confirmations (id, account_id, address, token_hash, expires_at) VALUES (?, ?, ?, ?, ?)",
               (number, account_id, address, token_hash(self.confirm_token(number)), now + _VALID_MS))
        mails.enqueue(tx, self._ids, account_id, MailKind.CONFIRMATION, number, now)

    def _set(self, tx: Tx, account_id: int, address: str, rhythm: Rhythm, now: int) -> None:
        """Store what counts. Digests begin with what comes from then on."""
        due = next_digest(rhythm, self._zone, now) if address else None
        stop = token_hash(self.stop_token(account_id, address)) if address else None
        tx.run("INSERT INTO mailboxes (account_id, address, rhythm, due, told, stop_hash) VALUES (?, ?, ?, ?, ?, ?)"
               " ON CONFLICT (account_id) DO UPDATE SET address = excluded.address, rhythm = excluded.rhythm,"
               " told = CASE WHEN mailboxes.due IS NULL THEN excluded.told ELSE mailboxes.told END, due = excluded.due,"
               " stop_hash = excluded.stop_hash", (account_id, address, rhythm, due, self._ids.new(), stop))


def next_digest(rhythm: Rhythm, zone: tzinfo, now: int) -> int | None:
    """When the next digest is due (ms): at seven in the morning, weekly on Monday; None for no rhythm."""
    if rhythm == Rhythm.NONE:
        return None
    here = datetime.fromtimestamp(now / 1000, zone)
    day = here.date()
    while True:
        seven = datetime(day.year, day.month, day.day, _HOUR, tzinfo=zone)
        if seven.timestamp() * 1000 > now and (rhythm == Rhythm.DAILY or day.weekday() == _MONDAY):
            return int(seven.timestamp() * 1000)
        day += timedelta(days=1)


def _recipient(tx: Tx, mail: WaitingMail, now: int) -> Recipient | Phrase:
    """Who is asked whether an address is hers, as long as that is asked."""
    if not may_be_mailed(tx, mail.account_id, now):
        return UNVERIFIED
    asked = tx.row("SELECT c.address, a.language FROM mail_confirmations c JOIN accounts a ON a.id = c.account_id"
                   " WHERE c.id = ? AND c.expires_at > ?", (mail.about_id, now))
    return Recipient(asked["address"], asked["language"]) if asked is not None else UNWANTED


def address_of(tx: Tx, account_id: int | None) -> Recipient | Phrase:
    """Where mail about her account goes, whatever its state; or why nowhere."""
    row = tx.row("SELECT b.address, a.language FROM mailboxes b JOIN accounts a ON a.id = b.account_id WHERE a.id = ?",
                 (account_id,))
    return Recipient(row["address"], row["language"]) if row is not None and row["address"] else NO_ADDRESS


NO_ADDRESS = N_("She has confirmed no address.")
MAILS = {MailKind.CONFIRMATION: Rule(_recipient)}


def _box(tx: Tx, account_id: int) -> Row | None:
    return tx.row("SELECT address, rhythm FROM mailboxes WHERE account_id = ?", (account_id,))
