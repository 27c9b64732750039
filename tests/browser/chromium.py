"""A real Chromium and the DevTools socket to it: as much of it as the tests need, and nothing to install but the browser."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.browser.window import Window

_SECONDS = 20
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = ("--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
          "--disable-sync", "--remote-debugging-port=0")


class Chromium:
    """The socket: numbers commands, gives each its answer, and lets every window hear what concerns it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.windows: dict[str, Window] = {}

    async def open(self, *, scripts: bool = True) -> Window:
        """A new window in a profile of its own, so that what it is signed in to is nobody else's; `scripts` off is a browser
        without JavaScript."""
        context = await self.call("Target.createBrowserContext", disposeOnDetach=True)
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=context["browserContextId"],
                                 newWindow=True)
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        window = Window(self, attached["sessionId"], target["targetId"])
        self.windows[attached["sessionId"]] = window
        await window.prepare(scripts)
        return window

    async def call(self, method: str, session: str = "", **parameters: Any) -> Any:
        """One command and its answer; an error of the browser fails the test."""
        async with asyncio.timeout(_SECONDS):
            answer = await (await self.send(method, parameters, session))
        assert "error" not in answer, (method, answer)
        return answer["result"]

    async def send(self, method: str, parameters: dict[str, Any], session: str) -> asyncio.Future[dict[str, Any]]:
        """One command; its answer can be waited for, and need not be: a page that is left may never answer for its keys."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json(message)
        return answer

    async def hear(self) -> None:
        """Everything the browser says, until it stops."""
        async for message in self._socket:
            heard = message.json()
            if answer := self._answers.pop(heard.get("id", 0), None):
                if not answer.done():
                    answer.set_result(heard)
            elif window := self.windows.get(heard.get("sessionId", "")):
                window.hear(heard["method"], heard["params"])
        for answer in self._answers.values():
            answer.cancel()


@contextmanager
def running() -> Iterator[str]:
    """Chromium with nothing remembered; gives the address of its socket. It ends with the block."""
    binary = next((found for found in map(shutil.which, _NAMES) if found), None)
    assert binary is not None, f"These tests look at pages in a browser; please install one of {', '.join(_NAMES)}."
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [binary, *_FLAGS, f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else []), "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield _listening(Path(profile) / "DevToolsActivePort", process)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listening(file: Path, process: subprocess.Popen[bytes]) -> str:
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        assert process.poll() is None, "Chromium ended before it listened"
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.02)
    raise AssertionError("Chromium never listened")


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Chromium]:
    """A connection to a running browser; the windows it opened close with it."""
    async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
        browser = Chromium(socket)
        hearing = asyncio.create_task(browser.hear())
        try:
            yield browser
        finally:
            await socket.close()
            await hearing


@asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    """A browser and the connection to it, for one block."""
    with running() as address:
        async with connected(address) as browser:
            yield browser
