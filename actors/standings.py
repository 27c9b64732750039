"""Who is verified until when, and how well deciding goes: the calendar, what was decided about a doctor, figures by month."""

from __future__ import annotations

from datetime import datetime, tzinfo
from statistics import median
from typing import NamedTuple

import msgspec

from actors import verifications
from actors.models import Account, AccountState, Actor
from actors.store import by_ids
from actors.verifications import Verification
from core.clock import Clock
from core.database import Database, Tx
from core.errors import NotFound

PAGE = 50
_MONTHS = 12
_HOUR_MS = 3_600_000


class Due(NamedTuple):
    """A doctor in the calendar: until when her badge holds (ms), and the reference of an application to renew it that is open."""

    handle: str
    name: str
    role: str
    state: str
    until: int
    renewal: str


class Calendar(NamedTuple):
    """A page of it, soonest first, and the cursor of the next page."""

    rows: tuple[Due, ...]
    after: str | None


class DoctorFile(msgspec.Struct, frozen=True):
    """All that was decided about a doctor of this instance; `until` is when a badge of hers would end without a suspension."""

    account: Account
    actor: Actor
    since: int
    history: tuple[Verification, ...]
    decided: Verification | None
    renewal: str


class Month(NamedTuple):
    """Decisions of a month, `YYYY-MM`: how many, how many of them rejections, and the median of the hours they took."""

    month: str
    decided: int
    rejected: int
    hours: float

    @property
    def share(self) -> float:
        """Which part was rejected, in percent."""
        return 100 * self.rejected / self.decided


class Standings:
    """Reads them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def calendar(self, after: tuple[int, int] | None = None) -> Calendar:
        """Verified doctors whose badges end, soonest first; those that have run out stand at the beginning."""
        at, number = after or (-1, -1)

        def look(tx: Tx) -> Calendar:
            rows = tx.rows(
                "SELECT p.id, a.id AS account_id, a.handle, a.name, p.role, a.state, p.verified_until FROM actors p"
                " JOIN accounts a ON a.actor_id = p.id WHERE p.sibling_id IS NULL AND p.verified_until IS NOT NULL"
                " AND a.state = 'verified' AND (p.verified_until, p.id) > (?, ?) ORDER BY p.verified_until, p.id LIMIT ?",
                (at, number, PAGE + 1))
            made = tuple(Due(row["handle"], row["name"], row["role"], row["state"], row["verified_until"],
                             _renewal(tx, row["account_id"])) for row in rows[:PAGE])
            last = rows[PAGE - 1] if len(rows) > PAGE else None
            return Calendar(made, f"{last['verified_until']}-{last['id']}" if last is not None else None)

        return await self._database.read(look)

    async def doctor(self, handle: str) -> DoctorFile:
        """What was decided about a doctor; `NotFound` when there is nobody of that name."""
        def look(tx: Tx) -> DoctorFile:
            row = tx.row("SELECT id, actor_id FROM accounts WHERE handle = ? AND kind = 'doctor'",
                         (handle.strip().lower().removeprefix("@"),))
            if row is None or row["actor_id"] is None:
                raise NotFound("There is no doctor %(handle)s.", values={"handle": handle[:60]})
            return file_of(tx, row["id"])

        return await self._database.read(look)

    async def mine(self, account: Account) -> DoctorFile:
        """The same for herself."""
        return await self._database.read(lambda tx: file_of(tx, account.id))

    async def months(self, zone: tzinfo) -> tuple[Month, ...]:
        """The last months in which something was decided, newest first; months are those of the country."""
        since = self._clock.ms() - (_MONTHS + 1) * 31 * 86_400_000
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT v.at, v.what, a.submitted_at FROM verifications v JOIN applications a ON a.id = v.application_id"
            " WHERE v.at >= ? AND v.what IN ('verified', 'renewed', 'rejected') ORDER BY v.at, v.id", (since,)))
        found: dict[str, list[tuple[bool, float]]] = {}
        for row in rows:
            month = datetime.fromtimestamp(row["at"] / 1000, zone).strftime("%Y-%m")
            found.setdefault(month, []).append(
                (row["what"] == "rejected", max(0, row["at"] - (row["submitted_at"] or row["at"])) / _HOUR_MS))
        return tuple(Month(month, len(some), sum(rejected for rejected, _ in some), median(hours for _, hours in some))
                     for month, some in sorted(found.items(), reverse=True))[:_MONTHS]


def file_of(tx: Tx, account_id: int) -> DoctorFile:
    """What was decided about the doctor of an account."""
    row = tx.row("SELECT * FROM accounts WHERE id = ?", (account_id,))
    if row is None or row["actor_id"] is None:
        raise NotFound("There is no such page.")
    account = Account(row["id"], row["handle"], row["name"], row["kind"], AccountState(row["state"]), row["actor_id"],
                      row["language"])
    return DoctorFile(account, by_ids(tx, [row["actor_id"]])[row["actor_id"]], row["created_at"],
                      tuple(verifications.of_account(tx, account_id)), verifications.begun(tx, account_id),
                      _renewal(tx, account_id))


def _renewal(tx: Tx, account_id: int) -> str:
    """The reference of an application to renew her badge that she has handed in and nobody has decided."""
    row = tx.row("SELECT reference FROM applications WHERE account_id = ? AND kind = 'renewal'"
                 " AND state IN ('submitted', 'asked') ORDER BY id DESC LIMIT 1", (account_id,))
    return row["reference"] if row is not None else ""
