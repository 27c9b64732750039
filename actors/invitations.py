"""Invitations: a verified doctor hands somebody a link to apply with. It tells whoever decides that a colleague knows the
applicant, and proves nothing; each is used once."""

from __future__ import annotations

from typing import NamedTuple

from actors.models import Role, VerifiedDoctor
from core.clock import Clock
from core.database import Database, Tx
from core.errors import NotFound, Refused, TooMany
from core.ids import Ids, number, public
from core.settings import Joining
from core.vault import KeyVault, token_hash

_DAY_MS = 86_400_000
_SHOWN_MS = 90 * _DAY_MS


class Invitation(NamedTuple):
    """One of a doctor's own invitations: its link's secret, when it was made and until when it works (ms), and whether somebody
    applies with it."""

    id: str
    token: str
    created: int
    expires: int
    used: bool


class Invitations:
    """Makes, lists and withdraws invitations."""

    def __init__(self, database: Database, vault: KeyVault, clock: Clock, ids: Ids, settings: Joining) -> None:
        self._database, self._vault, self._clock, self._ids, self._settings = database, vault, clock, ids, settings

    async def make(self, doctor: VerifiedDoctor) -> None:
        """A new invitation. `Refused` for students, `TooMany` when there are enough this week."""
        if not may_invite(doctor.actor.badge.role):
            raise Refused("Doctors and residents invite colleagues; students do not yet.", reason="student")
        now, most = self._clock.ms(), self._settings.invitations_per_week

        def write(tx: Tx) -> None:
            made = tx.rows("SELECT created_at FROM invitations WHERE account_id = ? AND created_at > ? ORDER BY id",
                           (doctor.account.id, now - 7 * _DAY_MS))
            if len(made) >= most:
                oldest = made[-most]["created_at"] if most else now
                raise TooMany("These were all invitations of this week. Please wait until you may make another one.",
                              retry_after=max(1, (oldest + 7 * _DAY_MS - now) // 1000))
            fresh = self._ids.new()
            expires = now + self._settings.invitation_days * _DAY_MS
            tx.run("INSERT INTO invitations (id, account_id, token_hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
                   (fresh, doctor.account.id, token_hash(self._token(fresh)), now, expires))

        await self._database.write(write)

    async def of(self, account_id: int) -> tuple[Invitation, ...]:
        """Her invitations of the last weeks, newest first."""
        since = self._clock.ms() - _SHOWN_MS
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT i.id, i.created_at, i.expires_at, EXISTS (SELECT 1 FROM applications a WHERE a.invitation_id = i.id) AS used"
            " FROM invitations i WHERE i.account_id = ? AND i.created_at > ? ORDER BY i.id DESC LIMIT 100", (account_id, since)))
        return tuple(Invitation(public(row["id"]), self._token(row["id"]), row["created_at"], row["expires_at"],
                                bool(row["used"])) for row in rows)

    async def withdraw(self, account_id: int, invitation_id: str) -> None:
        """Nobody can begin to use it any more; who has used it has. `NotFound` for one that is not hers."""
        now = self._clock.ms()
        touched = await self._database.write(lambda tx: tx.run(
            "UPDATE invitations SET expires_at = CASE WHEN expires_at > ? THEN ? ELSE expires_at END"
            " WHERE id = ? AND account_id = ?", (now, now, number(invitation_id) or 0, account_id)))
        if not touched:
            raise NotFound("There is no such invitation.")

    def _token(self, invitation_id: int) -> str:
        return self._vault.token_for(f"invitation {invitation_id}")


def may_invite(role: str) -> bool:
    """Whether somebody of this role invites colleagues."""
    return role in (Role.DOCTOR, Role.RESIDENT)


def usable(tx: Tx, given: str, now: int, application_id: int = 0) -> int | None:
    """The invitation that somebody has typed or followed, link or secret, as long as it works and nobody else has used it."""
    token = given.strip().rpartition("=")[2][:200]
    row = tx.row("SELECT id FROM invitations i WHERE token_hash = ? AND expires_at > ? AND NOT EXISTS"
                 " (SELECT 1 FROM applications a WHERE a.invitation_id = i.id AND a.id <> ?)",
                 (token_hash(token), now, application_id))
    return row["id"] if row is not None else None
