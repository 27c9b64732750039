"""The inbox's face: a thin ASGI application in front of the pages' one. Quart would cost more than the signature does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from core.errors import KonsilError, TooLarge, TooSlow
from core.telemetry import get_logger
from federation.door import gather
from inbox.receive import Inbox

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = get_logger("inbox")
_BODY_SECONDS = 20.0
_ACCEPTED = {"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]}
_EMPTY = {"type": "http.response.body", "body": b""}


class InboxFront:
    """Answers `POST /inbox` itself and hands everything else to `inner`."""

    def __init__(self, inbox: Inbox, inner: App, body_limit: int) -> None:
        self._inbox, self._inner, self._limit = inbox, inner, body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/inbox" and scope["method"] == "POST":
            await self._answer(scope, receive, send)
        else:
            await self._inner(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            query = scope["query_string"]
            target = scope["raw_path"].decode("latin-1") + ("?" + query.decode("latin-1") if query else "")
            try:
                headers = gather(scope["headers"])
                self._inbox.check_head(headers)
                body = await self._body(receive)
            except KonsilError as error:
                self._inbox.turned_away(target, scope["headers"], error, scope.get("client"))
                raise
            await self._inbox.receive(target, headers, body, scope.get("client"))
        except KonsilError as error:
            await refuse(send, error)
        except ConnectionError:
            return  # the sender went away before it had said everything
        except Exception:
            log.exception("inbox failed")
            await refuse(send, KonsilError("Something went wrong here; nothing was stored. Please try again later."))
        else:
            await send(_ACCEPTED)
            await send(_EMPTY)

    async def _body(self, receive: Receive) -> bytes:
        """The whole body, bounded in size, and in time from its first piece on (before it there is nothing but a connection,
        and that is the proxy's to be impatient with)."""
        message = await receive()
        if not message.get("more_body") and message["type"] == "http.request":
            first: bytes = message["body"]
            if len(first) > self._limit:
                raise TooLarge("An activity has at most %(most)s bytes.", values={"most": self._limit})
            return first
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                return await self._rest(message, receive)
        except TimeoutError:
            raise TooSlow("The body did not come in time.", reason="too-slow") from None

    async def _rest(self, message: MutableMapping[str, Any], receive: Receive) -> bytes:
        parts, size = [], 0
        while True:
            if message["type"] == "http.disconnect":
                raise ConnectionError
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > self._limit:
                raise TooLarge("An activity has at most %(most)s bytes.", values={"most": self._limit})
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)
            message = await receive()


async def refuse(send: Send, error: KonsilError) -> None:
    """Answer with the error's problem document (RFC 9457)."""
    body = json.dumps(error.problem()).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode()),
               (b"cache-control", b"no-store")]
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
