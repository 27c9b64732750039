"""Pictures in a backup: many files as one and apart again, and back in their place after a restore, except what was
deleted since."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.backup import BackupKey
from core.errors import InvalidInput, NotFound
from core.settings import Settings
from instance.assembly import assemble
from instance.backups import make
from instance.piles import Pile, Unpiled, linked
from instance.restoring import restore
from tests.illustrated import illustrated
from tests.servers import countries


def piled(pile: Pile, size: int) -> bytes:
    taken = b""
    while part := pile.read(size):
        taken += part
    return taken


@pytest.mark.parametrize("size", [1, 7, 65_536, 1 << 22])
def test_files_are_put_together_and_come_apart_whatever_pieces_they_are_read_in(tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "pictures", tmp_path / "there"
    source.mkdir()
    target.mkdir()
    made = {"a" * 24: b"x" * 3_000, f"{'a' * 24}.small": b"", "b": bytes(range(256)) * 20}
    for name, body in made.items():
        (source / name).write_bytes(body)
    with linked(source, [*made, "not-there"]) as pile:
        for name in made:
            (source / name).unlink()  # deleted meanwhile
        whole = piled(pile, size)
        pile.seek(0)
        assert piled(pile, 100) == whole
    into = Unpiled(target)
    for start in range(0, len(whole), size):
        into.write(whole[start:start + size])
    into.seek(0)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == made
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".pile")] == []
    with linked(tmp_path / "none", ["a"]) as nothing:
        assert nothing.read(10) == b""


@pytest.mark.parametrize("body", [b"\x00" * 9, b"\x03" + bytes(7) + b"\x01../x", b"\x01" + bytes(7) + b"\x05ax"])
def test_what_is_no_pile_writes_nothing_outside(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "there").mkdir()
    into = Unpiled(tmp_path / "there")
    with pytest.raises(InvalidInput):
        into.write(body)
        into.seek(0)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


async def test_pictures_come_back_with_a_backup_and_those_deleted_since_do_not(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,):
        stays, goes = [await illustrated(de) for _ in range(2)]
        ada, settings = await de.author("ada"), de.its.settings
        whole = await de.its.gallery.picture(ada.actor, stays, 1)
        await make(de.its, settings.path("config.toml"), tmp_path / "backup", "test")
        await de.its.editing.delete(ada.actor, goes)
    for path in settings.path("pictures").iterdir():
        path.unlink()
    await _restored(settings, tmp_path / "backup")
    async with assemble(settings) as its:
        assert await its.gallery.picture(ada.actor, stays, 1) == whole
        await its.media.tidy()
        assert len([*settings.path("pictures").iterdir()]) == 2
        with pytest.raises(NotFound):
            await its.gallery.picture(ada.actor, goes, 1)


async def _restored(settings: Settings, backup: Path) -> None:
    await restore(settings.path("config.toml"), backup, BackupKey.load(settings.path(settings.backup.key_file)), "test")
