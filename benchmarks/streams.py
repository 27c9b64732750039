"""Part `streams`: what an app costs that listens, and how soon it hears of a post.

One running server, `konsil serve --no-worker`. Every stream is a WebSocket with a token and a doctor of its own, who listens to
her own stream and to that of the country, and does nothing; memory and processor time are the server's own. Then posts are
published over HTTP, one after the other, by somebody whom all of them follow: each is read and written anew for each doctor.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import aiohttp

from benchmarks import apps, countries, doctors
from benchmarks.pace import Pace
from benchmarks.report import Goal, Part, at
from benchmarks.servers import MeasurementFailed, Server
from core.database import Tx
from instance.assembly import assemble

_IDLE_SECONDS = 10.0
_WARM, _POSTS = 20, 5
_PATIENCE = 30.0
_KIB = 1024
_READER, _WRITER = 0, 1


class Seen(NamedTuple):
    """KiB and milliseconds of processor time a minute for an idle stream; seconds from sending a post to hearing of it."""

    kib: float
    ms_a_minute: float
    heard: list[float]


def run(directory: Path, pace: Pace) -> Part:
    """Measure; the country lies below `directory`."""
    country = asyncio.run(countries.make(directory, "de", 2))
    tokens = asyncio.run(_let_in(country, pace.pages + _WARM))
    rounds = []
    for _ in range(min(pace.rounds, 3)):
        server = country.start("serve", "--no-worker")
        try:
            rounds.append(asyncio.run(_round(country, server, tokens)))
        finally:
            server.stop()
    heard = [moment * 1000 for each in rounds for moment in each.heard]
    setting = (f"`konsil serve --no-worker`, {pace.pages:,} WebSockets of as many doctors that listen to their own stream and"
               f" the country's, idle for {_IDLE_SECONDS:g} s; then {_POSTS} posts, each heard of in every one.")
    table = (("", "median", "p99"),
             ("from sending a post to an app hearing of it, ms", f"{at(heard, 0.5):.0f}", f"{at(heard, 0.99):.0f}"))
    return Part("Streams of apps", setting, (table,), (
        Goal("streams: KiB of memory for an idle stream", tuple(each.kib for each in rounds), 60),
        Goal("streams: ms of processor time a minute for an idle stream", tuple(each.ms_a_minute for each in rounds), 10),
        Goal("streams: ms until the median app hears", tuple(statistics.median(each.heard) * 1000 for each in rounds), 2000)))


async def _let_in(country: countries.Country, count: int) -> list[str]:
    """As many doctors, each with an app that she has let in, and nothing else; their tokens."""
    async with assemble(country.settings) as its:
        ids, now = its.ids, its.clock.ms()

        def write(tx: Tx) -> list[str]:
            accounts = []
            for number in range(count):
                actor_id, account_id = ids.new(), ids.new()
                _copied(tx, "actors", f"{country.code}{_READER}", id=actor_id, handle=f"app{number}",
                        uri=f"{its.identity.origin}/actors/app{number}", uri_key=b"app%d" % number)
                _copied(tx, "accounts", f"{country.code}{_READER}", id=account_id, handle=f"app{number}", actor_id=actor_id)
                tx.run("INSERT INTO follows (uri, uri_key, follower_id, followed_id, state, at)"
                       " SELECT ?, ?, ?, id, 'accepted', ? FROM actors WHERE handle = ?",
                       (f"urn:f:{number}", b"follow%d" % number, actor_id, now, f"{country.code}{_WRITER}"))
                accounts.append(account_id)
            return apps.let_in(its, tx, accounts)

        return await its.database.write(write)


def _copied(tx: Tx, table: str, like: str, **changes: object) -> None:
    """A row like that of somebody, but for these columns."""
    row = tx.row(f"SELECT * FROM {table} WHERE handle = ?", (like,))
    assert row is not None
    values = dict(zip(row.keys(), row, strict=True)) | changes
    tx.run(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})", tuple(values.values()))


async def _round(country: countries.Country, server: Server, tokens: list[str]) -> Seen:
    count = len(tokens) - _WARM
    async with doctors.browser() as session:
        warm = [await _Stream.open(session, country, one) for one in tokens[:_WARM]]
        cookie = await doctors.sign_in(session, country, country.doctors[_WRITER])
        await _publish(session, country, cookie, warm, range(1))
        before = server.resident()
        listening = [await _Stream.open(session, country, one) for one in tokens[_WARM:]]
        await asyncio.sleep(1)
        kib = (server.resident() - before) / _KIB / count
        begun, spent = time.monotonic(), server.cpu()
        await asyncio.sleep(_IDLE_SECONDS)
        busy = (server.cpu() - spent) / (time.monotonic() - begun)
        heard = await _publish(session, country, cookie, listening, range(_POSTS))
        for stream in (*warm, *listening):
            await stream.close()
    return Seen(kib, busy * 60_000 / count, heard)


async def _publish(session: doctors.Browser, country: countries.Country, cookie: str, streams: list[_Stream],
                   numbers: range) -> list[float]:
    """How long each stream took to hear of each of some posts."""
    heard = []
    for number in numbers:
        before = [len(stream.heard) for stream in streams]
        sent = await doctors.publish_at_home(session, country, cookie, f"s{number}")
        limit = time.monotonic() + _PATIENCE
        while not all(len(stream.heard) > had for stream, had in zip(streams, before, strict=True)):
            if time.monotonic() > limit:
                raise MeasurementFailed("an app did not hear of a post")
            await asyncio.sleep(0.05)
        heard += [stream.heard[had] - sent for stream, had in zip(streams, before, strict=True)]
        await asyncio.sleep(0.5)
    return heard


class _Stream:
    """An app that listens: when it heard something (monotonic s)."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.heard: list[float] = []
        self._socket = socket
        self._task = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, session: doctors.Browser, country: countries.Country, token: str) -> _Stream:
        socket = await session.ws_connect(f"{country.settings.instance.url}/api/v1/streaming?stream=public:local",
                                          headers={"authorization": f"Bearer {token}"}, compress=0)
        await socket.send_json({"type": "subscribe", "stream": "user"})
        return cls(socket)

    async def _listen(self) -> None:
        async for _ in self._socket:
            self.heard.append(time.monotonic())

    async def close(self) -> None:
        await self._socket.close()
        await self._task
