"""The pictures in a backup: many sealed files as one, read from links that keep them as they are, and written apart again.

A picture's file is never written twice, and only its key, which the database holds, opens it. So a link is a copy that costs
nothing: what is deleted while a backup is made may still be in it, and its key is not in the database that comes with it, or goes
from there when the erasure journal is done again.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import InvalidInput

_HEAD = struct.Struct(">BQ")  # the length of the name, and of what is in it
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}(\.small)?")
_PIECE = 1 << 16


@contextmanager
def linked(directory: Path, names: Iterable[str]) -> Iterator[Pile]:
    """The files of these names in a directory, those that are there, for as long as the block lasts."""
    if not directory.is_dir():
        yield Pile([])
        return
    place = Path(tempfile.mkdtemp(prefix=".pile-", dir=directory.parent))
    try:
        for name in names:
            with suppress(FileNotFoundError):
                os.link(directory / name, place / name)
        yield Pile(sorted(place.iterdir()))
    finally:
        shutil.rmtree(place)


class Pile(io.RawIOBase):
    """Files one after the other, each behind its name and size, to be read from the beginning more than once."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._parts: Iterator[bytes] = self._begin()
        self._left = b""

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """To the beginning, and nowhere else."""
        if offset or whence != os.SEEK_SET:
            raise io.UnsupportedOperation("a pile is read from its beginning")
        self._parts, self._left = self._begin(), b""
        return 0

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer at the end only."""
        taken = bytearray(self._left)
        while len(taken) < size and (part := next(self._parts, None)) is not None:
            taken += part
        self._left = bytes(taken[size:])
        return bytes(taken[:size])

    def _begin(self) -> Iterator[bytes]:
        for path in self._paths:
            with path.open("rb") as file:
                yield _HEAD.pack(len(path.name), os.fstat(file.fileno()).st_size) + path.name.encode()
                while part := file.read(_PIECE):
                    yield part


class Unpiled(io.RawIOBase):
    """Takes the bytes of a pile and writes its files into a directory; `InvalidInput` where they are none."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._waiting = bytearray()
        self._file: io.BufferedWriter | None = None
        self._left = 0

    def writable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Asked for at the end: then every file has to be whole."""
        if self._file is not None or self._waiting:
            self.close()
            raise _broken()
        return 0

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()

    def write(self, data: object) -> int:
        given = bytes(memoryview(data).cast("B"))  # type: ignore[arg-type]
        self._waiting += given
        while self._file is not None or self._start():
            assert self._file is not None
            some = bytes(self._waiting[:self._left])
            del self._waiting[:self._left]
            self._file.write(some)
            self._left -= len(some)
            if self._left:
                break
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None
        return len(given)

    def _start(self) -> bool:
        """Begin the next file, if its name is there."""
        if len(self._waiting) < _HEAD.size:
            return False
        length, size = _HEAD.unpack(self._waiting[:_HEAD.size])
        if len(self._waiting) < _HEAD.size + length:
            return False
        name = bytes(self._waiting[_HEAD.size:_HEAD.size + length]).decode(errors="replace")
        if not _NAME.fullmatch(name):
            raise _broken()
        del self._waiting[:_HEAD.size + length]
        self._file, self._left = (self._directory / name).open("xb"), size
        return True


def _broken() -> InvalidInput:
    return InvalidInput("The pictures in this backup are not as they were written.", reason="damaged")
