"""How much room is left on the disks an instance writes to. Below a reserve nothing new is begun, so that what has been begun,
and every deletion, still finds room."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from core.telemetry import get_logger

log = get_logger("space")
_LOOK_SECONDS = 1.0
_MIB = 1 << 20
_SHARE = 10


class Space:
    """Looks at the disks below some directories, at most once a second: whoever asks in between gets the last answer.

    The reserve (MiB) is never more than a tenth of a disk, so that a small one is of use too; 0 means that nobody looks.
    """

    def __init__(self, places: Iterable[Path], reserve_mib: int) -> None:
        self._places, self._reserve = tuple(dict.fromkeys(places)), reserve_mib * _MIB
        self._looked = float("-inf")
        self._low = False

    @property
    def low(self) -> bool:
        """Whether one of the disks has less than the reserve left."""
        now = time.monotonic()
        if self._reserve and now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._note([place for place in self._places if self._is_low(place)])
        return self._low

    def _is_low(self, place: Path) -> bool:
        try:
            disk = os.statvfs(place)
        except OSError:
            return False  # a directory that is not there has no room to run out of; whoever writes there says so
        return disk.f_bavail * disk.f_frsize < min(self._reserve, disk.f_blocks * disk.f_frsize // _SHARE)

    def _note(self, low: list[Path]) -> None:
        if bool(low) != self._low:
            self._low = bool(low)
            if low:
                log.error("the disk is almost full: nothing new is taken in", places=[str(place) for place in low])
            else:
                log.warning("there is room on the disk again")
