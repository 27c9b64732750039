"""A process that has armed the guard at the exit and tries every way out there is; prints what became of each as JSON.

`python -m tests.ways_out SETTINGS TRAP_PORT TRAP_PATH SIBLING IPV6_ORIGIN`. The trap is a port of TCP and UDP and a unix
socket, where nobody must arrive; the sibling is one that the instance of the settings may speak to.
"""

from __future__ import annotations

import asyncio
import ftplib
import http.client
import json
import smtplib
import socket
import ssl
import sys
import threading
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from core import egress
from core.mail import Letter
from core.settings import load
from core.telemetry import configure
from core.text import Renderer
from federation.allowlist import Direction, Purpose, Sibling
from federation.client import Candidate
from federation.signatures import cavage
from instance.assembly import Assembly, assemble

_HOST = "127.0.0.1"
_NAME = "konsil.invalid"


def _info(port: int, host: str = _HOST) -> egress.AddressInfo:
    return socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)


def plain(port: int, path: str) -> dict[str, Callable[[], object]]:
    """Ways that block, as libraries for them take them."""
    def raw(kind: int = socket.SOCK_STREAM, family: int = socket.AF_INET) -> socket.socket:
        return socket.socket(family, kind)

    def permitted() -> socket.socket:
        return egress.open_socket(_info(port))

    def again() -> socket.socket:
        return socket.socket(fileno=permitted().detach())

    return {
        "socket.connect": lambda: raw().connect((_HOST, port)),
        "socket.connect_ex": lambda: raw().connect_ex((_HOST, port)),
        "socket.connect by name": lambda: raw().connect(("localhost", port)),
        "socket.create_connection": lambda: socket.create_connection((_HOST, port)),
        "ssl": lambda: ssl.create_default_context().wrap_socket(raw(), server_hostname=_NAME).connect((_HOST, port)),
        "a certificate": lambda: ssl.get_server_certificate((_HOST, port)),
        "urllib": lambda: urllib.request.urlopen(f"http://{_HOST}:{port}/"),
        "http.client": lambda: http.client.HTTPConnection(_HOST, port).request("GET", "/"),
        "smtplib": lambda: smtplib.SMTP(_HOST, port, local_hostname="x"),
        "ftplib": lambda: ftplib.FTP().connect(_HOST, port),
        "UDP connect": lambda: raw(socket.SOCK_DGRAM).connect((_HOST, port)),
        "UDP sendto": lambda: raw(socket.SOCK_DGRAM).sendto(b"x", (_HOST, port)),
        "UDP sendmsg": lambda: raw(socket.SOCK_DGRAM).sendmsg([b"x"], [], 0, (_HOST, port)),
        "a unix socket": lambda: raw(socket.SOCK_STREAM, socket.AF_UNIX).connect(path),
        "unix datagrams": lambda: raw(socket.SOCK_DGRAM, socket.AF_UNIX).sendto(b"x", path),
        "getaddrinfo": lambda: socket.getaddrinfo(_NAME, 80),
        "gethostbyname": lambda: socket.gethostbyname(_NAME),
        "gethostbyaddr": lambda: socket.gethostbyaddr(_NAME),
        "getnameinfo": lambda: socket.getnameinfo((_HOST, port), 0),
        "a permitted socket to another port": lambda: egress.open_socket(_info(port + 1)).connect((_HOST, port)),
        "a permitted socket to another host": lambda: egress.open_socket(_info(port, "127.0.0.2")).connect((_HOST, port)),
        "a permitted socket by name": lambda: permitted().connect(("localhost", port)),
        "a copy of a permitted socket": lambda: permitted().dup().connect((_HOST, port)),
        "the descriptor of a permitted socket": lambda: again().connect((_HOST, port)),
        "TLS around a permitted socket": lambda: ssl.create_default_context().wrap_socket(
            permitted(), server_hostname=_NAME).connect((_HOST, port)),
    }


def waiting(port: int, path: str) -> dict[str, Callable[[], Awaitable[object]]]:
    """Ways that an event loop has, and a library upon it."""
    def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def library() -> None:
        async with aiohttp.ClientSession() as session, session.get(f"http://{_HOST}:{port}/"):
            pass

    def nonblocking() -> socket.socket:
        made = socket.socket()
        made.setblocking(False)
        return made

    return {
        "asyncio.open_connection": lambda: asyncio.open_connection(_HOST, port),
        "asyncio.open_unix_connection": lambda: asyncio.open_unix_connection(path),
        "create_connection": lambda: loop().create_connection(asyncio.Protocol, _HOST, port),
        "create_connection with TLS": lambda: loop().create_connection(asyncio.Protocol, _HOST, port, ssl=True),
        "create_unix_connection": lambda: loop().create_unix_connection(asyncio.Protocol, path),
        "create_datagram_endpoint": lambda: loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=(_HOST, port)),
        "sock_connect": lambda: loop().sock_connect(nonblocking(), (_HOST, port)),
        "loop.getaddrinfo": lambda: loop().getaddrinfo(_NAME, 80),
        "loop.getnameinfo": lambda: loop().getnameinfo((_HOST, port), 0),
        "aiohttp": library,
    }


def tried(way: Callable[[], object]) -> str:
    try:
        way()
    except BaseException as error:
        return type(error).__name__
    return "it went through"


async def awaited(way: Callable[[], Awaitable[object]]) -> str:
    try:
        await way()
    except BaseException as error:
        return type(error).__name__
    return "it went through"


def _elsewhere(way: Callable[[], Awaitable[object]], maker: Callable[[], asyncio.AbstractEventLoop]) -> str:
    with asyncio.Runner(loop_factory=maker) as runner:
        return runner.run(awaited(way))


async def refused(port: int, path: str) -> dict[str, str]:
    found = {}
    for name, way in plain(port, path).items():
        found[f"{name}, on the loop"] = tried(way)
        found[f"{name}, in a thread"] = await asyncio.to_thread(tried, way)
    for name, slow in waiting(port, path).items():
        found[name] = await awaited(slow)
        found[f"{name}, on asyncio's loop"] = await asyncio.to_thread(_elsewhere, slow, asyncio.SelectorEventLoop)
        found[f"{name}, on another loop of uvloop"] = await asyncio.to_thread(_elsewhere, slow, uvloop.new_event_loop)
    done = threading.Event()
    outcome: list[str] = []
    way = plain(port, path)["urllib"]
    threading.Thread(target=lambda: (outcome.append(tried(way)), done.set())).start()
    await asyncio.to_thread(done.wait, 10)
    return found | {"a thread of its own": outcome[0]}


async def text() -> str:
    renderer = Renderer(3.0, 1000)
    try:
        return await renderer.render("*yes*")
    finally:
        await renderer.close()


async def permitted(its: Assembly, sibling_origin: str, ipv6: str) -> dict[str, Any]:
    """What the instance does all day, behind the same guard."""
    def let_through(purpose: Purpose) -> Sibling:
        return its.allowlist.admit(sibling_origin, Direction.OUT, purpose)

    letter = Letter("ada@klinik.example", "Betreff", "Ein Satz.", "<p>Ein Satz.</p>", "digest-1", 1_764_000_000_000)
    async with its.mailer.connected() as connection:
        await connection.send(letter)
    one, other = socket.socketpair()
    one.sendmsg([b"hello"])
    with one, other:
        said = other.recv(9).decode()
    return {
        "post": (await its.client.post(let_through(Purpose.DELIVERY), b"{}", cavage.digest(b"{}"))).status,
        "get": await its.client.get(let_through(Purpose.FETCH), f"{sibling_origin}/posts/1"),
        "name": await its.client.fetch_descriptor(Candidate(sibling_origin.replace(_HOST, "localhost"))),
        "ipv6": await its.client.fetch_descriptor(Candidate(ipv6)),
        "text": await text(),
        "pair": said,
        "number": (await asyncio.get_running_loop().getaddrinfo(_HOST, 80))[0][4][0],
    }


async def main(config: str, port: int, path: str, sibling: str, ipv6: str) -> None:
    egress.arm()
    egress.arm()  # twice is once
    told: list[tuple[str, str]] = []
    async with assemble(load(Path(config))) as its:
        print(json.dumps({"before": await permitted(its, sibling, ipv6), "told": told}))
        egress.listen(lambda address, where: told.append((address, where)))
        found = await refused(port, path)
        egress.listen(None)
        print(json.dumps({"refused": found, "told": told}))
        print(json.dumps({"after": await permitted(its, sibling, ipv6)}))


if __name__ == "__main__":
    configure("info", "json")
    with asyncio.Runner(loop_factory=egress.Loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:6]))
