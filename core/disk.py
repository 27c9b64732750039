"""What has to be asked of a file system so that a change is really there, or leaves nothing when it fails."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO


def sync_directory(path: Path) -> None:
    """Have what was made, renamed or removed in a directory on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def unfinished(path: Path) -> Iterator[tuple[BinaryIO, Callable[[], None]]]:
    """A file, for its owner only, that is called `path` as soon as the given function is called, and before that has no name:
    whatever happens, and be it kill -9, nothing half done lies about. `FileExistsError` if something is called so then.

    Where the file system knows no files without a name it has a hidden one until then, which only a crash can leave.
    """
    part: Path | None = None
    try:
        handle = os.open(path.parent, os.O_RDWR | os.O_TMPFILE, 0o600)
    except (OSError, AttributeError):
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "r+b") as file:

            def finish() -> None:
                if part is not None:
                    os.link(part, path)
                else:
                    directory = os.open(path.parent, os.O_RDONLY)
                    try:  # with a directory given it is linkat(2), which follows the link to the open file
                        os.link(f"/proc/self/fd/{file.fileno()}", path, src_dir_fd=directory, follow_symlinks=True)
                    finally:
                        os.close(directory)
                sync_directory(path.parent)

            yield file, finish
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def whole(path: Path, *, again: bool = False) -> Iterator[TextIO]:
    """A text file, for its owner only, that is there when the `with` has ended well, and of which nothing stays when it has not.
    Something that is called so already is replaced if `again`, and else is a `FileExistsError` before anything is written."""
    if not again and path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    name = path.with_name(f".{path.name}.{secrets.token_hex(4)}") if again else path
    with unfinished(name) as (file, finish):
        text = io.TextIOWrapper(file, "utf-8")
        yield text
        text.flush()
        text.detach()
        sync(file)
        finish()
        if again:
            os.replace(name, path)
            sync_directory(path.parent)


def sync(file: BinaryIO) -> None:
    """Have what was written on the disk, and what is read from now on come from there."""
    file.flush()
    os.fsync(file.fileno())
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    file.seek(0)
