"""Passwords that have leaked: a file of their SHA-1 digests, sorted, one a line (`HASH` or `HASH:COUNT`), as Have I Been Pwned
hands it out. It has dozens of gigabytes, so it is searched where it lies and never read as a whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from core.errors import Misconfigured

_DIGITS = 40
_LINE = 64  # bytes; the longest one has a count of ten digits


class Breaches:
    """The file; `Misconfigured` where it is not there or is none."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            with file.open("rb") as opened:
                first = opened.readline(_LINE)
        except OSError as error:
            raise Misconfigured("accounts.breach_list: %(path)s cannot be read: %(error)s.",
                                values={"path": file, "error": error.strerror}) from None
        if not _is_digest(first[:_DIGITS]):
            raise Misconfigured("accounts.breach_list: %(path)s does not hold SHA-1 digests, one a line.", values={"path": file})

    def hold(self, password: str) -> bool:
        """Whether this password is among them. A few dozen reads; callers on the event loop use a thread."""
        wanted = hashlib.sha1(password.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest().upper().encode()
        with self._file.open("rb") as opened:
            low, high = 0, opened.seek(0, 2)
            while low < high:  # the line that begins at or after a place is looked at
                middle = (low + high) // 2
                found = _line_after(opened, middle)
                if found is None or found[:_DIGITS].upper() >= wanted:
                    high = middle
                else:
                    low = middle + 1
            return (_line_after(opened, low) or b"")[:_DIGITS].upper() == wanted


def _line_after(opened: BinaryIO, place: int) -> bytes | None:
    """The first line that begins at a place or behind it."""
    opened.seek(max(place - 1, 0))
    if place:
        opened.readline()
    return opened.readline() or None


def _is_digest(text: bytes) -> bool:
    return len(text) == _DIGITS and all(letter in b"0123456789abcdefABCDEF" for letter in text)
