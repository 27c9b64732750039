"""How much the inbox takes in at a time: whoever sends is asked to come back before memory or disk runs out."""

from __future__ import annotations

from types import TracebackType

from core.errors import Unavailable
from core.space import Space

_MIB = 1 << 20
_SOON, _LATER = 5, 300


class Room:
    """The bytes of all bodies that are being read or wait to be written down, and the room on the disk."""

    def __init__(self, space: Space, memory_mib: int) -> None:
        self._space, self._most = space, memory_mib * _MIB
        self.taken = 0

    def check(self) -> None:
        """Refuse before a byte of a body is read, when the disk is almost full."""
        if self._space.low:
            raise Unavailable("The disk is almost full here; keep everything and come again.", reason="disk-low",
                              retry_after=_LATER)

    def body(self) -> Body:
        """The place of one body, given back at the end of the `with`."""
        return Body(self)

    def take(self, size: int) -> None:
        """Take room for so many bytes more."""
        if self.taken + size > self._most:
            raise Unavailable("The inbox is full at the moment.", reason="overloaded", retry_after=_SOON)
        self.taken += size


class Body:
    """One body that comes in, piece by piece. Counted is what has come, not what was announced: a promise costs nobody."""

    __slots__ = ("_room", "_size")

    def __init__(self, room: Room) -> None:
        self._room, self._size = room, 0

    def __enter__(self) -> Body:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._room.taken -= self._size

    def grow(self, size: int) -> None:
        """It has become so many bytes longer; `Unavailable` when there is no room for them."""
        self._room.take(size)
        self._size += size
