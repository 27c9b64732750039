"""Large files that only the key file opens: written from one end to the other in sealed parts, and read the same way.

Each part is sealed for its place, and the last one for being the last, so that no part can be left out, put elsewhere or taken
from another file without being noticed. At most a part is in memory.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from core.errors import Misconfigured
from core.vault import KeyVault

_PART = 1 << 20
_LENGTH = 4


class SealedWriter(io.RawIOBase):
    """Takes bytes and writes sealed parts into a file; `name` says what the file is. `close` writes the last part."""

    def __init__(self, vault: KeyVault, name: str, file: BinaryIO) -> None:
        self._vault, self._name, self._file = vault, name, file
        self._left, self._part = bytearray(), 0
        self.total = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        given = memoryview(data).cast("B")  # type: ignore[arg-type]
        self._left += given
        self.total += len(given)
        while len(self._left) > _PART:
            self._put(bytes(self._left[:_PART]), last=False)
            del self._left[:_PART]
        return len(given)

    def finish(self) -> None:
        """Write the last part; nothing can be added afterwards."""
        self._put(bytes(self._left), last=True)
        self._left.clear()

    def _put(self, plain: bytes, *, last: bool) -> None:
        sealed = self._vault.seal(plain, _context(self._name, self._part, last=last))
        self._file.write(len(sealed).to_bytes(_LENGTH, "big"))
        self._file.write(sealed)
        self._part += 1


def opened(vault: KeyVault, name: str, path: Path) -> Iterator[bytes]:
    """The parts of such a file in their order; `Misconfigured` where it is not as it was written."""
    with path.open("rb") as file:
        part, following = 0, file.read(_LENGTH)
        while following:
            sealed = file.read(int.from_bytes(following, "big"))
            following = file.read(_LENGTH)
            yield vault.open(sealed, _context(name, part, last=not following))
            part += 1
    if part == 0:
        raise Misconfigured("The file %(path)s is empty.", values={"path": path})


def _context(name: str, part: int, *, last: bool) -> str:
    return f"{name} part {part}{' last' if last else ''}"
