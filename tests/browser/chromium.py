"""A real Chromium, driven over its DevTools socket: as much of it as the tests need, and nothing to install but the browser."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

_SECONDS = 20
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " "), "ArrowDown": (40, "")}


class Chromium:
    """One window. Scripts of pages are switched off: what works here works without JavaScript."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._session: str | None = None
        self._number = 0
        self.complaints: list[str] = []

    async def open(self) -> None:
        """A new window that hears what the browser complains about, the content security policy above all."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Log", "Runtime"):
            await self.call(f"{domain}.enable")
        await self.call("Emulation.setScriptExecutionDisabled", value=True)

    async def call(self, method: str, **parameters: Any) -> Any:
        """One command and its answer; an error of the browser fails the test."""
        number = await self._send(method, parameters)
        async with asyncio.timeout(_SECONDS):
            while True:
                heard = await self._socket.receive_json()
                if heard.get("method") == "Log.entryAdded" and heard["params"]["entry"]["level"] in ("error", "warning"):
                    self.complaints.append(str(heard["params"]["entry"]))
                if heard.get("id") == number:
                    assert "error" not in heard, (method, heard)
                    return heard["result"]

    async def _send(self, method: str, parameters: dict[str, Any]) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        await self._socket.send_json(message | ({"sessionId": self._session} if self._session else {}))
        return self._number

    async def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        result = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def go(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def window(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """The size in CSS pixels (half of it is 200 % zoom) and the colour scheme."""
        await self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        await self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    async def press(self, key: str, *, leaves: bool = False) -> None:
        """Press one key; `leaves` waits for the page it leads to."""
        code, text = _KEYS[key]
        down = {"type": "keyDown", "key": key, "windowsVirtualKeyCode": code} | ({"text": text} if text else {})
        up = {"type": "keyUp", "key": key, "windowsVirtualKeyCode": code}
        if not leaves:
            await self.call("Input.dispatchKeyEvent", **down)
            await self.call("Input.dispatchKeyEvent", **up)
        else:  # a page that is left may never answer for its keys
            await self.evaluate("window.left = true")
            await self._send("Input.dispatchKeyEvent", down)
            await self._send("Input.dispatchKeyEvent", up)
            await self.until("window.left === undefined && document.readyState === 'complete'")

    async def type(self, text: str) -> None:
        await self.call("Input.insertText", text=text)

    async def tab_to(self, selector: str) -> None:
        """Press Tab until the element has the focus; every stop on the way must show that it has it, in the window."""
        for _ in range(80):
            await self.press("Tab")
            stop = await self.evaluate(_STOP)
            assert stop is None, stop
            if await self.evaluate(f"document.activeElement.matches({selector!r})"):
                return
        raise AssertionError(f"Tab never reaches {selector}")

    async def until(self, holds: str) -> None:
        """Until it holds. Between two pages there is nowhere to evaluate, or nobody left to answer: ask again."""
        limit = asyncio.get_running_loop().time() + _SECONDS
        while asyncio.get_running_loop().time() < limit:
            with suppress(AssertionError, TimeoutError):
                async with asyncio.timeout(1):
                    if await self.evaluate(holds):
                        return
            await asyncio.sleep(0.02)
        raise AssertionError(f"never came true: {holds}; the page is {await self.evaluate('document.documentElement.outerHTML')}")


_STOP = """(() => {
  const at = document.activeElement;
  if (at === document.body) return null;
  const outlined = [at, at.closest("label.option")].some((element) => element
    && getComputedStyle(element).outlineStyle !== "none" && parseFloat(getComputedStyle(element).outlineWidth) >= 2);
  const box = at.getBoundingClientRect();
  const where = `the focus on ${at.outerHTML.slice(0, 200)}`;
  if (!outlined) return `${where} cannot be seen`;
  if (box.bottom < 0 || box.top > innerHeight || box.right < 0) return `${where} is off the window`;
  return null;
})()"""


@asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    """Chromium with a profile of its own; it ends with the block."""
    binary = next((found for found in map(shutil.which, _NAMES) if found), None)
    assert binary is not None, f"These tests look at pages in a browser; please install one of {', '.join(_NAMES)}."
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            binary, "--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--remote-debugging-port=0", f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else []),
            "about:blank", stdout=DEVNULL, stderr=DEVNULL)
        try:
            port, path = await _listening(Path(profile) / "DevToolsActivePort", process)
            async with (aiohttp.ClientSession() as session,
                        session.ws_connect(f"ws://127.0.0.1:{port}{path}", max_msg_size=0) as socket):
                browser = Chromium(socket)
                await browser.open()
                yield browser
                browser._session = None
                await browser.call("Browser.close")
        finally:
            if process.returncode is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(5):
                        await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _listening(file: Path, process: Process) -> tuple[str, str]:
    async with asyncio.timeout(30):
        while True:
            assert process.returncode is None, "Chromium ended before it listened"
            lines = file.read_text().splitlines() if file.exists() else []
            if len(lines) == 2:
                return lines[0], lines[1]
            await asyncio.sleep(0.05)
