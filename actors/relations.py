"""What doctors are to each other: who follows whom, and whom somebody does not want to read.

A follow needs the other's consent, and gives nothing but what stands in the tab "Following": it lets nobody read more.
Across a border it is `Follow` and its answer, in the outbox with the effect. Whom one blocks is never told: what she asks
stays without an answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Protocol

import msgspec

from actors import follows, wire
from actors.follows import Follow, FollowState
from actors.models import Actor, VerifiedDoctor
from actors.store import by_ids, shown_by_id
from core.clock import Clock
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput
from core.ids import Ids, number, public
from federation.allowlist import SiblingState
from federation.identity import Identity
from federation.listed import sent_to
from federation.siblings import SiblingChange
from federation.store import Outgoing, enqueue

PAGE = 20
_END = (1 << 63) - 1
_MANY_REQUESTS = 100


class Shun(StrEnum):
    """How one does not want to read somebody: a block also ends follows and refuses new ones."""

    BLOCK = "block"
    MUTE = "mute"


class Relation(msgspec.Struct, frozen=True):
    """A doctor and another one, as the first may know it; `until` (ms) is when a mute ends by itself. `reachable`: what she
    asks and answers gets there, now or when a pause ends."""

    following: Follow | None
    followed_by: Follow | None
    shun: Shun | None
    until: int | None
    reachable: bool


class Circle(StrEnum):
    """The lists of people a doctor has: who asks to follow her, who does, whom she follows or asks to, whom she shuns."""

    REQUESTS = "requests"
    FOLLOWERS = "followers"
    FOLLOWING = "following"
    BLOCKED = "blocked"
    MUTED = "muted"


class Member(msgspec.Struct, frozen=True):
    """Somebody in a circle: since when, whether it is only asked for, until when; times in ms."""

    actor: Actor
    since: int
    asked: bool = False
    until: int | None = None


class Members(msgspec.Struct, frozen=True):
    """A circle, newest first, the cursor (`?before=`) of the next page or None, and how many requests wait in all."""

    members: tuple[Member, ...]
    before: str | None
    requests: int


_UNBLOCKED = (" AND NOT EXISTS (SELECT 1 FROM shuns s WHERE s.actor_id = f.followed_id AND s.other_id = f.follower_id"
              " AND s.kind = 'block')")
_REQUESTS = f"FROM follows f WHERE f.followed_id = ? AND f.state = 'requested'{_UNBLOCKED}"
_FOLLOW = "f.at AS since, f.state = 'requested' AS asked, NULL AS until"
_SHUN = "f.other_id AS other, f.at AS since, 0 AS asked, f.until FROM shuns f WHERE f.actor_id = ? AND f.kind ="
_CIRCLES = {
    Circle.REQUESTS: ("f.follower_id", f"f.follower_id AS other, {_FOLLOW} {_REQUESTS}"),
    Circle.FOLLOWERS: ("f.follower_id", f"f.follower_id AS other, {_FOLLOW} FROM follows f"
                                        " WHERE f.followed_id = ? AND f.state = 'accepted'"),
    Circle.FOLLOWING: ("f.followed_id", f"f.followed_id AS other, {_FOLLOW} FROM follows f WHERE f.follower_id = ?"),
    Circle.BLOCKED: ("f.other_id", f"{_SHUN} 'block'"),
    Circle.MUTED: ("f.other_id", f"{_SHUN} 'mute'"),
}


class Concerns(Protocol):
    """Who tells doctors what concerns them: that is known further up, so it is handed in."""

    def asked_to_follow(self, tx: Tx, ids: Ids, follower: Actor, followed: Actor, now: int, /) -> None: ...
    def follow_accepted(self, tx: Tx, ids: Ids, follower: Actor, followed: Actor, now: int, /) -> None: ...
    def unfollowed(self, tx: Tx, follower: Actor, followed: Actor, /) -> None: ...
    def parted(self, tx: Tx, sibling_id: int, /) -> None: ...


class Relations:
    """What a doctor of this instance does about other people. What asks or consents takes a `VerifiedDoctor`; to take back
    and to shut out, nobody needs a badge that holds."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, ids: Ids, concerns: Concerns) -> None:
        self._database, self._identity, self._clock, self._ids = database, identity, clock, ids
        self._concerns = concerns

    async def follow(self, doctor: VerifiedDoctor, other: Actor) -> None:
        """Ask to follow somebody; she is asked once, however often this is called."""
        me, now = doctor.actor, self._clock.ms()
        if me.id == other.id:
            raise InvalidInput("Nobody follows themselves.", reason="self")

        def write(tx: Tx) -> None:
            if _shun(tx, me.id, other.id, now) == Shun.BLOCK:
                raise InvalidInput("You have blocked %(name)s. End the block first.", values={"name": other.name},
                                   reason="blocked")
            if follows.between(tx, me.id, other.id) is not None:
                return
            self._check_reachable(tx, other)
            uri = f"{self._identity.origin}/follows/{public(self._ids.new())}"
            follows.request(tx, Follow(uri, me.id, other.id, FollowState.REQUESTED, now))
            self._concerns.asked_to_follow(tx, self._ids, me, other, now)
            self._send(tx, other, wire.follow(uri, me, other), now)

        await self._database.write(write)

    async def unfollow(self, me: Actor, other: Actor) -> None:
        """Follow somebody no more, or withdraw the request."""
        now = self._clock.ms()
        await self._database.write(lambda tx: self._withdraw(tx, me, other, now))

    async def accept(self, doctor: VerifiedDoctor, other: Actor) -> None:
        """Let somebody follow who has asked; `Conflict` when she has withdrawn that meanwhile."""
        me, now = doctor.actor, self._clock.ms()

        def write(tx: Tx) -> None:
            follow = follows.between(tx, other.id, me.id)
            if follow is None or _shun(tx, me.id, other.id, now) == Shun.BLOCK:
                raise Conflict("%(name)s does not ask any more.", values={"name": other.name}, reason="withdrawn")
            if follow.state == FollowState.REQUESTED:
                self._check_reachable(tx, other)
                follows.accept(tx, follow, now)
                self._concerns.follow_accepted(tx, self._ids, other, me, now)
                self._send(tx, other, wire.answer("Accept", self._answer_uri(), follow.uri, other, me), now)

        await self._database.write(write)

    async def dismiss(self, me: Actor, other: Actor) -> None:
        """Decline a request, or end that somebody follows. She may ask again."""
        now = self._clock.ms()
        await self._database.write(lambda tx: self._dismiss(tx, me, other, now))

    async def block(self, me: Actor, other: Actor) -> None:
        """Shut somebody out: follows end in both directions, her posts are in no list, what she asks is never seen."""
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            if _shun(tx, me.id, other.id, now) == Shun.BLOCK:
                return  # what she has asked since then stays without an answer
            self._shun(tx, me, other, Shun.BLOCK, None, now)
            self._withdraw(tx, me, other, now)
            self._dismiss(tx, me, other, now)

        await self._database.write(write)

    async def mute(self, me: Actor, other: Actor, until: int | None = None) -> None:
        """Leave somebody's posts out of the lists, until a moment (ms) or for good; everything else stays."""
        now = self._clock.ms()
        if until is not None and until <= now:
            raise InvalidInput("A mute ends in the future.", field="until")

        def write(tx: Tx) -> None:
            if _shun(tx, me.id, other.id, now) == Shun.BLOCK:
                raise InvalidInput("You have blocked %(name)s, which hides more than muting does.",
                                   values={"name": other.name}, reason="blocked")
            self._shun(tx, me, other, Shun.MUTE, until, now)

        await self._database.write(write)

    async def end_shun(self, me: Actor, other: Actor) -> None:
        """End a block or a mute. Follows that a block has ended do not come back."""
        await self._database.write(lambda tx: tx.run(
            "DELETE FROM shuns WHERE actor_id = ? AND other_id = ?", (me.id, other.id)))

    async def between(self, me: Actor, other: Actor) -> Relation:
        """How a doctor stands to another one."""
        now = self._clock.ms()

        def look(tx: Tx) -> Relation:
            row = tx.row("SELECT kind, until FROM shuns WHERE actor_id = ? AND other_id = ? AND (until IS NULL OR until > ?)",
                         (me.id, other.id, now))
            shun = Shun(row["kind"]) if row is not None else None
            return Relation(
                follows.between(tx, me.id, other.id),
                follows.between(tx, other.id, me.id) if shun != Shun.BLOCK else None,
                shun, row["until"] if row is not None else None, _reachable(tx, other))

        return await self._database.read(look)

    async def circle(self, me: Actor, which: Circle, before: str | None = None) -> Members:
        """Twenty of a doctor's people, newest first."""
        now = self._clock.ms()
        other, sql = _CIRCLES[which]
        key = (number(before[:13]), number(before[13:])) if before else (None, None)

        def look(tx: Tx) -> Members:
            rows = tx.rows(f"SELECT {sql} AND (f.at, {other}) < (?, ?) ORDER BY f.at DESC, {other} DESC LIMIT ?",
                           (me.id, *(key if None not in key else (_END, _END)), PAGE + 1))
            shown = rows[:PAGE]
            actors = by_ids(tx, [row["other"] for row in shown])
            found = tuple(Member(actors[row["other"]], row["since"], bool(row["asked"]), row["until"]) for row in shown
                          if (row["until"] is None or row["until"] > now) and actors[row["other"]].name)
            waiting = tx.row(f"SELECT count(*) AS n FROM (SELECT 1 {_REQUESTS} LIMIT {_MANY_REQUESTS}) AS some", (me.id,))
            return Members(found, public(shown[-1]["since"]) + public(shown[-1]["other"]) if len(rows) > PAGE else None,
                           waiting["n"] if waiting is not None else 0)

        return await self._database.read(look)

    def sibling_changed(self, tx: Tx, change: SiblingChange) -> None:
        """A sibling that is revoked is nobody's follower and followed by nobody from then on; its doctors are not told."""
        if change.new == SiblingState.REVOKED:
            part(tx, self._concerns, change.sibling_id)

    def _withdraw(self, tx: Tx, me: Actor, other: Actor, now: int) -> None:
        follow = follows.between(tx, me.id, other.id)
        if follow is not None:
            follows.end(tx, follow.uri)
            self._concerns.unfollowed(tx, me, other)
            self._send(tx, other, wire.undo_follow(follow.uri, me, other), now)

    def _dismiss(self, tx: Tx, me: Actor, other: Actor, now: int) -> None:
        follow = follows.between(tx, other.id, me.id)
        if follow is not None:
            follows.end(tx, follow.uri)
            self._concerns.unfollowed(tx, other, me)
            self._send(tx, other, wire.answer("Reject", self._answer_uri(), follow.uri, other, me), now)

    def _shun(self, tx: Tx, me: Actor, other: Actor, kind: Shun, until: int | None, now: int) -> None:
        if me.id == other.id:
            raise InvalidInput("Nobody shuts themselves out.", reason="self")
        tx.run("DELETE FROM shuns WHERE actor_id = ? AND until <= ?", (me.id, now))
        tx.run("INSERT INTO shuns (actor_id, other_id, kind, until, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (actor_id, other_id)"
               " DO UPDATE SET kind = excluded.kind, until = excluded.until, at = excluded.at",
               (me.id, other.id, kind, until, now))

    def _answer_uri(self) -> str:
        return f"{self._identity.origin}/answers/{public(self._ids.new())}"

    def _check_reachable(self, tx: Tx, other: Actor) -> None:
        if not _reachable(tx, other):
            raise InvalidInput("%(name)s cannot be reached at the moment. Nothing was sent.", values={"name": other.mention},
                               reason="unreachable")

    def _send(self, tx: Tx, other: Actor, activity: Outgoing, now: int) -> None:
        """Put it in the outbox for somebody who is elsewhere, at an instance that is still sent to."""
        if not other.local and _reachable(tx, other):
            assert other.sibling_id is not None
            enqueue(tx, self._ids.new(), activity, [other.sibling_id], now)


def part(tx: Tx, concerns: Concerns, sibling_id: int) -> None:
    """Cut every follow, and every request for one, between our doctors and those of a sibling, in both directions."""
    concerns.parted(tx, sibling_id)
    for end in ("follower_id", "followed_id"):
        tx.run(f"DELETE FROM follows WHERE {end} IN (SELECT id FROM actors WHERE sibling_id = ?)", (sibling_id,))


def shunned_by(tx: Tx, actor_id: int, now: int) -> frozenset[int]:
    """The actors whom a doctor has blocked, or muted until later than `now` (ms)."""
    return frozenset(row["other_id"] for row in tx.rows(
        "SELECT other_id FROM shuns WHERE actor_id = ? AND (until IS NULL OR until > ?)", (actor_id, now)))


def shunning(tx: Tx, pairs: Collection[tuple[int, int]], now: int) -> frozenset[tuple[int, int]]:
    """Those of some pairs (doctor, other) where the doctor has blocked the other, or muted her until later than `now` (ms)."""
    return frozenset((row["actor_id"], row["other_id"]) for row in tx.rows(  # a join: IN (VALUES ...) would read all shuns
        f"WITH asked (actor_id, other_id) AS (VALUES {','.join(['(?, ?)'] * len(pairs))})"
        " SELECT s.actor_id, s.other_id FROM asked a JOIN shuns s ON s.actor_id = a.actor_id AND s.other_id = a.other_id"
        " WHERE s.until IS NULL OR s.until > ?", (*(value for pair in pairs for value in pair), now)))


def follow_topics(tx: Tx, actor_id: int, topics: Iterable[str], now: int) -> None:
    """A doctor follows specialties (by code) and hashtags (with their `#`) from now on; what she follows already stays."""
    tx.insert("topic_follows (actor_id, topic, at)", 3, [(actor_id, topic, now) for topic in topics],
              "ON CONFLICT (actor_id, topic) DO NOTHING")


def unfollow_topics(tx: Tx, actor_id: int, topics: Iterable[str]) -> None:
    """A doctor follows these specialties and hashtags no longer."""
    for topic in topics:
        tx.run("DELETE FROM topic_follows WHERE actor_id = ? AND topic = ?", (actor_id, topic))


def followed_hashtags(tx: Tx, actor_id: int) -> int:
    """How many hashtags a doctor follows."""
    row = tx.row("SELECT count(*) AS n FROM topic_follows WHERE actor_id = ? AND substr(topic, 1, 1) = '#'", (actor_id,))
    return int(row["n"]) if row is not None else 0


def _shun(tx: Tx, actor_id: int, other_id: int, now: int) -> Shun | None:
    row = tx.row("SELECT kind FROM shuns WHERE actor_id = ? AND other_id = ? AND (until IS NULL OR until > ?)",
                 (actor_id, other_id, now))
    return Shun(row["kind"]) if row is not None else None


def _reachable(tx: Tx, other: Actor) -> bool:
    if other.alias:
        return False
    return shown_by_id(tx, other.id) is not None if other.sibling_id is None else other.sibling_id in sent_to(tx)
