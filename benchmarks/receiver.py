"""Siblings that check nothing and keep nothing, and answer as one does that has stored everything: 202, or a signed receipt.

Run as `python -m benchmarks.receiver PORT...`: each port is a sibling of its own, all in this process, set up as `konsil serve`
sets uvicorn up. Their document key is made from the 32 bytes in the environment's `RECEIVER_KEY` (hexadecimal).
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.servers import Server
from core.clock import Clock
from federation import bundles
from federation.bundles import Range, Receipt, Results
from federation.signatures import multikey, proofs

Message = MutableMapping[str, Any]
_KEY = "RECEIVER_KEY"
_ACCEPTED: Message = {"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]}
_NOT_FOUND: Message = {"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]}
_EMPTY: Message = {"type": "http.response.body", "body": b""}
_RECORD = b"\x1e"
_HEAD = msgspec.json.Decoder(bundles.Head)


def start(ports: Sequence[int], log: Path) -> tuple[Server, str]:
    """A process that is a sibling on each of these ports, and their document key as a Multikey."""
    key = Ed25519PrivateKey.generate()
    server = Server("receivers", ["-m", "benchmarks.receiver", *map(str, ports)], ports[-1], log,
                    {_KEY: key.private_bytes_raw().hex()})
    return server, multikey.encode(key.public_key())


class Receivers:
    """The application: how far each line has come is all that it remembers."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private, self._clock = private, Clock()
        self._lines: dict[tuple[int, int], tuple[Range, ...]] = {}

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]],
                       send: Callable[[Message], Awaitable[None]]) -> None:
        pieces, more = [], True
        while more:
            message = await receive()
            pieces.append(message.get("body", b""))
            more = message.get("more_body", False)
        if scope["method"] != "POST":
            await send(_NOT_FOUND)
        elif scope["path"] != "/inbox/bundle":
            await send(_ACCEPTED)
        else:
            receipt = self._receipt(scope["server"][1], b"".join(pieces), dict(scope["headers"])[b"digest"].decode())
            await send({"type": "http.response.start", "status": 200, "headers": [
                (b"content-type", b"application/json"), (b"content-length", str(len(receipt)).encode())]})
            await send({"type": "http.response.body", "body": receipt})
            return
        await send(_EMPTY)

    def _receipt(self, port: int, body: bytes, digest: str) -> bytes:
        """All of it was stored."""
        head = _HEAD.decode(body[1:].partition(_RECORD)[0])
        stored = bundles.ranges(head.sequences)
        known = self._lines.get((port, head.epoch), ((0, head.start - 1),))
        (_, contiguous), *ahead = self._lines[port, head.epoch] = bundles.joined((*known, *stored, *head.skipped))
        actor = f"http://127.0.0.1:{port}/actor"
        made = Receipt("Receipt", actor, digest, head.epoch, contiguous, Results(stored=stored), tuple(ahead))
        return bundles.kept(proofs.sign(bundles.signed_part(made), proofs.document_key(actor, self._private), self._clock.ms()))


def main(arguments: Sequence[str]) -> None:
    listening = []
    for port in arguments:
        opened = socket.create_server(("127.0.0.1", int(port)), backlog=256)
        opened.setblocking(False)
        listening.append(opened)
    app = Receivers(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(os.environ[_KEY])))
    uvicorn.Server(uvicorn.Config(
        app, loop="uvloop", http="httptools", ws="none", lifespan="off", access_log=False, log_level="warning",
        server_header=False, proxy_headers=False)).run(sockets=listening)


if __name__ == "__main__":
    main(sys.argv[1:])
