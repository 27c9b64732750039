"""Pictures of siblings' posts, for a doctor of this instance who may read them: fetched when somebody looks, by a signed request.

They stay at home: here they are in memory for a few minutes and on no disk, in no backup, and whoever may not read the post
any more is not shown them either. A sibling is believed nothing: what it hands out has to be the very bytes whose digest came
with the post, and is drawn anew before a browser gets it. One picture is fetched once at a time, however many want to see it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from typing import NamedTuple

from core.clock import Clock
from core.darkroom import Darkroom
from core.errors import InvalidInput, KonsilError, NotFound, Unavailable
from core.papers import PAGE_BYTES
from core.settings import Media
from core.telemetry import get_logger
from federation.addresses import domain_of, origin_of
from federation.allowlist import CLOSED, Allowlist, Direction, Purpose
from federation.client import Client
from federation.refusals import RefusalLog
from posts.models import Picture

log = get_logger("borrowed")
_AT_ONCE = 4


class _Held(NamedTuple):
    """A picture in memory, whole and small, until a moment (ms)."""

    whole: bytes
    small: bytes
    until: int


class Borrowed:
    """Fetches pictures and holds them for a moment. Belongs to one event loop."""

    def __init__(self, allowlist: Allowlist, client: Client, darkroom: Darkroom, refusals: RefusalLog, clock: Clock,
                 settings: Media) -> None:
        self._allowlist, self._client, self._darkroom, self._refusals = allowlist, client, darkroom, refusals
        self._clock, self._room, self._ms = clock, settings.cache_mib << 20, settings.cache_minutes * 60_000
        self._held: OrderedDict[Picture, _Held] = OrderedDict()
        self._under_way: dict[Picture, asyncio.Task[_Held]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self.taken = 0

    async def picture(self, picture: Picture, *, small: bool = False) -> bytes:
        """A picture of a sibling's post as a JPEG of our own making. `NotFound` or `Unavailable` in a sentence for doctors where
        its instance is closed to us, away, or hands out something else."""
        origin = origin_of(picture.url)
        try:
            self._allowlist.admit(origin, Direction.OUT, Purpose.MEDIA)  # also for what is held: a country that is out is out
        except KonsilError as error:
            raise _closed(origin, error) from None
        held = self._look(picture)
        if held is None:
            under_way = self._under_way.get(picture)
            if under_way is None:
                under_way = self._under_way[picture] = asyncio.create_task(self._fetch(picture, origin))
                under_way.add_done_callback(lambda _: self._under_way.pop(picture, None))
            held = await asyncio.shield(under_way)
        return held.small if small else held.whole

    async def close(self) -> None:
        """End what is under way."""
        tasks = tuple(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, picture: Picture, origin: str) -> _Held:
        async with self._turns:
            try:
                sibling = self._allowlist.admit(origin, Direction.OUT, Purpose.MEDIA)
                body = await self._client.picture(sibling, picture.url, PAGE_BYTES)
                if (await asyncio.to_thread(hashlib.sha256, body)).hexdigest() != picture.digest:
                    self._refusals.record(direction=Direction.OUT, origin=origin, purpose=Purpose.MEDIA, reason="picture-changed",
                                          path=picture.url, detail=f"{len(body)} bytes")
                    raise InvalidInput("A picture is another one than its post has said.", reason="picture-changed")
                whole, small = await self._darkroom.borrowed(body, picture.film)
            except KonsilError as error:
                log.info("no picture", url=picture.url, reason=error.reason, cause=error.cause)
                raise _closed(origin, error) from None
        held = _Held(whole, small, self._clock.ms() + self._ms)
        self._hold(picture, held)
        return held

    def _look(self, picture: Picture) -> _Held | None:
        held = self._held.get(picture)
        if held is None:
            return None
        if held.until <= self._clock.ms():
            self._let_go(picture)
            return None
        self._held.move_to_end(picture)
        return held

    def _hold(self, picture: Picture, held: _Held) -> None:
        """Hold a picture, and let go of those that were looked at least lately where there is no room for it."""
        now = self._clock.ms()
        for old in [one for one, its in self._held.items() if its.until <= now]:
            self._let_go(old)
        self._held[picture] = held
        self.taken += len(held.whole) + len(held.small)
        while self.taken > self._room and self._held:
            self._let_go(next(iter(self._held)))

    def _let_go(self, picture: Picture) -> None:
        held = self._held.pop(picture)
        self.taken -= len(held.whole) + len(held.small)


def _closed(origin: str, error: KonsilError) -> KonsilError:
    """What a doctor is told of it."""
    domain = domain_of(origin)
    if error.reason == "picture-changed":
        return NotFound("This picture is not the one that its author has sent, so it is not shown.", reason="picture-changed")
    if error.reason == "paused":
        return Unavailable("%(domain)s is paused: its pictures can be seen again when it goes on.", values={"domain": domain},
                           reason="picture-away", retry_after=600)
    if error.reason in CLOSED:
        return NotFound("%(domain)s is outside our control, so its pictures are not fetched any more.",
                        values={"domain": domain}, reason="picture-away")
    if isinstance(error, Unavailable):
        return Unavailable("%(domain)s does not answer at the moment, so this picture cannot be shown. Please try again later.",
                           values={"domain": domain}, reason="picture-away", retry_after=60)
    return NotFound("%(domain)s does not hand this picture out.", values={"domain": domain}, reason="picture-away")
