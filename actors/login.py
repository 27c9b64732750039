"""Signing in: sessions on the server, tokens that the database knows only by digest, throttled attempts.

Handles are public, so whoever guesses must not be able to shut their owners out: the strict limit is per handle and
address together. Looser ones per handle and per address stop guessing from many addresses and at many handles.

Where somebody has a second factor, a right password opens the step before a session only. A session in which nobody has done
anything for a while is idle: it shows nothing until whoever is there proves to be its owner, and then goes on.
"""

from __future__ import annotations

from typing import NamedTuple

from actors import factors, signins
from actors.accounts import account_from
from actors.devices import NOWHERE, Visit, recognise
from actors.factors import Factors
from actors.grants import shut_out
from actors.models import Account, Actor
from actors.passkeys import Passkeys
from actors.passwords import Passwords
from actors.signins import MAY_SIGN_IN, Happened, SignIns
from actors.store import SESSIONS, by_ids
from core.audit import Audit
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import NotSignedIn, Refused, TooMany
from core.ids import Ids
from core.settings import Accounts as AccountSettings
from core.throttle import count, forget, network_of, take_back
from core.vault import token, token_hash

_PER_HANDLE = 10
_PER_ADDRESS = 20  # a hospital is one address
_PER_FACTOR = 3  # who guesses codes knows the password already
_HALF_MS = 10 * 60_000
_HALF_TRIES = 5
_MINUTE_MS = 60_000
_FRESH_MS = 10 * 60_000


class Session(NamedTuple):
    """Somebody who is signed in. `idle`: nothing was done for so long that she has to show that it is she; `fresh`: she has shown
    it within the last minutes; `enrolled`: she has a second factor; `seen`: when something was done last (ms, to the minute)."""

    id: int
    account: Account
    actor: Actor | None
    idle: bool
    fresh: bool
    enrolled: bool
    seen: int


class Opened(NamedTuple):
    """What signing in has opened: a session or, where a second factor is `wanted`, the step before one; and what the browser is
    to be known by."""

    token: str
    wanted: bool = False
    device: str = ""


class Half(NamedTuple):
    """Whose password was right, and what she has for the second step."""

    account: Account
    codes: bool
    passkeys: bool


class Sessions:
    """Opens, finds and closes sessions."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, audit: Audit, settings: AccountSettings, passwords: Passwords,
                 second: Factors, passkeys: Passkeys, signins: SignIns) -> None:
        self._database, self._clock, self._ids, self._audit, self._settings = database, clock, ids, audit, settings
        self._passwords, self._factors, self._passkeys, self._signins = passwords, second, passkeys, signins

    async def login(self, handle: str, password: str, address: str, replacing: str = "", visit: Visit = NOWHERE,
                    known: str = "") -> Opened:
        """A new session, or the step before one. A wrong handle and a wrong password are the same error and take the same time.

        `replacing` is the token the browser came with, if it had one: that session ends. `known` is what it is known by.
        """
        row, limits = await self._recognise(handle, password, address)
        renewed = await self._passwords.renewed(row["password_hash"], password)

        def store(tx: Tx) -> Opened:
            take_back(tx, limits)
            if renewed is not None:
                tx.run("UPDATE accounts SET password_hash = ? WHERE id = ? AND password_hash = ?",
                       (renewed, row["id"], row["password_hash"]))
            if not factors.enrolled(tx, row["id"]):
                return self._open(tx, row, "password", replacing, visit, known)
            return self._half(tx, row["id"])

        return await self._database.write(store)

    async def identified(self, account_id: int, *, two_factors: bool, replacing: str = "", visit: Visit = NOWHERE,
                         known: str = "") -> Opened:
        """A session for whoever has proven her identity elsewhere, or the step before one, unless that counts as `two_factors`;
        an operator takes the second step here in any case."""
        def store(tx: Tx) -> Opened | None:
            row = tx.row("SELECT * FROM accounts WHERE id = ?", (account_id,))
            if row is None or row["state"] not in MAY_SIGN_IN:
                return None
            if not factors.enrolled(tx, account_id) or (two_factors and row["kind"] != "operator"):
                return self._open(tx, row, "identity", replacing, visit, known)
            return self._half(tx, account_id)

        opened = await self._database.write(store)
        if opened is None:
            raise NotSignedIn("Nobody can sign in to this account at the moment. Ask the operators.", reason="login")
        return opened

    async def half(self, given: str) -> Half | None:
        """Who is at the second step, if it is still hers."""
        def look(tx: Tx) -> Half | None:
            row = self._waiting(tx, given)
            if row is None:
                return None
            held = tx.row("SELECT (SELECT count(*) FROM code_keys WHERE account_id = ? AND confirmed_at IS NOT NULL) AS codes,"
                          " (SELECT count(*) FROM passkeys WHERE account_id = ?) AS passkeys", (row["id"], row["id"]))
            assert held is not None
            return Half(account_from(row), held["codes"] > 0, held["passkeys"] > 0)

        return await self._database.read(look) if given else None

    async def second(self, given: str, code: str, replacing: str = "", visit: Visit = NOWHERE, known: str = "") -> Opened:
        """The second step, with a code: a session. `NotSignedIn` for a code that does not count, with the reason `half` where the
        first step has to be done again."""
        def store(tx: Tx) -> Opened | _Throttled | None:
            row = self._waiting(tx, given)
            if row is None:
                return None
            limits = {f"second:{row['id']}": self._settings.login_attempts * _PER_FACTOR}
            wait = count(tx, limits, self._clock.ms(), self._settings.login_window_seconds * 1000)
            if wait is not None:
                return _Throttled(wait)
            proof = self._factors.check(tx, row["id"], code, visit)
            if proof is None:
                return self._one_try_less(tx, given, row["id"], visit)
            take_back(tx, limits)
            tx.run("DELETE FROM half_sessions WHERE token_hash = ?", (token_hash(given),))
            return self._open(tx, row, proof, replacing, visit, known)

        return self._entered(await self._database.write(store))

    async def passkey(self, answer: str, address: str, replacing: str = "", visit: Visit = NOWHERE, known: str = "",
                      half: str = "") -> Opened:
        """A session for whoever's passkey has signed; at the second step it has to be hers who is at it."""
        limits = {f"address:{network_of(address)}": self._settings.login_attempts * _PER_ADDRESS}

        def store(tx: Tx) -> Opened | _Throttled | None:
            wait = count(tx, limits, self._clock.ms(), self._settings.login_window_seconds * 1000)
            if wait is not None:
                return _Throttled(wait)
            account_id = self._passkeys.check(tx, answer)
            row = tx.row("SELECT * FROM accounts WHERE id = ?", (account_id,))
            waiting = self._waiting(tx, half) if half else None
            if row is None or row["state"] not in MAY_SIGN_IN or (half and (waiting is None or waiting["id"] != row["id"])):
                return None
            take_back(tx, limits)
            tx.run("DELETE FROM half_sessions WHERE token_hash = ?", (token_hash(half),))
            return self._open(tx, row, "passkey", replacing, visit, known)

        opened = await self._database.write(store)
        if opened is None:
            raise NotSignedIn("This passkey does not open this door. Try again, or use your password.", reason="passkey")
        return self._entered(opened)

    async def operator(self, handle: str, password: str, code: str, address: str) -> Account:
        """The operator whose handle, password and code these are, without a session; `Refused` for a doctor's. An operator who
        has no second factor yet needs no code here, where she may set one up."""
        row, limits = await self._recognise(handle, password, address)
        if row["kind"] != "operator":
            raise Refused("%(handle)s is no operator.", values={"handle": row["handle"]})

        def check(tx: Tx) -> bool:
            right = not factors.enrolled(tx, row["id"]) or self._factors.check(tx, row["id"], code, NOWHERE) is not None
            if right:
                take_back(tx, limits)
            return right

        if not await self._database.write(check):
            raise NotSignedIn("This code does not count. It is the one your app shows now, or one of your recovery codes.",
                              reason="code")
        return account_from(row)

    async def needs_code(self, handle: str) -> bool:
        """Whether somebody of this handle has a second factor."""
        return await self._database.read(lambda tx: tx.row(
            "SELECT 1 FROM accounts a WHERE a.handle = ? AND (EXISTS (SELECT 1 FROM code_keys k WHERE k.account_id = a.id AND"
            " k.confirmed_at IS NOT NULL) OR EXISTS (SELECT 1 FROM passkeys p WHERE p.account_id = a.id))",
            (handle,)) is not None)

    async def find(self, given: str) -> Session | None:
        """Whose session a token is, or None; suspended accounts have none."""
        def look(tx: Tx) -> Session | None:
            now = self._clock.ms()
            row = tx.row("SELECT a.*, s.id AS session_id, s.seen_at, s.proved_at FROM sessions s"
                         " JOIN accounts a ON a.id = s.account_id WHERE s.token_hash = ? AND s.expires_at > ?",
                         (token_hash(given), now))
            if row is None or row["state"] not in MAY_SIGN_IN:
                return None
            account = account_from(row)
            actor = by_ids(tx, [account.actor_id]).get(account.actor_id) if account.actor_id else None
            idle = self._settings.idle_minutes * _MINUTE_MS
            return Session(row["session_id"], account, actor, bool(idle) and now - row["seen_at"] > idle + _MINUTE_MS,
                           now - row["proved_at"] <= _FRESH_MS, factors.enrolled(tx, account.id), row["seen_at"])

        return await self._database.read(look) if given else None

    async def seen(self, session: Session) -> None:
        """Somebody does something in it; that is written down once a minute."""
        now = self._clock.ms()
        if not now - session.seen < _MINUTE_MS:
            await self._database.write(lambda tx: tx.run("UPDATE sessions SET seen_at = ? WHERE id = ?", (now, session.id)))

    def seconds_left(self, session: Session) -> int:
        """How long nothing may be done in a session before it is idle; 0 for ever."""
        idle = self._settings.idle_minutes * _MINUTE_MS
        return max(1, (session.seen + idle + _MINUTE_MS - self._clock.ms()) // 1000 + 1) if idle else 0

    async def prove(self, session: Session, password: str, address: str) -> None:
        """Whoever is there types the password of the session's owner: it is idle no more, and fresh. `NotSignedIn` or
        `TooMany`."""
        row, limits = await self._recognise(session.account.handle, password, address)
        assert row["id"] == session.account.id

        def write(tx: Tx) -> None:
            take_back(tx, limits)
            self._proved(tx, session)

        await self._database.write(write)

    async def prove_with_passkey(self, session: Session, answer: str) -> None:
        """The same with one of her passkeys."""
        def write(tx: Tx) -> bool:
            right = self._passkeys.check(tx, answer) == session.account.id
            if right:
                self._proved(tx, session)
            return right

        if not await self._database.write(write):
            raise NotSignedIn("This passkey does not open this door. Try again, or use your password.", reason="passkey")

    async def logout(self, given: str) -> None:
        """End a session; unknown tokens are no error."""
        def work(tx: Tx) -> None:
            tx.run("DELETE FROM sessions WHERE token_hash = ?", (token_hash(given),))
            tx.wake(SESSIONS)

        await self._database.write(work)

    async def end(self, account: Account, session_id: int) -> None:
        """End one of somebody's sessions, wherever it is; one that has ended is no error."""
        def work(tx: Tx) -> None:
            tx.run("DELETE FROM sessions WHERE id = ? AND account_id = ?", (session_id, account.id))
            tx.wake(SESSIONS)

        await self._database.write(work)

    async def end_others(self, session: Session) -> None:
        """End all sessions of somebody but this one."""
        await self._database.write(lambda tx: end_of(tx, session.account.id, but=session.id))

    async def end_all(self) -> None:
        """End every session, and shut every app out: everybody signs in again."""
        def work(tx: Tx) -> None:
            tx.run("DELETE FROM sessions")
            tx.wake(SESSIONS)
            tx.run("DELETE FROM half_sessions")
            tx.run("DELETE FROM app_codes")
            tx.run("DELETE FROM app_tokens")

        await self._database.write(work)

    async def prune(self) -> None:
        """Forget sessions that have ended, attempts that count no more, and what happened long ago."""
        now = self._clock.ms()

        def work(tx: Tx) -> None:
            tx.run("DELETE FROM sessions WHERE expires_at < ?", (now,))
            tx.run("DELETE FROM half_sessions WHERE expires_at < ?", (now,))
            tx.run("DELETE FROM answered_challenges WHERE expires_at < ?", (now,))
            signins.prune(tx, now)
            forget(tx, now, self._settings.login_window_seconds * 1000)

        await self._database.write(work)

    async def _recognise(self, handle: str, password: str, address: str) -> tuple[Row, dict[str, int]]:
        """The account of this handle and password, and what the attempt was counted against."""
        handle = handle.strip().lower()[:80]
        limits = self._limits(handle, network_of(address))
        row = await self._database.write(lambda tx: self._attempt(tx, handle, limits))
        if isinstance(row, _Throttled):
            raise TooMany("Too many attempts. Please wait a while and try again.", retry_after=row.seconds)
        right = await self._passwords.right(row["password_hash"] if row is not None else None, password)
        if row is None or not right or row["state"] not in MAY_SIGN_IN or row["kind"] == "desk":
            raise NotSignedIn("This handle and password do not belong together.", reason="login")
        return row, limits

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

    def _open(self, tx: Tx, row: Row, proof: str, replacing: str, visit: Visit, known: str) -> Opened:
        """A session for an account, known from now on where it is opened; its owner is told of a browser that is new."""
        now, fresh = self._clock.ms(), token()
        tx.run("DELETE FROM sessions WHERE expires_at < ? OR token_hash = ?", (now, token_hash(replacing)))
        tx.wake(SESSIONS)
        tx.run("INSERT INTO sessions (id, token_hash, account_id, device, network, proof, created_at, seen_at, proved_at,"
               " expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
               (self._ids.new(), token_hash(fresh), row["id"], visit.device, visit.network, proof, now, now, now,
                now + self._settings.session_hours * 3_600_000))
        device, new = recognise(tx, row["id"], known, now)
        if new:
            self._signins.note(tx, row["id"], Happened.NEW_DEVICE, visit)
        if row["kind"] == "operator":
            self._audit.note(tx, by=row["handle"], action="operator.signed-in", target=row["handle"])
        return Opened(fresh, device=device)

    def _half(self, tx: Tx, account_id: int) -> Opened:
        """The step before a session."""
        half = token()
        tx.run("INSERT INTO half_sessions (token_hash, account_id, expires_at) VALUES (?, ?, ?)",
               (token_hash(half), account_id, self._clock.ms() + _HALF_MS))
        return Opened(half, wanted=True)

    def _waiting(self, tx: Tx, given: str) -> Row | None:
        """The account whose second step this is, as long as there are tries left."""
        row = tx.row("SELECT a.* FROM half_sessions h JOIN accounts a ON a.id = h.account_id"
                     " WHERE h.token_hash = ? AND h.expires_at > ? AND h.tries < ?",
                     (token_hash(given), self._clock.ms(), _HALF_TRIES))
        return row if row is not None and row["state"] in MAY_SIGN_IN else None

    def _one_try_less(self, tx: Tx, given: str, account_id: int, visit: Visit) -> Opened | None:
        """A wrong code: the step stays, as an `Opened` without a token, until there were too many, and its owner is told."""
        tx.run("UPDATE half_sessions SET tries = tries + 1 WHERE token_hash = ?", (token_hash(given),))
        if self._waiting(tx, given) is not None:
            return Opened("", wanted=True)
        self._signins.note(tx, account_id, Happened.GUESSED, visit)
        return None

    def _entered(self, opened: Opened | _Throttled | None) -> Opened:
        if isinstance(opened, _Throttled):
            raise TooMany("Too many attempts. Please wait a while and try again.", retry_after=opened.seconds)
        if opened is None:
            raise NotSignedIn("This took too long, or there were too many wrong codes. Please sign in again.", reason="half")
        if not opened.token:
            raise NotSignedIn("This code does not count. It is the one your app shows now, or one of your recovery codes.",
                              reason="code")
        return opened

    def _proved(self, tx: Tx, session: Session) -> None:
        now = self._clock.ms()
        tx.run("UPDATE sessions SET seen_at = ?, proved_at = ? WHERE id = ?", (now, now, session.id))


def end_of(tx: Tx, account_id: int, but: int = 0) -> None:
    """End somebody's sessions, but one, whatever is half open, and what apps were let in."""
    tx.run("DELETE FROM sessions WHERE account_id = ? AND id <> ?", (account_id, but))
    tx.wake(SESSIONS)
    tx.run("DELETE FROM half_sessions WHERE account_id = ?", (account_id,))
    shut_out(tx, [account_id])


class _Throttled(NamedTuple):
    seconds: int
