"""A sibling that answers by a script: real HTTP on loopback, and everything it was sent is kept."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from aiohttp import web

from federation.allowlist import Direction, Purpose, Sibling
from federation.signatures.keys import generate_rsa
from instance.assembly import Assembly
from tests.servers import FakeSibling


class Received(NamedTuple):
    """One request as it came in."""

    at: float
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def name(self) -> str:
        """The last part of the activity's id."""
        return str(json.loads(self.body)["id"]).rsplit("/", 1)[1]


Script = Callable[[Received], Awaitable[web.StreamResponse] | web.StreamResponse]


class Scripted:
    """What came in, what is answered, and the identity of the one who answers."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.script: Script = lambda _: web.Response(status=202)
        self.request: web.Request
        self.fake: FakeSibling

    @property
    def origin(self) -> str:
        return self.fake.origin

    @property
    def domain(self) -> str:
        return self.origin.split("://")[1]

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.received]

    async def befriend(self, its: Assembly, purpose: Purpose = Purpose.DELIVERY) -> Sibling:
        """Put it on the list of an instance; returns it as the gate lets it through."""
        described = self.fake.described()
        await its.siblings.add(self.domain, described.country, described.fingerprint, descriptor=described)
        await its.siblings.approve(self.domain, "test")
        return its.allowlist.admit(self.origin, Direction.OUT, purpose)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        one = Received(time.monotonic(), request.method, request.raw_path, headers, await request.read())
        self.received.append(one)
        self.request = request
        answer = self.script(one)
        return await answer if isinstance(answer, Awaitable) else answer


@lru_cache(maxsize=1)
def _pair() -> tuple[str, str]:
    """One key for all of them: making one takes longer than most of these tests."""
    return generate_rsa()


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """The sibling's server, up."""
    made = Scripted()
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", made._answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.fake = FakeSibling(port=runner.addresses[0][1], pair=_pair())
    try:
        yield made
    finally:
        await runner.cleanup()


def refusal(status: int, activity: str | None, **more: Any) -> web.Response:
    """A problem document, about one activity or about none."""
    document = {"type": "urn:konsil:problem:x", "title": "No.", "status": status, **more}
    if activity is not None:
        document["activity"] = activity
    return web.Response(status=status, body=json.dumps(document).encode(), content_type="application/problem+json")


async def slowly(seconds: float, answer: web.StreamResponse) -> web.StreamResponse:
    await asyncio.sleep(seconds)
    return answer
