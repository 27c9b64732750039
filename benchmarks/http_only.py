"""The upper bound: a bare ASGI application on uvicorn that reads the body and answers 202.

Set up as `konsil serve` sets uvicorn up (uvloop, httptools, no access log). Run it with
`python -m benchmarks.http_only PORT`.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]
_HEAD: Message = {"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]}
_BODY: Message = {"type": "http.response.body", "body": b""}


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Read the whole body, keep nothing, answer 202."""
    pieces = []
    more = True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    b"".join(pieces)
    await send(_HEAD)
    await send(_BODY)


def main() -> None:
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", ws="none", lifespan="off",
        access_log=False, log_level="warning", server_header=False, proxy_headers=False)


if __name__ == "__main__":
    main()
