"""The group-commit writer keeps what it answered and forgets what it refused, whatever else is in the same commit."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from core.database import Copy, Database, IntegrityError, Tx, open_database
from core.errors import Misconfigured, Unavailable
from tests.servers import until

_URL = "sqlite:///konsil.db"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty table of unique words and one of what hangs on them."""
    database = await open_database(_URL, tmp_path)
    await database.write(lambda tx: tx.run("CREATE TABLE words (word TEXT PRIMARY KEY, note BLOB)"))
    await database.write(lambda tx: tx.run("CREATE TABLE uses (word TEXT NOT NULL REFERENCES words (word))"))
    yield database
    await database.close()


def add(tx: Tx, word: str, note: bytes = b"") -> str:
    tx.run("INSERT INTO words VALUES (?, ?)", (word, note))
    return word


def on_disk(database: Database) -> set[str]:
    """The words as somebody else sees them: through a connection of his own."""
    with closing(sqlite3.connect(database.path)) as other:
        return {row[0] for row in other.execute("SELECT word FROM words")}


def commits(database: Database) -> int:
    """How many commits the write-ahead log holds: its frames that carry the size of the database after a commit."""
    data = Path(f"{database.path}-wal").read_bytes()
    frame = 24 + int.from_bytes(data[8:12], "big")
    return sum(data[at + 4:at + 8] != bytes(4) for at in range(32, len(data) - 23, frame) if data[at + 8:at + 16] == data[16:24])


class Gate:
    """A piece of work that keeps the writer busy until it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def work(self, tx: Tx) -> None:
        self.entered.set()
        assert self.opened.wait(10)


@contextmanager
def shut(database: Database) -> Iterator[Gate]:
    gate = Gate()
    try:
        yield gate
    finally:
        gate.opened.set()


async def queued(database: Database, gate: Gate, *words: str) -> list[asyncio.Task[str]]:
    """Words that wait together for the writer, which is busy at the gate."""
    asyncio.get_running_loop().create_task(database.write(gate.work))
    await asyncio.to_thread(gate.entered.wait, 5)
    tasks = [asyncio.create_task(database.write(lambda tx, word=word: add(tx, word))) for word in words]  # type: ignore[misc]
    await asyncio.sleep(0)
    return tasks


async def test_what_arrives_during_a_commit_is_written_in_one(database: Database) -> None:
    before = commits(database)
    with shut(database) as gate:
        tasks = await queued(database, gate, *(f"w{number}" for number in range(100)))
        assert database.pending == 100 and not any(task.done() for task in tasks)
    assert await asyncio.gather(*tasks) == [f"w{number}" for number in range(100)]
    assert len(on_disk(database)) == 100
    assert commits(database) - before == 1  # the gate's own transaction wrote nothing


async def test_a_caller_is_answered_only_after_its_work_is_durable(database: Database) -> None:
    with shut(database) as gate:
        first = asyncio.create_task(database.write(lambda tx: add(tx, "first")))
        asyncio.get_running_loop().create_task(database.write(gate.work))  # in the same transaction, not over yet
        await asyncio.to_thread(gate.entered.wait, 5)
        assert not first.done() and on_disk(database) == set()
    await first
    assert on_disk(database) == {"first"}


async def test_a_piece_that_fails_is_rolled_back_alone(database: Database) -> None:
    def half(tx: Tx) -> None:
        add(tx, "half")
        raise ValueError("changed my mind")

    with shut(database) as gate:
        good = await queued(database, gate, "a", "b")
        twice, failing = asyncio.create_task(database.write(lambda tx: add(tx, "a"))), asyncio.create_task(database.write(half))
        last = asyncio.create_task(database.write(lambda tx: add(tx, "c")))
        await asyncio.sleep(0)
    assert await asyncio.gather(*good, last) == ["a", "b", "c"]
    with pytest.raises(IntegrityError):
        await twice
    with pytest.raises(ValueError, match="changed my mind"):
        await failing
    assert on_disk(database) == {"a", "b", "c"}


async def test_neighbours_of_one_applier_are_handed_to_it_together_and_tried_alone_when_they_fail(database: Database) -> None:
    handed: list[tuple[str, ...]] = []

    def apply(tx: Tx, words: Sequence[str]) -> list[str]:
        handed.append(tuple(words))
        tx.insert("words (word)", 1, [(word,) for word in words])
        return [word.upper() for word in words]

    with shut(database) as gate:
        await queued(database, gate)
        tasks = [asyncio.create_task(database.collect(apply, word)) for word in ("a", "b")]
        tasks.append(asyncio.create_task(database.write(lambda tx: add(tx, "between"))))
        tasks += [asyncio.create_task(database.collect(apply, word)) for word in ("c", "a", "d")]
        await asyncio.sleep(0)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert handed == [("a", "b"), ("c", "a", "d"), ("c",), ("a",), ("d",)]
    assert [result for result in results if isinstance(result, str)] == ["A", "B", "between", "C", "D"]
    assert isinstance(results[4], IntegrityError)
    assert on_disk(database) == {"a", "b", "between", "c", "d"}


async def test_a_caller_that_goes_away_does_not_stop_the_writer(database: Database) -> None:
    with shut(database) as gate:
        tasks = await queued(database, gate, "gone", "stays")
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
    assert tasks[0].cancelled() and await tasks[1] == "stays"
    assert await database.write(lambda tx: add(tx, "next")) == "next"
    assert on_disk(database) == {"gone", "stays", "next"}  # its work was accepted and is done all the same


async def test_listeners_hear_of_what_is_durable_and_of_nothing_else(database: Database) -> None:
    heard: list[set[str]] = []
    database.listen("news", lambda: heard.append(on_disk(database)))

    def told(tx: Tx, word: str) -> None:
        tx.wake("news")
        add(tx, word)

    await database.write(lambda tx: told(tx, "a"))
    assert heard == [{"a"}]
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: told(tx, "a"))
    assert heard == [{"a"}]


async def _until_it_fails(database: Database) -> tuple[set[str], list[BaseException]]:
    """Write in groups until the disk takes no more; who was told yes, and who was told what else."""
    told: set[str] = set()
    for group in range(30):
        names = [f"{group}-{number}" for number in range(4)]
        answers = await asyncio.gather(
            *(database.write(lambda tx, name=name: add(tx, name, b"x" * 30_000)) for name in names),  # type: ignore[misc]
            return_exceptions=True)
        told |= {answer for answer in answers if isinstance(answer, str)}
        if errors := [answer for answer in answers if isinstance(answer, BaseException)]:
            return told, errors
    raise AssertionError("it never became full")


async def _never_half_done(database: Database) -> None:
    told, errors = await _until_it_fails(database)
    assert all(isinstance(error, Unavailable) and error.status == 503 and error.retry_after for error in errors), errors
    assert on_disk(database) == told  # exactly those who were told yes
    assert await database.read(lambda tx: tx.rows("SELECT count(*) FROM words"))  # reading goes on


async def test_a_full_database_says_unavailable_keeps_what_it_promised_and_recovers(database: Database) -> None:
    pages = await database.write(lambda tx: tx.rows("PRAGMA page_count")[0][0])
    await database.write(lambda tx: tx.rows(f"PRAGMA max_page_count = {pages + 50}"))
    await _never_half_done(database)
    await database.write(lambda tx: tx.rows("PRAGMA max_page_count = 1000000"))
    assert await database.write(lambda tx: add(tx, "after", b"x" * 30_000)) == "after"
    assert "after" in on_disk(database)


async def test_a_disk_that_takes_no_more_says_unavailable_keeps_what_it_promised_and_recovers(database: Database) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))  # beyond it write() fails, here in the log at COMMIT
        await _never_half_done(database)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await database.write(lambda tx: add(tx, "after", b"x" * 30_000)) == "after"
    with closing(sqlite3.connect(database.path)) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_readers_read_only(database: Database) -> None:
    await database.write(lambda tx: add(tx, "a"))
    for _ in range(4):  # more often than there are readers: a failed one goes back to the pool
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await database.read(lambda tx: add(tx, "b"))
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.glance("DELETE FROM words RETURNING word")
    assert await database.read(lambda tx: [row["word"] for row in tx.rows("SELECT word FROM words")]) == ["a"]
    assert on_disk(database) == {"a"}


async def test_readers_are_served_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    database, served = await open_database(_URL, tmp_path, readers=1), list[int]()

    async def read(number: int) -> None:
        for _ in range(3):
            await database.read(lambda tx: served.append(number))

    try:
        await asyncio.gather(*map(read, range(5)))
    finally:
        await database.close()
    assert served == [0, 1, 2, 3, 4] * 3


async def test_what_hangs_on_nothing_is_refused(database: Database) -> None:
    await database.write(lambda tx: add(tx, "a"))
    assert await database.write(lambda tx: tx.run("INSERT INTO uses VALUES ('a')")) == 1
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        await database.write(lambda tx: tx.run("INSERT INTO uses VALUES ('b')"))
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        await database.write(lambda tx: tx.run("DELETE FROM words"))
    assert on_disk(database) == {"a"}


async def test_durability_and_erasure_are_really_switched_on(database: Database) -> None:
    def pragmas(tx: Tx) -> list[object]:
        return [tx.rows(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")]

    assert await database.write(pragmas) == ["wal", 2, 1, 1]  # 2 is FULL
    assert stat.S_IMODE(database.path.stat().st_mode) == 0o600


async def test_erased_text_stays_neither_in_the_file_nor_in_its_log(database: Database) -> None:
    def written() -> bool:
        return b"the patient is known" in database.path.read_bytes() + Path(f"{database.path}-wal").read_bytes()

    def erase(tx: Tx) -> None:
        tx.run("DELETE FROM words")
        tx.scrub()

    await database.write(lambda tx: add(tx, "secret", b"the patient is known to us " * 400))
    assert written()
    await database.write(erase)
    await until(lambda: not written(), 5)


async def test_closing_finishes_the_queue_and_takes_nothing_more(tmp_path: Path) -> None:
    database = await open_database(_URL, tmp_path)
    await database.write(lambda tx: tx.run("CREATE TABLE words (word TEXT PRIMARY KEY, note BLOB)"))
    tasks = [asyncio.create_task(database.write(lambda tx, word=str(word): add(tx, word)))  # type: ignore[misc]
             for word in range(300)]
    database.later(lambda tx: add(tx, "later"))
    await asyncio.sleep(0)
    await database.close()
    assert all(task.done() for task in tasks)
    assert on_disk(database) == {str(word) for word in range(300)} | {"later"}
    with pytest.raises(Unavailable):
        await database.write(lambda tx: add(tx, "too late"))
    assert "too late" not in on_disk(database)


async def test_a_place_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="nowhere"):
        await open_database(_URL, tmp_path / "nowhere")
    (tmp_path / "konsil.db").write_bytes(b"a letter, not a database" * 1000)
    with pytest.raises(Misconfigured, match=r"konsil\.db"):
        await open_database(_URL, tmp_path)
    await asyncio.sleep(0.1)  # the connection's thread ends
    assert (tmp_path / "konsil.db").read_bytes() == b"a letter, not a database" * 1000


async def test_the_log_is_moved_into_the_database_in_the_background(database: Database) -> None:
    for number in range(40):  # more than is left to lie
        await database.write(lambda tx, number=number: add(tx, str(number), b"x" * 1_000_000))  # type: ignore[misc]
    before = database.path.stat().st_size
    await until(lambda: database.path.stat().st_size > before, 5)


async def test_a_copy_is_whole_while_others_write_and_has_no_name(database: Database) -> None:
    for number in range(50):
        await database.write(lambda tx, number=number: add(tx, f"before {number}", b"x" * 9_000))  # type: ignore[misc]
    writing = [asyncio.create_task(database.write(lambda tx, number=number: add(tx, f"during {number}", b"x" * 9_000)))  # type: ignore[misc]
               for number in range(600)]
    files = {path.name for path in database.path.parent.iterdir()}
    with closing(Copy(database.path.parent)) as copy:
        assert {path.name for path in database.path.parent.iterdir()} == files
        await asyncio.to_thread(copy.take, database.path)
        await asyncio.gather(*writing)
        found = [row["word"] for row in copy.rows("SELECT word FROM words")]
        assert [row[0] for row in copy.rows("PRAGMA integrity_check")] == ["ok"]
        assert {path.name for path in database.path.parent.iterdir()} == files
        taken = copy.file.read(100)
    during = sorted(int(word.split()[1]) for word in found if word.startswith("during"))
    assert len(found) == 50 + len(during) and during == [*range(len(during))], "one moment, not pieces of several"
    assert taken.startswith(b"SQLite format 3") and set(on_disk(database)) > set(found) - {"during 599"}


async def test_a_long_look_at_the_database_keeps_no_writer_waiting_also_after_a_deletion(database: Database) -> None:
    await database.write(lambda tx: add(tx, "seen"))
    with closing(sqlite3.connect(database.path, isolation_level=None)) as looking:
        looking.execute("BEGIN")
        assert looking.execute("SELECT count(*) FROM words").fetchone() == (1,)
        await database.write(lambda tx: tx.scrub())
        async with asyncio.timeout(15):  # the checkpoint would wait for half a minute, with the lock that a writer needs
            for number in range(20):
                await database.write(lambda tx, number=number: add(tx, str(number)))  # type: ignore[misc]
                await asyncio.sleep(0.05)
        assert looking.execute("SELECT count(*) FROM words").fetchone() == (1,)


async def test_a_disk_that_gives_nothing_is_said_to_who_reads_and_a_fault_of_ours_is_not_hidden(database: Database) -> None:
    def trouble(tx: Tx) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    with pytest.raises(Unavailable) as caught:
        await database.read(trouble)
    assert caught.value.retry_after and "disk I/O error" in caught.value.cause
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await database.read(lambda tx: tx.rows("SELECT 1 FROM nowhere"))
