"""Streams as server-sent events: one address for each. An app that can set no header says its token in the query."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from quart import Quart, Response, current_app, request

from core.access import Access, Route
from core.telemetry import get_logger
from inbox.routes import Receive, Send
from instance.api import bodies
from instance.api.events import SLOW_SECONDS, Events, Said
from instance.api.guard import bearer
from instance.api.streams import SOCKET, STREAMS, Stream, channel
from instance.context import language, services
from instance.following import EVENTS, STREAM
from instance.listening import Channel, Listener
from instance.live import Live

log = get_logger("streaming")
_BEAT_SECONDS = 15.0
_BEGINNING, _BEAT = b":)\n\n", b":thump\n\n"


async def health() -> Response:
    """Whether streams are served."""
    return Response("OK", content_type="text/plain; charset=utf-8")


def _listening(stream: Stream) -> Callable[[], Awaitable[Response]]:
    async def listen() -> Response:
        listener = Listener(bearer(), language())
        listener.add(channel(stream, bodies.asked()))
        if request.method == "GET":
            its = services()
            await its.live.listen(listener)
            app = cast(Quart, cast(Any, current_app)._get_current_object())
            cast(Any, request.scope)[STREAM] = Told(its.live, Events(app, its), listener)
        return Response("", content_type=EVENTS, headers={"x-accel-buffering": "no"})

    listen.__name__ = f"listen_{stream.path.replace('/', '_')}"
    listen.__doc__ = f"The stream {stream.name}."
    return listen


class Told:
    """What follows the answer to an app that listens."""

    def __init__(self, live: Live, events: Events, listener: Listener) -> None:
        self._live, self._events, self._listener = live, events, listener

    async def serve(self, receive: Receive, send: Send) -> None:
        """Write events as they come, until its reader is gone, reads too slowly, or is let in no more."""
        listener = self._listener
        gone = asyncio.ensure_future(receive())
        gone.add_done_callback(lambda _: listener.woken.set())

        async def say(body: bytes, *, more: bool = True) -> None:
            async with asyncio.timeout(SLOW_SECONDS):
                await send({"type": "http.response.body", "body": body, "more_body": more})

        async def write(said: Said, _: Sequence[Channel]) -> None:
            await say(f"event: {said.event}\ndata: {said.payload}\n\n".encode())

        try:
            await say(_BEGINNING)
            while not gone.done() and not listener.ending:
                listener.woken.clear()
                await self._events.flow(listener, write)
                if not await self._events.rest(listener, _BEAT_SECONDS):
                    await say(_BEAT)
            if not gone.done():
                await say(b"", more=False)
        except TimeoutError:
            log.info("an app reads too slowly")
        finally:
            gone.cancel()
            self.close()

    def close(self) -> None:
        self._live.leave(self._listener)


PATHS = tuple(f"{SOCKET}/{stream.path}" for stream in STREAMS if stream.path)
ROUTES = (
    Route(f"{SOCKET}/health", ("GET",), health, Access.VISITOR),
    *(Route(f"{SOCKET}/{stream.path}", ("GET",), _listening(stream), Access.CLIENT, scopes=stream.scopes)
      for stream in STREAMS if stream.path),
)
