"""Letting apps in: codes, the tokens they become, and the end of these (RFC 6749, 7009, 7636).

A token is worth what its doctor is worth at the moment of each request: whoever asks here gets a `VerifiedDoctor` or nothing. Who
is suspended, has left, or is not verified any more has no app either, from that moment on. Stored are digests alone.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from actors.apps import App, Apps, app_from, authenticated
from actors.credentials import in_force, verified
from actors.devices import Visit
from actors.models import AccountState, VerifiedDoctor
from actors.scopes import within
from actors.signins import Happened, SignIns
from actors.store import SESSIONS
from core.clock import Clock, rfc3339
from core.database import Database, Tx, marks
from core.errors import InvalidInput, KonsilError, Refused
from core.ids import Ids
from core.vault import token, token_hash

_CODE_MS = 5 * 60_000
_REMEMBERED_MS = 86_400_000
_SEEN_MS = 3_600_000
_AT_A_TIME = 500
_DAY_MS = 86_400_000
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_BEARER = ("SELECT t.id AS token_id, t.scopes AS granted, t.created_at AS made, t.seen_at, t.account_id, p.* FROM app_tokens t"
           " JOIN apps p ON p.id = t.app_id WHERE")


class Asked(NamedTuple):
    """What an app asks a doctor for: where she comes back to, with which scopes, and the challenge of RFC 7636 or ''."""

    app: App
    redirect: str
    scopes: tuple[str, ...]
    challenge: str


class Token(NamedTuple):
    """A token as it is handed out, this once; `made` in ms."""

    token: str
    scopes: tuple[str, ...]
    made: int


class Bearer(NamedTuple):
    """Who shows a token: the app, what it may do, and the doctor it speaks for (None: for nobody)."""

    token_id: int
    app: App
    scopes: tuple[str, ...]
    doctor: VerifiedDoctor | None
    seen: int


class LetIn(NamedTuple):
    """An app that a doctor has let in, with all its tokens: since when and when it last asked for something (ms)."""

    app: App
    scopes: tuple[str, ...]
    since: int
    seen: int


class Grants:
    """What doctors have let apps do."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, apps: Apps, signins: SignIns, unused_days: int) -> None:
        self._database, self._clock, self._ids, self._apps = database, clock, ids, apps
        self._signins, self._unused_ms = signins, unused_days * _DAY_MS

    async def ask(self, client_id: str, redirect: str) -> App:
        """The app a doctor was sent here by, which is to be come back to at an address that it has named, to the letter.
        `InvalidInput` otherwise: then nobody is sent anywhere."""
        app = await self._apps.known(client_id)
        if app is None:
            raise InvalidInput("This app is not known here. Remove the account in the app and add it anew.",
                               reason="invalid_client")
        if redirect not in app.redirects:
            raise InvalidInput("This app wants you to come back to an address that it has not named before. Nothing was given"
                               " to it.", reason="invalid_redirect_uri")
        return app

    def check(self, app: App, redirect: str, kind: str, scopes: tuple[str, ...], challenge: str, method: str) -> Asked:
        """What it asks for, if that can be asked for; `InvalidInput`, whose reason is an error code of RFC 6749, section 4.1.2.1,
        otherwise."""
        if kind != "code":
            raise InvalidInput("This app asks in a way that is not offered here.", reason="unsupported_response_type")
        if not within(scopes, app.scopes):
            raise InvalidInput("This app asks for more than it has said that it would.", reason="invalid_scope")
        if (challenge or method) and (method != "S256" or not _CHALLENGE.fullmatch(challenge)):
            raise InvalidInput("This app does not protect its code in the way that is asked for here (S256).",
                               reason="invalid_request")
        return Asked(app, redirect, scopes, challenge)

    async def allow(self, doctor: VerifiedDoctor, asked: Asked, visit: Visit) -> str:
        """She lets it in: the code that becomes a token once, within five minutes. It is noted among what concerns signing in."""
        fresh, now = token(), self._clock.ms()

        def write(tx: Tx) -> None:
            tx.run("INSERT INTO app_codes (code_hash, app_id, account_id, redirect, scopes, challenge, expires_at)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?)",
                   (token_hash(fresh), asked.app.id, doctor.account.id, asked.redirect, " ".join(asked.scopes), asked.challenge,
                    now + _CODE_MS))
            self._signins.note(tx, doctor.account.id, Happened.APP_LET_IN, visit)

        await self._database.write(write)
        return fresh

    async def redeem(self, client_id: str, secret: str, code: str, redirect: str, verifier: str) -> Token:
        """A code becomes a token. Used a second time it ends the token it became, for somebody has stolen one of the two. The
        reasons of what is raised are the error codes of RFC 6749, section 5.2."""
        fresh = token()

        def write(tx: Tx) -> Token | KonsilError:
            now = self._clock.ms()
            row = tx.row("SELECT * FROM app_codes WHERE code_hash = ?", (token_hash(code),))
            app = authenticated(tx, client_id, secret, needed=row is None or not row["challenge"])
            if row is None or row["app_id"] != app.id:
                return _spent()
            if row["used_at"] is not None:
                tx.run("DELETE FROM app_tokens WHERE code_hash = ?", (row["code_hash"],))
                tx.wake(SESSIONS)
                return _spent()
            tx.run("UPDATE app_codes SET used_at = ? WHERE code_hash = ?", (now, row["code_hash"]))
            if row["expires_at"] <= now or row["redirect"] != redirect or not _proves(verifier, row["challenge"]):
                return _spent()
            if verified(tx, row["account_id"], now) is None:
                return _spent()
            return self._made(tx, fresh, app, row["account_id"], row["scopes"], row["code_hash"], now)

        return _given(await self._database.write(write))

    async def for_itself(self, client_id: str, secret: str, scopes: tuple[str, ...]) -> Token:
        """A token with which an app speaks for nobody (RFC 6749, section 4.4)."""
        fresh = token()

        def write(tx: Tx) -> Token | KonsilError:
            app = authenticated(tx, client_id, secret, needed=True)
            if not within(scopes, app.scopes):
                return InvalidInput("This app asks for more than it has said that it would.", reason="invalid_scope")
            tx.run("DELETE FROM app_tokens WHERE app_id = ? AND account_id IS NULL", (app.id,))
            return self._made(tx, fresh, app, None, " ".join(scopes), None, self._clock.ms())

        return _given(await self._database.write(write))

    async def revoke(self, client_id: str, secret: str, given: str) -> None:
        """An app gives a token back (RFC 7009); one that is none is no error, another app's is `Refused`."""
        def write(tx: Tx) -> KonsilError | None:
            app = authenticated(tx, client_id, secret, needed=False)
            row = tx.row("SELECT id, app_id FROM app_tokens WHERE token_hash = ?", (token_hash(given),))
            if row is not None and row["app_id"] != app.id:
                return Refused("This token belongs to another app.", reason="unauthorized_client")
            if row is not None:
                tx.run("DELETE FROM app_tokens WHERE id = ?", (row["id"],))
                tx.wake(SESSIONS)
            return None

        refused = await self._database.write(write)
        if refused is not None:
            raise refused

    async def find(self, given: str) -> Bearer | None:
        """Who shows a token, or None; None also where its doctor is not verified. `Refused` where her verification has run out:
        it opens again when that is renewed."""
        return await self._database.read(lambda tx: self._bearer(tx, "t.token_hash = ?", token_hash(given))) if given else None

    async def holding(self, token_id: int) -> VerifiedDoctor | None:
        """The doctor of a token that is still good, for addresses that were handed out under it."""
        found = await self.again(token_id)
        return found.doctor if found is not None else None

    async def again(self, token_id: int) -> Bearer | None:
        """Who has shown a token before, as it stands now; None and `Refused` as with `find`."""
        return await self._database.read(lambda tx: self._bearer(tx, "t.id = ?", token_id))

    def seen(self, bearer: Bearer) -> None:
        """It asks for something; that is written down once an hour, beside other commits."""
        now = self._clock.ms()
        if now - bearer.seen >= _SEEN_MS:
            self._database.later(lambda tx: tx.run("UPDATE app_tokens SET seen_at = ? WHERE id = ?", (now, bearer.token_id)))

    async def of(self, account_id: int) -> tuple[LetIn, ...]:
        """The apps a doctor has let in, the one that asked last first."""
        return await self._database.read(lambda tx: _let_in(tx, account_id))

    async def end(self, account_id: int, app_id: int, visit: Visit) -> None:
        """She does not let an app in any more; one that is not in is no error."""
        def write(tx: Tx) -> None:
            values = (account_id, app_id)
            tx.run("DELETE FROM app_codes WHERE account_id = ? AND app_id = ?", values)
            if tx.run("DELETE FROM app_tokens WHERE account_id = ? AND app_id = ?", values):
                self._signins.note(tx, account_id, Happened.APP_ENDED, visit)
                tx.wake(SESSIONS)

        await self._database.write(write)

    async def prune(self) -> None:
        """Forget codes that are over, tokens that nobody has used for long, and then apps that nobody uses."""
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            tx.run("DELETE FROM app_codes WHERE expires_at < ?", (now - _REMEMBERED_MS,))
            tx.run("DELETE FROM app_tokens WHERE seen_at < ?", (now - self._unused_ms,))

        await self._database.write(write)
        await self._apps.prune()

    def _made(self, tx: Tx, fresh: str, app: App, account_id: int | None, scopes: str, code: bytes | None, now: int) -> Token:
        tx.run("INSERT INTO app_tokens (id, token_hash, app_id, account_id, scopes, code_hash, created_at, seen_at)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
               (self._ids.new(), token_hash(fresh), app.id, account_id, scopes, code, now, now))
        return Token(fresh, tuple(scopes.split()), now)

    def _bearer(self, tx: Tx, which: str, value: object) -> Bearer | None:
        now = self._clock.ms()
        row = tx.row(f"{_BEARER} {which}", (value,))
        if row is None or row["seen_at"] < now - self._unused_ms:
            return None
        doctor = None
        if row["account_id"] is not None and (doctor := verified(tx, row["account_id"], now)) is None:
            return None
        return Bearer(row["token_id"], app_from(row), tuple(row["granted"].split()), doctor, row["seen_at"])


def alive(tx: Tx, token_ids: Sequence[int], unused: int, now: int) -> frozenset[int]:
    """Those of these tokens that hold, were used since `unused` (ms), and whose doctors' verification is in force."""
    found: dict[int, int] = {}
    for start in range(0, len(token_ids), _AT_A_TIME):
        some = token_ids[start:start + _AT_A_TIME]
        found |= {row["id"]: row["actor_id"] for row in tx.rows(
            "SELECT t.id, a.actor_id FROM app_tokens t JOIN accounts a ON a.id = t.account_id"
            f" WHERE t.id IN ({marks(len(some))}) AND t.seen_at >= ? AND a.state = ? AND a.actor_id IS NOT NULL",
            (*some, unused, AccountState.VERIFIED))}
    holding = in_force(tx, found.values(), now)
    return frozenset(one for one, actor_id in found.items() if actor_id in holding)


def _let_in(tx: Tx, account_id: int) -> tuple[LetIn, ...]:
    rows = tx.rows("SELECT app_id, min(created_at) AS since, max(seen_at) AS seen FROM app_tokens WHERE account_id = ?"
                   " GROUP BY app_id ORDER BY 3 DESC, 1", (account_id,))
    apps = {row["id"]: app_from(row) for row in tx.rows(
        f"SELECT * FROM apps WHERE id IN ({marks(len(rows))})", [row["app_id"] for row in rows])} if rows else {}
    granted: dict[int, dict[str, None]] = {}
    for row in tx.rows("SELECT app_id, scopes FROM app_tokens WHERE account_id = ?", (account_id,)):
        granted.setdefault(row["app_id"], {}).update(dict.fromkeys(row["scopes"].split()))
    return tuple(LetIn(apps[row["app_id"]], tuple(granted[row["app_id"]]), row["since"], row["seen"]) for row in rows)


def kept(tx: Tx, account_id: int) -> list[dict[str, Any]]:
    """The apps a doctor has let in, for her archive."""
    return [{"name": one.app.name, "website": one.app.website, "scopes": list(one.scopes), "since": rfc3339(one.since),
             "lastUsed": rfc3339(one.seen)} for one in _let_in(tx, account_id)]


def shut_out(tx: Tx, account_ids: Sequence[int]) -> None:
    """No app speaks for these any more."""
    for table in ("app_tokens", "app_codes"):
        tx.run(f"DELETE FROM {table} WHERE account_id IN ({marks(len(account_ids))})", account_ids)
    tx.wake(SESSIONS)


def farewell(tx: Tx, account_id: int, actor_id: int, now: int) -> None:
    """Whoever leaves has let no app in, and was nowhere in a list."""
    shut_out(tx, [account_id])
    tx.run("DELETE FROM markers WHERE actor_id = ?", (actor_id,))


def _proves(verifier: str, challenge: str) -> bool:
    """Whether a verifier is the one behind a challenge; where there is no challenge there must be no verifier (RFC 9700,
    section 2.1.1)."""
    if not challenge:
        return not verifier
    made = urlsafe_b64encode(sha256(verifier.encode("ascii", "replace")).digest()).rstrip(b"=")
    return bool(_VERIFIER.fullmatch(verifier)) and hmac.compare_digest(made, challenge.encode())


def _spent() -> InvalidInput:
    return InvalidInput("This code does not count: it was used, is too old, or belongs to something else. Please sign in again"
                        " from the app.", reason="invalid_grant")


def _given(made: Token | KonsilError) -> Token:
    if isinstance(made, KonsilError):
        raise made
    return made
