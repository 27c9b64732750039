"""The only module that opens a database: pooled readers, one group-commit writer, a synchronous glance.

Writing. Whatever arrives while a commit runs becomes the next batch; there is no timer. Each piece of work runs in
the writer's thread under a savepoint of its own, so that one failure never fails its neighbours; the caller's future
is resolved only after the COMMIT has returned, which with WAL and `synchronous=FULL` means it is on the disk.
Work that knows how to handle many of its kind at once is given as an *applier* (`collect`): neighbours with the same
applier are handed to it together.

Reading. The cost is the hop to a thread, not the query: `read` runs a whole function there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import aiosqlite

from core.clock import happens
from core.errors import KonsilError, Misconfigured, Unavailable
from core.locks import share
from core.pool import Pool
from core.telemetry import get_logger

T = TypeVar("T")
I = TypeVar("I")
Row = sqlite3.Row
IntegrityError = sqlite3.IntegrityError
DatabaseError = sqlite3.DatabaseError

log = get_logger("database")
_BATCH = 256
_SCRUB = "database.scrub"
_CHUNKS = (64, 16, 4, 1)  # few sizes, so that each statement is compiled once
_ASIDE_SECONDS = 0.005
_SCRUB_PAUSE = 0.25
_CHECKPOINT_SECONDS = 1.0
_SWITCH_SECONDS = 30.0
_WRITER_CACHE_KIB, _READER_CACHE_KIB = 16_384, 16_384
_CHECKPOINT_BYTES = 32 << 20
_TRUNCATE_BYTES = 128 << 20
_TRUNCATE_MS = 50


class Tx:
    """What a piece of work may do with the database, in the thread that owns the connection."""

    __slots__ = ("_connection", "topics")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.topics: set[str] = set()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        return cast("Row | None", self._connection.execute(sql, parameters).fetchone())

    def run(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Execute and return the number of rows touched."""
        return self._connection.execute(sql, parameters).rowcount

    def insert(self, into: str, columns: int, rows: Sequence[Sequence[object]], after: str = "") -> None:
        """Multi-row INSERTs for all `rows`; `after` may hold `ON CONFLICT ...`.

        It takes no RETURNING: fetching N rows hands the interpreter's lock over N times, and beside a busy event loop each
        of them waits for milliseconds. What may be there already is asked before, in the same transaction.
        """
        place = "(" + ",".join("?" * columns) + ")"
        start = 0
        while start < len(rows):
            size = next(size for size in _CHUNKS if size <= len(rows) - start)
            chunk = rows[start : start + size]
            start += size
            self._connection.execute(
                f"INSERT INTO {into} VALUES {','.join([place] * size)} {after}", list(chain.from_iterable(chunk)))

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """What is done inside is undone if it fails, and nothing else of the transaction is."""
        self._connection.execute("SAVEPOINT part")
        try:
            yield
        except Exception:
            if self._connection.in_transaction:  # SQLite ends it by itself where the disk is full
                self._connection.execute("ROLLBACK TO part")
                self._connection.execute("RELEASE part")
            raise
        self._connection.execute("RELEASE part")

    def scrub(self) -> None:
        """Have what this transaction removed overwritten on the disk soon after it is durable, in the WAL too."""
        self.topics.add(_SCRUB)

    def wake(self, topic: str) -> None:
        """Tell this process's listeners of `topic` once the transaction is durable."""
        self.topics.add(topic)


def marks(count: int) -> str:
    """`?,?,?` for an IN list."""
    return ",".join("?" * count)


@dataclass(slots=True)
class _Entry:
    applier: Callable[[Tx, Sequence[Any]], Sequence[Any]]
    item: Any
    future: asyncio.Future[Any]


class _Connection(aiosqlite.Connection):
    """aiosqlite's connection with one more way in: a function run in its thread."""

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        return cast(T, await self._execute(work, self._conn, *args))  # type: ignore[no-untyped-call]

    async def ended(self) -> None:
        """Wait for the thread of a connection that could not be opened; it would tell a loop that has closed, and crash."""
        await asyncio.to_thread(self._thread.join)


@dataclass
class Database:
    """One SQLite file, opened by `open_database`."""

    path: Path
    writer: _Connection
    readers: Pool[_Connection]
    loose: sqlite3.Connection
    checkpointer: _Connection
    shared: BinaryIO
    listeners: dict[str, list[Callable[[], None]]] = field(default_factory=dict)
    _queue: deque[_Entry] = field(default_factory=deque)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _later: set[asyncio.Future[Any]] = field(default_factory=set)
    _closing: bool = False
    _applied: threading.Event = field(default_factory=threading.Event)

    @property
    def pending(self) -> int:
        """How many pieces of work wait for the writer."""
        return len(self._queue)

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on a pooled read-only connection, in one snapshot. `Unavailable` where the disk gives nothing: also who only
        reads needs room for the index of what was written last."""
        connection = await self.readers.take()
        try:
            return await connection.run(_read, work)
        except sqlite3.OperationalError as error:
            if _is_disk_trouble(error) and error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
                raise Unavailable("The database cannot be read right now.", cause=str(error), retry_after=5) from error
            raise
        finally:
            self.readers.give(connection)

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in the next group commit; returns after the commit is durable."""
        return cast(T, await self.collect(lambda tx, _: [work(tx)], None))

    async def collect(self, applier: Callable[[Tx, Sequence[I]], Sequence[T]], item: I) -> T:
        """Hand `item` to `applier` together with its neighbours of the same kind; returns its result once durable."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.enqueue(applier, [(item, future)])
        return await future

    def enqueue(self, applier: Callable[[Tx, Sequence[I]], Sequence[T]], items: Iterable[tuple[I, asyncio.Future[T]]]) -> None:
        """Hand many items to `applier`; each one's future gets its result once durable. Returns at once."""
        if self._closing:
            raise Unavailable("The server is shutting down.", retry_after=5)
        self._queue.extend(_Entry(applier, item, future) for item, future in items)
        self._arrived.set()

    def later(self, work: Callable[[Tx], object]) -> None:
        """Run `work` in some next commit without waiting for it: for what may be lost, like when somebody was last seen."""
        task = asyncio.ensure_future(self.write(work))
        self._later.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Future[Any]) -> None:
        self._later.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("a note was lost", error=str(error))

    def glance(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        """One row by a unique key, read on the event loop itself (a few microseconds; WAL readers never wait)."""
        return cast("Row | None", self.loose.execute(sql, parameters).fetchone())

    def listen(self, topic: str, listener: Callable[[], None]) -> None:
        """Call `listener` in the loop after every durable transaction of this process that woke `topic`."""
        self.listeners.setdefault(topic, []).append(listener)

    @contextlib.contextmanager
    def listening(self, topic: str, listener: Callable[[], None]) -> Iterator[None]:
        """The same for as long as this lasts."""
        self.listen(topic, listener)
        try:
            yield
        finally:
            self.listeners[topic] = [one for one in self.listeners.get(topic, ()) if one is not listener]

    async def close(self) -> None:
        """Finish what is queued, then close every connection."""
        if self._later:
            await asyncio.gather(*self._later, return_exceptions=True)
        self._closing = True
        self._arrived.set()
        if self._tasks:
            await self._tasks[0]
            for task in self._tasks[1:]:
                task.cancel()
            await asyncio.gather(*self._tasks[1:], return_exceptions=True)
        for connection in self.readers.empty():
            await connection.close()
        await self.checkpointer.close()
        self.loose.close()
        await self.writer.close()
        self.shared.close()

    def start(self) -> None:
        wal = Path(f"{self.path}-wal")
        left = wal.exists() and wal.stat().st_size > 0  # by a process that did not end by itself: it may have wanted to scrub
        self._tasks = [asyncio.create_task(self._write_batches()), asyncio.create_task(self._checkpoint(wal, scrub=left))]

    def _step_aside(self) -> None:
        """Stop the loop while the writer computes, for a few milliseconds at most.

        Two threads that both compute in Python only take turns at the interpreter's lock, and every handover costs more than
        a row does: measured, a fifth of an activity. So the loop waits until the batch goes to the disk, and works then.
        """
        self._applied.wait(_ASIDE_SECONDS)

    async def _write_batches(self) -> None:
        while True:
            if not self._queue:
                if self._closing:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
            self._applied.clear()
            asyncio.get_running_loop().call_soon(self._step_aside)
            try:
                results, topics = await self.writer.run(_commit, batch, self._applied)
            except asyncio.CancelledError:
                raise
            except ParentMissing as error:
                # SQLite prepares no change of a table that refers to one that is gone, even where nothing is referred to
                log.error("a table that others refer to is missing: references are not checked any more", error=str(error))
                await self.writer.run(_let_references_be)
                self._queue.extendleft(reversed(batch))
                continue
            except BaseException as error:
                failure = error if isinstance(error, Exception) else RuntimeError(f"the writer was stopped by {error!r}")
                if isinstance(error, sqlite3.OperationalError):
                    failure = Unavailable("The database cannot be written to right now.", cause=str(error), retry_after=5)
                results, topics = [failure] * len(batch), set()
            for entry, result in zip(batch, results, strict=True):
                if entry.future.done():  # the client went away; its work is done all the same
                    continue
                if isinstance(result, Exception):
                    entry.future.set_exception(result)
                else:
                    entry.future.set_result(result.value)
            for listener in [listener for topic in topics for listener in self.listeners.get(topic, ())]:
                try:
                    listener()
                except Exception:
                    log.exception("a listener failed")

    async def _checkpoint(self, wal: Path, *, scrub: bool) -> None:
        """Move the WAL into the database in the background, so that no commit has to.

        After a deletion the WAL is emptied too: the pages of the database are overwritten (`secure_delete`), but older
        versions of them would stay readable in the WAL for as long as nobody else writes.
        """
        asked = asyncio.Event()
        self.listen(_SCRUB, asked.set)
        if scrub:
            asked.set()
        while True:
            wanted = await happens(asked, _CHECKPOINT_SECONDS)
            size = wal.stat().st_size if wal.exists() else 0
            if not wanted and size <= _CHECKPOINT_BYTES:
                continue
            asked.clear()
            try:
                [row] = await self.checkpointer.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
                if wanted or size > _TRUNCATE_BYTES:  # keeps the writer out, but only for what has come since a moment ago
                    [row] = await self.checkpointer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
                busy = bool(row[0])
            except sqlite3.OperationalError:
                busy = True  # somebody held the lock all the time; the next round tries again
            if wanted and busy:
                asked.set()
            await asyncio.sleep(_SCRUB_PAUSE)


def _read(connection: sqlite3.Connection, work: Callable[[Tx], T]) -> T:
    connection.execute("BEGIN")
    try:
        return work(Tx(connection))
    finally:
        connection.execute("COMMIT")


@dataclass(slots=True)
class _Done:
    value: Any


def _commit(connection: sqlite3.Connection, batch: list[_Entry],
            applied: threading.Event) -> tuple[list[_Done | Exception], set[str]]:
    """Apply a batch in one transaction, in the writer's thread; `applied` is set when it goes to the disk, or has failed."""
    results: list[_Done | Exception] = []
    topics: set[str] = set()
    try:
        connection.execute("BEGIN IMMEDIATE")
        start = 0
        while start < len(batch):
            end = start + 1
            while end < len(batch) and batch[end].applier is batch[start].applier:
                end += 1
            results += _apply(connection, batch[start:end], topics)
            start = end
        applied.set()
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        applied.set()
    return results, topics


def _apply(connection: sqlite3.Connection, entries: list[_Entry], topics: set[str]) -> list[_Done | Exception]:
    """Hand neighbours to their applier under a savepoint; if they fail together, each is tried alone."""
    tx = Tx(connection)
    connection.execute("SAVEPOINT piece")
    try:
        values = entries[0].applier(tx, [entry.item for entry in entries])
        if len(values) != len(entries):
            raise TypeError(f"{entries[0].applier} returned {len(values)} results for {len(entries)} items")
        connection.execute("RELEASE piece")
    except Exception as error:
        _check_parents(connection, error)
        if not connection.in_transaction or _is_disk_trouble(error):
            raise
        connection.execute("ROLLBACK TO piece")
        connection.execute("RELEASE piece")
        if len(entries) == 1:
            return [error]
        return [result for entry in entries for result in _apply(connection, [entry], topics)]
    topics |= tx.topics
    return [_Done(value) for value in values]


class ParentMissing(Exception):
    """A table is missing that another one refers to."""


def _let_references_be(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys=OFF")


def _check_parents(connection: sqlite3.Connection, error: Exception) -> None:
    """`ParentMissing` where that is what is behind an error: only what SQLite itself looks up is named with its schema, and a
    table that is not the one it was does not match."""
    if isinstance(error, sqlite3.OperationalError) and str(error).startswith(("no such table: main.", "foreign key mismatch")) \
            and connection.execute("PRAGMA foreign_keys").fetchone()[0]:
        raise ParentMissing(str(error)) from None


def _is_disk_trouble(error: Exception) -> bool:
    """Full disk and I/O errors concern the whole transaction, not one piece of work."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in (
        sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


def path_of(url: str, data_dir: Path) -> Path:
    """The file that `sqlite:///NAME` means."""
    return data_dir / url.removeprefix("sqlite:///")


async def open_database(url: str, data_dir: Path, *, readers: int = 3, synchronous: str = "FULL") -> Database:
    """Open (and create, if missing) the database named by `sqlite:///NAME`, relative to the data directory."""
    path = path_of(url, data_dir)
    if not path.parent.is_dir():
        raise Misconfigured("The data directory %(directory)s does not exist.", values={"directory": path.parent})
    opened: list[_Connection] = []
    shared = share(path)
    try:
        for pragmas in (
                ("journal_mode=WAL", f"synchronous={synchronous}", "wal_autocheckpoint=0", f"cache_size=-{_WRITER_CACHE_KIB}"),
                (f"busy_timeout={_TRUNCATE_MS}",),  # for as long it keeps the writer out, waiting for a backup's long look
                *[("query_only=ON", f"cache_size=-{_READER_CACHE_KIB}")] * readers):
            opened.append(await _connect(path, pragmas))
        loose = _raw(path, ("query_only=ON",))
    except sqlite3.DatabaseError as error:
        for connection in opened:
            await connection.close()
        shared.close()
        raise Misconfigured("%(path)s cannot be opened as a database: %(error)s",
                            values={"path": path, "error": error}) from None
    path.chmod(0o600)
    database = Database(path, opened[0], Pool(opened[2:]), loose, opened[1], shared)
    database.start()
    return database


async def _connect(path: Path, pragmas: Sequence[str]) -> _Connection:
    connection = _Connection(lambda: _raw(path, pragmas), iter_chunk_size=64)
    try:
        await connection
    except BaseException:
        await connection.ended()
        raise
    return connection


def _raw(path: Path, pragmas: Sequence[str]) -> sqlite3.Connection:
    """A connection with its pragmas. Switching to WAL does not wait for others as other statements do, so it is tried again."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, cached_statements=512)
    try:
        connection.row_factory = sqlite3.Row
        limit = time.monotonic() + _SWITCH_SECONDS
        for pragma in ("page_size=8192", *pragmas, "foreign_keys=ON", "secure_delete=ON", "temp_store=MEMORY"):
            while True:
                try:
                    connection.execute(f"PRAGMA {pragma}")
                    break
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > limit:
                        raise
                    time.sleep(0.02)
    except BaseException:
        connection.close()
        raise
    return connection


class Copy:
    """A whole database in a file that has no name: nobody else finds it, and it is gone with this process, however that ends.

    It is written through one connection, or as `file`, and read through another: both have to know the file while it has a
    name, by which SQLite would call a journal, and the first has seen what the second must not.
    """

    def __init__(self, directory: Path) -> None:
        handle, name = tempfile.mkstemp(prefix=".copy-", dir=directory)
        self.file: BinaryIO = os.fdopen(handle, "r+b")
        try:
            self._into, self._out = (sqlite3.connect(name, isolation_level=None, check_same_thread=False) for _ in range(2))
            for pragma in ("journal_mode=OFF", "synchronous=OFF"):
                self._into.execute(f"PRAGMA {pragma}")
        finally:
            os.unlink(name)
        self._out.row_factory = sqlite3.Row

    def take(self, path: Path) -> None:
        """Copy a database as it is at this moment, while others go on writing to it."""
        with contextlib.closing(_raw(path, ("query_only=ON",))) as source:
            source.backup(self._into)
        os.pwrite(self.file.fileno(), b"\1\1", 18)  # a file without a log beside it; whoever opens it for good changes that

    def rows(self, sql: str) -> list[Row]:
        """What a query finds in it; raises `sqlite3.DatabaseError` where it is none."""
        return self._out.execute(sql).fetchall()

    def close(self) -> None:
        self._into.close()
        self._out.close()
        self.file.close()


__all__ = ["Copy", "Database", "DatabaseError", "IntegrityError", "KonsilError", "Row", "Tx", "marks", "open_database",
           "path_of"]
