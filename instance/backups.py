"""Backups: the whole instance in one encrypted file, made while it runs and read back before it counts."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import click

from actors.keys import SEALED, check_opened
from core import VERSION
from core.backup import BackupKey, Manifest, Member, Reader, member, write
from core.clock import rfc3339
from core.database import Copy, DatabaseError, Row
from core.disk import sync, unfinished
from core.errors import Conflict, InvalidInput, Misconfigured, Unavailable
from core.vault import KeyVault
from instance.assembly import Assembly
from instance.console import AS_JSON, assembled, me, settings_of, show
from instance.piles import linked

CONFIG, SECRET, DATABASE, PICTURES = "config.toml", "secret.key", "konsil.db", "pictures"
MEMBERS = (CONFIG, SECRET, DATABASE, PICTURES)
_COUNTED = ("accounts", "actors", "posts", "siblings", "tombstones")
_SMALL = 1 << 20
Rows = Callable[[str], list[Row]]


class Made(NamedTuple):
    """A backup that was made and read back; `key_new` when none was made with its key before."""

    manifest: Manifest
    size: int
    key_new: bool


async def make(assembly: Assembly, config: Path, target: Path, by: str) -> Made:
    """Make a backup at `target`, where nothing may be; whatever goes wrong, nothing is there afterwards either."""
    key_file = assembly.settings.path(assembly.settings.backup.key_file)
    if target.exists():
        raise Conflict("There is something at %(path)s already. Nothing was changed.", values={"path": target})
    if not target.parent.is_dir():
        raise InvalidInput("There is no directory %(path)s. Nothing was changed.", values={"path": target.parent})
    fresh = not key_file.exists()
    key = BackupKey.create(key_file) if fresh else BackupKey.load(key_file)
    try:
        manifest, size = await asyncio.to_thread(_make, assembly, config, target, key)
    except FileExistsError:
        raise Conflict("There is something at %(path)s already. Nothing was changed.", values={"path": target}) from None
    except (OSError, DatabaseError) as error:
        raise Unavailable("The backup could not be written, and nothing of it was left behind: %(error)s.",
                          values={"error": error}) from None
    told = await assembly.audit.list(1, action="backup.made")  # the first may have been stopped before it could say so
    key_new = fresh or not told
    await assembly.database.write(lambda tx: assembly.audit.note(
        tx, by=by, action="backup.made", target=target.name, detail=f"{size} bytes, as of {rfc3339(manifest.created)}"))
    return Made(manifest, size, key_new)


def _make(assembly: Assembly, config: Path, target: Path, key: BackupKey) -> tuple[Manifest, int]:
    with contextlib.ExitStack() as stack:
        copy = stack.enter_context(contextlib.closing(Copy(assembly.database.path.parent)))
        created = assembly.clock.ms()
        copy.take(assembly.database.path)
        secret = assembly.settings.path(SECRET)
        pile = stack.enter_context(linked(assembly.settings.path(PICTURES), _pictures(copy.rows)))
        files: dict[str, BinaryIO] = {
            CONFIG: BytesIO(config.read_bytes()), SECRET: BytesIO(secret.read_bytes()), DATABASE: copy.file,
            PICTURES: cast(BinaryIO, pile)}
        manifest = Manifest(VERSION, assembly.identity.domain, created, _migration(copy.rows),
                            tuple(member(name, files[name]) for name in MEMBERS), _count(copy.rows))
        file, finish = stack.enter_context(unfinished(target))
        write(file, key, manifest, files)
        size = file.tell()
        sync(file)
        look_through(target, file, key, assembly.database.path.parent)
        finish()
    return manifest, size


class Inside(NamedTuple):
    """What a backup holds beside the database."""

    manifest: Manifest
    config: bytes
    secret: bytes


def look_through(path: Path, file: BinaryIO, key: BackupKey, directory: Path) -> Inside:
    """Read a whole backup and check everything in it; the database is unpacked in `directory`, without a name."""
    reader = Reader(path, file, key)
    inside = begin(path, reader)
    with contextlib.closing(Copy(directory)) as copy:
        reader.copy(inside.manifest.members[2], copy.file)
        check_database(path, copy.rows, inside)
    for one in inside.manifest.members[3:]:
        with open(os.devnull, "r+b") as nowhere:
            reader.copy(one, nowhere)
    return inside


def begin(path: Path, reader: Reader) -> Inside:
    """The small members of a backup. After them comes its database, and then the pictures, if it was made since there are any."""
    manifest = reader.manifest
    if tuple(one.name for one in manifest.members) not in (MEMBERS, MEMBERS[:3]) or any(
            one.size > _SMALL for one in manifest.members[:2]):
        raise InvalidInput("%(path)s is not a backup of Konsil, or one that this release cannot read.", values={"path": path},
                           reason="no-backup")
    return Inside(manifest, _small(reader, manifest.members[0]), _small(reader, manifest.members[1]))


def _small(reader: Reader, one: Member) -> bytes:
    into = BytesIO()
    reader.copy(one, into)
    return into.getvalue()


def check_database(path: Path, rows: Rows, inside: Inside) -> None:
    """`InvalidInput` unless the database is whole, is the one that the manifest describes, and its keys open."""
    try:
        whole = [row[0] for row in rows("PRAGMA integrity_check")] == ["ok"]
        same = whole and (_count(rows), _migration(rows)) == (inside.manifest.rows, inside.manifest.migration)
    except DatabaseError:
        same = False
    if not same:
        raise damaged(path)
    try:
        check_opened(rows(SEALED), KeyVault.holding(inside.secret))
    except Misconfigured as error:
        raise InvalidInput("The keys in %(path)s do not open with the key file in it.", values={"path": path},
                           reason="keys", cause=error.message) from None


def damaged(path: Path) -> InvalidInput:
    """What is said of a backup whose database cannot be used."""
    return InvalidInput("The database in %(path)s is damaged.", values={"path": path}, reason="damaged")


def _count(rows: Rows) -> dict[str, int]:
    return {table: int(rows(f"SELECT count(*) FROM {table}")[0][0]) for table in _COUNTED}


def _pictures(rows: Rows) -> list[str]:
    """The files of the pictures that are in a database."""
    return [name for row in rows("SELECT name FROM pictures WHERE gone_at IS NULL") for name in (row[0], f"{row[0]}.small")]


def _migration(rows: Rows) -> int:
    return int(rows("SELECT max(number) FROM migrations")[0][0])


def described(path: Path, manifest: Manifest) -> dict[str, Any]:
    """What a backup is, for programs and people."""
    return {"file": str(path.resolve()), "domain": manifest.domain, "created": rfc3339(manifest.created),
            "release": manifest.release, "migration": manifest.migration,
            "database_bytes": manifest.members[2].size, **manifest.rows}


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@AS_JSON
@click.pass_context
def backup(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Write the whole instance into one encrypted file, while it runs."""
    key_file = settings_of(ctx).path(settings_of(ctx).backup.key_file)
    made = assembled(ctx, lambda a: make(a, ctx.find_root().obj, file, me()))
    if as_json:
        show([described(file, made.manifest) | {"bytes": made.size, "key_file": str(key_file), "key_new": made.key_new}], True,
             one=True)
        return
    rows = made.manifest.rows
    click.echo(f"{file} holds {made.manifest.domain} as of {rfc3339(made.manifest.created)}: {rows['accounts']} accounts and"
               f" {rows['posts']} posts. It was read back and is whole.")
    if made.key_new:
        click.echo(f"It is encrypted with the key in {key_file}, which is new. Keep a copy of that key elsewhere: without it"
                   " nobody can open a backup, and it is in none.")


__all__ = ["CONFIG", "DATABASE", "PICTURES", "SECRET", "Inside", "backup", "begin", "check_database", "damaged", "described",
           "look_through"]
