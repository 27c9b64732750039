"""Leaving, carried out: everything a doctor wrote and did goes, here and at every sibling, and what others wrote stays.

A departure is a row. It begins with one transaction after which she cannot sign in, cannot be found, and every sibling is owed a
`Delete` of her Person; then a stage follows the other in bounded steps, each a transaction, so that whoever kills it in the
middle loses nothing and leaves nothing out. A stage looks for some of what is hers and takes it away until it finds nothing.
Each of her posts goes exactly as with a deletion, with a tombstone and a `Delete` of its own. A sibling's doctor who has left
goes through the same stages when her instance says so; there is nobody to tell then.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from actors import aliases, departures, handles, wire
from actors.departures import TOPIC
from actors.models import AccountState
from actors.store import scrub
from core.audit import Audit
from core.clock import Clock
from core.database import Database, Row, Tx
from core.ids import Ids, public, uri_key
from core.telemetry import get_logger
from core.vault import KeyVault
from federation import due
from federation.addresses import origin_of
from federation.identity import Identity
from federation.listed import sent_to
from federation.store import enqueue
from federation.store import forget as forget_outgoing
from posts import ballots, outgoing, pollstore, reactions, store, telling, translations
from posts.departed import Departed, Leaving, departed, leaving
from posts.network import network
from posts.reactions import Table

log = get_logger("departures")
_REST_MS = 60_000
_SPREAD_MS = 14 * 86_400_000
_POSTS, _ROWS = 40, 200
_BY = "worker"


class Forget(Protocol):
    """What else has to go with a deleted post, and that what waits for it can be tried: known further up, so handed in."""

    def forget(self, tx: Tx, uri: str, /) -> None: ...
    def release(self, tx: Tx, uris: Sequence[str], now: int, /) -> None: ...


Farewell = Callable[[Tx, int, int, int], None]
"""What else goes in the transaction in which a departure begins; it gets the ids of account and actor, and the moment (ms)."""


class _Person(NamedTuple):
    """Who leaves: her actor, and whether it is one of this instance."""

    id: int
    uri: str
    local: bool


class Departing:
    """Carries departures out."""

    def __init__(self, database: Database, identity: Identity, vault: KeyVault, clock: Clock, ids: Ids, audit: Audit,
                 forget: Forget, farewells: Sequence[Farewell]) -> None:
        self._database, self._identity, self._vault = database, identity, vault
        self._clock, self._ids, self._audit = clock, ids, audit
        self._forget, self._farewells = forget, farewells
        self._rests: dict[int, int] = {}

    async def step(self) -> bool:
        """Take one step of the departure that has waited longest; whether there was one. One that fails rests for a while, and
        the others go on."""
        for actor_id, stage in await self._due():
            if self._rests.get(actor_id, 0) > self._clock.ms():
                continue
            try:
                await self._take(actor_id, stage)
            except Exception:
                log.exception("a departure could not go on", actor=public(actor_id), stage=stage)
                self._rests[actor_id] = self._clock.ms() + _REST_MS
            return True
        return False

    async def finish(self) -> None:
        """Take every step there is; whatever fails, fails here."""
        while due_now := await self._due():
            await self._take(*due_now[0])

    async def _due(self) -> list[tuple[int, str]]:
        """Whose departure goes on, longest waiting first, and in which stage it is ('' before it has begun)."""
        sql = "SELECT actor_id, stage FROM departures WHERE done_at IS NULL AND due_at <= ? ORDER BY due_at, actor_id LIMIT ?"
        now = self._clock.ms()
        if self._database.glance(sql, (now, 1)) is None:
            return []
        return [(row["actor_id"], row["stage"]) for row in await self._database.read(lambda tx: tx.rows(sql, (now, _ROWS)))]

    async def _take(self, actor_id: int, stage: str) -> None:
        if not stage:
            now = self._clock.ms()
            await self._database.write(lambda tx: self._begin(tx, actor_id, _BY, now))
            return
        find, take = _STAGES[stage]
        found = await self._database.read(lambda tx: find(tx, actor_id))
        await self._database.write(lambda tx: self._step(tx, actor_id, stage, take, found))

    async def ahead(self, handle: str) -> Leaving:
        """What would go with a doctor of this instance."""
        return await self._database.read(lambda tx: leaving(tx, handle))

    async def departed(self, before: str | None = None) -> tuple[Departed, ...]:
        """Who has left, newest first, a page and one more; `before` is the cursor of a page (the public id of its last)."""
        return await self._database.read(lambda tx: departed(tx, before))

    def again(self, tx: Tx, uri: str, handle: bytes | None, at: int) -> None:
        """A backup knows nothing of a departure that was begun after it: it begins again, and nobody gets the handle whose key
        is given."""
        actor = tx.row("SELECT id, sibling_id FROM actors WHERE uri_key = ?", (uri_key(uri),))
        if handle is not None:
            handles.reserve(tx, handle, uri, at)
        if origin_of(uri) != self._identity.origin:
            if not store.tombstoned(tx, [uri_key(uri)]):
                left(tx, uri, origin_of(uri), at)
        elif actor is None:
            if not store.tombstoned(tx, [uri_key(uri)]):
                self._tell(tx, uri, at)
        elif tx.row("SELECT 1 FROM departures WHERE actor_id = ? AND begun_at IS NOT NULL", (actor["id"],)) is not None:
            return
        elif tx.run("INSERT INTO departures (actor_id, account_id, by, asked_at, due_at)"
                    " SELECT actor_id, id, '', ?, ? FROM accounts WHERE actor_id = ?"
                    " ON CONFLICT (actor_id) DO UPDATE SET due_at = excluded.due_at", (at, at, actor["id"])):
            self._begin(tx, actor["id"], "erasure journal", at)
        else:
            self.also(tx, actor["id"], uri, at)

    def also(self, tx: Tx, actor_id: int, uri: str, now: int) -> None:
        """Let another actor of somebody who leaves go with her: one of this instance that has no account of its own."""
        tx.run("INSERT INTO departures (actor_id, asked_at, due_at, begun_at, stage) VALUES (?, ?, ?, ?, ?)"
               " ON CONFLICT (actor_id) DO NOTHING", (actor_id, now, now, now, next(iter(_STAGES))))
        self._tell(tx, uri, now)
        tx.wake(TOPIC)

    def _begin(self, tx: Tx, actor_id: int, by: str, now: int) -> None:
        """From here on she is gone: no account, no session, no profile, and her siblings are owed the news."""
        account = tx.row("SELECT a.*, d.begun_at, p.uri FROM departures d JOIN accounts a ON a.id = d.account_id"
                         " JOIN actors p ON p.id = a.actor_id WHERE d.actor_id = ?", (actor_id,))
        if account is None or account["begun_at"] is not None:
            return
        self._audit.note(tx, by=by, action=f"doctor.{AccountState.DEPARTED}", target=account["handle"])
        tx.run("UPDATE departures SET begun_at = ?, stage = ?, by = CASE by WHEN ? THEN '' ELSE by END WHERE actor_id = ?",
               (now, next(iter(_STAGES)), account["handle"], actor_id))
        departures.close(tx, self._vault, account, account["uri"], now)
        self._let_aliases_go(tx, actor_id, now)
        for farewell in self._farewells:
            farewell(tx, account["id"], actor_id, now)
        self._tell(tx, account["uri"], now)
        tx.scrub()

    def _let_aliases_go(self, tx: Tx, owner_id: int, now: int) -> None:
        """What she was called where she signed by role only goes too, each at a time of its own within some days: all at once
        would tell whoever reads along that they and she were one. From here on nobody knows whose they were."""
        for alias_id in aliases.let_go(tx, owner_id):
            at = now + secrets.randbelow(_SPREAD_MS)
            tx.run("INSERT INTO departures (actor_id, asked_at, due_at, begun_at, stage) VALUES (?, ?, ?, ?, ?)"
                   " ON CONFLICT (actor_id) DO NOTHING", (alias_id, at, at, at, next(iter(_STAGES))))

    def _tell(self, tx: Tx, uri: str, now: int, sibling_ids: list[int] | None = None) -> None:
        """Nobody is called so any more, here and at every sibling, or at those who have met her."""
        _bury(tx, uri, self._identity.origin, now)
        forget_outgoing(tx, uri, now)
        enqueue(tx, self._ids.new(), wire.delete(uri), sent_to(tx) if sibling_ids is None else sibling_ids, now)

    def _step(self, tx: Tx, actor_id: int, stage: str, take: _Take, found: Sequence[Row]) -> None:
        row = tx.row("SELECT d.stage, a.sibling_id, a.uri, a.alias FROM departures d JOIN actors a ON a.id = d.actor_id"
                     " WHERE d.actor_id = ? AND d.done_at IS NULL", (actor_id,))
        if row is None or row["stage"] != stage:
            return  # somebody else has taken this step
        now, person = self._clock.ms(), _Person(actor_id, row["uri"], row["sibling_id"] is None)
        if found:
            take(self, tx, person, found, now)
            return
        following = _after(stage)
        if following is not None:
            tx.run("UPDATE departures SET stage = ? WHERE actor_id = ?", (following, actor_id))
        elif _posts(tx, actor_id):  # one was on its way into the database when this began
            tx.run("UPDATE departures SET stage = ? WHERE actor_id = ?", (next(iter(_STAGES)), actor_id))
        else:
            if row["alias"] and person.local:
                self._tell(tx, person.uri, now, network(tx, self._identity).recipients(store.origins_of(tx, actor_id)))
            scrub(tx, [actor_id], now)
            tx.run("UPDATE departures SET done_at = ? WHERE actor_id = ?", (now, actor_id))
            tx.scrub()

    def take_posts(self, tx: Tx, person: _Person, rows: Sequence[Row], now: int) -> None:
        """Erase posts, here and, where they were written here, everywhere they went."""
        found = store.by_many(tx, [row["id"] for row in rows])
        for post in found.values():
            store.erase(tx, post.uri, origin_of(post.uri), now)
            self._forget.forget(tx, post.uri)
            if person.local:
                enqueue(tx, self._ids.new(), outgoing.delete(post, person.uri),
                        network(tx, self._identity).recipients(post.audience.origins), now)
        self._forget.release(tx, [post.uri for post in found.values()], now)
        tx.run("UPDATE departures SET posts = posts + ? WHERE actor_id = ?", (len(found), person.id))


def left(tx: Tx, uri: str, origin: str, now: int) -> None:
    """A sibling says that a doctor of its own has left: whoever is called so can never come again, and everything of hers that
    lies here goes."""
    _bury(tx, uri, origin, now)
    tx.run("INSERT INTO departures (actor_id, asked_at, due_at, begun_at, stage) SELECT id, ?, ?, ?, ? FROM actors"
           " WHERE uri_key = ? ON CONFLICT (actor_id) DO NOTHING", (now, now, now, next(iter(_STAGES)), uri_key(uri)))
    if tx.row("SELECT 1 FROM actors WHERE uri_key = ?", (uri_key(uri),)) is None:
        while rows := translations.confirmed_by(tx, uri, _POSTS):
            translations.withdraw(tx, uri, [row["id"] for row in rows])
    tx.wake(TOPIC)


def _uri(tx: Tx, actor_id: int) -> str:
    [row] = tx.rows("SELECT uri FROM actors WHERE id = ?", (actor_id,))
    return str(row["uri"])


def _bury(tx: Tx, uri: str, origin: str, now: int) -> None:
    store.bury(tx, uri, origin, now)
    due.add(tx, due.LEFT, uri, now)


def _posts(tx: Tx, actor_id: int) -> list[Row]:
    return tx.rows("SELECT id FROM posts WHERE author_id = ? AND erased_at IS NULL ORDER BY id LIMIT ?", (actor_id, _POSTS))


def _reactions(table: Table) -> tuple[_Find, _Take]:
    def take(_: Departing, tx: Tx, person: _Person, rows: Sequence[Row], now: int) -> None:
        for row in rows:
            reactions.take_back(tx, table, row["uri"], person.id)

    return lambda tx, actor_id: tx.rows(f"SELECT uri FROM {table} WHERE actor_id = ? LIMIT {_ROWS}", (actor_id,)), take


def _votes(_: Departing, tx: Tx, person: _Person, rows: Sequence[Row], now: int) -> None:
    """Who voted is forgotten. An open poll is counted anew without her, here or, in a tally, at whoever asked; what has closed
    keeps its numbers, which name nobody."""
    for post_id in {row["post_id"] for row in rows}:
        chosen = [row["position"] for row in tx.rows(
            "SELECT position FROM votes WHERE post_id = ? AND voter_id = ?", (post_id, person.id))]
        if not chosen:
            continue  # a step that was taken twice
        tx.run("DELETE FROM votes WHERE post_id = ? AND voter_id = ?", (post_id, person.id))
        if (kept := pollstore.kept(tx, post_id)) is not None:
            if kept.final:
                pollstore.left(tx, post_id, chosen)
            else:
                pollstore.voted_here(tx, post_id, now)
        elif tx.row("SELECT 1 FROM polls v JOIN posts p ON p.id = v.post_id WHERE v.post_id = ? AND v.closed_at IS NULL"
                    " AND p.sibling_id IS NULL", (post_id,)) is not None:
            ballots.recount(tx, post_id, now)


def _told(_: Departing, tx: Tx, person: _Person, rows: Sequence[Row], now: int) -> None:
    telling.take_out(tx, [row["id"] for row in rows])


def _translations(_: Departing, tx: Tx, person: _Person, rows: Sequence[Row], now: int) -> None:
    translations.withdraw(tx, person.uri, [row["id"] for row in rows])


def _follows(_: Departing, tx: Tx, person: _Person, rows: Sequence[Row], now: int) -> None:
    for row in rows:
        tx.run("DELETE FROM follows WHERE uri_key = ?", (row["uri_key"],))


def _own(_: Departing, tx: Tx, person: _Person, rows: Sequence[Row], now: int) -> None:
    """What only she ever saw. Deleting is bounded by what one person can have."""
    for row in rows:
        tx.run(f"DELETE FROM {row['name']} WHERE {' OR '.join(f'{column} = ?' for column in _OWN[row['name']])}",
               (person.id,) * len(_OWN[row["name"]]))


_OWN = {"notifications": ("actor_id",), "drafts": ("actor_id",), "bookmarks": ("actor_id",), "topic_follows": ("actor_id",),
        "consults": ("actor_id",), "case_follows": ("actor_id",), "case_mutes": ("actor_id",), "pins": ("actor_id",),
        "bases": ("actor_id",), "thread_reads": ("actor_id",), "list_reads": ("actor_id",), "asks": ("actor_id",),
        "shuns": ("actor_id", "other_id")}


def _has_own(tx: Tx, actor_id: int) -> list[Row]:
    return tx.rows(" UNION ALL ".join(
        f"SELECT '{table}' AS name WHERE EXISTS (SELECT 1 FROM {table} WHERE {' OR '.join(f'{one} = ?' for one in columns)})"
        for table, columns in _OWN.items()), [actor_id for columns in _OWN.values() for _ in columns])


_Find = Callable[[Tx, int], Sequence[Row]]
_Take = Callable[[Departing, Tx, _Person, Sequence[Row], int], None]
_STAGES: dict[str, tuple[_Find, _Take]] = {
    "posts": (_posts, Departing.take_posts),
    "likes": _reactions("likes"),
    "boosts": _reactions("boosts"),
    "votes": (lambda tx, actor_id: tx.rows(
        f"SELECT post_id FROM votes WHERE voter_id = ? LIMIT {_ROWS}", (actor_id,)), _votes),
    "told": (lambda tx, actor_id: tx.rows(
        f"SELECT id FROM notification_events WHERE by_id = ? LIMIT {_ROWS}", (actor_id,)), _told),
    "translations": (lambda tx, actor_id: translations.confirmed_by(tx, _uri(tx, actor_id), _POSTS), _translations),
    "follows": (lambda tx, actor_id: tx.rows(
        "SELECT uri_key FROM follows WHERE follower_id = ? UNION SELECT uri_key FROM follows WHERE followed_id = ?"
        f" LIMIT {_ROWS}", (actor_id, actor_id)), _follows),
    "own": (_has_own, _own),
}
"""In this order. Her name goes last, because the others find what is hers by her."""


def _after(stage: str) -> str | None:
    names = list(_STAGES)
    place = names.index(stage) + 1
    return names[place] if place < len(names) else None
