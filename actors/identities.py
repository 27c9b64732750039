"""Identities that somebody has proven elsewhere: which account they sign in to, and what they say about an applicant.

An identity is hers when she has linked it herself while signed in, or when the application with which she proved it was
accepted. It never makes an account: operators decide about that.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from actors.openid import Proven, Provider
from core.clock import Clock
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput, NotSignedIn
from core.ids import Ids
from core.vault import KeyVault, token, token_hash

_VALID_MS = 15 * 60_000
_PER_ACCOUNT = 5


class Purpose(StrEnum):
    """What somebody goes to the provider for."""

    LOGIN = "login"
    LINK = "link"
    APPLICATION = "application"


class Way(NamedTuple):
    """A way to the provider: its address, and what the browser keeps to be known by when it comes back."""

    address: str
    state: str


class Return(NamedTuple):
    """Somebody has come back with a proof: what she went for, whose account or application it is about, and where she wanted
    to go on to. `account_id` is the account the identity signs in to, of a login."""

    purpose: Purpose
    account_id: int | None
    application_id: int | None
    onward: str


class Linked(NamedTuple):
    """An identity of an account; `key` is the keyed hash of who she is at the issuer, in hexadecimal. Times in milliseconds."""

    key: str
    issuer: str
    linked_at: int
    used_at: int | None


class SaidOf(NamedTuple):
    """What the provider has said about an applicant, and the handle of whom it signs in already, if it does."""

    issuer: str
    name: str
    number: str
    profession: str
    level: str
    at: int
    account: str


class Identities:
    """Sends somebody to the provider and takes in what she comes back with."""

    def __init__(self, database: Database, provider: Provider, vault: KeyVault, clock: Clock, ids: Ids) -> None:
        self._database, self._provider, self._vault = database, provider, vault
        self._clock, self._ids = clock, ids

    @property
    def provider(self) -> str:
        """What people call the provider; empty where there is none."""
        return self._provider.name if self._provider.on else ""

    @property
    def origins(self) -> tuple[str, ...]:
        """Where the provider is asked; nowhere if there is none."""
        return self._provider.origins

    async def begin(self, purpose: Purpose, *, account_id: int | None = None, application_id: int | None = None,
                    onward: str = "") -> Way:
        """A way to the provider, for fifteen minutes. `Unavailable` where it does not answer."""
        number, state, now = self._ids.new(), token(), self._clock.ms()
        address = await self._provider.address(state, self._nonce(number), self._verifier(number))

        def write(tx: Tx) -> None:
            tx.run("DELETE FROM identity_flows WHERE expires_at <= ?", (now,))
            tx.run("INSERT INTO identity_flows (id, state_hash, purpose, account_id, application_id, onward, expires_at)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?)",
                   (number, token_hash(state), purpose, account_id, application_id, onward, now + _VALID_MS))

        await self._database.write(write)
        return Way(address, state)

    async def finish(self, state: str, code: str, issuer: str = "") -> Return:
        """Take in what somebody has come back with. `InvalidInput` for a way that was not begun, has been gone already or has run
        out, `Refused` for a proof that does not hold, `NotSignedIn` for an identity that signs in to no account, `Conflict` for
        one that is somebody else's."""
        now = self._clock.ms()

        def take(tx: Tx) -> tuple[int, Return] | None:
            row = tx.row("SELECT id, purpose, account_id, application_id, onward FROM identity_flows"
                         " WHERE state_hash = ? AND expires_at > ?", (token_hash(state), now))
            tx.run("DELETE FROM identity_flows WHERE state_hash = ?", (token_hash(state),))
            return (row["id"], Return(Purpose(row["purpose"]), *row[2:])) if row is not None else None

        begun = await self._database.write(take)
        if begun is None:
            raise InvalidInput("This way to %(name)s has run out or was gone already. Please begin again.",
                               values={"name": self.provider}, reason="identity-state")
        number, back = begun
        proven = await self._provider.proven(code, issuer, self._nonce(number), self._verifier(number))
        return await self._database.write(lambda tx: self._take_in(tx, back, proven, self._clock.ms()))

    async def of(self, account_id: int) -> tuple[Linked, ...]:
        """The identities that sign in to an account."""
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT subject_key, issuer, linked_at, used_at FROM identities WHERE account_id = ? ORDER BY linked_at",
            (account_id,)))
        return tuple(Linked(bytes(row[0]).hex(), *row[1:]) for row in rows)

    async def unlink(self, account_id: int, key: str) -> None:
        """An identity signs in to this account no more; one that does not is no error."""
        try:
            named = bytes.fromhex(key)
        except ValueError:
            return
        await self._database.write(lambda tx: tx.run(
            "DELETE FROM identities WHERE account_id = ? AND subject_key = ?", (account_id, named)))

    async def said_of(self, application_id: int) -> SaidOf | None:
        """What the provider has said about an applicant."""
        row = await self._database.read(lambda tx: tx.row(
            "SELECT p.issuer, p.name, p.number, p.profession, p.level, p.at, coalesce(a.handle, '') FROM identity_proofs p"
            " LEFT JOIN identities i ON i.subject_key = p.subject_key LEFT JOIN accounts a ON a.id = i.account_id"
            " WHERE p.application_id = ?", (application_id,)))
        return SaidOf(*row) if row is not None else None

    def _take_in(self, tx: Tx, back: Return, proven: Proven, now: int) -> Return:
        key = self._vault.mac("identity", f"{proven.issuer}\0{proven.subject}".encode())
        holder = tx.row("SELECT account_id FROM identities WHERE subject_key = ?", (key,))
        if back.purpose == Purpose.LOGIN:
            if holder is None:
                raise NotSignedIn("No account here is linked to this identity. Sign in with your password and link it in your"
                                  " settings, or apply to join.", reason="identity-unlinked")
            tx.run("UPDATE identities SET used_at = ? WHERE subject_key = ?", (now, key))
            return back._replace(account_id=holder["account_id"])
        if back.purpose == Purpose.LINK:
            assert back.account_id is not None
            self._link(tx, back.account_id, key, proven.issuer, now)
            return back
        tx.run("INSERT INTO identity_proofs (application_id, subject_key, issuer, name, number, profession, level, at)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (application_id) DO UPDATE SET subject_key = excluded.subject_key,"
               " issuer = excluded.issuer, name = excluded.name, number = excluded.number, profession = excluded.profession,"
               " level = excluded.level, at = excluded.at",
               (back.application_id, key, proven.issuer, proven.name, proven.number, proven.profession, proven.level, now))
        return back

    def _link(self, tx: Tx, account_id: int, key: bytes, issuer: str, now: int) -> None:
        holder = tx.row("SELECT account_id FROM identities WHERE subject_key = ?", (key,))
        if holder is not None and holder["account_id"] != account_id:
            raise Conflict("This identity is linked to another account.", reason="identity-taken")
        many = tx.row("SELECT count(*) AS n FROM identities WHERE account_id = ?", (account_id,))
        if holder is None and many is not None and many["n"] >= _PER_ACCOUNT:
            raise Conflict("An account has at most %(most)s identities; please take one away first.",
                           values={"most": _PER_ACCOUNT}, reason="identity-many")
        tx.run("INSERT INTO identities (subject_key, account_id, issuer, linked_at) VALUES (?, ?, ?, ?)"
               " ON CONFLICT (subject_key) DO NOTHING", (key, account_id, issuer, now))

    def _nonce(self, number: int) -> str:
        return self._vault.token_for(f"identity nonce {number}")

    def _verifier(self, number: int) -> str:
        return self._vault.token_for(f"identity verifier {number}")


def carry_over(tx: Tx, application_id: int, account_id: int, now: int) -> None:
    """An application was accepted: the identity that was proven with it signs in to the account that came of it, unless it
    is somebody else's already. What was said about her is kept no longer than the application's other fields."""
    tx.run("INSERT INTO identities (subject_key, account_id, issuer, linked_at)"
           " SELECT subject_key, ?, issuer, ? FROM identity_proofs WHERE application_id = ? ON CONFLICT (subject_key) DO NOTHING",
           (account_id, now, application_id))


def farewell(tx: Tx, account_id: int, actor_id: int, now: int) -> None:
    """No identity signs in to the account of somebody who leaves."""
    tx.run("DELETE FROM identities WHERE account_id = ?", (account_id,))
    tx.run("DELETE FROM identity_flows WHERE account_id = ?", (account_id,))


def forget(tx: Tx, application_id: int) -> None:
    """Nothing that was said about an applicant stays."""
    tx.run("DELETE FROM identity_flows WHERE application_id = ?", (application_id,))
    tx.run("DELETE FROM identity_proofs WHERE application_id = ?", (application_id,))
