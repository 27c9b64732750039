"""Below the reserve the disk counts as full, one look a second tells it, and it is said once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest
from structlog.testing import capture_logs

from core import space
from core.space import Space

MIB = 1 << 20


class Disk(NamedTuple):
    """A disk as `statvfs` tells of it, in blocks of one MiB."""

    f_bavail: int
    f_blocks: int = 100_000
    f_frsize: int = MIB


class Disks:
    """What is left on each disk, and how often somebody has looked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: dict[Path, Disk] = {}
        self.looks, self.now = 0, 0.0
        monkeypatch.setattr(os, "statvfs", self._look)
        monkeypatch.setattr(space.time, "monotonic", lambda: self.now)

    def _look(self, place: Path) -> Disk:
        self.looks += 1
        if place not in self.left:
            raise FileNotFoundError(place)
        return self.left[place]


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Disks:
    return Disks(monkeypatch)


def test_one_disk_below_the_reserve_is_enough_and_it_is_logged_when_it_changes(disks: Disks) -> None:
    data, journal = Path("data"), Path("journal")
    disks.left = {data: Disk(1000), journal: Disk(256)}
    made = Space((data, journal), 256)
    with capture_logs() as said:
        for left, low in ((256, False), (255, True), (0, True), (256, False)):
            disks.left[journal] = Disk(left)
            disks.now += 1.0
            assert made.low is low
    assert [one["log_level"] for one in said] == ["error", "warning"] and said[0]["places"] == ["journal"]


def test_it_is_looked_at_no_more_than_once_a_second(disks: Disks) -> None:
    data = Path("data")
    disks.left = {data: Disk(1000)}
    made = Space((data, data), 256)
    for _ in range(1000):
        assert not made.low
    assert disks.looks == 1
    disks.left[data] = Disk(1)
    disks.now = 0.99
    assert not made.low
    disks.now = 1.0
    assert made.low and disks.looks == 2


def test_on_a_small_disk_a_tenth_is_the_reserve(disks: Disks) -> None:
    data = Path("data")
    made = Space((data,), 256)
    for left, low in ((10, False), (9, True)):
        disks.left[data] = Disk(left, 100)
        disks.now += 1.0
        assert made.low is low


def test_with_no_reserve_nobody_looks_and_what_is_not_there_is_not_full(disks: Disks) -> None:
    assert not Space((Path("data"),), 0).low and disks.looks == 0
    assert not Space((Path("elsewhere"),), 256).low and disks.looks == 1
