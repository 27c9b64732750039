"""Open pages learn that something is new: server-sent events (HTML, section 9.2) that hold counts and nothing else.

A route behind the guard opens a `Stream`; Quart is done with the request then, and what follows is one coroutine that sleeps
until its counts have changed. There is no queue: what waits for a slow reader is at most the newest counts. All streams of a
process are served by one look at the database, at once when this process has written something and every two seconds otherwise,
because what a worker or a command in another process writes is seen only there. A stream ends with its session. Apps are served
by the same look (`instance.listening`), and theirs end with their tokens.
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
from inbox.routes import Receive, Send
from instance.listening import Listener, Listeners
from posts.notifications import Unread
from posts.telling import NEWS
from posts.timelines import PAGE
from posts.watching import Begun, New, Watch, Watched, Watching

log = get_logger("live")
PATH = "/live"
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
_DAY_MS = 86_400_000
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
        self._unused_ms = settings.clients.unused_days * _DAY_MS
        self._streams: dict[Stream, None] = {}  # in the order in which they were opened
        self._apps = Listeners()
        self._looking = asyncio.Lock()
        self._woken, self._someone = asyncio.Event(), asyncio.Event()
        self._known: frozenset[int] = frozenset()
        for topic in (NEWS, SESSIONS, BADGES):
            database.listen(topic, self._woken.set)

    def __len__(self) -> int:
        return len(self._streams) + len(self._apps)

    async def open(self, session: Session, viewer: Actor, watched: Watched) -> Stream:
        """A stream for a page of a doctor who is let in; `Unavailable` where too many are open."""
        own = [stream for stream in self._streams if stream.session_id == session.id and not stream.ending]
        for stream in own[:max(0, len(own) - OF_A_SESSION + 1)]:
            stream.end(_ENOUGH)
        if len(self) >= self._most:
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
        self._rest()

    async def listen(self, listener: Listener) -> None:
        """An app listens from now on; `Unavailable` where too many do. What has come just before is not told to it."""
        self._apps.make_room(listener.token_id)
        if len(self) >= self._most:
            raise Unavailable("Too many apps listen at the moment. Please try again in a minute.", reason="live",
                              retry_after=_RETRY_SECONDS)
        if not len(self._apps):
            await self._look(for_apps=True)
        self._apps.open(listener)
        self._someone.set()

    def leave(self, listener: Listener) -> None:
        self._apps.close(listener)
        self._rest()

    def _rest(self) -> None:
        if not len(self):
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

    async def _look(self, *, for_apps: bool = False) -> None:
        async with self._looking:
            now = self._clock.ms()
            streams = list(self._streams)
            apps = self._apps.listening(now - self._unused_ms) if for_apps or len(self._apps) else None
            found = await self._watching.look(
                self._known, {stream.actor_id for stream in streams}, sorted({stream.session_id for stream in streams}),
                now - self._idle_ms - _MINUTE_MS if self._idle_ms else 0, _ms(), now, apps)
            self._known = found.known
            for stream in list(self._streams):
                stream.take(found.new, found.unread.get(stream.actor_id))
            for stream in streams:
                if stream.session_id not in found.alive:
                    stream.end(_OVER)
            if apps is not None:
                self._apps.take(found.apps, apps)

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


class Page:
    """The counts of an open page, as they follow an answer."""

    def __init__(self, live: Live, stream: Stream) -> None:
        self._live, self._stream = live, stream

    async def serve(self, receive: Receive, send: Send) -> None:
        await self._live.serve(self._stream, receive, send)

    def close(self) -> None:
        self._live.close(self._stream)
