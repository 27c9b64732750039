"""Badges that run out by themselves: notice of it a month and a week before, and on the day everybody is told.

Siblings see the end by their own clocks; they are told all the same, as when a badge is ended by a decision, so that what they
see does not say which of the two it was.
"""

from __future__ import annotations

from functools import partial

from actors import mails, verifications
from actors.mails import MailKind
from actors.profiles import announce
from actors.store import by_ids
from actors.verifications import Step
from core.audit import Audit
from core.clock import Clock
from core.database import Database, Row, Tx
from core.ids import Ids
from federation.identity import Identity
from federation.lanes import URGENT

NOTICE_DAYS = (7, 30)
_DAY_MS = 86_400_000
_SOME = 100
_BY = "konsil"


class Expiry:
    """Gives notice, and tells."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, ids: Ids, audit: Audit) -> None:
        self._database, self._identity, self._clock, self._ids, self._audit = database, identity, clock, ids, audit

    async def step(self) -> int:
        """Do some of what is due; how much that was."""
        now = self._clock.ms()
        done = 0
        for days in (0, *NOTICE_DAYS):
            for row in await self._database.read(partial(_due, days=days, now=now)):
                await self._database.write(partial(self._one, account_id=row["account_id"], days=days))
                done += 1
        return done

    def _one(self, tx: Tx, account_id: int, days: int) -> None:
        """Give one notice, unless that was done meanwhile."""
        now = self._clock.ms()
        row = next(iter(_due(tx, days, now, account_id)), None)
        if row is None:
            return
        until = row["verified_until"]
        for stage in (days, *(longer for longer in NOTICE_DAYS if longer > days)):  # one mail, not two, where both are due
            tx.run("INSERT INTO verification_notices (account_id, until, days, at) VALUES (?, ?, ?, ?)"
                   " ON CONFLICT (account_id, until, days) DO NOTHING", (account_id, until, stage, now))
        if days:
            mails.enqueue(tx, self._ids, account_id, MailKind.EXPIRING, account_id, now,
                          facts={"days": max(1, (until - now + _DAY_MS // 2) // _DAY_MS)})
            return
        verifications.record(tx, self._ids, Step.EXPIRED, by=_BY, at=now, account_id=account_id, until=until)
        self._audit.note(tx, by=_BY, action="doctor.expired", target=row["handle"])
        mails.enqueue(tx, self._ids, account_id, MailKind.EXPIRED, account_id, now)
        announce(tx, self._identity, self._ids, by_ids(tx, [row["actor_id"]])[row["actor_id"]], now, URGENT)


def _due(tx: Tx, days: int, now: int, account_id: int | None = None) -> list[Row]:
    """Verified doctors whose badge ends within so many days (0: has ended) and who have had no notice of that."""
    window = ("p.verified_until > ? AND p.verified_until <= ?", (now, now + days * _DAY_MS)) if days else (
        "p.verified_until <= ?", (now,))
    one = (" AND a.id = ?", (account_id,)) if account_id is not None else ("", ())
    return tx.rows(
        "SELECT a.id AS account_id, a.handle, a.actor_id, p.verified_until FROM actors p JOIN accounts a ON a.actor_id = p.id"
        f" WHERE {window[0]} AND p.sibling_id IS NULL AND a.state = 'verified'{one[0]} AND NOT EXISTS"
        " (SELECT 1 FROM verification_notices n WHERE n.account_id = a.id AND n.until = p.verified_until AND n.days = ?)"
        " ORDER BY p.verified_until LIMIT ?", (*window[1], *one[1], days, _SOME))
