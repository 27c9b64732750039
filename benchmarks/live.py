"""Part `live`: what an open page costs that hears of news, and how soon it hears.

One running server, `konsil serve --no-worker`. Pages of as many sessions as it takes are opened, four to a session, and do
nothing; memory and processor time are the server's own. Then posts are published over HTTP, one after the other, and each page
says when it has heard of them.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import aiohttp

from benchmarks import countries, doctors
from benchmarks.pace import Pace
from benchmarks.report import Goal, Part, at
from benchmarks.servers import MeasurementFailed, Server
from instance.live import OF_A_SESSION

_IDLE_SECONDS = 10.0
_WARM, _POSTS = 20, 5
_PATIENCE = 20.0
_LISTENING = {"accept": "text/event-stream"}
_KIB = 1024


class Seen(NamedTuple):
    """KiB and milliseconds of processor time a minute for an idle page; seconds from sending a post to hearing of it."""

    kib: float
    ms_a_minute: float
    heard: list[float]


def run(directory: Path, pace: Pace) -> Part:
    """Measure; the country lies below `directory`."""
    country = asyncio.run(countries.make(directory, "de", 2))
    rounds = []
    for _ in range(min(pace.rounds, 3)):
        server = country.start("serve", "--no-worker")
        try:
            rounds.append(asyncio.run(_round(country, server, pace.pages)))
        finally:
            server.stop()
    heard = [moment * 1000 for each in rounds for moment in each.heard]
    setting = (f"`konsil serve --no-worker`, {pace.pages:,} pages of {-(-pace.pages // OF_A_SESSION):,} sessions that"
               f" listen, idle for {_IDLE_SECONDS:g} s; then {_POSTS} posts, each heard of by every page.")
    table = (("", "median", "p99"),
             ("from sending a post to a page hearing of it, ms", f"{at(heard, 0.5):.0f}", f"{at(heard, 0.99):.0f}"))
    return Part("Open pages", setting, (table,), (
        Goal("live: KiB of memory for an idle page", tuple(each.kib for each in rounds), 40),
        Goal("live: ms of processor time a minute for an idle page", tuple(each.ms_a_minute for each in rounds), 2),
        Goal("live: ms until the median page hears", tuple(statistics.median(each.heard) * 1000 for each in rounds), 500)))


async def _round(country: countries.Country, server: Server, pages: int) -> Seen:
    reader, writer = country.doctors
    async with doctors.browser() as session:
        await asyncio.gather(*(doctors.sign_in(session, country, reader) for _ in range(4)))  # what is loaded once is loaded
        warm = [await _Page.open(session, country, await doctors.sign_in(session, country, reader)) for _ in range(_WARM)]
        cookies = [await doctors.sign_in(session, country, reader) for _ in range(-(-pages // OF_A_SESSION))]
        await asyncio.sleep(1)
        before = server.resident()
        listening = [await _Page.open(session, country, cookies[number // OF_A_SESSION]) for number in range(pages)]
        await asyncio.sleep(1)
        kib = (server.resident() - before) / _KIB / pages
        begun, spent = time.monotonic(), server.cpu()
        await asyncio.sleep(_IDLE_SECONDS)
        busy = (server.cpu() - spent) / (time.monotonic() - begun)
        heard = await _publish(session, country, writer, listening)
        for page in (*warm, *listening):
            page.close()
    return Seen(kib, busy * 60_000 / pages, heard)


async def _publish(session: doctors.Browser, country: countries.Country, writer: str, pages: list[_Page]) -> list[float]:
    """How long each page took to hear of each of some posts."""
    cookie = await doctors.sign_in(session, country, writer)
    heard = []
    for number in range(1, _POSTS + 1):
        sent = await doctors.publish_at_home(session, country, cookie, f"n{number}")
        limit = time.monotonic() + _PATIENCE
        while not all(len(page.heard) > number for page in pages):
            if time.monotonic() > limit:
                raise MeasurementFailed("a page did not hear of a post")
            await asyncio.sleep(0.05)
        heard += [page.heard[number] - sent for page in pages]
    return heard


class _Page:
    """A page that listens: when it heard something (monotonic s), the state it began with first."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.heard: list[float] = []
        self._response = response
        self._task = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, session: doctors.Browser, country: countries.Country, cookie: str) -> _Page:
        response = await session.get(f"{country.settings.instance.url}/live?tab=all&since=", allow_redirects=False,
                                     headers=_LISTENING | {"cookie": cookie}, timeout=aiohttp.ClientTimeout())
        if response.content_type != "text/event-stream":
            raise MeasurementFailed(f"a page could not listen: {response.status}")
        return cls(response)

    async def _listen(self) -> None:
        async for line in self._response.content:
            if line.startswith(b"data: {"):
                self.heard.append(time.monotonic())

    def close(self) -> None:
        self._task.cancel()
        self._response.close()
