"""A window of the browser: going somewhere, pressing keys, clicking, typing, and looking at what is there."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.browser.chromium import Chromium

_SECONDS = 20
_SHIFT, _CONTROL = 8, 2
_KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " "), "ArrowDown": (40, ""), "ArrowRight": (39, ""),
         "ArrowLeft": (37, ""), "Shift": (16, "")}


class Window:
    """One window, in a profile of its own."""

    def __init__(self, browser: Chromium, session: str, frame: str) -> None:
        self._browser, self._session, self._frame = browser, session, frame
        self._heard = asyncio.Event()
        self._page = self._painted = ""  # the page that is loaded and the one on the screen, by the browser's number for it
        self._chooser = 0  # the field that the browser asks a file for
        self.complaints: list[str] = []

    async def prepare(self, scripts: bool) -> None:
        """Listen to what the browser complains about, the content security policy above all; have the focus at all times."""
        for domain in ("Page", "Log", "Runtime"):
            await self.call(f"{domain}.enable")
        await self.call("Page.setLifecycleEventsEnabled", enabled=True)
        await self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        await self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        await self.resize(1280)

    def hear(self, method: str, said: dict[str, Any]) -> None:
        """What the browser says about this window, unasked."""
        if method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            if said["entry"]["source"] != "network" or "/static/" in said["entry"].get("url", ""):  # a page's status is no fault
                self.complaints.append(str(said["entry"]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(said["exceptionDetails"]))
        elif method == "Page.lifecycleEvent" and said["frameId"] == self._frame:
            if said["name"] == "load":
                self._page = said["loaderId"]
            elif said["name"] == "firstContentfulPaint":
                self._painted = said["loaderId"]
        elif method == "Page.fileChooserOpened":
            self._chooser = said["backendNodeId"]
        self._heard.set()

    async def call(self, method: str, **parameters: Any) -> Any:
        """One command to this window."""
        return await self._browser.call(method, self._session, **parameters)

    async def evaluate(self, script: str) -> Any:
        """The value of an expression in the page, also where pages' own scripts are off; a promise's, once it has one."""
        result = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def go(self, url: str) -> None:
        """Type an address and wait for its page."""
        begun = await self.call("Page.navigate", url=url)
        assert "errorText" not in begun, (url, begun)
        if "loaderId" in begun:  # not for a place within the page that is open
            await self._until(lambda: self._page == begun["loaderId"], url)

    @asynccontextmanager
    async def leaving(self) -> AsyncIterator[None]:
        """What is done inside leads to another page; the block ends when that page is there."""
        before = self._page
        yield
        await self._until(lambda: self._page != before, "another page")

    @asynccontextmanager
    async def choosing(self, file: Path) -> AsyncIterator[None]:
        """What is done inside has the browser ask for a file; this one is chosen there."""
        self._chooser = 0
        await self.call("Page.setInterceptFileChooserDialog", enabled=True)
        yield
        await self._until(lambda: self._chooser != 0, "the choice of a file")
        await self.call("DOM.setFileInputFiles", files=[str(file)], backendNodeId=self._chooser)

    @asynccontextmanager
    async def downloading(self, into: Path) -> AsyncIterator[None]:
        """What is done inside downloads a file to this empty directory; the block ends when it is there."""
        await self.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(into))
        yield
        async with asyncio.timeout(_SECONDS):
            while not [file for file in into.iterdir() if file.suffix != ".crdownload" and not file.name.startswith(".")]:
                await asyncio.sleep(0.05)

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                while not holds():
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            raise AssertionError(f"{what} never came; the page is {await self.text()}") from None

    async def until(self, holds: str) -> None:
        """Until a script's answer is yes."""
        limit = asyncio.get_running_loop().time() + _SECONDS
        while asyncio.get_running_loop().time() < limit:
            with suppress(AssertionError):  # between two pages there is nowhere to evaluate
                if await self.evaluate(holds):
                    return
            await asyncio.sleep(0.02)
        raise AssertionError(f"never came true: {holds}; the page is {await self.text()}")

    async def text(self) -> str:
        """What can be read on the page."""
        return str(await self.evaluate("document.body.innerText"))

    async def has(self, selector: str) -> bool:
        """Whether there is such an element."""
        return bool(await self.evaluate(f"document.querySelector({json.dumps(selector)}) !== null"))

    async def resize(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """The size in CSS pixels (half of it is 200 % zoom) and the colour scheme."""
        await self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        await self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    async def picture(self, file: Path) -> None:
        """The whole page as a PNG."""
        width, height = await self.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        taken = await self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(taken["data"]))

    async def press(self, key: str, *, back: bool = False, leaves: bool = False) -> None:
        """Press one key, with Shift for `back`; `leaves` waits for the page it leads to."""
        code, text = _KEYS[key]
        stroke = {"key": key, "windowsVirtualKeyCode": code, "modifiers": _SHIFT if back else 0}
        await self._do([("Input.dispatchKeyEvent", {"type": "keyDown", **stroke} | ({"text": text} if text else {})),
                        ("Input.dispatchKeyEvent", {"type": "keyUp", **stroke})], leaves)

    async def type(self, text: str) -> None:
        """Type key by key where the focus is."""
        strokes: list[tuple[str, dict[str, Any]]] = []
        for letter in text:
            key, sent = ("Enter", "\r") if letter == "\n" else (letter, letter)
            strokes.append(("Input.dispatchKeyEvent", {"type": "keyDown", "key": key, "text": sent}))
            strokes.append(("Input.dispatchKeyEvent", {"type": "keyUp", "key": key}))
        await self._do(strokes, False)

    async def select_all(self) -> None:
        """Control-A: what is typed next takes the place of what is there."""
        stroke = {"key": "a", "windowsVirtualKeyCode": 65, "modifiers": _CONTROL}
        await self._do([("Input.dispatchKeyEvent", {"type": "keyDown", **stroke, "commands": ["selectAll"]}),
                        ("Input.dispatchKeyEvent", {"type": "keyUp", **stroke})], False)

    async def click(self, selector: str, *, leaves: bool = False) -> None:
        """Click in the middle of the one element there is; `leaves` waits for the page it leads to."""
        spot = await self.evaluate(f"({_SPOT})({json.dumps(selector)})")
        assert isinstance(spot, list), spot
        click = {"x": spot[0], "y": spot[1], "button": "left", "clickCount": 1}
        await self._do([("Input.dispatchMouseEvent", {"type": "mousePressed", **click}),
                        ("Input.dispatchMouseEvent", {"type": "mouseReleased", **click})], leaves)

    async def _do(self, acts: list[tuple[str, dict[str, Any]]], leaves: bool) -> None:
        await self._until(lambda: self._painted == self._page, "the picture")  # until then the browser drops what is pressed
        if leaves:
            async with self.leaving():
                for method, parameters in acts:
                    await self._browser.send(method, parameters, self._session)
        else:
            async with asyncio.timeout(_SECONDS):
                for answer in [await self._browser.send(method, parameters, self._session) for method, parameters in acts]:
                    assert "error" not in await answer, acts

    async def tab_to(self, selector: str) -> None:
        """Press Tab, or Shift and Tab where that is the way, until the element has the focus; every stop on the way must show
        that it has it, in the window."""
        wanted = json.dumps(selector)
        assert await self.has(selector), f"there is no {selector} on {await self.text()}"
        back = await self.evaluate(f"!!(document.querySelector({wanted}).compareDocumentPosition(document.activeElement)"
                                   " & Node.DOCUMENT_POSITION_FOLLOWING)")
        for _ in range(120):
            if await self.evaluate(f"document.activeElement.matches({wanted})"):
                return
            await self.press("Tab", back=back)
            stop = await self.evaluate(_STOP)
            assert stop is None, stop
        raise AssertionError(f"Tab never reaches {selector}")


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

_SPOT = """(selector) => {
  const found = [...document.querySelectorAll(selector)];
  if (found.length !== 1) return `there are ${found.length} of ${selector} on ${location.pathname}: ${document.body.innerText}`;
  const [element] = found;
  element.scrollIntoView({block: "center", behavior: "instant"});
  const box = element.getClientRects()[0];
  if (!box) return `${selector} is not shown`;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const top = document.elementFromPoint(x, y);
  if (element.contains(top) || top?.closest("label")?.contains(element)) return [x, y];
  return `${selector} lies under ${top?.outerHTML.slice(0, 200)}`;
}"""
