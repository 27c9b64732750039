"""Digests: how much is new for a doctor, by kind and in numbers. What was written, by whom and where is not in them."""

from __future__ import annotations

from datetime import tzinfo

from actors import mails
from actors.attention import quiet_until
from actors.mailboxes import Rhythm, next_digest
from actors.mails import MailKind, Recipient, WaitingMail
from actors.postoffice import UNVERIFIED, UNWANTED, Rule, may_be_mailed
from core.clock import Clock
from core.database import Database, Tx
from core.ids import Ids
from core.words import N_, Phrase
from posts.notifications import unread_since

_AT_A_TIME = 100
_READ = N_("Everything was read meanwhile.")


class Digests:
    """Makes digests when they are due."""

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
                quiet = quiet_until(tx, row["account_id"], self._zone, now)
                tx.run("UPDATE mailboxes SET due = ? WHERE account_id = ?",
                       (quiet or next_digest(Rhythm(row["rhythm"]), self._zone, now), row["account_id"]))
                if quiet is not None:
                    continue  # one that is made afterwards says everything
                if not may_be_mailed(tx, row["account_id"], now) or mails.is_pending(tx, row["account_id"], MailKind.DIGEST):
                    continue
                found = unread_since(tx, row["actor_id"], row["told"])
                if found.counts:
                    mails.enqueue(tx, self._ids, row["account_id"], MailKind.DIGEST, found.newest, now, facts=found.counts)
            return len(rows)

        looked = await self._database.read(lambda tx: tx.row("SELECT 1 FROM mailboxes WHERE due <= ? LIMIT 1", (now,)))
        return await self._database.write(write) if looked is not None else 0


def _recipient(tx: Tx, mail: WaitingMail, now: int) -> Recipient | Phrase:
    if not may_be_mailed(tx, mail.account_id, now):
        return UNVERIFIED
    box = tx.row("SELECT b.address, a.language, b.told, a.actor_id FROM mailboxes b JOIN accounts a ON a.id = b.account_id"
                 " WHERE b.account_id = ? AND b.address <> '' AND b.rhythm <> 'none'", (mail.account_id,))
    if box is None:
        return UNWANTED
    if not unread_since(tx, box["actor_id"], box["told"]).counts:
        return _READ
    return Recipient(box["address"], box["language"])


def _told(tx: Tx, mail: WaitingMail) -> None:
    """What has been told is not told again."""
    tx.run("UPDATE mailboxes SET told = ? WHERE account_id = ? AND told < ?", (mail.about_id, mail.account_id, mail.about_id))


MAILS = {MailKind.DIGEST: Rule(_recipient, _told, waits=True)}
