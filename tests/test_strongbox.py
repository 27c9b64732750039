"""A sealed file opens only whole, only under its name, only with the key it was sealed with."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import Misconfigured
from core.strongbox import SealedWriter, opened
from core.vault import KeyVault

_PART = 1 << 20


def written(vault: KeyVault, path: Path, content: bytes, name: str = "archive 1") -> None:
    with path.open("wb") as file:
        sealing = SealedWriter(vault, name, file)
        for start in range(0, len(content), 700_000):
            sealing.write(content[start:start + 700_000])
        sealing.finish()
        assert sealing.total == len(content)


@pytest.mark.parametrize("size", [0, 1, _PART - 1, _PART, _PART + 1, 3 * _PART])
def test_what_was_written_comes_back(tmp_path: Path, size: int) -> None:
    vault, content = KeyVault.create(tmp_path / "secret.key"), bytes(at % 251 for at in range(size))
    written(vault, tmp_path / "file", content)
    assert b"".join(opened(vault, "archive 1", tmp_path / "file")) == content
    assert size < 100 or content[:100] not in (tmp_path / "file").read_bytes()


def test_no_part_can_be_left_out_changed_or_taken_from_another(tmp_path: Path) -> None:
    vault = KeyVault.create(tmp_path / "secret.key")
    path = tmp_path / "file"
    written(vault, path, bytes(3 * _PART))
    sealed = path.read_bytes()
    length = 4 + int.from_bytes(sealed[:4], "big")
    for wrong in (sealed[length:], sealed[:length], sealed[:-1],
                  sealed[length:2 * length] + sealed[:length] + sealed[2 * length:], sealed[:100] + b"\0\0" + sealed[102:], b""):
        path.write_bytes(wrong)
        with pytest.raises(Misconfigured):
            list(opened(vault, "archive 1", path))
    path.write_bytes(sealed)
    for other, name in ((vault, "archive 2"), (KeyVault.create(tmp_path / "other.key"), "archive 1")):
        with pytest.raises(Misconfigured):
            list(opened(other, name, path))
