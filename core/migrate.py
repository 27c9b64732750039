"""Numbered SQL files, applied in order, each remembered with its digest; a file that changed afterwards is refused."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import NamedTuple

from core.database import Database, Tx
from core.errors import Misconfigured


class Migration(NamedTuple):
    number: int
    name: str
    sql: str
    digest: str


def migrations() -> tuple[Migration, ...]:
    """All migrations of this release, in order; a gap in the numbers is refused."""
    files = sorted(
        (entry for entry in resources.files("core.migrations").iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    found = []
    for expected, entry in enumerate(files, start=1):
        sql = entry.read_text("utf-8")
        number = int(entry.name[:4])
        if number != expected:
            raise Misconfigured("Migration %(number)s is missing before %(name)s.",
                                values={"number": f"{expected:04d}", "name": entry.name})
        found.append(Migration(number, entry.name, sql, hashlib.sha256(sql.encode()).hexdigest()))
    return tuple(found)


async def pending(database: Database) -> tuple[Migration, ...]:
    """What is still to be applied; `Misconfigured` when the history has drifted or is newer than this release."""
    known = migrations()
    applied = await database.read(_applied)
    for row_number, digest in applied.items():
        if row_number > len(known):
            raise Misconfigured("The database has migration %(number)s, which this release does not know.",
                                values={"number": f"{row_number:04d}"})
        if known[row_number - 1].digest != digest:
            raise Misconfigured("%(name)s was changed after it was applied to this database.",
                                values={"name": known[row_number - 1].name})
    return tuple(migration for migration in known if migration.number not in applied)


async def migrate(database: Database, now_ms: int) -> tuple[str, ...]:
    """Apply what is pending, each in a transaction of its own, and return the names."""
    done = []
    for migration in await pending(database):
        if await database.write(lambda tx, migration=migration: _apply(tx, migration, now_ms)):  # type: ignore[misc]
            done.append(migration.name)
    return tuple(done)


def _applied(tx: Tx) -> dict[int, str]:
    if tx.row("SELECT 1 FROM sqlite_master WHERE name = 'migrations'") is None:
        return {}
    return {row["number"]: row["digest"] for row in tx.rows("SELECT number, digest FROM migrations ORDER BY number")}


def _apply(tx: Tx, migration: Migration, now_ms: int) -> bool:
    """Apply one; False when another process was faster."""
    tx.run("CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL,"
           " digest TEXT NOT NULL, applied_at INTEGER NOT NULL)")
    if tx.row("SELECT 1 FROM migrations WHERE number = ?", (migration.number,)):
        return False
    for statement in _statements(migration.sql):
        tx.run(statement)
    tx.run("INSERT INTO migrations (number, name, digest, applied_at) VALUES (?, ?, ?, ?)",
           (migration.number, migration.name, migration.digest, now_ms))
    return True


def _statements(sql: str) -> list[str]:
    """Split at semicolons that end a line; a trigger stands on one."""
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    return [statement for statement in (part.strip() for part in "\n".join(lines).split(";\n")) if statement]
