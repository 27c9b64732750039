"""Who may speak: the only way to a `VerifiedDoctor` and to an `Author`."""

from __future__ import annotations

from collections.abc import Iterable

from actors.accounts import account_from
from actors.desks import answered_by
from actors.models import Account, AccountState, Author, Role, VerifiedDoctor
from actors.store import by_ids
from core.clock import Clock
from core.countries import CountryPack
from core.database import Database, Tx
from core.errors import Refused

_AT_A_TIME = 500


class Credentials:
    """Asks the database each time; a badge that ran out this second is not valid this second."""

    def __init__(self, database: Database, pack: CountryPack, clock: Clock) -> None:
        self._database, self._pack, self._clock = database, pack, clock

    async def require_verified(self, account: Account) -> VerifiedDoctor:
        """The verified doctor behind an account, or `Refused` with the sentence she should read."""
        found = await self._database.read(lambda tx: verified(tx, account.id, self._clock.ms()))
        if found is None:
            raise Refused("Your account is not verified; only verified doctors may go on.", reason="not-verified")
        return VerifiedDoctor(account, found.actor)

    async def author(self, account: Account, action: str) -> Author:
        """An author who may `post`, `reply` or `vote` now; students may what the country pack says."""
        doctor = await self.require_verified(account)
        if doctor.actor.badge.role == Role.STUDENT and action not in self._pack.student_may:
            raise Refused("Students read and comment here; this is for doctors.", reason="student")
        return Author(doctor.actor)

    async def desk(self, account: Account, handle: str) -> Author:
        """The editorial desk of this handle as the author of what the verified doctor behind an account writes for it; `Refused`
        unless she answers for it at this moment."""
        author = await self.author(account, "post")
        found = await self._database.read(lambda tx: answered_by(tx, author.actor.id))
        desk = next((one for one in found if one.handle == handle), None)
        if desk is None:
            raise Refused("You do not answer for this desk.", reason="not-your-desk")
        return Author(desk, author.actor)


def verified(tx: Tx, account_id: int, now: int) -> VerifiedDoctor | None:
    """The same within a transaction: None for an account that is not verified, `Refused` where a verification has run out."""
    row = tx.row("SELECT * FROM accounts WHERE id = ?", (account_id,))
    if row is None or row["state"] != AccountState.VERIFIED or not row["actor_id"]:
        return None
    actor = by_ids(tx, [row["actor_id"]]).get(row["actor_id"])
    if actor is None:
        return None
    if actor.badge.until is not None and actor.badge.until <= now:
        raise Refused("Your verification has run out; please renew it with your operators.", reason="expired")
    return VerifiedDoctor(account_from(row), actor)


def in_force(tx: Tx, actor_ids: Iterable[int], now: int) -> frozenset[int]:
    """Those of some doctors whose badge holds."""
    wanted = sorted(set(actor_ids))
    return frozenset(actor.id for start in range(0, len(wanted), _AT_A_TIME)
                     for actor in by_ids(tx, wanted[start:start + _AT_A_TIME]).values() if actor.badge.holds(now))
