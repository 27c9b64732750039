"""When nothing is to reach a doctor, and how many asks a day do: what she has set, and what the country's clocks say of it.

In quiet hours no mail comes that can wait (`actors.postoffice.Rule.waits`) and no sign on a phone; both come afterwards, once,
with everything that has gathered. What is written can be read all the time.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

from actors.models import Account
from core.database import Database, Row, Tx
from core.errors import InvalidInput

_DAY_MINUTES = 24 * 60
_SATURDAY = 5
_LOOKED_AHEAD = 16  # ends of quiet times in a row: nights and a weekend are four
ASKS_LIMIT = 50
"""The most asks a day that somebody can set."""


class Attention(NamedTuple):
    """Quiet from one minute of the day until another (the same twice: never), on whole weekends, and so many asks a day (0: none
    at the moment)."""

    quiet_from: int = 0
    quiet_until: int = 0
    weekends: bool = False
    asks: int = 5


USUAL = Attention()
"""For whoever has set nothing."""


class Attentions:
    """Keeps what doctors have set; `zone` is the country's."""

    def __init__(self, database: Database, zone: tzinfo) -> None:
        self._database, self._zone = database, zone

    async def of(self, account: Account) -> Attention:
        """What a doctor has set."""
        return await self._database.read(lambda tx: attention_of(tx, account.id))

    async def change(self, account: Account, wanted: Attention) -> None:
        """Set it; `InvalidInput` names the field that cannot be so."""
        for field, minute in (("quiet_from", wanted.quiet_from), ("quiet_until", wanted.quiet_until)):
            if not 0 <= minute < _DAY_MINUTES:
                raise InvalidInput("Give a time of the day, like 22:00.", field=field)
        if not 0 <= wanted.asks <= ASKS_LIMIT:
            raise InvalidInput("Give a number from 0 to %(most)s.", values={"most": ASKS_LIMIT}, field="asks")
        await self._database.write(lambda tx: tx.run(
            "INSERT INTO attention (account_id, quiet_from, quiet_until, weekends, asks) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (account_id) DO UPDATE SET quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until,"
            " weekends = excluded.weekends, asks = excluded.asks",
            (account.id, wanted.quiet_from, wanted.quiet_until, int(wanted.weekends), wanted.asks)))


def attention_of(tx: Tx, account_id: int) -> Attention:
    return _from(tx.row("SELECT * FROM attention WHERE account_id = ?", (account_id,)))


def asks_of(tx: Tx, actor_id: int) -> int:
    """How many asks a day reach a doctor of this instance."""
    return _from(tx.row("SELECT t.* FROM attention t JOIN accounts a ON a.id = t.account_id WHERE a.actor_id = ?",
                        (actor_id,))).asks


def quiet_until(tx: Tx, account_id: int | None, zone: tzinfo, now: int) -> int | None:
    """Until when (ms) it is quiet for somebody at this moment; None where it is not."""
    row = tx.row("SELECT * FROM attention WHERE account_id = ?", (account_id,)) if account_id is not None else None
    return quiet_end(_from(row), zone, now) if row is not None else None


def quiet_end(set_to: Attention, zone: tzinfo, now: int) -> int | None:
    """The same of what somebody has set. Times of the day are those on the walls, also where the clocks change at night."""
    end = now
    for _ in range(_LOOKED_AHEAD):
        following = _next_end(set_to, datetime.fromtimestamp(end / 1000, zone))
        if following is None or (moment := int(following.timestamp() * 1000)) <= end:
            break
        end = moment
    return end if end > now else None


def day_start(zone: tzinfo, now: int) -> int:
    """When today began (ms)."""
    here = datetime.fromtimestamp(now / 1000, zone)
    return int(datetime(here.year, here.month, here.day, tzinfo=zone).timestamp() * 1000)


def farewell(tx: Tx, account_id: int, actor_id: int, now: int) -> None:
    """Nothing of it is left of whoever leaves."""
    tx.run("DELETE FROM attention WHERE account_id = ?", (account_id,))


def _next_end(set_to: Attention, here: datetime) -> datetime | None:
    """When the quiet time that `here` lies in ends."""
    midnight = datetime(here.year, here.month, here.day, tzinfo=here.tzinfo)
    if set_to.weekends and here.weekday() >= _SATURDAY:
        return midnight + timedelta(days=7 - here.weekday())
    begins, ends, minute = set_to.quiet_from, set_to.quiet_until, here.hour * 60 + here.minute
    if begins < ends:
        days = 0 if begins <= minute < ends else None
    elif begins > ends:
        days = 1 if minute >= begins else 0 if minute < ends else None
    else:
        days = None
    return midnight + timedelta(days=days, minutes=ends) if days is not None else None


def _from(row: Row | None) -> Attention:
    return Attention(row["quiet_from"], row["quiet_until"], bool(row["weekends"]), row["asks"]) if row is not None else USUAL
