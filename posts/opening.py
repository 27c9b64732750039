"""What an operator reads of a post: on a report about it, or by breaking the glass with a reason, and never without a trace."""

from __future__ import annotations

import msgspec

from actors.models import Actor
from actors.store import by_ids
from core.audit import Audit
from core.clock import Clock
from core.database import Database, Tx
from core.errors import InvalidInput, NotFound
from core.ids import Ids, number, public, uri_key
from federation.identity import Identity
from posts import bases, store
from posts.bases import Record
from posts.history import earlier, whole
from posts.models import Kind, Picture
from posts.network import network
from posts.store import Post
from posts.telling import Event, Told, tell

PAGE = 30
REASON_LIMIT = 500
"""The most characters of why an operator reads a post."""
_VERSIONS = 20
_LENGTH = 1024
_DAY_MS = 86_400_000
_AT_A_TIME = 50
_END = (1 << 63) - 1


class Earlier(msgspec.Struct, frozen=True):
    """What stood in a post until a later version; `at` (ms) is when it was written."""

    question: str
    html: str
    at: int


class OpenedPost(msgspec.Struct, frozen=True):
    """A post with all that stands in it, and earlier versions, newest first; times in ms. `html` has passed the gate."""

    id: str
    uri: str
    kind: Kind
    question: str
    html: str
    language: str
    author: Actor
    published: int
    updated: int | None
    options: tuple[str, ...]
    countries: tuple[str, ...]
    consult: bool
    erased: bool
    hidden: int | None
    earlier: tuple[Earlier, ...]
    pictures: tuple[Picture, ...] = ()
    basis: Record | None = None


class Opened(msgspec.Struct, frozen=True):
    """That an operator has read a post without a report: who, why and when (ms); `told` is when its author was told, and
    `local` whether she is a doctor of this instance, who can be."""

    post_id: str
    author: str
    by: str
    reason: str
    at: int
    told: int | None
    local: bool


class OpenedPage(msgspec.Struct, frozen=True):
    """Some of these, newest first, and the cursor of the next page or None."""

    shown: tuple[Opened, ...]
    before: str | None


class Opening:
    """Breaks the glass, and tells the author some days later."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, ids: Ids, audit: Audit, tell_days: int) -> None:
        self._database, self._identity, self._clock, self._ids, self._audit = database, identity, clock, ids, audit
        self._tell_ms = tell_days * _DAY_MS

    async def find(self, what: str) -> str:
        """The id of a post by its id here or any of its addresses; nothing of it is read."""
        uri = what.strip()[:_LENGTH]
        inner = number(uri.rstrip("/").rpartition("/")[2]) if uri.startswith(self._identity.origin) or "/" not in uri else None

        def look(tx: Tx) -> str:
            post = (store.by_id(tx, inner) if inner is not None else None) or store.by_keys(tx, [uri_key(uri)]).get(uri)
            if post is None:
                raise NotFound("There is no such post here.", field="post")
            return public(post.id)

        return await self._database.read(look)

    async def open(self, post_id: str, reason: str, by: str) -> OpenedPost:
        """Read a post without a report. It is written down before it is shown."""
        reason = " ".join(reason.replace("\0", "").split())
        if not 0 < len(reason) <= REASON_LIMIT:
            raise InvalidInput("Give the reason in 1 to %(most)s characters. The author will read it.",
                               values={"most": REASON_LIMIT}, field="reason")
        inner, now = number(post_id), self._clock.ms()

        def write(tx: Tx) -> OpenedPost:
            post = store.by_id(tx, inner) if inner is not None else None
            if post is None:
                raise NotFound("There is no such post here.", field="post")
            tx.run("INSERT INTO opened_posts (id, post_id, by, reason, at) VALUES (?, ?, ?, ?, ?)",
                   (self._ids.new(), post.id, by, reason, now))
            self._audit.note(tx, by=by, action="post.opened", target=post.uri, detail=reason)
            return opened(tx, self._identity, post)

        return await self._database.write(write)

    async def page(self, before: str | None) -> OpenedPage:
        """What was read like that, newest first."""
        return await self._database.read(lambda tx: _page(tx, before, "", ()))

    async def of(self, author: Actor, before: str | None) -> OpenedPage:
        """What operators have read of a doctor's like that, as far as she was told."""
        return await self._database.read(lambda tx: _page(
            tx, before, "AND (p.author_id = ? OR p.author_id IN (SELECT actor_id FROM aliases WHERE owner_id = ?))"
            " AND o.told_at IS NOT NULL", (author.id, author.id)))

    async def tell_due(self) -> int:
        """Tell the authors of what was read so many days ago; returns how many times something was."""
        now = self._clock.ms()
        due = ("SELECT o.id, p.author_id, p.sibling_id FROM opened_posts o JOIN posts p ON p.id = o.post_id"
               " WHERE o.told_at IS NULL AND o.at <= ? ORDER BY o.at LIMIT ?", (now - self._tell_ms, _AT_A_TIME))
        if not await self._database.read(lambda tx: tx.rows(*due)):
            return 0

        def write(tx: Tx) -> int:
            rows = tx.rows(*due)
            for row in rows:
                tx.run("UPDATE opened_posts SET told_at = ? WHERE id = ?", (now, row["id"]))
            tell(tx, self._ids, [Event(row["author_id"], Told.OPENED, None) for row in rows if row["sibling_id"] is None], now)
            return len(rows)

        return await self._database.write(write)


def opened(tx: Tx, identity: Identity, post: Post) -> OpenedPost:
    """A post as an operator may read it, who has to have written down why in the same transaction."""
    places, poll = network(tx, identity), store.polls(tx, [post.id]).get(post.id)
    return OpenedPost(
        id=public(post.id), uri=post.uri, kind=post.kind, question=post.question, html=whole(post),
        language=post.language, author=by_ids(tx, [post.author_id])[post.author_id], published=post.published_at,
        updated=post.updated_at, options=tuple(name for name, _ in poll.options) if poll is not None else (),
        countries=tuple(map(places.code, post.audience.origins)), consult=bool(post.audience.readers),
        erased=post.erased_at is not None, hidden=post.hidden_at,
        earlier=tuple(Earlier(row["question"], earlier(post, row), row["at"])
                      for row in store.revisions(tx, post.id, None, _VERSIONS)),
        pictures=post.pictures, basis=bases.of(tx, post.id))


def _page(tx: Tx, before: str | None, which: str, values: tuple[object, ...]) -> OpenedPage:
    key = (number(before) if before else None) or _END
    rows = tx.rows("SELECT o.*, p.author_id, p.sibling_id FROM opened_posts o JOIN posts p ON p.id = o.post_id"
                   f" WHERE o.id < ? {which} ORDER BY o.id DESC LIMIT ?", (key, *values, PAGE + 1))
    found = rows[:PAGE]
    people = by_ids(tx, [row["author_id"] for row in found])
    return OpenedPage(tuple(
        Opened(public(row["post_id"]), people[row["author_id"]].name, row["by"], row["reason"], row["at"], row["told_at"],
               row["sibling_id"] is None) for row in found), public(found[-1]["id"]) if len(rows) > PAGE else None)
