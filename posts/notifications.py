"""What a doctor is told: her notifications as she sees them, how many are unread, and that she has read them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from actors import aliases
from actors.desks import answered_for
from actors.models import Actor
from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Row, Tx, marks
from core.errors import NotFound
from core.ids import number, public
from posts import store
from posts.models import Kind
from posts.spans import Span
from posts.store import Post
from posts.telling import CHANGES, PRESSING, QUIET, Told

PAGE = 20
MANY = 99
"""Unread notifications are counted up to here; one more stands for all the rest."""
UNREAD = (
    "SELECT count(*) AS n, count(DISTINCT CASE WHEN named = 1 THEN root_id END) AS consults,"
    f" count(CASE WHEN kind IN ({', '.join(repr(str(kind)) for kind in sorted(PRESSING))}) THEN 1 END) AS pressing FROM"
    f" (SELECT named, root_id, kind FROM notifications WHERE actor_id = ? AND read_at IS NULL"
    f" AND kind NOT IN ({marks(len(QUIET))})"
    f" ORDER BY newest DESC LIMIT {MANY + 1}) AS found")
"""What counts them, for a doctor and the kinds that are quiet; on every page, so out of an index and only so far."""
_NAMES = 2
_END = (1 << 63) - 1


class Notification(msgspec.Struct, frozen=True):
    """What is of one kind and about one post. `people` are who did it last, `others` how many more there are, `times` how
    often it happened; `begun` and `at` when it did first and last (ms). `question` (in `language`) is what the conversation
    asks, `kind_asked` what it is: its `Kind` or "consult"; `own`: the viewer began it. `place` is the path it leads to, `post_id`
    the post it begins with, `newest` the last event of it, which grows as others come."""

    id: str
    kind: Told
    people: tuple[Actor, ...]
    others: int
    times: int
    begun: int
    at: int
    unread: bool
    place: str
    question: str
    language: str
    kind_asked: str
    own: bool
    to_answer: bool
    begins: bool
    newest: str = ""
    post_id: str = ""

    @property
    def number(self) -> int:
        """How many doctors did it, for the plural of what is said of them."""
        return len(self.people) + self.others


class NotificationPage(msgspec.Struct, frozen=True):
    """Notifications, newest first; the cursor (`?before=`) of the next one or None; and up to where "all" reaches when
    the viewer says that she has read all."""

    shown: tuple[Notification, ...]
    before: str | None
    newest: str


class Unread(NamedTuple):
    """How many notifications are unread (more than `MANY`: very many), in how many consults something is, and how many say that
    advice was corrected or recalled."""

    notifications: int
    consults: int
    pressing: int = 0


class Seen(NamedTuple):
    """The unread notifications whose matter stands on a page, up to the event `newest`."""

    ids: tuple[int, ...]
    newest: int


def unread(tx: Tx, actor_id: int) -> Unread:
    """The counts beside every page; what is quiet is not counted."""
    row = tx.row(UNREAD, (actor_id, *sorted(QUIET)))
    return Unread(row["n"], row["consults"], row["pressing"]) if row is not None else Unread(0, 0)


class News(NamedTuple):
    """How much is new by kind, and the newest event of it."""

    counts: dict[str, int]
    newest: int


def unread_since(tx: Tx, actor_id: int, event_id: int) -> News:
    """What has come to a doctor after an event and is not read yet; what is quiet is not counted."""
    rows = tx.rows(
        "SELECT n.kind, count(*) AS n, max(e.id) AS newest FROM notifications n JOIN notification_events e"
        " ON e.notification_id = n.id WHERE n.actor_id = ? AND n.read_at IS NULL AND n.newest > ? AND e.id > ?"
        f" AND n.kind NOT IN ({marks(len(QUIET))}) GROUP BY n.kind ORDER BY n.kind",
        (actor_id, event_id, event_id, *sorted(QUIET)))
    return News({row["kind"]: row["n"] for row in rows}, max((row["newest"] for row in rows), default=0))


def seen_in_thread(tx: Tx, actor_id: int, root_id: int, last_id: int | None) -> Seen:
    """What is unread about a conversation whose posts up to `last_id` (None: to its end) are on the page. That a post has
    changed is not among it: what has changed stands on the post's history."""
    return _seen(tx.rows(
        "SELECT id, newest FROM notifications AS n WHERE actor_id = ? AND root_id = ? AND read_at IS NULL"
        f" AND kind NOT IN ({marks(len(CHANGES))})"
        " AND NOT EXISTS (SELECT 1 FROM notification_events e WHERE e.notification_id = n.id AND e.post_id > ?)",
        (actor_id, root_id, *sorted(CHANGES), last_id if last_id is not None else _END)))


def seen_in_history(tx: Tx, actor_id: int, post_id: int) -> Seen:
    """What is unread about the changes of a post."""
    return _seen(tx.rows(f"SELECT id, newest FROM notifications WHERE actor_id = ? AND kind IN ({marks(len(CHANGES))})"
                         " AND about_id = ? AND read_at IS NULL", (actor_id, *sorted(CHANGES), post_id)))


def _open(tx: Tx, actor_id: int, kind: Told, about_id: int) -> Seen:
    return _seen(tx.rows("SELECT id, newest FROM notifications WHERE actor_id = ? AND kind = ? AND about_id = ?"
                         " AND read_at IS NULL", (actor_id, kind, about_id)))


def _seen(rows: Sequence[Row]) -> Seen:
    return Seen(tuple(row["id"] for row in rows), max((row["newest"] for row in rows), default=0))


class Notifications:
    """Reads and settles the notifications of doctors of this instance."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def page(self, viewer: Actor, before: str | None, *, only_unread: bool = False) -> NotificationPage:
        """Twenty, older than the cursor."""
        key = (number(before) if before else None) or _END
        which = "AND read_at IS NULL" if only_unread else ""

        def look(tx: Tx) -> NotificationPage:
            rows = tx.rows(f"SELECT * FROM notifications WHERE actor_id = ? AND newest < ? {which} ORDER BY newest DESC LIMIT ?",
                           (viewer.id, key, PAGE + 1))
            newest = tx.row("SELECT newest FROM notifications WHERE actor_id = ? ORDER BY newest DESC LIMIT 1", (viewer.id,))
            shown = rows[:PAGE]
            return NotificationPage(_views(tx, shown, viewer), public(shown[-1]["newest"]) if len(rows) > PAGE else None,
                                 public(newest["newest"] if newest is not None else 0))

        return await self._database.read(look)

    async def told(self, viewer: Actor, span: Span, kinds: Collection[Told], *, event: str = "") -> tuple[Notification, ...]:
        """A part of the list with these kinds alone, for apps, which know each by its newest event; or the one whose newest is
        `event`."""
        which = f"actor_id = ? AND kind IN ({marks(len(kinds))}) AND newest < ? AND newest > ?"
        up = "ASC" if span.after else "DESC"

        def look(tx: Tx) -> tuple[Notification, ...]:
            key, floor = (span.key, span.floor) if not event else ((number(event) or 0) + 1, (number(event) or 0) - 1)
            rows = tx.rows(f"SELECT * FROM notifications WHERE {which} ORDER BY newest {up} LIMIT ?",
                           (viewer.id, *sorted(kinds), key, floor, span.most))
            return _views(tx, sorted(rows, key=lambda row: row["newest"], reverse=True), viewer)

        return await self._database.read(look) if kinds else ()

    async def requests(self, viewer: Actor) -> Seen:
        """What is unread about requests to follow the viewer; to be asked before these are looked up."""
        return await self._database.read(lambda tx: _open(tx, viewer.id, Told.FOLLOW, 0))

    async def decided(self, viewer: Actor, matter_id: str) -> Seen:
        """What is unread about decisions of a reported post; to be asked before these are looked up."""
        about, kinds = number(matter_id) or 0, (Told.REPORT, Told.JUDGED)

        def look(tx: Tx) -> Seen:
            found = [_open(tx, viewer.id, kind, about) for kind in kinds]
            return Seen(tuple(each for seen in found for each in seen.ids), max(seen.newest for seen in found))

        return await self._database.read(look)

    async def opened(self, viewer: Actor) -> Seen:
        """What is unread about posts that operators have read without a report; to be asked before these are looked up."""
        return await self._database.read(lambda tx: _open(tx, viewer.id, Told.OPENED, 0))

    async def of_conversation(self, viewer: Actor, root_id: str) -> Seen:
        """What is unread about a whole conversation."""
        return await self._database.read(lambda tx: seen_in_thread(tx, viewer.id, number(root_id) or 0, None))

    async def unread_in(self, viewer: Actor, root_ids: Collection[str]) -> frozenset[str]:
        """Those of some conversations about which something is unread."""
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT DISTINCT root_id FROM notifications WHERE actor_id = ? AND read_at IS NULL"
            f" AND root_id IN ({marks(len(root_ids))})",
            (viewer.id, *(number(root_id) or 0 for root_id in root_ids)))) if root_ids else ()
        return frozenset(public(row["root_id"]) for row in rows)

    async def read(self, viewer: Actor, notification_id: str) -> None:
        """The viewer has read this one; what comes from now on gathers anew. Of others' she learns nothing."""
        inner, now = number(notification_id), self._clock.ms()

        def write(tx: Tx) -> None:
            if not tx.run("UPDATE notifications SET read_at = coalesce(read_at, ?) WHERE id = ? AND actor_id = ?",
                          (now, inner, viewer.id)):
                raise NotFound("There is no such notification.")

        await self._database.write(write)

    async def read_all(self, viewer: Actor, newest: str) -> None:
        """The viewer has read all, up to what was newest on the page on which she says so."""
        now = self._clock.ms()
        await self._database.write(lambda tx: tx.run(
            "UPDATE notifications SET read_at = ? WHERE actor_id = ? AND read_at IS NULL AND newest <= ?",
            (now, viewer.id, number(newest) or 0)))

    async def settle(self, viewer: Actor, seen: Seen) -> None:
        """A page has shown the viewer what these are about; one that something has come to since stays unread."""
        now = self._clock.ms()
        await self._database.write(lambda tx: tx.run(
            f"UPDATE notifications SET read_at = ? WHERE id IN ({marks(len(seen.ids))}) AND actor_id = ? AND read_at IS NULL"
            " AND newest <= ?", (now, *seen.ids, viewer.id, seen.newest)))


def _views(tx: Tx, rows: Sequence[Row], viewer: Actor) -> tuple[Notification, ...]:
    if not rows:
        return ()
    ids = [row["id"] for row in rows]
    last: dict[int, list[Row]] = {}
    for row in tx.rows(
            "SELECT notification_id, by_id, people FROM (SELECT notification_id, by_id,"
            " count(*) OVER (PARTITION BY notification_id) AS people,"
            " row_number() OVER (PARTITION BY notification_id ORDER BY max(id) DESC) AS place FROM notification_events"
            f" WHERE notification_id IN ({marks(len(ids))}) AND by_id IS NOT NULL GROUP BY notification_id, by_id) AS found"
            f" WHERE place <= {_NAMES} ORDER BY notification_id, place", ids):
        last.setdefault(row["notification_id"], []).append(row)
    first = {row["notification_id"]: row for row in tx.rows(
        "SELECT notification_id, post_id, revision FROM notification_events WHERE id IN (SELECT min(id)"
        f" FROM notification_events WHERE notification_id IN ({marks(len(ids))}) GROUP BY notification_id)", ids)}
    people = by_ids(tx, [row["by_id"] for found in last.values() for row in found])
    roots = store.by_many(tx, sorted({row["root_id"] for row in rows if row["root_id"]}))
    hers = {viewer.id, *aliases.in_threads(tx, viewer.id, roots).values(), *answered_for(tx, viewer.id)}
    return tuple(_view(row, viewer, hers, first.get(row["id"]), last.get(row["id"], []), people, roots.get(row["root_id"]))
                 for row in rows)


def _view(row: Row, viewer: Actor, hers: set[int], first: Row | None, last: Sequence[Row], people: dict[int, Actor],
          root: Post | None) -> Notification:
    kind = Told(row["kind"])
    did = tuple(people[one["by_id"]] for one in last)
    if root is not None and (not root.audience.admits(viewer) or (root.hidden_at is not None and root.author_id != viewer.id)):
        root = None
    return Notification(
        id=public(row["id"]), kind=kind, people=did, others=last[0]["people"] - len(did) if last else 0, times=row["count"],
        begun=row["first_at"], at=row["last_at"], unread=row["read_at"] is None, place=_place(kind, row["about_id"], first, did),
        question=root.question if root is not None else "", language=root.language if root is not None else "",
        kind_asked="consult" if row["named"] else root.kind if root is not None else Kind.NOTE,
        own=root is not None and root.author_id in hers, to_answer=row["about_id"] != row["root_id"],
        begins=first is not None and first["post_id"] == row["root_id"], newest=public(row["newest"]),
        post_id=public(first["post_id"]) if first is not None and first["post_id"] is not None else "")


def _place(kind: Told, about_id: int, first: Row | None, people: Sequence[Actor]) -> str:
    """Where to begin: the first post of it that is not read, the change, the report, the requests, the doctor
    herself."""
    if first is not None and first["post_id"] is not None:
        post = public(first["post_id"])
        return f"/p/{post}/history#v-{first['revision']}" if kind in CHANGES else f"/p/{post}#p-{post}"
    if kind in (Told.REPORT, Told.JUDGED):
        return f"/reports/{public(about_id)}"
    if kind == Told.OPENED:
        return "/reports/opened"
    if kind == Told.FOLLOW:
        return "/follows"
    return f"/@{people[0].handle}@{people[0].domain}" if people else "/notifications"
