"""The erasure journal: a file of what was taken back, outside the database and its backups, that a restored database reads.

A line is a check (the first half of a SHA-256 in hexadecimal), a space and a JSON array; the first line names the journal.
Lines are only ever added, each batch is on the disk before `append` returns, and a line that a crash has
torn is cut off by the next writer: what it was to say is still due in the database, which lets go of it only afterwards.
No text of anybody stands here, only names and times.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from core.clock import rfc3339
from core.disk import sync_directory
from core.errors import Misconfigured

_KIND = "konsil erasures 1"
_CHECK = 32
_PIECE = 1 << 20


class Taken(NamedTuple):
    """Something that was taken back at a moment (ms). `what` is erased (then `name` is the URI of a post, `by` its author's
    where it was written here, and `to` the origins that were sent it), ordered (`name` is the actor of a sibling that wants all
    of its own erased), forgotten (`name` is the reference of an application), left (`name` is the actor of a doctor, `by` the
    keyed hash of her handle, in hexadecimal, where she was one of ours), changed (nothing of the post at the URI `name` is kept
    that is older than its revision `by`), or else the state that the sibling at the origin `name`, or the account of the handle
    `name`, came into."""

    what: str
    at: int
    name: str
    by: str = ""
    to: tuple[str, ...] = ()


class Read(NamedTuple):
    """Some lines of the journal, the byte at which the next one begins, and how many lines could not be read."""

    found: tuple[Taken, ...]
    upto: int
    unreadable: int


class Journal:
    """The journal at a path; its functions block, and `Misconfigured` says why the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self) -> str:
        """Make an empty journal and return its name; of two who begin at once the second gets the name the first gave."""
        name = secrets.token_hex(8)
        with self._file("a+b") as file:
            _cut_torn_line(file)
            if file.tell() == 0:
                _add(file, [_line([_KIND, name])])
        sync_directory(self.path.parent)
        return self.name() or name

    def name(self) -> str | None:
        """What this journal is called: None when there is none, or not one whole line, '' when its first cannot be read."""
        if not self.path.exists():
            return None
        with self._file("rb") as file:
            line = file.readline()
        if not line.endswith(b"\n"):
            return None
        first = _parse(line)
        return str(first[1]) if first is not None and len(first) == 2 and first[0] == _KIND else ""

    def size(self) -> int:
        """How many bytes of it have been written; one that is not there has none."""
        return self.path.stat().st_size if self.path.exists() else 0

    def set_aside(self, now: int) -> None:
        """Give it another name, beside its old one, with the moment (ms) in it."""
        stamp = rfc3339(now).replace("-", "").replace(":", "")
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(self.path.with_name(f"{self.path.name}.damaged-{stamp}"))

    def append(self, taken: Sequence[Taken]) -> None:
        """Write these down, and return when they are on the disk."""
        with self._file("r+b") as file:
            _cut_torn_line(file)
            _add(file, [_line(list(one)) for one in taken])

    def read(self, start: int, limit: int) -> Read:
        """At most `limit` lines from the byte `start` on. What the last writer has not ended is left for later."""
        found: list[Taken] = []
        unreadable = 0
        with self._file("rb") as file:
            upto = file.seek(start)
            for _ in range(limit):
                line = file.readline()
                if not line.endswith(b"\n"):
                    break
                upto += len(line)
                parsed = _parse(line)
                if parsed is not None and parsed[:1] == [_KIND]:
                    continue
                taken = _taken(parsed)
                if taken is None:
                    unreadable += 1
                else:
                    found.append(taken)
        return Read(tuple(found), upto, unreadable)

    @contextlib.contextmanager
    def _file(self, mode: str) -> Iterator[BinaryIO]:
        """The file, locked against other processes as long as it is open: by many who read, or by one who writes."""
        try:
            handle = os.open(self.path, os.O_RDONLY if mode == "rb" else os.O_RDWR | (os.O_CREAT if "a" in mode else 0), 0o600)
            with os.fdopen(handle, "rb" if mode == "rb" else "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_SH if mode == "rb" else fcntl.LOCK_EX)
                yield file
        except OSError as error:
            raise Misconfigured("The erasure journal %(path)s cannot be used: %(error)s.",
                                values={"path": self.path, "error": error.strerror}) from None


def _cut_torn_line(file: BinaryIO) -> None:
    """Set the file to its end, which is the end of its last whole line."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _PIECE)
        file.seek(start)
        kept = file.read(end - start).rfind(b"\n")
        if kept >= 0:
            end = start + kept + 1
            break
        end = start
    file.seek(end)
    file.truncate()


def _add(file: BinaryIO, lines: Sequence[bytes]) -> None:
    file.write(b"".join(lines))
    file.flush()
    os.fsync(file.fileno())


def _line(what: list[object]) -> bytes:
    text = json.dumps(what, separators=(",", ":"))  # ASCII, so that no name can hold the end of a line
    return f"{_check(text)} {text}\n".encode()


def _check(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_CHECK]


def _parse(line: bytes) -> list[object] | None:
    """The array in a line; None when the line is not as it was written."""
    check, _, text = line.decode("ascii", "replace").rstrip("\n").partition(" ")
    if check != _check(text):
        return None
    found = json.loads(text)
    return found if isinstance(found, list) else None


def _taken(parsed: list[object] | None) -> Taken | None:
    match parsed:
        case [str(what), int(at), str(name), str(by), [*to]]:
            return Taken(what, at, name, by, tuple(map(str, to)))
    return None


__all__ = ["Journal", "Read", "Taken"]
