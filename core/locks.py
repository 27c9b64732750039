"""Who may have a database open: many together, or, to put another file in its place, one alone."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from core.errors import Conflict, Misconfigured, Unavailable


def restoring(path: Path) -> Path:
    """The file that lies beside a database while another takes its place, and stays if that is stopped halfway."""
    return path.with_name(path.name + ".restoring")


def share(path: Path) -> BinaryIO:
    """Hold the database's lock together with everybody else who has it open, until the file is closed; the kernel gives it
    back, however we end."""
    if restoring(path).exists():
        raise Misconfigured("A restore stopped halfway here. Run `konsil restore` again, with the same backup.")
    handle = _lock_of(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise Unavailable("A backup is being restored here; try again when that has ended.", retry_after=60) from None
    return handle


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep everybody away from a database; `Conflict` while anybody, of any process, has it open."""
    with _lock_of(path) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("This instance is running: stop its server, its worker and every other command first."
                           " Nothing was changed.") from None
        yield


def _lock_of(path: Path) -> BinaryIO:
    return path.with_name(path.name + ".lock").open("ab")
