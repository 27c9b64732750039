"""`konsil backup` and `konsil restore`: what they say, what they leave, and one sentence when they refuse."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import msgspec
import pytest

from core.backup import BackupKey, Manifest, Reader, member, write
from core.clock import Clock
from core.locks import alone
from core.settings import load
from instance.assembly import assemble
from instance.setup import create_instance
from tests.test_cli import Konsil, documented

pytestmark = pytest.mark.usefixtures("logs_restored")


@pytest.fixture
def de(place: Path) -> Konsil:
    konsil = Konsil(place)
    konsil.run("doctor", "add", "anna", "--name", "Dr Anna", "--method", "register", "--evidence", "seen")
    return konsil


@pytest.fixture
def backup(de: Konsil) -> Path:
    """A backup that lies elsewhere, made before ben came."""
    path = de.place.parent / "de.backup"
    de.run("backup", str(path))
    de.run("doctor", "add", "ben", "--name", "Dr Ben", "--method", "register", "--evidence", "seen")
    return path


def handles(konsil: Konsil) -> list[str]:
    return [handle for (handle,) in konsil.rows("SELECT handle FROM accounts ORDER BY handle")]


def files(directory: Path) -> dict[str, bytes]:
    """Everything that lies there, but for what SQLite and locks keep beside the database."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*")
            if path.is_file() and not path.name.endswith((".lock", "-wal", "-shm", ".db"))}


def remade(backup: Path, key: Path, change: Callable[[Manifest, dict[str, BinaryIO]], Manifest]) -> Path:
    """The same backup with something else in it, as only somebody with the key can make it."""
    opens, parts = BackupKey.load(key), dict[str, BinaryIO]()
    with backup.open("rb") as file:
        reader = Reader(backup, file, opens)
        for one in reader.manifest.members:
            parts[one.name] = BytesIO()
            reader.copy(one, parts[one.name])
    manifest = change(reader.manifest, parts)
    manifest = msgspec.structs.replace(manifest, members=tuple(member(name, part) for name, part in parts.items()))
    made = backup.with_name("remade.backup")
    with made.open("wb") as into:
        write(into, opens, manifest, parts)
    return made


def test_a_backup_says_what_it_holds_and_that_its_key_has_to_be_kept_elsewhere(de: Konsil) -> None:
    first, second = de.place.parent / "one.backup", de.place.parent / "two.backup"
    said = de.run("backup", str(first)).stdout
    assert "127.0.0.1:8199" in said and "read back" in said and "backup.key" in said and "elsewhere" in said
    made = de.json("backup", str(second))
    assert set(made) == documented("backup") and made["accounts"] == 1 and not made["key_new"]
    assert made["bytes"] == second.stat().st_size and made["file"] == str(second)
    for path in (first, second, de.place / "backup.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {path.name for path in de.place.parent.iterdir()} == {"de", "one.backup", "two.backup"}
    assert not [path for path in de.place.iterdir() if path.name.startswith(".")]
    assert [row["target"] for row in audited(de, "backup.made")] == ["two.backup", "one.backup"]


def audited(konsil: Konsil, action: str) -> list[dict[str, str]]:
    with closing(sqlite3.connect(konsil.place / "konsil.db")) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM audit WHERE action = ? ORDER BY seq DESC", (action,))]


def test_a_backup_is_never_written_over_anything(de: Konsil) -> None:
    there = de.place.parent / "there"
    there.write_text("mine")
    de.refuses("backup", str(there), saying="something at .*there already")
    de.refuses("backup", str(de.place.parent / "nowhere" / "x"), saying="no directory")
    assert there.read_text() == "mine" and not (de.place / "backup.key").exists()
    (de.place / "backup.key").write_text("no key")
    (de.place / "backup.key").chmod(0o600)
    de.refuses("backup", str(de.place.parent / "x"), saying="compare it with your copy")
    assert not (de.place.parent / "x").exists()


def test_nothing_in_a_backup_can_be_read_without_the_key(de: Konsil, backup: Path) -> None:
    content = backup.read_bytes()
    keys = [(de.place / name).read_bytes() for name in ("secret.key", "backup.key")]
    assert not [word for word in (b"Dr Anna", b"SQLite", b"127.0.0.1", *keys) if word in content]


def test_a_dry_run_says_what_is_in_it_and_changes_nothing(de: Konsil, backup: Path, tmp_path: Path) -> None:
    before, rows = files(tmp_path), de.content()
    shown = de.json("restore", str(backup), "--dry-run")
    assert set(shown) == documented("restore --dry-run")
    assert (shown["domain"], shown["accounts"], shown["replaces"], shown["journal"]) == ("127.0.0.1:8199", 1, True, True)
    assert "domain" in de.run("restore", str(backup), "--dry-run").stdout
    empty = Konsil(tmp_path / "empty" / "at all")
    shown = json.loads(empty.run("restore", str(backup), "--dry-run", "--json", "--key", str(de.place / "backup.key")).stdout)
    assert not shown["replaces"] and not shown["journal"]
    assert files(tmp_path) == before and de.content() == rows and not (tmp_path / "empty").exists()


def test_it_asks_before_anything_is_replaced(de: Konsil, backup: Path) -> None:
    before = de.content()
    asked = de.run("restore", str(backup), given="n\n", exits=1)
    assert "127.0.0.1:8199" in asked.stderr and de.content() == before
    assert "is as it was" in de.run("restore", str(backup), given="y\n").stdout
    assert handles(de) == ["anna"]


def test_a_restore_puts_back_what_was_and_keeps_what_lay_there(de: Konsil, backup: Path) -> None:
    done = de.json("restore", str(backup), "--yes")
    assert set(done) == documented("restore") and done["trouble"] == ""
    assert done["erased"] == 0 and done["closed"] == done["suspended"] == []
    assert handles(de) == ["anna"]
    aside = Path(done["aside"])
    assert re.fullmatch(r"before-restore-\d{8}T\d{6}Z", aside.name) and stat.S_IMODE(aside.stat().st_mode) == 0o700
    with closing(sqlite3.connect(aside / "konsil.db")) as old:
        assert [handle for (handle,) in old.execute("SELECT handle FROM accounts ORDER BY handle")] == ["anna", "ben"]
    assert {path.name for path in aside.iterdir()} == {"konsil.db"}
    [line] = audited(de, "backup.restored")
    assert line["detail"] == f"as of {done['created']}"
    assert not [path.name for path in de.place.iterdir() if path.name.startswith(".") or path.name.endswith(".restoring")]
    assert stat.S_IMODE((de.place / "konsil.db").stat().st_mode) == 0o600

    async def proven() -> bool:
        async with assemble(load(de.place / "config.toml", {})) as its:
            return not (await its.audit.verify()).findings

    assert asyncio.run(proven())


def test_an_empty_machine_becomes_the_instance(de: Konsil, backup: Path, tmp_path: Path) -> None:
    new = Konsil(tmp_path / "new" / "machine")
    new.place.mkdir(parents=True)
    (new.place / "backup.key").write_text((de.place / "backup.key").read_text())
    (new.place / "backup.key").chmod(0o600)
    shutil.copy(de.place / "erasures.journal", new.place)  # it lay on another disk
    done = new.json("restore", str(backup), "--yes")
    assert done["aside"] is None and done["trouble"] == "" and handles(new) == ["anna"]
    for name in ("config.toml", "secret.key"):
        assert (new.place / name).read_bytes() == (de.place / name).read_bytes()
        assert stat.S_IMODE((new.place / name).stat().st_mode) == 0o600
    assert new.json("identity") == de.json("identity")


def test_without_its_journal_a_restored_instance_says_what_may_be_there_again(de: Konsil, backup: Path) -> None:
    (de.place / "erasures.journal").unlink()
    done = de.run("restore", str(backup), "--yes")
    assert "The erasure journal is missing" in done.stderr and handles(de) == ["anna"]
    assert audited(de, "erasures.begun-anew") and (de.place / "erasures.journal").exists()


def _changed(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:]


@pytest.mark.parametrize(("spoil", "saying"), [
    (_changed, "something in it was changed"), (lambda content: content + b"x", "something in it was changed"),
    (lambda content: content[:-1], "cut short"), (lambda content: content[:50_000], "cut short"),
    (lambda content: b"", "not a backup"), (lambda content: b"PK" + content, "not a backup")])
def test_a_spoilt_backup_changes_nothing(de: Konsil, backup: Path, spoil: Callable[[bytes], bytes], saying: str) -> None:
    spoilt = backup.with_name("spoilt.backup")
    spoilt.write_bytes(spoil(backup.read_bytes()))
    before = files(de.place)
    for words in (("--yes",), ("--dry-run",)):
        de.refuses("restore", str(spoilt), *words, saying=saying)
    assert files(de.place) == before and not (de.place / ".restore").exists()


def test_what_cannot_be_restored_here_is_said_in_one_sentence(de: Konsil, backup: Path, tmp_path: Path) -> None:
    key, before = de.place / "backup.key", files(de.place)
    other = tmp_path / "other.key"
    BackupKey.create(other)
    de.refuses("restore", str(backup), "--yes", "--key", str(other), saying="another backup key")
    de.refuses("restore", str(backup), "--yes", "--key", str(tmp_path / "no.key"), saying=r"no\.key cannot be read")
    de.refuses("restore", str(tmp_path / "no.backup"), "--yes", saying=r"no\.backup cannot be read")

    def later(manifest: Manifest, parts: dict[str, BinaryIO]) -> Manifest:
        return msgspec.structs.replace(manifest, migration=9999, release="99.0")

    def damaged(manifest: Manifest, parts: dict[str, BinaryIO]) -> Manifest:
        parts["konsil.db"].seek(3 * 8192)
        parts["konsil.db"].write(b"x" * 8192)
        return manifest

    def fewer(manifest: Manifest, parts: dict[str, BinaryIO]) -> Manifest:
        return msgspec.structs.replace(manifest, rows=manifest.rows | {"posts": 7})

    def another_key_file(manifest: Manifest, parts: dict[str, BinaryIO]) -> Manifest:
        parts["secret.key"] = BytesIO(b"s" * 32)
        return manifest

    def without_settings(manifest: Manifest, parts: dict[str, BinaryIO]) -> Manifest:
        del parts["config.toml"]
        return manifest

    for change, saying in ((later, "release 99.0, which is later"), (damaged, "is damaged"), (fewer, "is damaged"),
                           (another_key_file, "do not open with the key file"), (without_settings, "not a backup")):
        made = remade(backup, key, change)
        for words in (("--yes",), ("--dry-run",)):
            de.refuses("restore", str(made), *words, saying=saying)
    assert files(de.place) == before and not (de.place / ".restore").exists()


def test_a_backup_of_another_instance_is_refused(de: Konsil, backup: Path, tmp_path: Path) -> None:
    asyncio.run(create_instance(tmp_path / "fr", country="fr", domain="127.0.0.1", port=8198))
    fr = Konsil(tmp_path / "fr")
    fr.refuses("restore", str(backup), "--yes", "--key", str(de.place / "backup.key"),
               saying=r"backup of 127\.0\.0\.1:8199, and here is 127\.0\.0\.1:8198\. Nothing was changed")


def test_nothing_is_restored_under_a_running_instance_and_nothing_runs_under_a_restore(de: Konsil, backup: Path) -> None:
    settings = load(de.place / "config.toml", {})

    async def while_it_runs() -> None:
        async with assemble(settings):
            await asyncio.to_thread(
                lambda: de.refuses("restore", str(backup), "--yes", saying="This instance is running: stop its server"))

    asyncio.run(while_it_runs())
    assert handles(de) == ["anna", "ben"]
    with alone(de.place / "konsil.db"):
        de.refuses("doctor", "list", saying="is being restored here")
        de.refuses("migrate", saying="is being restored here")
        de.refuses("restore", str(backup), "--yes", saying="stop its server")


def test_a_restore_that_was_stopped_halfway_lets_nobody_in_and_is_finished_by_the_next(de: Konsil, backup: Path) -> None:
    """As a kill between two of its steps leaves it: the old files are aside, the new ones not there yet."""
    original = (de.place / "konsil.db").read_bytes()
    for step in range(3):
        aside = de.place / f"before-restore-2026010{step}T000000Z"
        (de.place / "konsil.db.restoring").write_text(aside.name)
        if step > 0:
            aside.mkdir()
            (de.place / "konsil.db").rename(aside / "konsil.db")
        if step > 1:
            (de.place / "konsil.db").write_bytes(b"of the attempt that was stopped")
        for words in (("doctor", "list"), ("identity",), ("migrate", "--check")):
            said = de.run(*words, exits=1)
            assert "A restore stopped halfway here" in said.stderr and len(said.stderr.splitlines()) == 1
        done = de.json("restore", str(backup), "--yes")
        assert done["aside"] == str(aside) and (aside / "konsil.db").read_bytes() == original
        assert handles(de) == ["anna"] and not (de.place / "konsil.db.restoring").exists()
        (aside / "konsil.db").replace(de.place / "konsil.db")


def test_sessions_end_and_what_was_to_be_deleted_meanwhile_is_deleted(de: Konsil, tmp_path: Path) -> None:
    now, day = Clock().ms(), 86_400_000
    with closing(sqlite3.connect(de.place / "konsil.db")) as database, database:
        [account] = database.execute("SELECT id FROM accounts").fetchone()
        database.execute("INSERT INTO sessions (token_hash, account_id, device, network, proof, created_at, seen_at, proved_at,"
                         " expires_at) VALUES (x'01', ?, '', '', 'password', ?, ?, ?, ?)", (account, now, now, now, now + day))
        for number, days in enumerate((91, 89)):
            database.execute("INSERT INTO outside_notices (id, reference, kind, text, contact, language, received_at, handled_at)"
                             " VALUES (?, ?, 'other', 'planted text', '', 'de', 1, ?)", (number, str(number), now - days * day))
    backup = tmp_path / "de.backup"
    de.run("backup", str(backup))
    de.run("restore", str(backup), "--yes")
    assert de.rows("SELECT count(*) FROM sessions") == [(0,)]
    assert de.rows("SELECT reference FROM outside_notices") == [("1",)]
    assert de.rows("SELECT restored_at FROM journal") == [(None,)]
