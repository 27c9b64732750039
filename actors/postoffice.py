"""The post office: which mails are due, whom each goes to at this moment, and what has become of it.

Every kind of mail has a rule here; what it says is put into words where it is sent (`instance.letters`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import NamedTuple

from actors import mails
from actors.attention import quiet_until
from actors.mails import Finder, MailKind, MailState, Recipient, WaitingMail
from actors.models import AccountState
from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Tx
from core.words import N_, Phrase

UNVERIFIED = N_("The account is not verified, so it gets no mail.")
UNWANTED = N_("It was not wanted any more.")


def _nothing(_: Tx, __: WaitingMail) -> None:
    return None


class Rule(NamedTuple):
    """Whom mails of a kind go to, and what else is noted when one has been sent. `waits`: it is not sent in quiet hours, because
    nobody has asked for it at that moment and nothing about how somebody signs in stands in it."""

    to: Finder
    sent: Callable[[Tx, WaitingMail], None] = _nothing
    waits: bool = False


class PostOffice:
    """Hands out mails and takes note of them; `zone` is the country's. A kind without a rule does not begin: `ValueError`."""

    def __init__(self, database: Database, clock: Clock, zone: tzinfo, rules: Mapping[MailKind, Rule]) -> None:
        if missing := set(MailKind) - set(rules):
            raise ValueError(f"no rule for mails of the kind {', '.join(sorted(missing))}")
        self._database, self._clock, self._zone, self._rules = database, clock, zone, rules

    async def due(self, limit: int) -> list[WaitingMail]:
        """Mails that may be sent now. What can wait is put off to the end of quiet hours."""
        now = self._clock.ms()

        def look(tx: Tx) -> list[tuple[WaitingMail, int | None]]:
            return [(mail, quiet_until(tx, mail.account_id, self._zone, now) if self._rules[mail.kind].waits else None)
                    for mail in mails.due(tx, now, limit)]

        found = await self._database.read(look)
        if held := [(mail.id, until) for mail, until in found if until is not None]:
            await self._database.write(lambda tx: mails.hold(tx, held))
        return [mail for mail, until in found if until is None]

    async def recipient(self, mail: WaitingMail) -> Recipient | Phrase:
        """Whom a mail goes to at this moment, or why it goes to nobody."""
        now = self._clock.ms()
        return await self._database.read(lambda tx: self._rules[mail.kind].to(tx, mail, now))

    async def sent(self, mail: WaitingMail) -> None:
        """The server has taken it."""
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            mails.settle(tx, mail.id, MailState.SENT, "", now)
            self._rules[mail.kind].sent(tx, mail)

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


def may_be_mailed(tx: Tx, account_id: int | None, now: int) -> bool:
    """Whether an account is a doctor's who is verified now."""
    row = tx.row("SELECT state, actor_id FROM accounts WHERE id = ?", (account_id,))
    if row is None or row["state"] != AccountState.VERIFIED or row["actor_id"] is None:
        return False
    return by_ids(tx, [row["actor_id"]])[row["actor_id"]].badge.holds(now)
