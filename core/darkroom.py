"""Where files of strangers are opened: a process of its own for each of them, which knows no settings, no keys and no database.

It is started with nothing but what it is to do, may open no file and no connection, has bounds to its memory and its time, gets
the file, answers, and ends. So whatever a file does to the libraries that read it, it does to a process that has nothing and that
nobody after it will use. The parent believes it nothing but pictures of a bounded size.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import msgspec

from core import pictures, plates
from core.errors import KonsilError, Unavailable
from core.papers import PAGE_BYTES, PAGES, SIDE, Media, Trouble, refusal, sniff
from core.telemetry import get_logger

MEMORY = 640 << 20
"""The most address space of the process."""

log = get_logger("darkroom")
_BOUNDS = {"exposed": (plates.FRAMES + 2, plates.PIECE_BYTES)}
"""The most answers of a task, and the most bytes of one, where they are not those of a document."""
_ROOT = str(Path(__file__).resolve().parent.parent)
_FRAME = struct.Struct(">BI")
_LENGTH = struct.Struct(">I")
_PICTURE, _REFUSED, _DONE = 0, 1, 2
_WAITING_LIMIT = 16
_PIECE = 256 << 10
_PATIENCE = 4
_END_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1
_WORD_LIMIT = 300
_Said = TypeVar("_Said")


class Task(StrEnum):
    """What is to be made of a file."""

    PAGES = "pages"
    PORTRAIT = "portrait"
    PICTURE = "picture"
    BORROWED = "borrowed"
    MARKED = "marked"
    EXPOSED = "exposed"
    PRINTED = "printed"


class Darkroom:
    """Develops what people hand in, one file after the other; pages that are kept are shown beside it, one after the other too.

    `seconds`: the most time of the processor that a file may take; its process is killed then, and on a machine that is busy with
    other things after four times as long. Belongs to one event loop.
    """

    def __init__(self, seconds: int = 15) -> None:
        self._seconds = seconds
        self._turns = {task: asyncio.Lock() for task in Task}
        self._waiting = dict.fromkeys(Task, 0)
        self._processes: set[Process] = set()

    @property
    def running(self) -> tuple[int, ...]:
        """The ids of the processes at work."""
        return tuple(process.pid for process in self._processes)

    async def pages(self, data: bytes) -> tuple[bytes, ...]:
        """Every page of a document as a JPEG. The refusals are those of `core.papers`; `Unavailable` when too many wait."""
        return await self._develop(Task.PAGES, sniff(data), data)

    async def portrait(self, data: bytes) -> tuple[bytes, ...]:
        """A picture as squares of the sizes `core.images.SQUARES`, JPEG; refused like a document, and a PDF is none."""
        media = sniff(data)
        if media is Media.PDF:
            raise refusal(Trouble.KIND, media)
        return await self._develop(Task.PORTRAIT, media, data)

    async def picture(self, data: bytes, edge: int) -> plates.Printed:
        """A picture for a post, its longer side at most `edge`, and the same one small; JPEG. It may be a PDF of one page. The
        refusals are those of `core.pictures`."""
        with pictures.refused():
            whole, small, said = await self._develop(Task.PICTURE, sniff(data, pictures.TAKEN), data, str(edge))
            return plates.Printed(whole, small, _believed(said, plates.Seen))

    async def borrowed(self, data: bytes, film: plates.Film | None = None) -> tuple[bytes, bytes]:
        """A JPEG that a sibling has handed out as a picture of a post, drawn anew, and small: of a film's sheet one frame.
        Nobody here has to wait for it but who wants to see another one of these."""
        how = f"{SIDE} {film.frames} {film.columns}" if film is not None else str(SIDE)
        with pictures.refused():
            whole, small = await self._develop(Task.BORROWED, sniff(data, frozenset({Media.JPEG})), data, how)
        return whole, small

    async def marked(self, page: bytes, text: str) -> bytes:
        """A page that is kept, with a text across it."""
        [made] = await self._develop(Task.MARKED, Media.JPEG, page, text)
        return made

    async def exposed(self, data: bytes) -> plates.Exposure:
        """A DICOM file as a negative; nothing of its data set is in it. The refusals are those of `core.plates`."""
        with plates.refused():
            plates.check(data)
            said, *pieces = await self._develop(Task.EXPOSED, Media.DICOM, data)
            facts = _believed(said, plates.Facts)
            if len(pieces) != facts.frames + 1 or sum(map(len, pieces)) > plates.NEGATIVE_BYTES:
                raise refusal(Trouble.HEAVY, "the negative is too large")
        return plates.Exposure(plates.packed(pieces), facts)

    async def printed(self, plate: bytes, order: plates.Order) -> plates.Printed:
        """What was ordered of a plate: of a negative, or of a picture that was drawn anew (JPEG). Refused like a DICOM file."""
        with plates.refused():
            whole, small, said = await self._develop(Task.PRINTED, Media.JPEG, plate, msgspec.json.encode(order).decode())
            return plates.Printed(whole, small, _believed(said, plates.Seen))

    async def close(self) -> None:
        """End what is at work."""
        for process in tuple(self._processes):
            await _end(process)

    async def _develop(self, task: Task, media: Media, data: bytes, text: str = "") -> tuple[bytes, ...]:
        if self._waiting[task] >= _WAITING_LIMIT:
            raise Unavailable("Many documents are being looked at right now. Please try again in a minute.", retry_after=60)
        self._waiting[task] += 1
        try:
            async with self._turns[task], self._process(task, media) as process:
                try:
                    async with asyncio.timeout(_PATIENCE * self._seconds):
                        return await _exchange(process, text.encode(), data, *_BOUNDS.get(task, (PAGES, PAGE_BYTES)))
                except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as error:
                    raise await _silent(process, error) from None
        finally:
            self._waiting[task] -= 1

    @contextlib.asynccontextmanager
    async def _process(self, task: Task, media: Media) -> AsyncIterator[Process]:
        """A process that ends with the block, however that ends."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "core.darkroom", str(self._seconds), task, media, stdin=PIPE, stdout=PIPE,
            stderr=DEVNULL, cwd=_ROOT, env={"PYTHONPATH": _ROOT, "PYTHONUTF8": "1", "MALLOC_ARENA_MAX": "1"})
        self._processes.add(process)
        try:
            yield process
        except KonsilError:  # it has said no, and ends by itself
            await _left(process)
            raise
        else:
            await _left(process)
        finally:
            self._processes.discard(process)
            await _end(process)


async def _exchange(process: Process, text: bytes, data: bytes, most: int, largest: int) -> tuple[bytes, ...]:
    """Hand a file over, and take its pictures as they come: a process that says no need not have read all of it."""
    feeding = asyncio.create_task(_feed(process, text, data))
    try:
        return await _answer(process, most, largest)
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def _feed(process: Process, text: bytes, data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(_LENGTH.pack(len(text)) + text)
    view = memoryview(data)
    for start in range(0, len(view), _PIECE):
        process.stdin.write(view[start:start + _PIECE])
        await process.stdin.drain()
    process.stdin.close()


async def _answer(process: Process, most: int, largest: int) -> tuple[bytes, ...]:
    assert process.stdout is not None
    pictures: list[bytes] = []
    while True:
        status, size = _FRAME.unpack(await process.stdout.readexactly(_FRAME.size))
        if size > largest or len(pictures) > most:
            raise refusal(Trouble.HEAVY, "the answer is too large")
        answer = await process.stdout.readexactly(size)
        if status == _PICTURE:
            pictures.append(answer)
        elif status == _DONE and pictures:
            return tuple(pictures)
        else:
            raise _refused(answer)


def _believed(answer: bytes, what: type[_Said]) -> _Said:
    """What a process says of a file, within the bounds of its type."""
    try:
        return msgspec.json.decode(answer, type=what)
    except msgspec.MsgspecError as error:
        raise refusal(Trouble.DAMAGED, str(error)) from None


def _refused(answer: bytes) -> KonsilError:
    trouble, _, cause = answer.decode(errors="replace").partition(" ")
    return refusal(Trouble(trouble) if trouble in tuple(Trouble) else Trouble.HEAVY, cause)


async def _silent(process: Process, error: Exception) -> KonsilError:
    """What is said when there was no answer. A process that was stopped by its bounds, or has crashed, says something about the
    file; one that ended by itself with a failure says that it cannot work here."""
    if not isinstance(error, TimeoutError):
        await _left(process)
    if process.returncode is not None and process.returncode > 0:
        log.error("the process that opens files does not work", code=process.returncode)
        return Unavailable("Documents cannot be opened here at the moment; nothing was kept. Please try again later.",
                           cause=f"core.darkroom ended with {process.returncode}", retry_after=300)
    return refusal(Trouble.HEAVY, f"no answer: {type(error).__name__}, ended with {process.returncode}")


async def _left(process: Process) -> None:
    """Give it a moment to end."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()


async def _end(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await process.communicate()


def serve(seconds: int, task: Task, media: Media) -> None:
    """The process: bound itself, read a file from standard input, answer on standard output."""
    import os
    import signal

    from core import egress, images, negatives

    images.prepare(media)
    if media is Media.PDF:
        from core import pdf

        pdf.prepare()
    if media is Media.DICOM:
        from core import dicom

        dicom.prepare()
    egress.arm()
    _die_with_parent()
    _bound(seconds)
    with contextlib.suppress(OSError):
        os.nice(5)
    signal.alarm(2 * _PATIENCE * seconds)  # should its parent have died before that was asked for
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    text = source.read(*_LENGTH.unpack(source.read(_LENGTH.size))).decode()
    data = source.read()

    def say(status: int, answer: bytes) -> None:
        sink.write(_FRAME.pack(status, len(answer)) + answer)
        sink.flush()

    try:
        if task is Task.PORTRAIT:
            for picture in images.portrait(data, media):
                say(_PICTURE, picture)
        elif task in (Task.PICTURE, Task.BORROWED):
            edge, *film = map(int, text.split())
            whole, small = pdf.picture(data, edge) if media is Media.PDF else images.picture(data, media, edge)
            for picture in (whole, negatives.middle(whole, *film) if film else small):
                say(_PICTURE, picture)
            if task is Task.PICTURE:
                say(_PICTURE, negatives.looked_at(whole))
        elif task is Task.EXPOSED:
            facts, pieces = dicom.exposed(data)
            for piece in (msgspec.json.encode(facts), *pieces):
                say(_PICTURE, piece)
        elif task is Task.PRINTED:
            whole, small, seen = negatives.printed(data, msgspec.json.decode(text, type=plates.Order))
            for answer in (whole, small, msgspec.json.encode(seen)):
                say(_PICTURE, answer)
        elif task is Task.MARKED:
            say(_PICTURE, images.marked(data, text))
        elif media is Media.PDF:
            for picture in pdf.pages(data):
                say(_PICTURE, picture)
        else:
            say(_PICTURE, images.page(data, media))
    except images.Undevelopable as error:
        say(_REFUSED, f"{error.trouble} {error}"[:_WORD_LIMIT].encode(errors="replace"))
    except MemoryError:
        say(_REFUSED, f"{Trouble.HEAVY} memory".encode())
    except Exception as error:  # whatever the libraries trip over is the file's fault
        told = "" if media is Media.DICOM else f": {error}"  # its readers quote values of the data set
        say(_REFUSED, f"{Trouble.DAMAGED} {type(error).__name__}{told}"[:_WORD_LIMIT].encode(errors="replace"))
    else:
        say(_DONE, b"")


def _die_with_parent() -> None:
    """Have the kernel end this process when its parent has ended, however it did (Linux)."""
    import ctypes
    import signal

    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _bound(seconds: int) -> None:
    """No file, no connection and nothing on the disk from now on; so much memory and time of the processor."""
    import resource

    for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_FSIZE, 0),
                       (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 0)):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    serve(int(sys.argv[1]), Task(sys.argv[2]), Media(sys.argv[3]))
