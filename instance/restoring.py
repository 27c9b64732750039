"""Restoring a backup: onto an empty machine, or in the place of what lies there, which is moved aside.

Everything is unpacked, checked, brought up to date and noted in a directory beside the database first. Only then do the
files change places; should that be stopped halfway, a file says so, nobody can open the database, and the next restore goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import click

from core.audit import Audit
from core.backup import BackupKey, Reader
from core.clock import Clock, rfc3339
from core.database import DatabaseError, Tx, open_database, path_of
from core.disk import sync_directory, unfinished
from core.errors import Conflict, InvalidInput, Misconfigured
from core.locks import alone, restoring
from core.migrate import migrate, migrations
from core.settings import Settings, load, parse
from core.vault import KeyVault
from federation import due, sequences
from inbox import lines, reconciliations
from inbox.erasures import Replayed
from instance.assembly import assemble
from instance.backups import DATABASE, PICTURES, SECRET, Inside, begin, check_database, damaged, described, look_through
from instance.console import AS_JSON, DRY, YES, me, show
from instance.piles import Unpiled

_STAGE = ".restore"


class Place(NamedTuple):
    """Where a backup is restored to; `fresh` when there are no settings yet, and those of the backup are written there."""

    config: Path
    settings: Settings
    fresh: bool

    @property
    def database(self) -> Path:
        return path_of(self.settings.database.url, self.settings.path("."))


class Restored(NamedTuple):
    """What a restore has done: where the old files are now, and what the journal knew."""

    aside: Path | None
    replayed: Replayed


@contextlib.contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """A backup's file; `InvalidInput` when it cannot be read."""
    try:
        with file.open("rb") as handle:
            yield handle
    except OSError as error:
        raise InvalidInput("%(path)s cannot be read: %(error)s.", values={"path": file, "error": error.strerror},
                           reason="unreadable") from None


def placed(config: Path, inside: Inside) -> Place:
    """Where this backup belongs; refuses one of another instance, and one of a later release."""
    fresh = not config.exists()
    settings = parse(inside.config, config) if fresh else load(config)
    if settings.instance.domain != inside.manifest.domain:
        raise Conflict("This is a backup of %(theirs)s, and here is %(ours)s. Nothing was changed.",
                       values={"theirs": inside.manifest.domain, "ours": settings.instance.domain}, reason="another-instance")
    if inside.manifest.migration > len(migrations()):
        raise Misconfigured("This backup was made by release %(release)s, which is later than this one. Nothing was changed.",
                            values={"release": inside.manifest.release})
    return Place(config, settings, fresh)


def look(config: Path, file: Path, key: BackupKey) -> tuple[Place, Inside]:
    """Read a whole backup and check it, and change nothing."""
    with opened(file) as handle:
        inside = begin(file, Reader(file, handle, key))
        place = placed(config, inside)
        handle.seek(0)
        return place, look_through(file, handle, key, _existing(place.database.parent))


async def restore(config: Path, file: Path, key: BackupKey, by: str) -> Restored:
    """Put a backup in the place of what lies there; nothing changes before everything in it was found whole."""
    with opened(file) as handle:
        reader = Reader(file, handle, key)
        inside = begin(file, reader)
        place = placed(config, inside)
        try:
            for directory in (config.parent, place.settings.path("."), place.database.parent):
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with alone(place.database):
                stage = place.database.parent / _STAGE
                shutil.rmtree(stage, ignore_errors=True)
                stage.mkdir(0o700)
                try:
                    await _stage(stage, file, reader, inside, by)
                    aside = _exchange(stage / DATABASE, place, inside)
                finally:
                    shutil.rmtree(stage, ignore_errors=True)
        except OSError as error:
            raise Misconfigured("The backup could not be restored: %(error)s.", values={"error": error}) from None
    async with assemble(place.settings) as assembly:  # does again what the journal says
        return Restored(aside, assembly.erasures.replayed)


async def _stage(stage: Path, file: Path, reader: Reader, inside: Inside, by: str) -> None:
    """Unpack database and pictures, check them, bring the database up to date, and note in it where it comes from."""
    with (stage / DATABASE).open("xb") as into:
        await asyncio.to_thread(reader.copy, inside.manifest.members[2], into)
    (stage / PICTURES).mkdir(0o700)
    for one in inside.manifest.members[3:]:
        await asyncio.to_thread(reader.copy, one, cast(BinaryIO, Unpiled(stage / PICTURES)))
    clock = Clock()
    database = await open_database(f"sqlite:///{DATABASE}", stage)
    try:
        try:
            await database.read(lambda tx: check_database(file, tx.rows, inside))
        except DatabaseError:  # already the end of reading fails
            raise damaged(file) from None
        await migrate(database, clock.ms())
        audit = Audit(database, KeyVault.holding(inside.secret), clock)
        await audit.adopt()
        await database.write(lambda tx: _noted(tx, audit, clock.ms(), inside, by))
    finally:
        await database.close()


def _noted(tx: Tx, audit: Audit, now: int, inside: Inside, by: str) -> None:
    due.restored(tx, now)
    sequences.restored(tx, now)
    lines.told_anew(tx, now)
    reconciliations.restored(tx, now, inside.manifest.created)
    audit.note(tx, by=by, action="backup.restored", target=inside.manifest.domain,
               detail=f"as of {rfc3339(inside.manifest.created)}")


def _exchange(staged: Path, place: Place, inside: Inside) -> Path | None:
    """Move what lies there aside and the restored files into its place; returns where the old ones are now, if there were any.

    While this goes on a file beside the database names the directory for the old ones: if that is there already, what still
    lies in their places is of the attempt that was stopped.
    """
    database, secret, pictures = place.database, place.settings.path(SECRET), place.settings.path(PICTURES)
    marker = restoring(database)
    stamp = rfc3339(Clock().ms()).replace("-", "").replace(":", "")
    aside = database.parent / (marker.read_text("utf-8") if marker.exists() else f"before-restore-{stamp}")
    old = [database, *(database.with_name(f"{database.name}{tail}") for tail in ("-wal", "-shm")), pictures]
    if secret.exists() and secret.read_bytes() != inside.secret:
        old.append(secret)
    with marker.open("w", encoding="utf-8") as handle:
        handle.write(aside.name)
        handle.flush()
        os.fsync(handle.fileno())
    sync_directory(database.parent)
    for path in old:
        if (aside / path.name).exists():
            shutil.rmtree(path, True) if path.is_dir() else path.unlink(missing_ok=True)
        elif path.exists():
            aside.mkdir(0o700, exist_ok=True)
            shutil.move(path, aside / path.name)
    shutil.move(staged.with_name(PICTURES), pictures)
    staged.rename(database)
    for path, content in ((secret, inside.secret), (place.config, inside.config)):
        if not path.exists():
            with unfinished(path) as (file, finish):
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                finish()
    sync_directory(database.parent)
    marker.unlink()
    sync_directory(database.parent)
    return aside if aside.exists() else None


def _existing(directory: Path) -> Path:
    """The nearest directory above, or itself, that is there."""
    return next(path for path in (directory, *directory.parents) if path.is_dir())


def _key(config: Path, given: Path | None) -> BackupKey:
    """The backup key: as given, else where the settings say, or beside settings that are not there yet."""
    if given is not None:
        return BackupKey.load(given)
    if config.exists():
        settings = load(config)
        return BackupKey.load(settings.path(settings.backup.key_file))
    return BackupKey.load(config.parent / Settings().backup.key_file)


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", "key_file", type=click.Path(path_type=Path), help="The backup key's file; default: as set.")
@YES
@DRY
@AS_JSON
@click.pass_context
def restore_command(ctx: click.Context, file: Path, key_file: Path | None, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Put a backup in the place of what lies here; what was deleted since stays deleted."""
    config: Path = ctx.find_root().obj
    key = _key(config, key_file)
    if dry_run or not yes:
        place, inside = look(config, file, key)
        if dry_run:
            _say_what(file, place, inside, as_json)
            return
        click.confirm(f"Put {inside.manifest.domain} back to {rfc3339(inside.manifest.created)}? What came later is lost here,"
                      " as far as siblings do not hold it.", abort=True, err=True)
    with opened(file) as handle:
        manifest = Reader(file, handle, key).manifest
    aside, again = asyncio.run(restore(config, file, key, me()))
    if as_json:
        show([described(file, manifest) | {"config": str(config.resolve()), "aside": str(aside) if aside else None}
              | again._asdict()], True, one=True)
        return
    click.echo(f"{manifest.domain} is as it was at {rfc3339(manifest.created)}.")
    click.echo(f"Deleted again, because it was deleted since: {again.erased} posts.")
    if again.closed:
        click.echo(f"Closed again, because they were revoked or paused since: {', '.join(again.closed)}.")
    if again.suspended:
        click.echo(f"Suspended again, because they were suspended since: {', '.join(again.suspended)}.")
    if aside is not None:
        click.echo(f"What lay here before is in {aside}. Deletions do not reach it: remove it when you need it no more.")
    if again.trouble:
        click.echo(again.trouble, err=True)


def _say_what(file: Path, place: Place, inside: Inside, as_json: bool) -> None:
    journal = place.settings.path(place.settings.retention.erasure_journal)
    row = described(file, inside.manifest) | {
        "config": str(place.config.resolve()), "replaces": place.database.exists(), "journal": journal.exists()}
    show([row], as_json, one=True)
