"""Words that are planted, and the search for them in every byte of every file below some directories."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

_STEM, _END = "zqplanted", "9"
_ANY = re.compile(b"\0?".join(re.escape(bytes((letter,))) for letter in _STEM.encode()) + rb"(?:\0?[a-z])+\0?9")
_DEFLATED = re.compile(rb"PK\x03\x04.{22}(..)(..)|\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08", re.DOTALL)
_MOST = 16 << 20


def word(what: str) -> str:
    """The word that is planted in something, told apart from all others by letters and where it ends."""
    return f"{_STEM}{what}{_END}"


def planted(directories: Sequence[Path]) -> set[tuple[str, str]]:
    """Which words are where: every file below these directories, read as bytes, as UTF-16, and inflated where it is deflated."""
    return {(str(path.relative_to(directory.parent)), found) for directory in directories
            for path in directory.rglob("*") if path.is_file() for found in _words(path)}


def _words(path: Path) -> set[str]:
    try:
        whole = path.read_bytes()
    except FileNotFoundError:  # it was there for a moment
        return set()
    return _in(whole) | _in(path.name.encode()) | {one for inflated in _inflated(whole) for one in _in(inflated)}


def _in(given: bytes) -> set[str]:
    found = (one[0].replace(b"\0", b"").decode() for one in _ANY.finditer(given.lower()))
    return {one.removeprefix(_STEM).removesuffix(_END) for one in found}


def _inflated(given: bytes) -> Iterator[bytes]:
    """What lies deflated in a file: members of ZIP files, zlib and gzip streams, wherever they begin."""
    for found in _DEFLATED.finditer(given):
        start, form = found.start(), zlib.MAX_WBITS | 32
        if found[1] is not None:
            start, form = found.end() + sum(int.from_bytes(found[one], "little") for one in (1, 2)), -zlib.MAX_WBITS
        try:
            yield zlib.decompressobj(form).decompress(given[start:start + _MOST], _MOST)
        except zlib.error:
            continue
