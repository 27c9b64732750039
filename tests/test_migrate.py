"""Migrations are applied once, in order and whole, and a history that has drifted is refused before anything is touched."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from core import migrate as module
from core.database import Database, open_database
from core.errors import Misconfigured
from core.migrate import Migration, migrate, migrations, pending

_ROOT = Path(__file__).parent.parent


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await open_database("sqlite:///konsil.db", tmp_path)
    yield database
    await database.close()


def made(number: int, sql: str) -> Migration:
    return Migration(number, f"{number:04d}_made.sql", sql, hashlib.sha256(sql.encode()).hexdigest())


def release(monkeypatch: pytest.MonkeyPatch, *found: Migration) -> None:
    """Pretend that this release has these migrations."""
    monkeypatch.setattr(module, "migrations", lambda: found)


async def schema(database: Database) -> list[tuple[str, str]]:
    rows = await database.read(lambda tx: tx.rows("SELECT name, sql FROM sqlite_master ORDER BY name"))
    return [tuple(row) for row in rows]


async def test_the_first_start_applies_all_and_the_second_none(database: Database) -> None:
    names = tuple(migration.name for migration in migrations())
    assert tuple(migration.name for migration in await pending(database)) == names and await schema(database) == []
    assert await migrate(database, 1) == names
    before = await schema(database)
    assert {"siblings", "outbox", "posts", "audit"} <= {name for name, _ in before}
    assert await pending(database) == () and await migrate(database, 2) == ()
    assert await schema(database) == before
    rows = await database.read(lambda tx: tx.rows("SELECT name, digest, applied_at FROM migrations ORDER BY number"))
    assert [tuple(row) for row in rows] == [(migration.name, migration.digest, 1) for migration in migrations()]


async def test_a_new_release_applies_only_what_is_new(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(1, "CREATE TABLE a (x INTEGER);\n")
    release(monkeypatch, first)
    assert await migrate(database, 1) == ("0001_made.sql",)
    release(monkeypatch, first, made(2, "-- why; and how\nCREATE TABLE b (x INTEGER);\nINSERT INTO b\nVALUES (1);\n"))
    assert await migrate(database, 2) == ("0002_made.sql",)
    assert (await database.read(lambda tx: tx.rows("SELECT x FROM b")))[0]["x"] == 1


async def test_a_file_that_was_changed_after_it_was_applied_is_refused(
        database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    release(monkeypatch, made(1, "CREATE TABLE a (x INTEGER);\n"))
    await migrate(database, 1)
    before = await schema(database)
    release(monkeypatch, made(1, "CREATE TABLE a (x INTEGER, y INTEGER);\n"), made(2, "CREATE TABLE b (x INTEGER);\n"))
    for step in (pending(database), migrate(database, 2)):
        with pytest.raises(Misconfigured, match=r"0001_made\.sql was changed"):
            await step
    assert await schema(database) == before


async def test_a_database_of_a_newer_release_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(1, "CREATE TABLE a (x INTEGER);\n")
    release(monkeypatch, first, made(2, "CREATE TABLE b (x INTEGER);\n"))
    await migrate(database, 1)
    release(monkeypatch, first)
    for step in (pending(database), migrate(database, 2)):
        with pytest.raises(Misconfigured, match="0002, which this release does not know"):
            await step


async def test_a_gap_in_the_numbers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.migrate.resources.files", lambda _: tmp_path)
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE a (x INTEGER);\n")
    (tmp_path / "README").write_text("not a migration")
    assert [migration.name for migration in migrations()] == ["0001_first.sql"]
    (tmp_path / "0003_third.sql").write_text("CREATE TABLE c (x INTEGER);\n")
    with pytest.raises(Misconfigured, match=r"0002 is missing before 0003_third\.sql"):
        migrations()
    (tmp_path / "0003_third.sql").rename(tmp_path / "0001_again.sql")
    with pytest.raises(Misconfigured, match="0002 is missing"):
        migrations()


async def test_a_migration_that_fails_leaves_nothing_and_those_before_it_stay(
        database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    release(monkeypatch, made(1, "CREATE TABLE a (x INTEGER);\n"),
            made(2, "CREATE TABLE b (x INTEGER);\nINSERT INTO nowhere VALUES (1);\n"))
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        await migrate(database, 1)
    assert [name for name, _ in await schema(database)] == ["a", "migrations"]
    assert [migration.number for migration in await pending(database)] == [2]


async def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[instance]\ncountry = "de"\nurl = "http://127.0.0.1:8101"\n')
    with closing(sqlite3.connect(tmp_path / "konsil.db")) as other:  # there, and empty
        other.execute("PRAGMA journal_mode=WAL")
    command = (sys.executable, "-W", "ignore", "-m", "instance", "--debug", "--config", str(tmp_path / "config.toml"), "migrate")
    running = [await asyncio.create_subprocess_exec(
        *command, cwd=_ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE) for _ in range(3)]
    for process in running:
        _, stderr = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, stderr.decode()
    with closing(sqlite3.connect(tmp_path / "konsil.db")) as other:
        assert [row[0] for row in other.execute("SELECT name FROM migrations ORDER BY number")] == [
            migration.name for migration in migrations()]
