"""The erasure journal: what was written stays readable, and what was not, or was spoilt, is told apart."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Misconfigured
from core.journal import Journal, Taken

_TAKEN = [Taken("erased", 5, "https://de.example/posts/1", "https://de.example/actors/1", ("https://fr.example",)),
          Taken("revoked", 6, "https://it.example"), Taken("erased", 7, "https://fr.example/posts/ü\n\u2028 x")]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal(tmp_path / "erasures.journal")
    made.begin()
    return made


def test_there_is_none_until_it_is_begun_and_then_it_keeps_its_name(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "erasures.journal")
    assert journal.name() is None and journal.size() == 0
    name = journal.begin()
    assert name and journal.begin() == journal.name() == name
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert Journal(tmp_path / "other.journal").begin() != name


def test_what_was_written_is_read_from_any_line_on(journal: Journal) -> None:
    journal.append(_TAKEN[:1])
    middle = journal.size()
    journal.append(_TAKEN[1:])
    assert journal.read(0, 100) == ((*_TAKEN,), journal.size(), 0)
    assert journal.read(middle, 100) == ((*_TAKEN[1:],), journal.size(), 0)
    one = journal.read(middle, 1)
    assert one.found == (_TAKEN[1],) and middle < one.upto < journal.size()
    assert journal.read(journal.size(), 100) == ((), journal.size(), 0)


@given(lost=st.integers(1, 60))
def test_a_torn_last_line_is_left_out_and_cut_off_by_the_next_writer(tmp_path_factory: pytest.TempPathFactory, lost: int) -> None:
    journal = Journal(tmp_path_factory.mktemp("torn") / "erasures.journal")
    journal.begin()
    journal.append(_TAKEN[:2])
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-lost])
    assert journal.read(0, 100).found == (_TAKEN[0],) and journal.read(0, 100).unreadable == 0
    journal.append(_TAKEN[1:])
    assert journal.read(0, 100) == ((*_TAKEN,), journal.size(), 0)


def test_a_first_line_that_was_torn_is_written_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "erasures.journal")
    journal.path.write_bytes(b"0123456789 [")
    assert journal.name() is None
    assert journal.begin() == journal.name() and journal.read(0, 9).unreadable == 0


@given(at=st.integers(0, 10_000), change=st.integers(1, 255))
def test_a_changed_byte_costs_its_line_and_is_counted(tmp_path_factory: pytest.TempPathFactory, at: int, change: int) -> None:
    journal = Journal(tmp_path_factory.mktemp("changed") / "erasures.journal")
    journal.begin()
    start = journal.size()
    journal.append(_TAKEN)
    content = bytearray(journal.path.read_bytes())
    content[start + at % (len(content) - start)] ^= change
    journal.path.write_bytes(content)
    read = journal.read(start, 100)
    assert set(read.found) < set(_TAKEN)
    assert read.unreadable or len(read.found) == 2 or read.upto < journal.size()


def test_a_spoilt_first_line_leaves_it_without_a_name(journal: Journal) -> None:
    journal.path.write_bytes(b"x" + journal.path.read_bytes())
    assert journal.name() == ""
    journal.set_aside(1_700_000_000_000)
    assert journal.name() is None
    assert [path.name for path in journal.path.parent.iterdir()] == ["erasures.journal.damaged-20231114T221320Z"]


def test_many_who_write_at_once_tear_nothing(journal: Journal) -> None:
    def write(number: int) -> None:
        Journal(journal.path).append([Taken("erased", number, f"https://x/{number}")] * 3)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(60)))
    read = journal.read(0, 1000)
    assert read.unreadable == 0 and sorted(taken.at for taken in read.found) == sorted([*range(60)] * 3)


def test_a_place_where_it_cannot_be_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="nowhere"):
        Journal(tmp_path / "nowhere" / "erasures.journal").begin()
    (tmp_path / "taken").mkdir()
    with pytest.raises(Misconfigured, match="taken"):
        Journal(tmp_path / "taken").begin()
    with pytest.raises(Misconfigured, match="No such file"):
        Journal(tmp_path / "gone.journal").append(_TAKEN)
