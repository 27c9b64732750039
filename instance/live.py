"""Open pages learn that something is new: server-sent events (HTML, section 9.2) that hold counts and nothing else.

A route behind the guard opens a `Stream`; Quart is done with the request then, and what follows is one coroutine that sleeps
until its counts have changed. There is no queue: what waits for a slow reader is at most the newest counts. All streams of a
process are served by one look at the database, at once when this process has written something and every two seconds otherwise,
because what a worker or a command in another process writes is seen only there. A stream ends with its session.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import msgspec

from actors.login import Session
from actors.models import Actor
from actors.store import BADGES, SESSIONS
from core.clock import Clock, happens
from core.database import Database
from core.errors import Unavailable
from core.settings import Settings
from core.telemetry import get_logger
from inbox.routes import App, Receive, Scope, Send
from posts.notifications import Unread
from posts.telling import NEWS
from posts.timelines import PAGE
from posts.watching import Begun, New, Watch, Watched, Watching

log = get_logger("live")
PATH = "/live"
STREAM = "konsil.stream"
"""Where the scope of a request holds the stream that is to follow its answer."""
OF_A_SESSION = 4
"""How many pages of a session listen at a time: browsers open six connections to a server that speaks HTTP/1.1, and the others
have to get through. The oldest gives way."""
_LOOK_SECONDS = 2.0
_PAUSE_SECONDS = 0.2  # between two looks, however much is written
_BEAT_SECONDS = 20.0  # proxies hang up on what says nothing for a minute
_SLOW_SECONDS = 15.0
_AGAIN_MS = 3_000
_RETRY_SECONDS = 60
_MINUTE_MS = 60_000
_OVER, _ENOUGH = "over", "enough"
_JSON = msgspec.json.Encoder()


class Counts(msgspec.Struct, frozen=True):
    """All that a page is told: how many posts or answers have come into what it shows (more than twenty: very many), how many
    notifications are unread, in how many consults something is, and how many say that advice was corrected or recalled."""

    new: int
    unread: int
    consults: int
    pressing: int


class Stream:
    """One open page."""

    __slots__ = ("actor_id", "counts", "early", "ending", "recent", "session_id", "watch", "woken")

    def __init__(self, session_id: int, actor_id: int) -> None:
        self.session_id, self.actor_id = session_id, actor_id
        self.watch: Watch | None = None
        self.counts = Counts(0, 0, 0, 0)
        self.early: list[New] = []
        self.recent: frozenset[int] = frozenset()
        self.ending = ""
        self.woken = asyncio.Event()

    def take(self, new: Iterable[New], unread: Unread | None) -> None:
        """What a look has found."""
        if self.watch is None:
            self.early += new
            return
        count = self.counts.new
        for one in new:
            if count > PAGE:
                break
            count += one.id not in self.recent and self.watch.admits(one)
        self._set(Counts(count, *(unread or (self.counts.unread, self.counts.consults, self.counts.pressing))))

    def begin(self, begun: Begun) -> None:
        """It is known where the page stands; what has come meanwhile, and is not in that, counts too."""
        self.watch, self.recent, early = begun.watch, begun.recent, self.early
        self.early, self.counts = [], Counts(begun.already, *begun.unread)
        self.take(early, None)
        self.woken.set()

    def end(self, why: str) -> None:
        self.ending = self.ending or why
        self.woken.set()

    def _set(self, counts: Counts) -> None:
        if counts != self.counts:
            self.counts = counts
            self.woken.set()


class Live:
    """All streams of this process."""

    def __init__(self, database: Database, watching: Watching, clock: Clock, settings: Settings) -> None:
        self._database, self._watching, self._clock = database, watching, clock
        self._most = settings.server.live_pages
        self._idle_ms = settings.accounts.idle_minutes * _MINUTE_MS
        self._streams: dict[Stream, None] = {}  # in the order in which they were opened
        self._woken, self._someone = asyncio.Event(), asyncio.Event()
        self._known: frozenset[int] = frozenset()
        for topic in (NEWS, SESSIONS, BADGES):
            database.listen(topic, self._woken.set)

    def __len__(self) -> int:
        return len(self._streams)

    async def open(self, session: Session, viewer: Actor, watched: Watched) -> Stream:
        """A stream for a page of a doctor who is let in; `Unavailable` where too many are open."""
        own = [stream for stream in self._streams if stream.session_id == session.id and not stream.ending]
        for stream in own[:max(0, len(own) - OF_A_SESSION + 1)]:
            stream.end(_ENOUGH)
        if len(self._streams) >= self._most:
            raise Unavailable("Too many pages are open at the moment. This one looks for news by itself, once a minute.",
                              reason="live", retry_after=_RETRY_SECONDS)
        stream = Stream(session.id, viewer.id)
        self._streams[stream] = None
        self._someone.set()
        try:
            begun = await self._watching.begin(viewer, watched, _ms(), self._clock.ms())
        except BaseException:
            self.close(stream)
            raise
        stream.begin(begun)
        return stream

    def close(self, stream: Stream) -> None:
        self._streams.pop(stream, None)
        if not self._streams:
            self._someone.clear()

    async def run(self) -> None:
        """Look for news, as long as somebody listens, until cancelled."""
        while True:
            await self._someone.wait()
            await happens(self._woken, _LOOK_SECONDS)
            self._woken.clear()
            try:
                await self._look()
            except Exception:
                log.exception("a look for news failed")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _look(self) -> None:
        now = self._clock.ms()
        streams = list(self._streams)
        found = await self._watching.look(
            self._known, {stream.actor_id for stream in streams}, sorted({stream.session_id for stream in streams}),
            now - self._idle_ms - _MINUTE_MS if self._idle_ms else 0, _ms(), now)
        self._known = found.known
        for stream in list(self._streams):
            stream.take(found.new, found.unread.get(stream.actor_id))
        for stream in streams:
            if stream.session_id not in found.alive:
                stream.end(_OVER)

    async def serve(self, stream: Stream, receive: Receive, send: Send) -> None:
        """Write a stream's counts whenever they change, until its reader is gone, reads too slowly, or is let in no more."""
        gone = asyncio.ensure_future(receive())
        gone.add_done_callback(lambda _: stream.woken.set())
        said, words = None, b"retry: %d\n\n" % _AGAIN_MS
        try:
            while not gone.done():
                stream.woken.clear()
                if stream.counts != said:
                    said = stream.counts
                    words += b"data: " + _JSON.encode(said) + b"\n\n"
                if stream.ending:
                    words += b"event: %b\ndata:\n\n" % stream.ending.encode()
                async with asyncio.timeout(_SLOW_SECONDS):
                    await send({"type": "http.response.body", "body": words or b":\n\n", "more_body": not stream.ending})
                words = b""
                if stream.ending:
                    break
                await happens(stream.woken, _BEAT_SECONDS)
        except TimeoutError:
            log.info("a page reads too slowly")
        finally:
            gone.cancel()
            self.close(stream)


def _ms() -> int:
    """The time that identifiers are made by, also where a test or the demo moves the clock."""
    return int(time.time() * 1000)


class Streams:
    """Lets `inner` answer, and writes the stream that follows an answer, if one does."""

    def __init__(self, inner: App, live: Live) -> None:
        self._inner, self._live = inner, live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != PATH:
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
                await self._live.serve(scope[STREAM], receive, send)
        finally:
            if STREAM in scope:
                self._live.close(scope[STREAM])
