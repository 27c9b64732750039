"""A LibreTranslate server for tests: it knows a few sentences by heart, puts the language before everything else, and does as a
test wants: it lies, hangs, answers nonsense or without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from core.settings import Settings, Translation


@dataclass
class LibreTranslate:
    """The running server. `knows` are whole pieces and what it makes of them; `answers` takes the place of everything: a status
    and a document, or bytes."""

    url: str = ""
    knows: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    answers: tuple[int, Any] | None = None
    hangs: float = 0.0

    def used(self, **more: Any) -> Callable[[Settings], Settings]:
        """What the settings of an instance say of it."""
        return lambda settings: msgspec.structs.replace(settings, translation=Translation(
            url=self.url, name="Babel", **({"api_key": "the key"} | more)))


@asynccontextmanager
async def libretranslate() -> AsyncIterator[LibreTranslate]:
    """It runs for one block, on a free port of this machine."""
    made = LibreTranslate()

    async def translate(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        made.asked.append(asked)
        await asyncio.sleep(made.hangs)
        if made.answers is not None:
            status, document = made.answers
            if isinstance(document, bytes):
                return web.Response(status=status, body=document, content_type="application/json")
            return web.json_response(document, status=status)
        return web.json_response({"translatedText": [
            made.knows.get(piece) or piece.replace("<p>", f"<p>[{asked['target']}] ") for piece in asked["q"]]})

    app = web.Application(client_max_size=1 << 22)
    app.router.add_post("/translate", translate)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()
