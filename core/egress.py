"""The guard at the exit: in a process that has armed it, only a socket made here may connect, and only to where it was made for.

`open_socket` makes such a socket for one address, `look_up` asks the resolver; the two places that may call them (the
client for siblings, mail to the configured server) are named in the import contracts. Everything else, from whatever
thread and whatever library, raises `EgressRefused` and is logged with the line it came from.

Two things are needed, because there are two ways to connect. Python's sockets tell an audit hook before they act; the
event loop of `uvloop` connects without them, so its ways to do so are closed in `Loop`. It is a guard against mistakes
and against libraries that phone home, no cage for hostile code in the process: the firewall is that (docs/operating).
"""

from __future__ import annotations

import asyncio
import socket
import sys
import sysconfig
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

import uvloop

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""One answer of a resolver: family, type, protocol, canonical name, address."""

_ROOT = str(Path(__file__).parent.parent)
_LIBRARY = tuple({f"{path}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")
                  if (path := sysconfig.get_path(name)) != _ROOT})
_permits: WeakKeyDictionary[socket.socket, tuple[str, int]] = WeakKeyDictionary()
_armed = False
_listener: Callable[[str, str], None] | None = None


class EgressRefused(RuntimeError):
    """Something in this process wanted to open a connection that is nobody's. No `OSError`: it is a mistake in the
    program, not in the network, and nothing should try it again."""


def open_socket(info: AddressInfo) -> socket.socket:
    """A stream socket that may connect to this address (an IP address and a port) and to no other."""
    family, kind, proto, _, address = info
    made = socket.socket(family, kind, proto)
    _permits[made] = _canonical(address)
    return made


async def look_up(host: str, port: int, family: int = socket.AF_UNSPEC) -> list[AddressInfo]:
    """The addresses of a host for a stream; `OSError` when there are none."""
    loop = asyncio.get_running_loop()
    ask = loop.look_up if isinstance(loop, Loop) else loop.getaddrinfo
    return list(await ask(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG))


async def connect(found: Iterable[AddressInfo],
                  make: Callable[[AddressInfo], socket.socket] = open_socket) -> socket.socket:
    """A socket connected to the first of these addresses that answers; `OSError` when none does."""
    trouble = OSError("there is no address")
    for info in found:
        made = make(info)
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, info[4])
        except OSError as error:
            made.close()
            trouble = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise trouble


def arm() -> None:
    """From now on and for good, refuse in this process every connection and every look-up that is not made here."""
    global _armed
    if _armed:
        return
    _armed = True
    checks: dict[str, Callable[..., None]] = {
        "socket.connect": _check_connect, "socket.sendto": _check_send, "socket.sendmsg": _check_send,
        "socket.getaddrinfo": _check_name, "socket.gethostbyname": _check_name, "socket.gethostbyaddr": _check_name,
        "socket.getnameinfo": _check_name}
    find = checks.get

    def hook(event: str, args: tuple[Any, ...]) -> None:  # for each of the interpreter's events: it has to be short
        check = find(event)
        if check is not None:
            check(*args)

    sys.addaudithook(hook)
    uvloop.Loop = Loop  # type: ignore[misc]  # who makes a loop of her own in some thread gets one with closed doors


def listen(listener: Callable[[str, str], None] | None) -> None:
    """Call this with the address and the line of code for every refusal, in whichever thread it happens."""
    global _listener
    _listener = listener


class Loop(uvloop.Loop):
    """uvloop's event loop without its own ways out: it connects sockets that are connected already, and no others."""

    async def look_up(self, host: str, port: int, **options: Any) -> list[AddressInfo]:
        """The resolver; only `core.egress.look_up` calls it."""
        return list(await super().getaddrinfo(host, port, **options))

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        _check_name(host)
        return await super().getaddrinfo(host, port, **options)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> NoReturn:
        _refuse(_shown(sockaddr))

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        if host is not None or port is not None:
            _refuse(_shown((host, port)))
        return await super().create_connection(protocol_factory, **options)

    async def create_unix_connection(self, protocol_factory: Any, path: Any = None, **options: Any) -> Any:
        if path is not None:
            _refuse(_shown(path))
        return await super().create_unix_connection(protocol_factory, **options)

    async def create_datagram_endpoint(
            self, protocol_factory: Any, local_addr: Any = None, remote_addr: Any = None, **options: Any) -> NoReturn:
        _refuse(_shown(remote_addr or local_addr or "datagrams"))


def _check_connect(made: socket.socket, address: Any) -> None:
    permitted = _permits.get(made)
    if permitted is None or not isinstance(address, tuple) or permitted != _canonical(address):
        _refuse(_shown(address))


def _check_send(made: socket.socket, address: Any) -> None:
    """A datagram to somewhere; without an address it goes where the socket is connected to."""
    if address is not None:
        _refuse(_shown(address))


def _check_name(host: Any, *_: Any) -> None:
    """What is an address already is not looked up."""
    try:
        if host is not None:
            ip_address((host if isinstance(host, str) else bytes(host).decode()).partition("%")[0])
    except (ValueError, TypeError):
        _refuse(_shown(host))


def _canonical(address: tuple[Any, ...]) -> tuple[str, int]:
    """An IP address, in the one way to write it, and its port; a name stays what it is, and matches no address."""
    host, port = address[:2]
    try:
        return str(ip_address(host)), port
    except ValueError:
        return str(host), port


def _shown(address: Any) -> str:
    if isinstance(address, tuple) and len(address) >= 2:
        return f"{address[0]}:{address[1]}" if ":" not in str(address[0]) else f"[{address[0]}]:{address[1]}"
    return address.decode(errors="replace") if isinstance(address, bytes) else str(address)


def _refuse(address: str) -> NoReturn:
    """Log, tell, raise; whatever goes wrong with the first two, it raises."""
    where = _where(sys._getframe(1))
    with suppress(Exception):
        from core.telemetry import get_logger  # here, because the renderer's child has no log and starts sooner without

        get_logger("egress").error("egress refused", address=address, where=where)
    with suppress(Exception):
        if _listener is not None:
            _listener(address, where)
    raise EgressRefused(f"{where} wanted to reach {address}: only core.egress opens connections here")


def _where(frame: FrameType | None) -> str:
    """The nearest line of code that is no library's; the nearest at all where every one is."""
    nearest = ""
    while frame is not None:
        name, code = frame.f_code.co_filename, frame.f_code
        if name != __file__:
            place = f"{name.removeprefix(_ROOT + '/')}:{frame.f_lineno} ({code.co_qualname})"
            if not name.startswith((*_LIBRARY, "<frozen")):
                return place
            nearest = nearest or place
        frame = frame.f_back
    return nearest
