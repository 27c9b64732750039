"""Asks by name: a consult with a doctor, or a new post that names her. So many a day reach her as she wants.

What is beyond that is refused nobody who has sent it already, least of all another country's doctor: it lies in her list, where
she can look at it whenever she likes, and she is told of it on the next day that has room. Whoever asks at home is told before
she sends. How much a doctor is asked, and how much she wants to be, stays at her instance (docs/decisions/0048-alive.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo

from actors.attention import asks_of, day_start
from actors.models import Actor
from actors.relations import shunning
from actors.store import by_ids
from core.clock import Clock
from core.countries import pack
from core.database import Database, Tx
from core.errors import InvalidInput
from core.ids import Ids
from posts import store
from posts.models import Reach
from posts.store import Post
from posts.telling import Event, Told, tell

_ASKS = frozenset({Told.CONSULT, Told.MENTION})
_AT_A_TIME = 100


class Asking:
    """Says who takes an ask now, and tells of those that had to wait."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, zone: tzinfo) -> None:
        self._database, self._clock, self._ids, self._zone = database, clock, ids, zone

    async def check(self, doctors: Iterable[Actor]) -> None:
        """`InvalidInput` where one of these doctors of this instance takes no ask now."""
        now = self._clock.ms()

        def look(tx: Tx) -> None:
            for doctor in doctors:
                if doctor.local:
                    check_takes(tx, doctor, now)

        await self._database.read(look)

    async def later(self, doctors: Iterable[Actor]) -> tuple[Actor, ...]:
        """Those of some doctors of this instance who will learn of an ask another day."""
        now = self._clock.ms()
        return await self._database.read(lambda tx: tuple(
            doctor for doctor in doctors if doctor.local and _room(tx, doctor.id, self._zone, now) <= 0))

    async def tell_due(self) -> int:
        """Tell of the asks that have waited for today, oldest first; how many there were."""
        now = self._clock.ms()

        def due(tx: Tx) -> list[tuple[int, int]]:
            """Who is asked and has room today, and for how many."""
            found = [(row["actor_id"], _room(tx, row["actor_id"], self._zone, now)) for row in tx.rows(
                "SELECT DISTINCT actor_id FROM asks WHERE told_at IS NULL ORDER BY actor_id")]
            return [(actor_id, room) for actor_id, room in found if room > 0][:_AT_A_TIME]

        def write(tx: Tx) -> int:
            events = []
            for actor_id, room in due(tx):
                rows = tx.rows("SELECT post_id, kind FROM asks WHERE actor_id = ? AND told_at IS NULL ORDER BY post_id LIMIT ?",
                               (actor_id, room))
                posts = store.by_many(tx, [row["post_id"] for row in rows])
                for row in rows:
                    tx.run("UPDATE asks SET told_at = ? WHERE actor_id = ? AND post_id = ?", (now, actor_id, row["post_id"]))
                    events.append(_event(actor_id, Told(row["kind"]), posts[row["post_id"]]))
            tell(tx, self._ids, events, now)
            return len(events)

        return await self._database.write(write) if await self._database.read(due) else 0


def check_takes(tx: Tx, doctor: Actor, now: int) -> None:
    """`InvalidInput`, with the handle as its value `name`, where a doctor of this instance takes no ask now."""
    most = asks_of(tx, doctor.id)
    if most and _room(tx, doctor.id, pack(doctor.badge.country).zone, now) > 0:
        return
    if not most:
        raise InvalidInput("%(name)s takes no questions by name at the moment. Nothing was sent. You can ask the specialty.",
                           values={"name": doctor.mention}, reason="asks", field="doctors")
    raise InvalidInput("%(name)s was asked by name as often as she wants in a day. Nothing was sent. Ask again tomorrow, or ask"
                       " the specialty.", values={"name": doctor.mention}, reason="asks", field="doctors")


def let_through(tx: Tx, posts: Sequence[Post], events: Sequence[Event], now: int) -> list[Event]:
    """Those of the events of new posts that are told now. An ask for somebody who has had enough of them today is written down,
    and told another day."""
    begun = {post.id for post in posts if post.parent_id is None}
    asked = [event for event in events if event.kind in _ASKS and event.post_id in begun and event.by_id is not None]
    if not asked:
        return list(events)
    pairs = {(event.actor_id, event.by_id) for event in asked if event.by_id is not None}
    shunned, people = shunning(tx, pairs, now), by_ids(tx, sorted({event.actor_id for event in asked}))
    wait: set[Event] = set()
    for event in asked:
        if event.by_id == event.actor_id or (event.actor_id, event.by_id) in shunned:
            continue
        has_room = _room(tx, event.actor_id, pack(people[event.actor_id].badge.country).zone, now) > 0
        tx.run("INSERT INTO asks (actor_id, post_id, kind, at, told_at) VALUES (?, ?, ?, ?, ?)"
               " ON CONFLICT (actor_id, post_id) DO NOTHING",
               (event.actor_id, event.post_id, event.kind, now, now if has_room else None))
        if not has_room:
            wait.add(event)
    return [event for event in events if event not in wait]


def _room(tx: Tx, actor_id: int, zone: tzinfo, now: int) -> int:
    """How many asks more reach a doctor today."""
    row = tx.row("SELECT count(*) AS n FROM asks WHERE actor_id = ? AND told_at >= ?", (actor_id, day_start(zone, now)))
    return asks_of(tx, actor_id) - (row["n"] if row is not None else 0)


def _event(actor_id: int, kind: Told, post: Post) -> Event:
    return Event(actor_id, kind, post.author_id, post.root_id, post.root_id, post.audience.reach == Reach.NAMED, post.id)
