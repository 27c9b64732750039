"""What somebody sees and changes of how she signs in, and what operators do for who has lost it."""

from __future__ import annotations

from typing import NamedTuple

from actors import factors, passkeys
from actors.accounts import account_from
from actors.devices import Visit
from actors.login import Session, end_of
from actors.models import Account
from actors.passkeys import Passkey
from actors.passwords import Passwords
from actors.signins import Happened, SignInEvent, SignIns, lately
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import InvalidInput, NotFound
from core.words import N_, Phrase

_PROOFS: dict[str, Phrase] = {
    "password": N_("with the password"), "code": N_("with password and code"),
    "identity": N_("with an electronic identity"),
    "recovery": N_("with password and recovery code"), "passkey": N_("with a passkey"),
}


class OpenSession(NamedTuple):
    """One of somebody's sessions: its device and coarse network, how it was opened, when and when it was used last (ms)."""

    id: int
    device: str
    network: str
    proof: Phrase
    opened: int
    seen: int


class Overview(NamedTuple):
    """How somebody signs in: whether an app's codes are asked for (since when, ms), how many recovery codes are left, her
    passkeys, where she is signed in (latest first) and what happened lately."""

    codes_since: int | None
    recovery_left: int
    passkeys: tuple[Passkey, ...]
    sessions: tuple[OpenSession, ...]
    events: tuple[SignInEvent, ...]

    @property
    def enrolled(self) -> bool:
        return self.codes_since is not None or bool(self.passkeys)


class Lost(NamedTuple):
    """What an operator takes away of who has lost her second factors."""

    codes: bool
    passkeys: int
    recovery: int


class Security:
    """Reads and changes it; every change ends what it has to end."""

    def __init__(self, database: Database, clock: Clock, passwords: Passwords, signins: SignIns, instance: str) -> None:
        self._database, self._clock, self._passwords, self._signins = database, clock, passwords, signins
        self._instance = instance

    async def of(self, account: Account) -> Overview:
        """Everything about how somebody signs in."""
        now = self._clock.ms()

        def look(tx: Tx) -> Overview:
            key = tx.row("SELECT confirmed_at FROM code_keys WHERE account_id = ?", (account.id,))
            rows = tx.rows("SELECT id, device, network, proof, created_at, seen_at FROM sessions WHERE account_id = ?"
                           " AND expires_at > ? ORDER BY seen_at DESC, id DESC", (account.id, now))
            return Overview(key["confirmed_at"] if key is not None else None, factors.recovery_left(tx, account.id),
                            passkeys.of(tx, account.id),
                            tuple(OpenSession(number, device, network, _PROOFS[proof], opened, seen)
                                  for number, device, network, proof, opened, seen in rows), lately(tx, account.id))

        return await self._database.read(look)

    async def change_password(self, session: Session, old: str, new: str, visit: Visit) -> None:
        """Another password; all other sessions end. `InvalidInput` for a wrong old one or a new one that is not taken."""
        account = session.account
        row = await self._database.read(lambda tx: tx.row("SELECT password_hash FROM accounts WHERE id = ?", (account.id,)))
        if row is None or not await self._passwords.right(row["password_hash"], old):
            raise InvalidInput("This is not your password so far.", field="old")
        hashed = await self._passwords.made(new, (account.handle, account.name, self._instance))

        def write(tx: Tx) -> None:
            store_password(tx, account.id, hashed)
            end_of(tx, account.id, but=session.id)
            self._signins.note(tx, account.id, Happened.PASSWORD_CHANGED, visit)

        await self._database.write(write)

    async def give_password(self, kind: str, handle: str, password: str, by: str) -> None:
        """An operator gives somebody of a kind a new password: all her sessions end, her second factors stay."""
        account = await self._account(kind, handle)
        hashed = await self._passwords.made(password, (handle, account.name, self._instance))

        def write(tx: Tx) -> None:
            store_password(tx, account.id, hashed)
            end_of(tx, account.id)
            self._signins.note(tx, account.id, Happened.PASSWORD_GIVEN, by=by)

        await self._database.write(write)

    async def held(self, kind: str, handle: str) -> Lost:
        """What resetting the second factors of somebody would take away."""
        account = await self._account(kind, handle)
        found = await self.of(account)
        return Lost(found.codes_since is not None, len(found.passkeys), found.recovery_left)

    async def reset_factors(self, kind: str, handle: str, by: str) -> Lost:
        """An operator takes the second factors away of somebody who has lost them: all her sessions end."""
        account, lost = await self._account(kind, handle), await self.held(kind, handle)

        def write(tx: Tx) -> None:
            factors.forget(tx, account.id)
            end_of(tx, account.id)
            self._signins.note(tx, account.id, Happened.FACTORS_RESET, by=by)

        await self._database.write(write)
        return lost

    async def _account(self, kind: str, handle: str) -> Account:
        row: Row | None = await self._database.read(lambda tx: tx.row(
            "SELECT * FROM accounts WHERE handle = ? AND kind = ?", (handle, kind)))
        if row is None and kind == "operator":
            raise NotFound("There is no operator %(handle)s.", values={"handle": handle})
        if row is None:
            raise NotFound("There is no doctor %(handle)s.", values={"handle": handle})
        return account_from(row)


def store_password(tx: Tx, account_id: int, hashed: str) -> None:
    """Somebody's password from now on; links that would have set another one work no more."""
    tx.run("UPDATE accounts SET password_hash = ? WHERE id = ?", (hashed, account_id))
    tx.run("DELETE FROM account_links WHERE account_id = ?", (account_id,))


def farewell(tx: Tx, account_id: int, actor_id: int, now: int) -> None:
    """Whoever leaves has no second factor, no passkey and no known device here, and nothing says where she has signed in."""
    for table in ("half_sessions", "code_keys", "recovery_codes", "passkeys", "known_devices", "sign_in_events"):
        tx.run(f"DELETE FROM {table} WHERE account_id = ?", (account_id,))
