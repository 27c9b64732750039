"""The WebSocket of apps (RFC 6455): one connection, on which an app says to which streams it listens, and hears them all.

Its token comes as Mastodon's clients send it: in the query, as a header, or as the subprotocol, which is said back then. No
cookie counts here either, so no page of another site can have a doctor's browser listen; and what a browser asks from another
origin is refused unless the settings name that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from quart import Quart
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol

from actors.grants import Bearer
from core.errors import InvalidInput, KonsilError, NotSignedIn, Refused
from core.telemetry import get_logger
from inbox.routes import Receive, Scope, Send
from instance.api.answers import INVALID, Trouble
from instance.api.bodies import Fields, from_json
from instance.api.events import SLOW_SECONDS, Events, Said
from instance.api.streams import SOCKET, channel, check, named
from instance.assembly import Assembly
from instance.context import language_for, speaker
from instance.listening import Channel, Listener

log = get_logger("streaming")
MESSAGE_LIMIT = 4_096
"""The most bytes of what an app says."""
PING_SECONDS = 30.0
_WRONG = 50
_QUERY, _TOKEN = 4_096, 200
_POLICY = 1008
_JSON = msgspec.json.Encoder()


class Event(msgspec.Struct, frozen=True):
    """An event, and of which stream."""

    stream: tuple[str, ...]
    event: str
    payload: str


class Wrong(msgspec.Struct, frozen=True):
    """What was not understood."""

    error: str
    status: int


class Sockets(WSProtocol):
    """uvicorn's, which would log addresses with the tokens in them, and let more wait for a slow reader."""

    def __init__(self, *arguments: Any, **named_ones: Any) -> None:
        super().__init__(*arguments, **named_ones)
        self.logger = _QUIET

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=16_384)


_QUIET = logging.getLogger("konsil.sockets")
_QUIET.setLevel(logging.WARNING)


class AppSockets:
    """Answers every WebSocket: that of apps, and no other."""

    def __init__(self, pages: Quart, its: Assembly) -> None:
        self._pages, self._its, self._events = pages, its, Events(pages, its)
        self._speak = speaker(pages, its)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].rstrip("/") != SOCKET:
            await send({"type": "websocket.close", "code": _POLICY, "reason": ""})
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            query = dict(parse_qsl(scope["query_string"][:_QUERY].decode("latin-1")))
            listener = await self._admitted(scope, headers, query)
        except KonsilError as error:
            await self._turn_away(scope, send, error, headers.get("accept-language", ""))
            return
        try:
            await receive()
            chosen = scope["subprotocols"][0] if scope["subprotocols"] else None
            await send({"type": "websocket.accept", "subprotocol": chosen, "headers": []})
            await _Conversation(self._events, listener, send, self._words(headers)).run(query, receive)
        finally:
            self._its.live.leave(listener)

    async def _admitted(self, scope: Scope, headers: Mapping[str, str], query: Mapping[str, str]) -> Listener:
        """Who is let in; what is refused counts against the address it came from."""
        client = scope.get("client")
        try:
            bearer = await self._bearer(scope, headers, query)
        except KonsilError:
            self._its.rates.check(client)
            self._its.rates.refused(client)
            raise
        assert bearer.doctor is not None
        self._its.quotas.take(f"doctor:{bearer.doctor.account.id}")
        self._its.signing.grants.seen(bearer)
        async with self._pages.app_context():
            listener = Listener(bearer, language_for(bearer.doctor.account, headers.get("accept-language", "")))
        await self._its.live.listen(listener)
        return listener

    async def _bearer(self, scope: Scope, headers: Mapping[str, str], query: Mapping[str, str]) -> Bearer:
        origin = headers.get("origin", "")
        if origin and origin not in (self._its.identity.origin, *self._its.settings.clients.origins):
            raise Refused("Apps in a browser may speak to this instance only from addresses that its operators have named.",
                          reason="cross-site")
        kind, _, given = headers.get("authorization", "").partition(" ")
        shown = given.strip() if kind.lower() == "bearer" else query.get("access_token", "") or next(
            iter(scope["subprotocols"]), "")
        found = await self._its.signing.grants.find(shown[:_TOKEN])
        if found is None or found.doctor is None:
            raise NotSignedIn("This app is not signed in here, or not any more. Please sign in again.", reason=INVALID)
        return found

    def _words(self, headers: Mapping[str, str]) -> Callable[[KonsilError], str]:
        return lambda error: self._speak(error, headers.get("accept-language", ""))

    async def _turn_away(self, scope: Scope, send: Send, error: KonsilError, accept_language: str) -> None:
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": _POLICY, "reason": ""})
            return
        sentence = self._speak(error, accept_language)
        body = _JSON.encode(Trouble(sentence, sentence))
        headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", str(len(body)).encode()),
                   (b"cache-control", b"no-store")]
        if error.retry_after is not None:
            headers.append((b"retry-after", str(error.retry_after).encode()))
        await send({"type": "websocket.http.response.start", "status": error.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})


class _Conversation:
    """One open WebSocket."""

    def __init__(self, events: Events, listener: Listener, send: Send, words: Callable[[KonsilError], str]) -> None:
        self._events, self._listener, self._send, self._words = events, listener, send, words
        self._wrong = 0

    async def run(self, query: Mapping[str, str], receive: Receive) -> None:
        """Until the app is gone, reads too slowly, or is let in no more."""
        listener, waits = self._listener, asyncio.ensure_future(receive())
        waits.add_done_callback(self._wake)
        try:
            if query.get("stream"):
                await self._obey({**query, "type": "subscribe"})
            while not listener.ending:
                listener.woken.clear()
                if waits.done():
                    message = waits.result()
                    if message["type"] != "websocket.receive":
                        return
                    await self._take(message.get("text") or "")
                    waits = asyncio.ensure_future(receive())
                    waits.add_done_callback(self._wake)
                await self._events.flow(listener, self._write)
                while not await self._events.rest(listener, PING_SECONDS):
                    pass
            await self._say({"type": "websocket.close", "code": _POLICY, "reason": listener.ending})
        except TimeoutError:
            log.info("an app reads too slowly")
        finally:
            waits.cancel()

    async def _take(self, text: str) -> None:
        """What an app says; who says nothing but what cannot be understood is let go."""
        try:
            await self._obey(from_json(text.encode()))
        except KonsilError as error:
            await self._complain(error)

    async def _obey(self, said: Mapping[str, Any]) -> None:
        try:
            fields = Fields(said)
            what, stream = fields.text("type", 20), named(fields.text("stream", 60))
            if what == "subscribe":
                check(self._listener.scopes, stream)
                self._listener.add(channel(stream, fields))
            elif what == "unsubscribe":
                self._listener.drop(channel(stream, fields))
            else:
                raise InvalidInput("“%(name)s” was sent in a form that is not known here.", values={"name": "type"}, field="type")
        except KonsilError as error:
            await self._complain(error)

    async def _complain(self, error: KonsilError) -> None:
        self._wrong += 1
        if self._wrong > _WRONG:
            self._listener.end("wrong")
            return
        await self._say({"type": "websocket.send", "text": _JSON.encode(Wrong(self._words(error), error.status)).decode()})

    async def _write(self, said: Said, channels: Sequence[Channel]) -> None:
        for one in channels:
            stream = (one.name, one.tag) if one.tag else (one.name,)
            await self._say({"type": "websocket.send", "text": _JSON.encode(Event(stream, said.event, said.payload)).decode()})

    async def _say(self, message: dict[str, Any]) -> None:
        async with asyncio.timeout(SLOW_SECONDS):
            await self._send(message)

    def _wake(self, _: asyncio.Future[Any]) -> None:
        self._listener.woken.set()

