"""Signing in: sessions on the server, tokens that the database knows only by digest, throttled attempts."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from actors.accounts import account_from
from actors.models import Account, AccountState, Actor
from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import NotSignedIn, TooMany
from core.settings import Accounts as AccountSettings
from core.vault import token, token_hash, verify_nobody, verify_password


class Session(NamedTuple):
    """Somebody who is signed in."""

    account: Account
    actor: Actor | None


class Sessions:
    """Opens, finds and closes sessions."""

    def __init__(self, database: Database, clock: Clock, settings: AccountSettings) -> None:
        self._database, self._clock, self._settings = database, clock, settings
        self._hashing = asyncio.Semaphore(2)  # argon2id takes 64 MiB a time

    async def login(self, handle: str, password: str, address: str) -> str:
        """A new session's token. A wrong handle and a wrong password are the same error and take the same time."""
        handle = handle.strip().lower()[:80]
        subjects = (f"handle:{handle}", f"address:{address}")
        row = await self._database.write(lambda tx: self._attempt(tx, handle, subjects))
        if isinstance(row, _Throttled):
            raise TooMany("Too many attempts. Please wait a while and try again.", retry_after=row.seconds)
        async with self._hashing:
            right = await asyncio.to_thread(
                verify_password if row is not None else _nobody, row["password_hash"] if row is not None else "", password)
        if row is None or not right or row["state"] not in (AccountState.VERIFIED, AccountState.APPLICANT):
            raise NotSignedIn("This handle and password do not belong together.", reason="login")
        fresh = token()
        now = self._clock.ms()
        account_id = row["id"]

        def store(tx: Tx) -> None:
            tx.run("DELETE FROM login_attempts WHERE subject = ?", (subjects[0],))
            tx.run("DELETE FROM sessions WHERE expires_at < ?", (now,))
            tx.run("INSERT INTO sessions (token_hash, account_id, created_at, expires_at) VALUES (?, ?, ?, ?)",
                   (token_hash(fresh), account_id, now, now + self._settings.session_hours * 3_600_000))

        await self._database.write(store)
        return fresh

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

    def _attempt(self, tx: Tx, handle: str, subjects: tuple[str, str]) -> Row | _Throttled | None:
        """Count the attempt against handle and address before the password is looked at, then find the account."""
        now = self._clock.ms()
        window = self._settings.login_window_seconds * 1000
        tx.run("DELETE FROM login_attempts WHERE window_start < ?", (now - window,))
        for subject, limit in zip(subjects, (self._settings.login_attempts, self._settings.login_attempts * 8), strict=True):
            row = tx.row("INSERT INTO login_attempts (subject, window_start, count) VALUES (?, ?, 1)"
                         " ON CONFLICT (subject) DO UPDATE SET count = login_attempts.count + 1"
                         " RETURNING count, window_start", (subject, now))
            if row is not None and row["count"] > limit:
                wait = max(1, (row["window_start"] + window - now) // 1000)
                return _Throttled(wait)
        return tx.row("SELECT * FROM accounts WHERE handle = ?", (handle,))


class _Throttled(NamedTuple):
    seconds: int


def _nobody(_: str, password: str) -> bool:
    verify_nobody(password)
    return False
