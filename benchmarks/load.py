"""The load generator: kept connections over raw sockets, one request at a time on each, no pipelining.

It runs in the benchmark's own process, away from the server's, and does as little as possible per request (one
`epoll` wake-up, one `recv`, one `send`), so that on two cores the server and not the generator is what is measured.
"""

from __future__ import annotations

import gc
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import NamedTuple

from benchmarks.report import at

_STALL_SECONDS = 30.0
_SEND_BUFFER = 1 << 20


class LoadFailed(Exception):
    """The server closed a connection in mid-request, stalled, or spoke something else than HTTP/1.1."""


class Round(NamedTuple):
    """What one round achieved; latencies in milliseconds."""

    accepted: int
    refused: dict[int, int]
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Accepted requests per second, from the first byte sent to the last answer."""
        return self.accepted / self.seconds


class _Connection:
    __slots__ = ("address", "answer", "sent_at", "socket")

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.answer = b""
        self.sent_at = 0.0
        self.socket = self._open()

    def _open(self) -> socket.socket:
        opened = socket.create_connection(self.address, timeout=10)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        opened.setblocking(False)
        return opened

    def reopen(self) -> None:
        self.socket.close()
        self.socket = self._open()

    def send(self, request: bytes) -> None:
        self.sent_at = time.perf_counter()
        sent = self.socket.send(request)
        if sent < len(request):
            self.socket.settimeout(_STALL_SECONDS)
            self.socket.sendall(request[sent:])
            self.socket.setblocking(False)

    def receive(self) -> tuple[int, bool, bytes] | None:
        """(status, kept open, body) once the whole answer is here; None while it is not."""
        piece = self.socket.recv(65536)
        if not piece:
            raise LoadFailed("the server closed a connection before it answered")
        self.answer += piece
        head, separator, body = self.answer.partition(b"\r\n\r\n")
        if not separator:
            return None
        fields = head.lower()
        if not _complete(fields, body):
            return None
        self.answer = b""
        return int(head[9:12]), b"\r\nconnection: close" not in fields, body


class Kept:
    """One kept connection on which somebody asks, waits for the answer, and asks again."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = _Connection((host, port))

    def ask(self, request: bytes) -> tuple[int, bytes, float]:
        """The status, the body, and the seconds from the first byte sent to the last one that came."""
        connection = self._connection
        connection.send(request)
        while select.select([connection.socket], [], [], _STALL_SECONDS)[0]:
            outcome = connection.receive()
            if outcome is not None:
                taken = time.perf_counter() - connection.sent_at
                if not outcome[1]:
                    connection.reopen()
                return outcome[0], outcome[2], taken
        raise LoadFailed(f"no answer for {_STALL_SECONDS:.0f} s")

    def close(self) -> None:
        self._connection.socket.close()


def _complete(fields: bytes, body: bytes) -> bool:
    start = fields.find(b"\r\ncontent-length:")
    if start >= 0:
        return len(body) >= int(fields[start + 17 :].split(b"\r\n", 1)[0])
    if b"\r\ntransfer-encoding: chunked" in fields:
        return body.endswith(b"0\r\n\r\n")
    raise LoadFailed("an answer without a length cannot be told from the next one")


def run(host: str, port: int, requests: Sequence[bytes], seconds: float, *, connections: int, good: int,
        again: bool = False, answers: list[bytes] | None = None) -> Round:
    """Send until `seconds` have passed or the requests are used up (never with `again`), and wait for every answer; those
    with the status `good` are the accepted ones, and what came with them is added to `answers`."""
    source: Iterator[bytes] = cycle(requests) if again else iter(requests)
    poll = select.epoll()
    opened = {}
    for _ in range(connections if again else min(connections, len(requests))):
        connection = _Connection((host, port))
        opened[connection.socket.fileno()] = connection
        poll.register(connection.socket.fileno(), select.EPOLLIN)
    gc.collect()
    gc.disable()
    try:
        return _drive(poll, opened, source, seconds, good, answers)
    finally:
        gc.enable()
        poll.close()
        for connection in opened.values():
            connection.socket.close()


def _drive(poll: select.epoll, connections: dict[int, _Connection], source: Iterator[bytes], seconds: float,
           good: int, answers: list[bytes] | None) -> Round:
    statuses: Counter[int] = Counter()
    latencies: list[float] = []
    started = time.perf_counter()
    deadline = started + seconds
    waiting = 0
    for connection in connections.values():
        connection.send(next(source))
        waiting += 1
    while waiting:
        events = poll.poll(_STALL_SECONDS)
        if not events:
            raise LoadFailed(f"no answer for {_STALL_SECONDS:.0f} s")
        for number, _ in events:
            connection = connections[number]
            outcome = connection.receive()
            if outcome is None:
                continue
            now = time.perf_counter()
            latencies.append(now - connection.sent_at)
            status, kept, body = outcome
            statuses[status] += 1
            if answers is not None and status == good:
                answers.append(body)
            waiting -= 1
            if not kept:
                poll.unregister(number)
                del connections[number]
                connection.reopen()
                connections[connection.socket.fileno()] = connection
                poll.register(connection.socket.fileno(), select.EPOLLIN)
            if now < deadline:
                request = next(source, None)
                if request is not None:
                    connection.send(request)
                    waiting += 1
    elapsed = time.perf_counter() - started
    accepted = statuses.pop(good, 0)
    return Round(accepted, dict(statuses), elapsed, at(latencies, 0.5) * 1000, at(latencies, 0.99) * 1000)
