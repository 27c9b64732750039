"""A backup opens with its key and as it was written, and in no other way."""

from __future__ import annotations

import hashlib
import stat
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backup import PIECE, BackupKey, Manifest, Member, Reader, member, write
from core.errors import InvalidInput, Misconfigured

_KEY = BackupKey(b"k" * 32)
_SEALED = PIECE + 16


def sealed(*contents: bytes, key: BackupKey = _KEY) -> bytes:
    """A backup with these contents as a, b, c ..."""
    files = {chr(97 + number): BytesIO(content) for number, content in enumerate(contents)}
    manifest = Manifest("1", "de.example", 5, 9, tuple(member(name, file) for name, file in files.items()), {"posts": 1})
    into = BytesIO()
    write(into, key, manifest, dict(files))
    return into.getvalue()


def opened(content: bytes, key: BackupKey = _KEY) -> list[bytes]:
    """The contents of a backup that lies in a file."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "backup"
        path.write_bytes(content)
        with path.open("rb") as file:
            reader = Reader(path, file, key)
            found = []
            for one in reader.manifest.members:
                into = BytesIO()
                reader.copy(one, into)
                found.append(into.read())
            return found


@given(sizes=st.lists(st.sampled_from([0, 1, 1000, PIECE - 300, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE]), max_size=4))
def test_what_was_written_comes_back_whatever_its_size(sizes: list[int]) -> None:
    contents = [hashlib.shake_128(bytes([number])).digest(size) for number, size in enumerate(sizes)]
    assert opened(sealed(*contents)) == contents


def test_every_piece_boundary_is_met() -> None:
    """Members of all sizes around the one with which the stream ends exactly where a piece does."""
    spare = PIECE - (len(sealed(b"")) - 71 - 16)
    for size in range(spare - 20, spare + 20):
        assert opened(sealed(b"x" * size)) == [b"x" * size]


def test_nothing_of_it_can_be_read_without_the_key_and_no_two_are_alike() -> None:
    one, other = sealed(b"clinical text" * 9000), sealed(b"clinical text" * 9000)
    for content in (one, other):
        assert b"clinical" not in content and b"de.example" not in content and b"posts" not in content
    assert one[24:] != other[24:]


_WHOLE = sealed(b"first" * 1000, b"second" * 40_000)


@given(at=st.integers(0, len(_WHOLE) - 1), change=st.integers(1, 255))
def test_a_changed_byte_is_found_wherever_it_is(at: int, change: int) -> None:
    changed = bytearray(_WHOLE)
    changed[at] ^= change
    with pytest.raises(InvalidInput):
        opened(bytes(changed))


@given(size=st.integers(0, len(_WHOLE) - 1))
def test_a_backup_that_is_cut_short_is_refused(size: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        opened(_WHOLE[:size])
    assert refused.value.reason == ("no-backup" if size < 16 else "cut-short")


@given(content=st.binary(max_size=400))
def test_anything_else_is_no_backup(content: bytes) -> None:
    for made in (content, _WHOLE[:16] + content):
        with pytest.raises(InvalidInput):
            opened(made)


def test_pieces_keep_their_order_and_their_file() -> None:
    other = sealed(b"first" * 1000, b"second" * 40_000)
    start = 71
    first, second = slice(start, start + _SEALED), slice(start + _SEALED, start + 2 * _SEALED)
    for made in (
            _WHOLE[:start] + _WHOLE[second] + _WHOLE[first] + _WHOLE[second.stop:],  # exchanged
            _WHOLE[:start] + _WHOLE[first] + _WHOLE[first] + _WHOLE[second.stop:],  # repeated
            _WHOLE[:start] + other[first] + _WHOLE[first.stop:],  # of another backup under the same key
            _WHOLE + b"\0", _WHOLE + _WHOLE[first]):  # more
        with pytest.raises(InvalidInput) as refused:
            opened(made)
        assert refused.value.reason == "changed"
    cut = _WHOLE[:63] + (PIECE).to_bytes(8, "big") + _WHOLE[first]  # shorter, and says so
    with pytest.raises(InvalidInput, match="changed"):
        opened(cut)


def test_another_key_is_told_so() -> None:
    with pytest.raises(InvalidInput) as refused:
        opened(_WHOLE, BackupKey(b"l" * 32))
    assert refused.value.reason == "wrong-key"


def test_a_manifest_that_does_not_describe_the_stream_is_refused() -> None:
    """Only who has the key can make one; a release with a mistake has."""
    files = {"a": BytesIO(b"four")}
    right = member("a", files["a"])
    for wrong in (Member("a", 4, "0" * 64), Member("a", 3, right.sha256), Member("a", 5, right.sha256)):
        into = BytesIO()
        write(into, _KEY, Manifest("1", "de.example", 5, 9, (wrong,), {}), dict(files))
        with pytest.raises(InvalidInput):
            opened(into.getvalue())


def test_a_key_is_made_once_for_its_owner_only_and_can_be_copied_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "backup.key"
    key = BackupKey.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.read_text() == f"{key.written()}\n"
    with pytest.raises(Misconfigured):
        BackupKey.create(path)
    content = sealed(b"content", key=key)
    path.write_text(key.written().upper().replace("-", " ") + "\n\n")
    assert opened(content, BackupKey.load(path)) == [b"content"]


@pytest.mark.parametrize("spoilt", [
    lambda text: "", lambda text: text[:-3], lambda text: text + "aaaa", lambda text: ("b" if text[0] == "a" else "a") + text[1:],
    lambda text: text[5:10] + text[:5] + text[10:], lambda text: "ä" + text, lambda text: "1" + text[1:]])
def test_a_mistyped_key_is_not_taken_for_another_one(tmp_path: Path, spoilt) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "backup.key"
    path.write_text(spoilt(BackupKey(bytes(range(32))).written()), "utf-8")
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match="compare it"):
        BackupKey.load(path)


def test_a_key_that_others_can_read_or_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "backup.key"
    with pytest.raises(Misconfigured, match="cannot be read"):
        BackupKey.load(path)
    with pytest.raises(Misconfigured, match="cannot be made"):
        BackupKey.create(tmp_path / "nowhere" / "backup.key")
    BackupKey.create(path)
    path.chmod(0o640)
    with pytest.raises(Misconfigured, match="chmod 600"):
        BackupKey.load(path)
