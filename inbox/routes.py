"""What siblings POST: a thin ASGI application in front of the pages' one. Quart would cost more than the signature does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, NamedTuple, Protocol

from core.access import Access, Route, check_declared
from core.errors import KonsilError, TooLarge, TooSlow
from core.telemetry import get_logger
from federation import bundles, handshake
from federation.allowlist import Purpose
from federation.door import gather
from federation.handshake import Handshake
from federation.rates import Client
from inbox.bundles import Bundles
from inbox.receive import Inbox
from inbox.room import Body, Room

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = get_logger("inbox")
_BODY_SECONDS = 20.0
_ACCEPTED = {"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]}
_EMPTY = {"type": "http.response.body", "body": b""}

ROUTES = (
    Route("/inbox", ("POST",), Inbox.receive, Access.SIBLING, purpose=Purpose.INBOX),
    Route("/inbox/bundle", ("POST",), Bundles.receive, Access.SIBLING, purpose=Purpose.INBOX, body_limit=bundles.BODY_LIMIT),
    Route("/handshake", ("POST",), Handshake.receive, Access.SIBLING, purpose=Purpose.HANDSHAKE,
          body_limit=handshake.BODY_LIMIT),
)
"""All that is answered here; each endpoint belongs to the receiver of its rule, and checks the gate for its purpose itself."""


class Receiver(Protocol):
    """Takes in what comes to one address."""

    def check_head(self, headers: Mapping[str, str]) -> None: ...

    def turned_away(self, target: str, raw: Iterable[tuple[bytes, bytes]], error: KonsilError, client: Client) -> None: ...


class _Taken(NamedTuple):
    """A route, who takes in what comes there, how many bytes a body may have."""

    route: Route
    receiver: Receiver
    limit: int


class Front:
    """Answers the `ROUTES` itself and hands everything else to `inner`. `receivers` are by rule, one for each."""

    def __init__(self, receivers: Mapping[str, Receiver], inner: App, body_limit: int, room: Room) -> None:
        check_declared(ROUTES)
        if receivers.keys() != {route.rule for route in ROUTES}:
            raise TypeError("every route has its receiver, and every receiver its route")
        self._inner, self._room = inner, room
        self._taken = {route.rule: _Taken(route, receivers[route.rule], route.body_limit or body_limit) for route in ROUTES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and (taken := self._taken.get(scope["path"])) is not None:
            with self._room.body() as incoming:
                await self._answer(taken, incoming, scope, receive, send)
        else:
            await self._inner(scope, receive, send)

    async def _answer(self, taken: _Taken, incoming: Body, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            query = scope["query_string"]
            target = scope["raw_path"].decode("latin-1") + ("?" + query.decode("latin-1") if query else "")
            try:
                headers = gather(scope["headers"])
                taken.receiver.check_head(headers)
                self._room.check()
                body = await self._body(receive, incoming, taken.limit)
            except KonsilError as error:
                taken.receiver.turned_away(target, scope["headers"], error, scope.get("client"))
                raise
            answer = await taken.route.endpoint(taken.receiver, target, headers, body, scope.get("client"))
        except KonsilError as error:
            await refuse(send, error)
        except ConnectionError:
            return  # the sender went away before it had said everything
        except Exception:
            log.exception("a request of a sibling failed", path=taken.route.rule)
            await refuse(send, KonsilError("Something went wrong here; nothing was stored. Please try again later."))
        else:
            if isinstance(answer, bytes):
                await _say(send, answer)
                return
            await send(_ACCEPTED)
            await send(_EMPTY)

    async def _body(self, receive: Receive, incoming: Body, limit: int) -> bytes:
        """The whole body, bounded in size, and in time from its first piece on (before it there is nothing but a connection,
        and that is the proxy's to be impatient with)."""
        message = await receive()
        if not message.get("more_body") and message["type"] == "http.request":
            first: bytes = message["body"]
            if len(first) > limit:
                raise TooLarge("An activity has at most %(most)s bytes.", values={"most": limit})
            incoming.grow(len(first))
            return first
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                return await self._rest(message, receive, incoming, limit)
        except TimeoutError:
            raise TooSlow("The body did not come in time.", reason="too-slow") from None

    async def _rest(self, message: MutableMapping[str, Any], receive: Receive, incoming: Body, limit: int) -> bytes:
        parts, size = [], 0
        while True:
            if message["type"] == "http.disconnect":
                raise ConnectionError
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise TooLarge("An activity has at most %(most)s bytes.", values={"most": limit})
            incoming.grow(len(part))
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)
            message = await receive()


async def _say(send: Send, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, error: KonsilError) -> None:
    """Answer with the error's problem document (RFC 9457)."""
    body = json.dumps(error.problem()).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode()),
               (b"cache-control", b"no-store")]
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
