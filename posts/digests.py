"""Digests: how much is new for a doctor, by kind and in numbers. What was written, by whom and where is not in them."""

from __future__ import annotations

from datetime import tzinfo

import msgspec

from actors import mails
from actors.mailboxes import Rhythm, next_digest
from actors.mails import MailKind, MailState, WaitingMail
from actors.models import AccountState
from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Tx
from core.ids import Ids
from core.words import N_, Phrase
from posts.notifications import unread_since

_AT_A_TIME = 100
_UNVERIFIED = N_("The account is not verified, so it gets no mail.")
_UNWANTED = N_("It was not wanted any more.")
_READ = N_("Everything was read meanwhile.")


class Recipient(msgspec.Struct, frozen=True):
    """Whom a mail goes to, in which language (empty: she has chosen none), and what it may say: `counts` of a digest by kind,
    `about_id` a confirmation's id."""

    account_id: int
    address: str
    language: str
    about_id: int
    counts: dict[str, int] = {}


class Digests:
    """Makes digests when they are due, and says what has become of each mail."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, zone: tzinfo) -> None:
        self._database, self._clock, self._ids, self._zone = database, clock, ids, zone

    async def make_due(self) -> int:
        """Put the digests that are due among the mails to be sent, for whom there is something; how many mailboxes had their
        turn. One that is still on its way is not followed by another: it would say the same again."""
        now = self._clock.ms()

        def write(tx: Tx) -> int:
            rows = tx.rows("SELECT b.account_id, b.rhythm, b.told, a.actor_id FROM mailboxes b JOIN accounts a"
                           " ON a.id = b.account_id WHERE b.due <= ? ORDER BY b.due LIMIT ?", (now, _AT_A_TIME))
            for row in rows:
                tx.run("UPDATE mailboxes SET due = ? WHERE account_id = ?",
                       (next_digest(Rhythm(row["rhythm"]), self._zone, now), row["account_id"]))
                if not may_be_mailed(tx, row["account_id"], now) or mails.is_pending(tx, row["account_id"], MailKind.DIGEST):
                    continue
                found = unread_since(tx, row["actor_id"], row["told"])
                if found.counts:
                    mails.enqueue(tx, self._ids, row["account_id"], MailKind.DIGEST, found.newest,
                                  msgspec.json.encode(found.counts).decode(), now)
            return len(rows)

        looked = await self._database.read(lambda tx: tx.row("SELECT 1 FROM mailboxes WHERE due <= ? LIMIT 1", (now,)))
        return await self._database.write(write) if looked is not None else 0

    async def due(self, limit: int) -> list[WaitingMail]:
        """Mails that may be sent now."""
        now = self._clock.ms()
        return await self._database.read(lambda tx: mails.due(tx, now, limit))

    async def recipient(self, mail: WaitingMail) -> Recipient | Phrase:
        """Whom a mail goes to at this moment, or why it goes to nobody."""
        now = self._clock.ms()
        return await self._database.read(lambda tx: _recipient(tx, mail, now))

    async def sent(self, mail: WaitingMail) -> None:
        """The server has taken it."""
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            mails.settle(tx, mail.id, MailState.SENT, "", now)
            if mail.kind == MailKind.DIGEST:
                tx.run("UPDATE mailboxes SET told = ? WHERE account_id = ? AND told < ?",
                       (mail.about_id, mail.account_id, mail.about_id))

        await self._database.write(write)

    async def never(self, mail: WaitingMail, state: MailState, reason: str) -> None:
        """It is given up (parked) or not wanted any more (dropped)."""
        now = self._clock.ms()
        await self._database.write(lambda tx: mails.settle(tx, mail.id, state, reason, now))

    async def put_off(self, mail: WaitingMail, reason: str) -> bool:
        """It is tried again later, or parked, and False, when it has waited too long."""
        now = self._clock.ms()
        return await self._database.write(lambda tx: mails.put_off(tx, mail, reason, now))

    async def prune(self) -> None:
        """Forget what was settled long ago."""
        now = self._clock.ms()
        await self._database.write(lambda tx: mails.prune(tx, now))


def may_be_mailed(tx: Tx, account_id: int, now: int) -> bool:
    """Whether an account is a doctor's who is verified now."""
    row = tx.row("SELECT state, actor_id FROM accounts WHERE id = ?", (account_id,))
    if row is None or row["state"] != AccountState.VERIFIED or row["actor_id"] is None:
        return False
    return by_ids(tx, [row["actor_id"]])[row["actor_id"]].badge.holds(now)


def _recipient(tx: Tx, mail: WaitingMail, now: int) -> Recipient | Phrase:
    if not may_be_mailed(tx, mail.account_id, now):
        return _UNVERIFIED
    if mail.kind == MailKind.CONFIRMATION:
        asked = tx.row("SELECT c.address, a.language FROM mail_confirmations c JOIN accounts a ON a.id = c.account_id"
                       " WHERE c.id = ? AND c.expires_at > ?", (mail.about_id, now))
        if asked is None:
            return _UNWANTED
        return Recipient(mail.account_id, asked["address"], asked["language"], mail.about_id)
    box = tx.row("SELECT b.address, a.language, b.told, a.actor_id FROM mailboxes b JOIN accounts a ON a.id = b.account_id"
                 " WHERE b.account_id = ? AND b.address <> '' AND b.rhythm <> 'none'", (mail.account_id,))
    if box is None:
        return _UNWANTED
    if not unread_since(tx, box["actor_id"], box["told"]).counts:
        return _READ
    return Recipient(mail.account_id, box["address"], box["language"], mail.about_id,
                     msgspec.json.decode(mail.counts, type=dict[str, int]))
