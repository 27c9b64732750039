"""A file that is not finished has no name; one that is, is there."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from core.disk import sync, unfinished, whole


@pytest.fixture(params=["without a name", "hidden until then"])
def directory(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on a file system that knows files without a name, and on one that does not."""
    if request.param == "hidden until then":
        opens = os.open

        def refusing(path: str, flags: int, mode: int = 0o777) -> int:
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(errno.EOPNOTSUPP, "not here")
            return opens(path, flags, mode)

        monkeypatch.setattr(os, "open", refusing)
    return tmp_path


def test_it_is_there_when_it_is_finished_and_for_its_owner_only(directory: Path) -> None:
    path = directory / "made"
    with unfinished(path) as (file, finish):
        file.write(b"content")
        sync(file)
        assert file.read() == b"content" and not path.exists()
        finish()
        assert path.read_bytes() == b"content"
    assert [found.name for found in directory.iterdir()] == ["made"] and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_fails_leaves_nothing(directory: Path) -> None:
    with pytest.raises(ZeroDivisionError), unfinished(directory / "made") as (file, _):
        file.write(b"half")
        raise ZeroDivisionError
    assert not [*directory.iterdir()]


def test_what_is_there_is_not_written_over(directory: Path) -> None:
    (directory / "made").write_text("mine")
    with pytest.raises(FileExistsError), unfinished(directory / "made") as (file, finish):
        file.write(b"other")
        file.flush()
        finish()
    assert (directory / "made").read_text() == "mine" and len([*directory.iterdir()]) == 1


@pytest.mark.parametrize("again", [False, True])
def test_a_file_is_there_whole_or_not_at_all(directory: Path, again: bool) -> None:
    path = directory / "made"
    with pytest.raises(ZeroDivisionError), whole(path, again=again) as file:
        file.write("half")
        file.flush()
        raise ZeroDivisionError
    assert not list(directory.iterdir())
    with whole(path, again=again) as file:
        file.write("grün")
    assert path.read_text("utf-8") == "grün" and stat.S_IMODE(path.stat().st_mode) == 0o600
    if again:
        with whole(path, again=True) as file:
            file.write("other")
    else:
        with pytest.raises(FileExistsError), whole(path) as file:
            file.write("other")
    assert path.read_text("utf-8") == ("other" if again else "grün") and [found.name for found in directory.iterdir()] == ["made"]
