"""Answers that do not end: a route lets somebody in, Quart is done with the request, and a stream is written after it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from inbox.routes import App, Receive, Scope, Send

STREAM = "konsil.stream"
"""Where the scope of a request holds what is to follow its answer (`Following`)."""
EVENTS = "text/event-stream"
"""Server-sent events (HTML, section 9.2)."""


class Following(Protocol):
    """What follows an answer: a stream, which ends by itself or when its reader is gone."""

    async def serve(self, receive: Receive, send: Send) -> None: ...

    def close(self) -> None: ...


class Streams:
    """Lets `inner` answer, and writes the stream that follows an answer, if one does; `paths` are those where one may."""

    def __init__(self, inner: App, paths: Collection[str]) -> None:
        self._inner, self._paths = inner, frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].rstrip("/") not in self._paths:
            await self._inner(scope, receive, send)
            return

        async def answer(message: dict[str, object]) -> None:
            if STREAM not in scope:
                await send(message)
            elif message["type"] == "http.response.start":  # its body is the stream
                headers = [one for one in message["headers"] if one[0].lower() != b"content-length"]  # type: ignore[attr-defined]
                await send(message | {"headers": headers})

        try:
            await self._inner(scope, receive, answer)  # type: ignore[arg-type]
            if STREAM in scope:
                following: Following = scope[STREAM]
                await following.serve(receive, send)
        finally:
            if STREAM in scope:
                scope[STREAM].close()
