"""Signing in: sessions on the server, tokens that the database knows only by digest, throttled attempts.

Handles are public, so whoever guesses must not be able to shut their owners out: the strict limit is per handle and
address together. Looser ones per handle and per address stop guessing from many addresses and at many handles.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from actors.accounts import account_from
from actors.models import Account, AccountState, Actor
from actors.store import by_ids
from core.audit import Audit
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import InvalidInput, NotSignedIn, Refused, TooMany
from core.settings import Accounts as AccountSettings
from core.throttle import count, forget, network_of, take_back
from core.vault import token, token_hash, verify_nobody, verify_password

_PER_HANDLE = 10
_PER_ADDRESS = 20  # a hospital is one address


class Session(NamedTuple):
    """Somebody who is signed in."""

    account: Account
    actor: Actor | None


class Sessions:
    """Opens, finds and closes sessions."""

    def __init__(self, database: Database, clock: Clock, audit: Audit, settings: AccountSettings) -> None:
        self._database, self._clock, self._audit, self._settings = database, clock, audit, settings
        self._hashing = asyncio.Semaphore(2)  # argon2id takes 19 MiB a time

    async def login(self, handle: str, password: str, address: str, replacing: str = "") -> str:
        """A new session's token. A wrong handle and a wrong password are the same error and take the same time.

        `replacing` is the token the browser came with, if it had one: that session ends.
        """
        row, limits = await self._recognise(handle, password, address)
        fresh = token()
        now = self._clock.ms()

        def store(tx: Tx) -> None:
            take_back(tx, limits)
            tx.run("DELETE FROM sessions WHERE expires_at < ? OR token_hash = ?", (now, token_hash(replacing)))
            tx.run("INSERT INTO sessions (token_hash, account_id, created_at, expires_at) VALUES (?, ?, ?, ?)",
                   (token_hash(fresh), row["id"], now, now + self._settings.session_hours * 3_600_000))
            if row["kind"] == "operator":
                self._audit.note(tx, by=row["handle"], action="operator.signed-in", target=row["handle"])

        await self._database.write(store)
        return fresh

    async def operator(self, handle: str, password: str, address: str) -> Account:
        """The operator whose handle and password these are, without a session; `Refused` for a doctor's."""
        row, limits = await self._recognise(handle, password, address)
        await self._database.write(lambda tx: take_back(tx, limits))
        if row["kind"] != "operator":
            raise Refused("%(handle)s is no operator.", values={"handle": row["handle"]})
        return account_from(row)

    async def prove(self, account: Account, password: str, address: str) -> None:
        """Whoever is signed in shows that it is still she, before something that cannot be taken back; `InvalidInput` if not,
        counted like an attempt to sign in."""
        try:
            row, limits = await self._recognise(account.handle, password, address)
        except NotSignedIn:
            raise InvalidInput("This is not your password. Nothing was done.", field="password") from None
        await self._database.write(lambda tx: take_back(tx, limits))
        if row["id"] != account.id:
            raise InvalidInput("This is not your password. Nothing was done.", field="password")

    async def _recognise(self, handle: str, password: str, address: str) -> tuple[Row, dict[str, int]]:
        """The account of this handle and password, and what the attempt was counted against."""
        handle = handle.strip().lower()[:80]
        limits = self._limits(handle, network_of(address))
        row = await self._database.write(lambda tx: self._attempt(tx, handle, limits))
        if isinstance(row, _Throttled):
            raise TooMany("Too many attempts. Please wait a while and try again.", retry_after=row.seconds)
        async with self._hashing:
            right = await asyncio.to_thread(
                verify_password if row is not None else _nobody, row["password_hash"] if row is not None else "", password)
        if row is None or not right or row["state"] not in (AccountState.VERIFIED, AccountState.APPLICANT):
            raise NotSignedIn("This handle and password do not belong together.", reason="login")
        return row, limits

    async def find(self, given: str) -> Session | None:
        """Whose session a token is, or None; suspended accounts have none."""
        def look(tx: Tx) -> Session | None:
            row = tx.row("SELECT a.* FROM sessions s JOIN accounts a ON a.id = s.account_id"
                         " WHERE s.token_hash = ? AND s.expires_at > ?", (token_hash(given), self._clock.ms()))
            if row is None or row["state"] not in (AccountState.VERIFIED, AccountState.APPLICANT):
                return None
            account = account_from(row)
            actor = by_ids(tx, [account.actor_id]).get(account.actor_id) if account.actor_id else None
            return Session(account, actor)

        return await self._database.read(look) if given else None

    async def logout(self, given: str) -> None:
        """End a session; unknown tokens are no error."""
        await self._database.write(lambda tx: tx.run("DELETE FROM sessions WHERE token_hash = ?", (token_hash(given),)))

    async def end_all(self) -> None:
        """End every session: everybody signs in again."""
        await self._database.write(lambda tx: tx.run("DELETE FROM sessions"))

    async def prune(self) -> None:
        """Forget sessions that have ended and attempts that count no more."""
        now = self._clock.ms()

        def work(tx: Tx) -> None:
            tx.run("DELETE FROM sessions WHERE expires_at < ?", (now,))
            forget(tx, now, self._settings.login_window_seconds * 1000)

        await self._database.write(work)

    def _limits(self, handle: str, network: str) -> dict[str, int]:
        """What an attempt is counted against, and how many attempts each of these has."""
        most = self._settings.login_attempts
        return {f"both:{network} {handle}": most, f"handle:{handle}": most * _PER_HANDLE,
                f"address:{network}": most * _PER_ADDRESS}

    def _attempt(self, tx: Tx, handle: str, limits: dict[str, int]) -> Row | _Throttled | None:
        """Count the attempt before the password is looked at, then find the account."""
        wait = count(tx, limits, self._clock.ms(), self._settings.login_window_seconds * 1000)
        if wait is not None:
            return _Throttled(wait)
        return tx.row("SELECT * FROM accounts WHERE handle = ?", (handle,))


class _Throttled(NamedTuple):
    seconds: int


def _nobody(_: str, password: str) -> bool:
    verify_nobody(password)
    return False
