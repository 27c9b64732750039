"""Archives that doctors have asked for, as rows: who waits, how far it is, how long it is kept. What is in one is gathered by
`posts.archive`; the files are made further up.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from actors import departures, mails
from actors.accounts import account_from
from actors.mails import MailKind, Recipient, WaitingMail
from actors.models import Account, Actor
from actors.postoffice import UNWANTED, Rule
from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import NotFound
from core.ids import Ids
from core.states import StateGraph
from core.words import N_, Phrase
from posts import archive

TOPIC = "exports"
"""What wakes whoever makes archives."""
_DAY_MS = 86_400_000
_AGAIN_MS, _TRIES = 60_000, 5


class ExportState(StrEnum):
    WAITING = N_("waiting")
    MAKING = N_("making")
    READY = N_("ready")
    FAILED = N_("failed")
    OVER = N_("over")


EXPORT_STATES = StateGraph(
    name="archive", states=tuple(ExportState),
    edges={"waiting": ("making", "failed", "over"), "making": ("ready", "failed", "over"), "ready": ("over", "waiting"),
           "failed": ("waiting", "over"), "over": ("waiting",)},
    initial="waiting")


class Stage(StrEnum):
    """What is put into pieces, and at last the pieces into one file."""

    POSTS = "posts"
    THREADS = "threads"
    PACKING = "packing"


class Export(NamedTuple):
    """An archive; times in ms. `posts` of `total` are in it so far, `until` is when it is deleted."""

    id: int
    account_id: int
    state: ExportState
    language: str
    asked: int
    stage: Stage
    cursor: int
    pieces: int
    posts: int
    total: int
    bytes: int
    tries: int
    until: int | None


class Job(NamedTuple):
    """An archive to be made, and whose it is."""

    export: Export
    account: Account
    actor: Actor


class Exports:
    """Keeps the rows."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, days: int) -> None:
        self._database, self._clock, self._ids, self._days = database, clock, ids, days

    async def ask(self, account: Account, language: str) -> None:
        """Have an archive made, in a language; while one is being made, nothing changes, and one that is there is replaced."""
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            row = tx.row("SELECT state FROM exports WHERE account_id = ?", (account.id,))
            if row is not None:
                if row["state"] in (ExportState.WAITING, ExportState.MAKING):
                    return
                EXPORT_STATES.check(row["state"], ExportState.WAITING)
            tx.run("DELETE FROM exports WHERE account_id = ?", (account.id,))
            tx.run("INSERT INTO exports (account_id, id, state, language, asked_at) VALUES (?, ?, ?, ?, ?)",
                   (account.id, self._ids.new(), ExportState.WAITING, language, now))
            tx.wake(TOPIC)

        await self._database.write(write)

    async def of(self, account_id: int) -> Export | None:
        """A doctor's archive, whatever has become of it."""
        row = await self._database.read(lambda tx: tx.row("SELECT * FROM exports WHERE account_id = ?", (account_id,)))
        return self._export(row) if row is not None else None

    async def job(self) -> Job | None:
        """The archive that is to be worked on now."""
        now = self._clock.ms()
        if self._database.glance("SELECT 1 FROM exports WHERE state IN ('waiting', 'making') LIMIT 1") is None:
            return None

        def look(tx: Tx) -> Job | None:
            row = tx.row("SELECT * FROM exports WHERE state IN ('waiting', 'making') AND next_try <= ? ORDER BY asked_at LIMIT 1",
                         (now,))
            account = tx.row("SELECT * FROM accounts WHERE id = ?", (row["account_id"],)) if row is not None else None
            return Job(self._export(row), account_from(account), by_ids(tx, [account["actor_id"]])[account["actor_id"]]) \
                if row is not None and account is not None else None

        return await self._database.read(look)

    async def whose(self, handle: str) -> Job:
        """The same for an archive that an operator makes, which has no row; `NotFound` where there is no such doctor."""
        def look(tx: Tx) -> Job:
            account = tx.row("SELECT * FROM accounts WHERE handle = ? AND kind = 'doctor'", (handle,))
            if account is None:
                raise NotFound("There is no doctor %(handle)s.", values={"handle": handle})
            now, actor = self._clock.ms(), by_ids(tx, [account["actor_id"]])[account["actor_id"]]
            return Job(Export(self._ids.new(), account["id"], ExportState.MAKING, account["language"], now, Stage.POSTS, 0, 0, 0,
                              archive.count(tx, actor.id), 0, 0, None), account_from(account), actor)

        return await self._database.read(look)

    async def begin(self, job: Job) -> None:
        """It is being made from now on."""
        def write(tx: Tx) -> None:
            if (state := self._state(tx, job.export)) is not None:
                EXPORT_STATES.check(state, ExportState.MAKING)
                tx.run("UPDATE exports SET state = ?, stage = ?, total = ? WHERE id = ?",
                       (ExportState.MAKING, Stage.POSTS, archive.count(tx, job.actor.id), job.export.id))

        await self._database.write(write)

    async def advance(self, done: Export) -> None:
        """Another piece of it lies on the disk."""
        await self._database.write(lambda tx: tx.run(
            "UPDATE exports SET stage = ?, cursor = ?, pieces = ?, posts = ?, tries = 0 WHERE id = ? AND state = ?",
            (done.stage, done.cursor, done.pieces, done.posts, done.id, ExportState.MAKING)))

    async def finish(self, export: Export, size: int) -> None:
        """It lies there as a whole: whoever asked for it is told by mail, if she wants mail at all."""
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            if (state := self._state(tx, export)) is None:
                return
            EXPORT_STATES.check(state, ExportState.READY)
            tx.run("UPDATE exports SET state = ?, bytes = ?, ready_at = ? WHERE id = ?",
                   (ExportState.READY, size, now, export.id))
            if departures.mailed(tx, export.account_id) is not None:
                mails.enqueue(tx, self._ids, export.account_id, MailKind.ARCHIVE, export.id, now,
                              facts={"until": now + self._days * _DAY_MS})

        await self._database.write(write)

    async def put_off(self, export: Export) -> bool:
        """It could not be made now: try again in a while, or give it up, and False."""
        given_up = export.tries + 1 >= _TRIES
        await self._database.write(lambda tx: tx.run(
            "UPDATE exports SET tries = tries + 1, next_try = ?, state = CASE WHEN ? THEN ? ELSE state END WHERE id = ?"
            " AND state IN ('waiting', 'making')",
            (self._clock.ms() + _AGAIN_MS, given_up, ExportState.FAILED, export.id)))
        return not given_up

    async def expire(self) -> frozenset[int]:
        """End those whose days are over; the ids of those that files may lie about for."""
        before = self._clock.ms() - self._days * _DAY_MS
        if await self._database.read(lambda tx: tx.row("SELECT 1 FROM exports WHERE state = 'ready' AND ready_at <= ?",
                                                       (before,))) is not None:
            await self._database.write(lambda tx: tx.run(
                "UPDATE exports SET state = ? WHERE state = 'ready' AND ready_at <= ?", (ExportState.OVER, before)))
        rows = await self._database.read(lambda tx: tx.rows("SELECT id FROM exports WHERE state IN ('making', 'ready')"))
        return frozenset(row["id"] for row in rows)

    async def restored(self) -> None:
        """This database came out of a backup, and archives are in none: there is nothing to go on with."""
        await self._database.write(lambda tx: tx.run("UPDATE exports SET state = ? WHERE state IN ('waiting', 'making', 'ready')",
                                                     (ExportState.OVER,)))

    def _state(self, tx: Tx, export: Export) -> str | None:
        row = tx.row("SELECT state FROM exports WHERE id = ?", (export.id,))
        return row["state"] if row is not None else None

    def _export(self, row: Row) -> Export:
        ready = row["ready_at"]
        return Export(row["id"], row["account_id"], ExportState(row["state"]), row["language"], row["asked_at"],
                      Stage(row["stage"] or Stage.POSTS), row["cursor"], row["pieces"], row["posts"], row["total"], row["bytes"],
                      row["tries"], ready + self._days * _DAY_MS if ready is not None else None)


def forget(tx: Tx, account_id: int, actor_id: int, now: int) -> None:
    """Whoever leaves has no archive here any more; its file goes with the next look at the files."""
    tx.run("DELETE FROM exports WHERE account_id = ?", (account_id,))
    tx.wake(TOPIC)


def _recipient(tx: Tx, mail: WaitingMail, now: int) -> Recipient | Phrase:
    row = tx.row("SELECT 1 FROM exports WHERE account_id = ? AND id = ? AND state = 'ready'", (mail.account_id, mail.about_id))
    return (departures.mailed(tx, mail.account_id) if row is not None else None) or UNWANTED


MAILS = {MailKind.ARCHIVE: Rule(_recipient, waits=True)}
