"""Apps that are told that there is something, one message for each: where, of what, and how far.

As with browsers (`posts.pushes`) there is no queue: what an app is owed is what its doctor was told and has not read, behind the
last event it got. A row goes with its token, however that ends (`ON DELETE CASCADE`). The token itself stands in it under the
key file, because messages have to name it: apps know by it which of their accounts is meant.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import tzinfo
from enum import StrEnum
from typing import NamedTuple

from actors.attention import quiet_until
from actors.credentials import in_force
from actors.models import AccountState, Actor
from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Row, Tx, marks
from core.errors import InvalidInput
from core.ids import Ids
from core.vault import KeyVault
from core.webpush import read_keys
from posts.pushes import Pushes
from posts.telling import Told

TYPES: dict[Told, str] = {
    Told.ANSWER: "mention", Told.MENTION: "mention", Told.CONSULT: "mention", Told.ASKED_BACK: "mention",
    Told.FOLLOWED: "status", Told.FOLLOW: "follow_request", Told.CLOSED: "poll", Told.LIKE: "favourite",
    Told.HELPFUL: "favourite", Told.BOOST: "reblog",
    **dict.fromkeys((Told.CHANGED, Told.EDITED, Told.CORRECTED, Told.RECALLED, Told.OUTCOME, Told.TRANSLATED), "update")}
"""What clients of the Mastodon API call what one is told of."""
ALERTS = ("mention", "status", "reblog", "follow", "follow_request", "favourite", "poll", "update")
"""What an app can want to hear of; of some of it there is nothing here."""
_MOST = 5  # of what has gathered, as over a night: the newest
_FIRST_MS, _LIMIT_MS = 30_000, 3_600_000
_DAY_MS = 86_400_000
_FORGET = "DELETE FROM app_subscriptions WHERE token_id = ?"


class Policy(StrEnum):
    """Of whose doing an app hears."""

    ALL = "all"
    FOLLOWED = "followed"
    FOLLOWER = "follower"
    NONE = "none"


class Subscription(NamedTuple):
    """What is kept for an app: `standard` says that it reads what RFC 8291 says, and not the draft before that."""

    token_id: int
    endpoint: str
    standard: bool
    alerts: frozenset[str]
    policy: Policy


class WaitingAlert(NamedTuple):
    """An app that is owed a message: of which kind, the event it is about, and who did it (None: nobody)."""

    token_id: int
    actor: Actor
    language: str
    endpoint: str
    public_key: bytes
    secret: bytes
    standard: bool
    access_token: str
    tries: int
    kind: Told
    event: int
    by: Actor | None


class Alerts:
    """Keeps the rows; which push services there are, and our key, is for `pushes` to say."""

    def __init__(self, database: Database, vault: KeyVault, clock: Clock, ids: Ids, pushes: Pushes, zone: tzinfo,
                 unused_days: int) -> None:
        self._database, self._vault, self._clock, self._ids, self._zone = database, vault, clock, ids, zone
        self._pushes, self._unused_ms = pushes, unused_days * _DAY_MS

    async def subscribe(self, token_id: int, token: str, endpoint: str, keys: tuple[str, str], *, standard: bool,
                        alerts: Iterable[str], policy: Policy) -> Subscription:
        """The app behind a token hears from now on, and nobody who heard at that address before. `InvalidInput` for a push
        service that the settings do not name, and for keys that are none."""
        if not self._pushes.knows(endpoint):
            raise InvalidInput("This app is told through a service that this instance does not use. Its operators can add it.",
                               reason="push-service", field="subscription[endpoint]")
        known = read_keys(*keys)
        sealed, wanted = self._vault.seal(token.encode(), _context(token_id)), _written(alerts)

        def write(tx: Tx) -> None:
            tx.run("DELETE FROM app_subscriptions WHERE endpoint = ? AND token_id <> ?", (endpoint, token_id))
            tx.run("INSERT INTO app_subscriptions (token_id, endpoint, public_key, secret, standard, kinds, policy,"
                   " sealed_token, told) SELECT id, ?, ?, ?, ?, ?, ?, ?, ? FROM app_tokens WHERE id = ?"
                   " ON CONFLICT (token_id) DO UPDATE SET endpoint = excluded.endpoint, public_key = excluded.public_key,"
                   " secret = excluded.secret, standard = excluded.standard, kinds = excluded.kinds, policy = excluded.policy,"
                   " tries = 0, next_try = 0",
                   (endpoint, *known, int(standard), wanted, policy, sealed, self._ids.new(), token_id))

        await self._database.write(write)
        return Subscription(token_id, endpoint, standard, frozenset(wanted.split()), policy)

    async def of(self, token_id: int) -> Subscription | None:
        """What is kept for the app behind a token."""
        row = await self._database.read(lambda tx: tx.row("SELECT * FROM app_subscriptions WHERE token_id = ?", (token_id,)))
        return _subscription(row) if row is not None else None

    async def change(self, token_id: int, alerts: Iterable[str], policy: Policy) -> Subscription | None:
        """It wants to hear of something else; None where nothing is kept for it."""
        await self._database.write(lambda tx: tx.run(
            "UPDATE app_subscriptions SET kinds = ?, policy = ? WHERE token_id = ?", (_written(alerts), policy, token_id)))
        return await self.of(token_id)

    async def unsubscribe(self, token_id: int) -> None:
        """It hears no more."""
        await self._database.write(lambda tx: tx.run(_FORGET, (token_id,)))

    async def due(self, limit: int) -> list[WaitingAlert]:
        """Apps that are owed a message now. In quiet hours nobody is."""
        now = self._clock.ms()

        def look(tx: Tx) -> tuple[list[WaitingAlert], list[tuple[int, int, int]]]:
            found, held = list[WaitingAlert](), list[tuple[int, int, int]]()
            rows = tx.rows(
                "SELECT p.*, a.id AS account_id, a.actor_id, a.language FROM app_subscriptions p"
                " JOIN app_tokens t ON t.id = p.token_id JOIN accounts a ON a.id = t.account_id"
                " WHERE p.next_try <= ? AND t.seen_at >= ? AND a.state = ? AND EXISTS (SELECT 1 FROM notifications n"
                " WHERE n.actor_id = a.actor_id AND n.read_at IS NULL AND n.newest > p.told)"
                " ORDER BY p.next_try, p.token_id LIMIT ?", (now, now - self._unused_ms, AccountState.VERIFIED, limit))
            holding = in_force(tx, (row["actor_id"] for row in rows), now)
            people = by_ids(tx, [row["actor_id"] for row in rows])
            for row in rows:
                if row["actor_id"] not in holding:
                    held.append((row["told"], now + _LIMIT_MS, row["token_id"]))
                elif (until := quiet_until(tx, row["account_id"], self._zone, now)) is not None:
                    held.append((row["told"], until, row["token_id"]))
                elif (event := _next(tx, row)) is None:
                    held.append((_newest(tx, row["actor_id"]), now, row["token_id"]))
                else:
                    by = by_ids(tx, [event["by_id"]]).get(event["by_id"]) if event["by_id"] is not None else None
                    found.append(self._waiting(row, people[row["actor_id"]], event, by))
            return found, held

        found, held = await self._database.read(look)
        if held:
            await self._database.write(lambda tx: _put_off(tx, held))
        return found

    async def sent(self, alert: WaitingAlert) -> None:
        """The push service has taken it, or there is nothing to say of it any more."""
        await self._database.write(lambda tx: tx.run(
            "UPDATE app_subscriptions SET told = ?, tries = 0, next_try = 0 WHERE token_id = ? AND told < ?",
            (alert.event, alert.token_id, alert.event)))

    async def put_off(self, alert: WaitingAlert, seconds: int | None) -> None:
        """It could not be sent now: again after a while that doubles, or when the service says."""
        pause = int(min(_FIRST_MS << min(alert.tries, 10), _LIMIT_MS) * random.uniform(0.8, 1.2))
        until = self._clock.ms() + max(pause, min(seconds or 0, _LIMIT_MS // 1000) * 1000)
        await self._database.write(lambda tx: tx.run(
            "UPDATE app_subscriptions SET tries = tries + 1, next_try = ? WHERE token_id = ? AND endpoint = ?",
            (until, alert.token_id, alert.endpoint)))

    async def ended(self, alert: WaitingAlert) -> None:
        """The service knows no such app any more, or will not take our word."""
        await self._database.write(lambda tx: tx.run(f"{_FORGET} AND endpoint = ?", (alert.token_id, alert.endpoint)))

    def _waiting(self, row: Row, actor: Actor, event: Row, by: Actor | None) -> WaitingAlert:
        token = self._vault.open(row["sealed_token"], _context(row["token_id"])).decode()
        return WaitingAlert(row["token_id"], actor, row["language"], row["endpoint"], row["public_key"], row["secret"],
                            bool(row["standard"]), token, row["tries"], Told(event["kind"]), event["newest"], by)


def _next(tx: Tx, row: Row) -> Row | None:
    """The first thing an app has not heard of and wants to; of very many, one of the newest."""
    alerts, actor_id = frozenset(row["kinds"].split()), row["actor_id"]
    kinds = sorted(kind for kind, name in TYPES.items() if name in alerts)
    if not kinds or row["policy"] == Policy.NONE:
        return None
    whose, values = "", list[int]()
    if row["policy"] != Policy.ALL:
        mine, theirs = ("follower_id", "followed_id") if row["policy"] == Policy.FOLLOWED else ("followed_id", "follower_id")
        whose = f" AND e.by_id IN (SELECT {theirs} FROM follows WHERE {mine} = ? AND state = 'accepted')"
        values = [actor_id]
    found = tx.rows(
        "SELECT n.newest, n.kind, e.by_id FROM notifications n JOIN notification_events e ON e.id = n.newest"
        f" WHERE n.actor_id = ? AND n.newest > ? AND n.read_at IS NULL AND n.kind IN ({marks(len(kinds))}){whose}"
        " ORDER BY n.newest DESC LIMIT ?", (actor_id, row["told"], *kinds, *values, _MOST))
    return found[-1] if found else None


def _newest(tx: Tx, actor_id: int) -> int:
    row = tx.row("SELECT max(newest) AS newest FROM notifications WHERE actor_id = ?", (actor_id,))
    return (row["newest"] or 0) if row is not None else 0


def _put_off(tx: Tx, held: list[tuple[int, int, int]]) -> None:
    for told, until, token_id in held:
        tx.run("UPDATE app_subscriptions SET told = ?, next_try = ? WHERE token_id = ? AND told <= ?",
               (told, until, token_id, told))


def _subscription(row: Row) -> Subscription:
    return Subscription(row["token_id"], row["endpoint"], bool(row["standard"]), frozenset(row["kinds"].split()),
                        Policy(row["policy"]))


def _written(alerts: Iterable[str]) -> str:
    wanted = frozenset(alerts)
    return " ".join(name for name in ALERTS if name in wanted)


def _context(token_id: int) -> str:
    return f"token of an app {token_id}"
