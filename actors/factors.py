"""Second factors: codes that an app makes out of a shared key (TOTP, RFC 6238), and recovery codes for who has lost it.

The key lies sealed in the database, recovery codes as keyed hashes. A code counts once: its step of time has to be later than
that of the last one.
"""

from __future__ import annotations

import hmac
import secrets
from typing import NamedTuple

import pyotp

from actors.devices import Visit
from actors.models import Account
from actors.signins import Happened, SignIns
from core.clock import Clock
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput
from core.vault import KeyVault

_STEP_SECONDS = 30
_DRIFT = 1  # steps a telephone's clock may be off, either way
_RECOVERY = 10
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: none looks like another
_LENGTH = 10  # of 5 bits each
_READ_AS = str.maketrans("oil", "011", "- ")


class CodeKey(NamedTuple):
    """What an app needs to be told: the key, and the same as a link that it reads off a picture."""

    secret: str
    uri: str


class Factors:
    """Gives out, checks and takes away."""

    def __init__(self, database: Database, vault: KeyVault, clock: Clock, signins: SignIns, issuer: str) -> None:
        self._database, self._vault, self._clock, self._signins = database, vault, clock, signins
        self._issuer = issuer

    async def begin(self, account: Account) -> None:
        """A key for her app, that counts once she has typed a code it made; `Conflict` where one counts already."""
        sealed = self._sealed(account.id, pyotp.random_base32())

        def write(tx: Tx) -> None:
            if tx.run("INSERT INTO code_keys (account_id, secret) VALUES (?, ?) ON CONFLICT (account_id) DO UPDATE"
                      " SET secret = excluded.secret, last_step = 0 WHERE code_keys.confirmed_at IS NULL",
                      (account.id, sealed)) == 0:
                raise Conflict("Codes from an app are asked for already. Turn them off first to use another app.")

        await self._database.write(write)

    async def pending(self, account: Account) -> CodeKey | None:
        """The key that waits for its first code."""
        row = await self._database.read(lambda tx: tx.row(
            "SELECT secret FROM code_keys WHERE account_id = ? AND confirmed_at IS NULL", (account.id,)))
        return self._shown(account, self._opened(account.id, row["secret"])) if row is not None else None

    async def confirm(self, account: Account, code: str, visit: Visit) -> tuple[str, ...]:
        """The first code has come: from now on one is asked for. The recovery codes, which nobody can show again; none where she
        has some already. `InvalidInput` for a code that does not fit."""
        def write(tx: Tx) -> tuple[str, ...]:
            row = tx.row("SELECT secret FROM code_keys WHERE account_id = ? AND confirmed_at IS NULL", (account.id,))
            step = self._step(account.id, row["secret"], code, 0) if row is not None else None
            if step is None:
                raise InvalidInput("This code does not fit. Type the one your app shows now; its clock has to be right.",
                                   field="code")
            tx.run("UPDATE code_keys SET confirmed_at = ?, last_step = ? WHERE account_id = ?",
                   (self._clock.ms(), step, account.id))
            self._signins.note(tx, account.id, Happened.CODES_ON, visit)
            return self._recovery(tx, account.id) if recovery_left(tx, account.id) == 0 else ()

        return await self._database.write(write)

    async def hand_out(self, account: Account, by: str) -> CodeKey:
        """A key that counts at once, for who sets up an operator and gives her the key with her first password."""
        secret = pyotp.random_base32()

        def write(tx: Tx) -> None:
            tx.run("INSERT INTO code_keys (account_id, secret, confirmed_at) VALUES (?, ?, ?) ON CONFLICT (account_id) DO UPDATE"
                   " SET secret = excluded.secret, confirmed_at = excluded.confirmed_at, last_step = 0",
                   (account.id, self._sealed(account.id, secret), self._clock.ms()))
            self._signins.note(tx, account.id, Happened.CODES_ON, by=by)

        await self._database.write(write)
        return self._shown(account, secret)

    async def turn_off(self, account: Account, visit: Visit) -> None:
        """No codes any more; `Conflict` for the last factor of somebody who has to have one. Without any factor recovery codes
        open nothing and go too."""
        def write(tx: Tx) -> None:
            if not tx.run("DELETE FROM code_keys WHERE account_id = ?", (account.id,)):
                return
            check_left(tx, account)
            if not enrolled(tx, account.id):
                tx.run("DELETE FROM recovery_codes WHERE account_id = ?", (account.id,))
            self._signins.note(tx, account.id, Happened.CODES_OFF, visit)

        await self._database.write(write)

    async def new_recovery(self, account: Account, visit: Visit) -> tuple[str, ...]:
        """Ten codes in the place of those before."""
        def write(tx: Tx) -> tuple[str, ...]:
            if not enrolled(tx, account.id):
                raise Conflict("Recovery codes are for who has a second factor.")
            self._signins.note(tx, account.id, Happened.RECOVERY_MADE, visit)
            return self._recovery(tx, account.id)

        return await self._database.write(write)

    def check(self, tx: Tx, account_id: int, code: str, visit: Visit) -> str | None:
        """What kind of code counts now, `code` of the app or `recovery`, and no second time; None for any other."""
        row = tx.row("SELECT secret, last_step FROM code_keys WHERE account_id = ? AND confirmed_at IS NOT NULL", (account_id,))
        step = self._step(account_id, row["secret"], code, row["last_step"]) if row is not None else None
        if step is not None:
            tx.run("UPDATE code_keys SET last_step = ? WHERE account_id = ?", (step, account_id))
            return "code"
        if tx.run("DELETE FROM recovery_codes WHERE account_id = ? AND code_hash = ?",
                  (account_id, self._hash(account_id, code))):
            self._signins.note(tx, account_id, Happened.RECOVERY_USED, visit)
            return "recovery"
        return None

    def _step(self, account_id: int, sealed: bytes, code: str, after: int) -> int | None:
        """The step of time a code belongs to, if that is about now and later than one."""
        typed = "".join(code.split())
        if not (typed.isascii() and typed.isdigit()):
            return None
        made = pyotp.TOTP(self._opened(account_id, sealed))
        now = int(self._clock.now()) // _STEP_SECONDS
        found = [step for step in range(now - _DRIFT, now + _DRIFT + 1)
                 if hmac.compare_digest(made.generate_otp(step), typed) and step > after]
        return found[0] if found else None

    def _recovery(self, tx: Tx, account_id: int) -> tuple[str, ...]:
        codes = ["".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)) for _ in range(_RECOVERY)]
        tx.run("DELETE FROM recovery_codes WHERE account_id = ?", (account_id,))
        tx.insert("recovery_codes (account_id, code_hash)", 2, [(account_id, self._hash(account_id, code)) for code in codes])
        return tuple(f"{code[:5]}-{code[5:]}" for code in codes)

    def _hash(self, account_id: int, code: str) -> bytes:
        typed = code.strip().lower().translate(_READ_AS)[:_LENGTH + 1]
        return self._vault.mac("recovery code", f"{account_id} {typed}".encode(errors="replace"))

    def _sealed(self, account_id: int, secret: str) -> bytes:
        return self._vault.seal(secret.encode(), f"code key of {account_id}")

    def _opened(self, account_id: int, sealed: bytes) -> str:
        return self._vault.open(sealed, f"code key of {account_id}").decode()

    def _shown(self, account: Account, secret: str) -> CodeKey:
        return CodeKey(secret, pyotp.TOTP(secret).provisioning_uri(name=account.handle, issuer_name=self._issuer))


def enrolled(tx: Tx, account_id: int) -> bool:
    """Whether somebody has a second factor that counts."""
    return tx.row("SELECT 1 FROM code_keys WHERE account_id = ? AND confirmed_at IS NOT NULL"
                  " UNION ALL SELECT 1 FROM passkeys WHERE account_id = ?", (account_id, account_id)) is not None


def check_left(tx: Tx, account: Account) -> None:
    """`Conflict` where an operator would be left without a second factor."""
    if account.kind == "operator" and not enrolled(tx, account.id):
        raise Conflict("Operators sign in with a second factor. Add another one first.")


def recovery_left(tx: Tx, account_id: int) -> int:
    """How many recovery codes nobody has used yet."""
    return int(tx.rows("SELECT count(*) FROM recovery_codes WHERE account_id = ?", (account_id,))[0][0])


def forget(tx: Tx, account_id: int) -> None:
    """Take every second factor away, and what would open the door in its place."""
    for table in ("code_keys", "passkeys", "recovery_codes"):
        tx.run(f"DELETE FROM {table} WHERE account_id = ?", (account_id,))
