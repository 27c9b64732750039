"""Two ways to use a page: with a mouse, or with nothing but the keyboard. Neither knows how the page is made, only its
links, buttons and fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from tests.browser.window import Window
from tests.servers import PASSWORD, Running


class Hands(Protocol):
    """What a person does on a page; every field is told by a selector that only it answers to."""

    window: Window

    async def push(self, selector: str) -> None:
        """A link or a button that leads to another page."""

    async def unfold(self, selector: str) -> None:
        """What is folded behind a summary, or whatever else a press does on the page that is open."""

    async def write(self, selector: str, text: str) -> None:
        """Put this text into a field, in place of what is there."""

    async def tick(self, selector: str) -> None:
        """One radio button, or a box."""

    async def pick(self, selector: str, value: str) -> None:
        """One entry of a list."""

    async def attach(self, selector: str, file: Path) -> None:
        """Choose a file for a field."""


class Mouse:
    """Clicks; types where it has clicked."""

    def __init__(self, window: Window) -> None:
        self.window = window

    async def push(self, selector: str) -> None:
        await self.window.click(selector, leaves=True)

    async def unfold(self, selector: str) -> None:
        await self.window.click(selector)

    async def write(self, selector: str, text: str) -> None:
        await self.window.click(selector)
        await self.window.select_all()
        await self.window.type(text)

    async def tick(self, selector: str) -> None:
        await self.window.click(selector)
        assert await self.window.has(f"{selector}:checked"), selector

    async def pick(self, selector: str, value: str) -> None:
        await self.window.click(selector)  # opens the list
        await self.window.type(await _title(self.window, selector, value))
        await self.window.press("Enter")
        await self.window.until(f"document.querySelector({json.dumps(selector)}).value === {json.dumps(value)}")

    async def attach(self, selector: str, file: Path) -> None:
        async with self.window.choosing(file):
            await self.window.click(selector)


class Keyboard:
    """Tab, Shift and Tab, Enter, the space bar and arrows; every stop on the way shows the focus."""

    def __init__(self, window: Window) -> None:
        self.window = window

    async def push(self, selector: str) -> None:
        await self.window.tab_to(selector)
        await self.window.press("Enter", leaves=True)

    async def unfold(self, selector: str) -> None:
        await self.window.tab_to(selector)
        await self.window.press("Enter")

    async def write(self, selector: str, text: str) -> None:
        await self.window.tab_to(selector)
        await self.window.select_all()
        await self.window.type(text)

    async def tick(self, selector: str) -> None:
        name = await self.window.evaluate(
            f"(({{type, name}}) => type === 'radio' ? name : '')(document.querySelector({json.dumps(selector)}))")
        await self.window.tab_to(f"input[name={json.dumps(name)}]" if name else selector)  # a group is one stop
        for _ in range(20):
            if await self.window.evaluate(f"document.activeElement.matches({json.dumps(selector)})"):
                break
            await self.window.press("ArrowDown")
        if not await self.window.has(f"{selector}:checked"):
            await self.window.press(" ")
        assert await self.window.has(f"{selector}:checked"), selector

    async def pick(self, selector: str, value: str) -> None:
        await self.window.tab_to(selector)
        await self.window.type(await _title(self.window, selector, value))
        await self.window.until(f"document.querySelector({json.dumps(selector)}).value === {json.dumps(value)}")

    async def attach(self, selector: str, file: Path) -> None:
        await self.window.tab_to(selector)
        async with self.window.choosing(file):
            await self.window.press("Enter")


async def _title(window: Window, selector: str, value: str) -> str:
    """What the entry is called in the list: its letters lead to it."""
    return str(await window.evaluate(
        f"[...document.querySelector({json.dumps(selector)}).options].find(({{value}}) => value === {json.dumps(value)}).text"))


async def sign_in(hands: Hands, at: Running, handle: str) -> None:
    """From the instance's address through the door."""
    await enter(hands, at.url, handle, PASSWORD, await at.code(handle) if await at.is_operator(handle) else "")


async def enter(hands: Hands, url: str, handle: str, password: str, code: str = "") -> None:
    """The same for whoever is known by address and password, and an operator by a code."""
    await hands.window.go(url)
    await hands.write("#handle", handle)
    await hands.write("#password", password)
    await hands.push(".door .button")
    if code:
        await hands.write("#code", code)
        await hands.push(".door .button")
    assert await hands.window.has(".who"), await hands.window.text()
