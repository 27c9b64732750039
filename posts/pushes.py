"""Browsers that show a sign when something is new: kept as long as the session in them, told in numbers.

There is no queue of messages. What a browser is owed is the difference between what it was told and what is unread, so it
survives every crash, comes as one message however long it waited, and is nothing any more once she has read it. A row goes with
its session, however that ends (`ON DELETE CASCADE`).
"""

from __future__ import annotations

import random
from datetime import tzinfo
from typing import NamedTuple

from actors.attention import quiet_until
from actors.models import Account, AccountState
from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Tx, marks
from core.errors import InvalidInput
from core.ids import Ids
from core.settings import Push
from core.vault import KeyVault
from core.webpush import encoded, key_from, public_bytes, read_keys
from federation.addresses import is_loopback, origin_of
from federation.client import Service
from posts.notifications import unread_since
from posts.telling import QUIET

_ENDPOINT_LENGTH = 1000
_PAUSE_MS = 120_000  # between two signs: a lively conversation is one
_FIRST_MS, _LIMIT_MS = 30_000, 3_600_000
_ME = 16


class WaitingPush(NamedTuple):
    """A browser that is owed a sign: how much there is of each kind and the newest event of it, and its bearer's language."""

    session_id: int
    endpoint: str
    public_key: bytes
    secret: bytes
    tries: int
    counts: dict[str, int]
    newest: int
    language: str


class Offered(NamedTuple):
    """What a page needs to offer it: our public key, and a word by which a browser knows its owner again without knowing who she
    is."""

    key: str
    me: str


class Pushes:
    """Keeps the rows. Push services are those of the settings; where none is named, nothing is offered and nothing sent."""

    def __init__(self, database: Database, vault: KeyVault, clock: Clock, ids: Ids, settings: Push, zone: tzinfo) -> None:
        self._database, self._vault, self._clock, self._ids, self._zone = database, vault, clock, ids, zone
        self.service = Service("Web Push", tuple(map(_origin, settings.hosts)))
        self.key = key_from(b"".join(vault.mac("web push key", part) for part in (b"1", b"2")))

    @property
    def on(self) -> bool:
        return bool(self.service.origins)

    @property
    def public_key(self) -> str:
        """Our key as apps and browsers ask for it (RFC 8292)."""
        return encoded(public_bytes(self.key))

    def offered(self, account: Account) -> Offered | None:
        """What her pages need, or None where it is not offered."""
        if not self.on or account.actor_id is None:
            return None
        me = encoded(self._vault.mac("web push owner", str(account.id).encode())[:_ME])
        return Offered(self.public_key, me)

    async def is_told(self, session_id: int) -> bool:
        """Whether the browser of a session shows signs."""
        return await self._database.read(lambda tx: tx.row(
            "SELECT 1 FROM push_subscriptions WHERE session_id = ?", (session_id,)) is not None)

    async def subscribe(self, session_id: int, endpoint: str, public_key: str, secret: str) -> None:
        """The browser of a session is told from now on; `InvalidInput` for one whose push service the settings do not name. An
        endpoint is a browser's: whoever was told there before is not any more."""
        self._check(endpoint)
        keys = read_keys(public_key, secret)

        def write(tx: Tx) -> None:
            tx.run("DELETE FROM push_subscriptions WHERE endpoint = ? AND session_id <> ?", (endpoint, session_id))
            tx.run("INSERT INTO push_subscriptions (session_id, endpoint, public_key, secret, told)"
                   " SELECT id, ?, ?, ?, ? FROM sessions WHERE id = ?"
                   " ON CONFLICT (session_id) DO UPDATE SET endpoint = excluded.endpoint,"
                   " public_key = excluded.public_key, secret = excluded.secret",
                   (endpoint, *keys, self._ids.new(), session_id))

        await self._database.write(write)

    async def unsubscribe(self, session_id: int) -> None:
        """The browser of a session is told no more."""
        await self._database.write(lambda tx: tx.run("DELETE FROM push_subscriptions WHERE session_id = ?", (session_id,)))

    async def due(self, limit: int) -> list[WaitingPush]:
        """Browsers that are owed a sign now. In quiet hours nobody is; what has gathered by their end is one sign."""
        now = self._clock.ms()

        def look(tx: Tx) -> tuple[list[WaitingPush], list[tuple[int, int]]]:
            found, held = list[WaitingPush](), list[tuple[int, int]]()
            for row in tx.rows(
                    "SELECT p.*, a.id AS account_id, a.actor_id, a.language FROM push_subscriptions p"
                    " JOIN sessions s ON s.id = p.session_id JOIN accounts a ON a.id = s.account_id"
                    " WHERE p.next_try <= ? AND s.expires_at > ? AND a.state = ? AND EXISTS (SELECT 1 FROM notifications n"
                    " WHERE n.actor_id = a.actor_id AND n.read_at IS NULL AND n.newest > p.told"
                    f" AND n.kind NOT IN ({marks(len(QUIET))})) ORDER BY p.next_try, p.session_id LIMIT ?",
                    (now, now, AccountState.VERIFIED, *sorted(QUIET), limit)):
                if not by_ids(tx, [row["actor_id"]])[row["actor_id"]].badge.holds(now):
                    continue
                if (until := quiet_until(tx, row["account_id"], self._zone, now)) is not None:
                    held.append((until, row["session_id"]))
                    continue
                news = unread_since(tx, row["actor_id"], row["told"])
                found.append(WaitingPush(row["session_id"], row["endpoint"], row["public_key"], row["secret"], row["tries"],
                                         news.counts, news.newest, row["language"]))
            return found, held

        found, held = await self._database.read(look)
        if held:
            await self._database.write(lambda tx: _put_off(tx, held))
        return found

    async def sent(self, push: WaitingPush) -> None:
        """The push service has taken it."""
        now = self._clock.ms()
        await self._database.write(lambda tx: tx.run(
            "UPDATE push_subscriptions SET told = ?, tries = 0, next_try = ? WHERE session_id = ? AND endpoint = ?",
            (push.newest, now + _PAUSE_MS, push.session_id, push.endpoint)))

    async def put_off(self, push: WaitingPush, seconds: int | None) -> None:
        """It could not be sent now: again after a while that doubles, or when the service says."""
        pause = int(min(_FIRST_MS << min(push.tries, 10), _LIMIT_MS) * random.uniform(0.8, 1.2))
        until = self._clock.ms() + max(pause, min(seconds or 0, _LIMIT_MS // 1000) * 1000)
        await self._database.write(lambda tx: tx.run(
            "UPDATE push_subscriptions SET tries = tries + 1, next_try = ? WHERE session_id = ? AND endpoint = ?",
            (until, push.session_id, push.endpoint)))

    async def ended(self, push: WaitingPush) -> None:
        """The service knows no such browser any more, or will not take our word."""
        await self._database.write(lambda tx: tx.run(
            "DELETE FROM push_subscriptions WHERE session_id = ? AND endpoint = ?", (push.session_id, push.endpoint)))

    def knows(self, endpoint: str) -> bool:
        """Whether an address is one of a push service that the settings name."""
        try:
            return len(endpoint) <= _ENDPOINT_LENGTH and endpoint.isascii() and origin_of(endpoint) in self.service.origins
        except InvalidInput:
            return False

    def _check(self, endpoint: str) -> None:
        if not self.knows(endpoint):
            raise InvalidInput("Your browser's push service is not among those this instance uses. Its operators can add it.",
                               reason="push-service")


def _put_off(tx: Tx, held: list[tuple[int, int]]) -> None:
    for until, session_id in held:
        tx.run("UPDATE push_subscriptions SET next_try = ? WHERE session_id = ?", (until, session_id))


def _origin(host: str) -> str:
    plain = f"http://{host}"
    return plain if is_loopback(plain) else f"https://{host}"
