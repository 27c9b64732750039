"""A proxy between two instances that does what networks do: it cuts, stalls, lies and repeats.

It knows as much of HTTP as it takes to find the end of a request, and takes one request per connection. What it does to each
POST says `fault`; everything else passes.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

_PIECE = 65_536
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ENDS = re.compile(rb"\r\n(connection|keep-alive):[^\r]*", re.IGNORECASE)


class Asked(NamedTuple):
    """A request as it came, and the ways to whoever sent it and to whom it is for."""

    raw: bytes
    sender: asyncio.StreamWriter
    forward: Callable[[bytes], Awaitable[bytes]]
    trickle: Callable[[bytes], Awaitable[bytes]]

    @property
    def half(self) -> bytes:
        """Its head, and half of its body."""
        head, _, body = self.raw.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n" + body[:len(body) // 2]

    async def answer(self, raw: bytes) -> None:
        self.sender.write(raw)
        await self.sender.drain()


Fault = Callable[[Asked], Awaitable[None]]


async def passes(asked: Asked) -> None:
    """Nothing is wrong."""
    await asked.answer(await asked.forward(asked.raw))


async def cut_before(_: Asked) -> None:
    """The line breaks before a byte has come through."""


async def cut_in_the_request(asked: Asked) -> None:
    """It breaks in the middle of the body."""
    await asked.forward(asked.half)


async def cut_after(asked: Asked) -> None:
    """The request arrives whole, and the answer is lost: nobody can tell this from the one before."""
    await asked.forward(asked.raw)


async def cut_in_the_answer(asked: Asked) -> None:
    """The answer breaks off in the middle of its head."""
    answer = await asked.forward(asked.raw)
    await asked.answer(answer[:len(answer) // 2])


async def one_way(asked: Asked) -> None:
    """What is sent arrives; nothing comes back, and nothing is closed."""
    await asked.forward(asked.raw)
    await asyncio.sleep(3600)


async def silent(_: Asked) -> None:
    """Nothing arrives, nothing comes back."""
    await asyncio.sleep(3600)


async def slow_answer(asked: Asked) -> None:
    """The answer comes at a byte a second."""
    for byte in await asked.forward(asked.raw):
        await asked.answer(bytes([byte]))
        await asyncio.sleep(1.0)


async def slow_request(asked: Asked) -> None:
    """The body arrives at a byte a second."""
    await asked.answer(await asked.trickle(asked.raw))


async def late(asked: Asked) -> None:
    """It arrives when whoever sent it has long given up and sent it again."""
    await asyncio.sleep(0.8)
    await asked.forward(asked.raw)


async def garbage(asked: Asked) -> None:
    """The answer is no HTTP."""
    await asked.answer(bytes(range(256)) * 8)


async def half_a_head(asked: Asked) -> None:
    """The answer ends in its first line."""
    await asked.answer(b"HTTP/1.1 20")


async def endless(asked: Asked) -> None:
    """The answer never ends."""
    await asked.answer(b"HTTP/1.1 400 Bad\r\ncontent-type: application/problem+json\r\n\r\n")
    while True:
        await asked.answer(b"x" * _PIECE)


async def twice(asked: Asked) -> None:
    """It arrives twice, the second time when it has been answered already."""
    await passes(asked)
    await asked.forward(asked.raw)


async def at_once(asked: Asked) -> None:
    """It arrives three times at the same moment; one of the answers comes back."""
    answers = await asyncio.gather(*[asked.forward(asked.raw) for _ in range(3)])
    await asked.answer(answers[0])


def answers(status: int, head: bytes = b"", body: bytes = b"<h1>No</h1>") -> Fault:
    """Something in between answers by itself: nothing arrives."""
    async def fault(asked: Asked) -> None:
        await asked.answer(b"HTTP/1.1 %d No\r\ncontent-type: text/html\r\n%scontent-length: %d\r\n\r\n%s" % (
            status, head, len(body), body))

    fault.__name__ = f"answers_{status}{'_with_' + head.split(b':')[0].decode() if head else ''}"
    return fault


class Proxy:
    """Stands before one instance; `for_it` goes where `countries` wants to be told the port."""

    def __init__(self) -> None:
        self.fault: Fault = passes
        self.posts = 0
        self.kept: list[bytes] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0

    async def for_it(self, port: int) -> int:
        self._port = port
        self._server = await asyncio.start_server(self._taken, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Break everything that is open and hear no more."""
        if self._server is not None:
            self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Break everything that is open."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send_again(self, raw: bytes) -> bytes:
        """Send a request that was kept once more, as it was."""
        return await self._forward(raw)

    def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.close())  # whatever is cut before it has begun never reaches its own end

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length is not None else b""
            raw = _ENDS.sub(b"", head)[:-2] + b"connection: close\r\n\r\n" + body
            fault = passes
            if head.startswith(b"POST"):
                self.posts += 1
                self.kept.append(raw)
                fault = self.fault
            await fault(Asked(raw, writer, self._forward, self._trickle))
        except (OSError, asyncio.IncompleteReadError):
            pass  # whoever sent has gone
        finally:
            await _closed(writer)

    async def _forward(self, raw: bytes) -> bytes:
        """Send a request on, or the part of it that is given, and return the whole answer; half a request has none."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(raw)
            length = _LENGTH.search(raw)
            if length is not None and len(raw.partition(b"\r\n\r\n")[2]) < int(length[1]):
                await writer.drain()
                return b""
            return await reader.read()
        finally:
            await _closed(writer)

    async def _trickle(self, raw: bytes) -> bytes:
        """Send a request on, its body at a byte a second."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head, _, body = raw.partition(b"\r\n\r\n")
        try:
            writer.write(head + b"\r\n\r\n")
            for byte in body:
                writer.write(bytes([byte]))
                await asyncio.sleep(1.0)
            return await reader.read()
        finally:
            await _closed(writer)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
