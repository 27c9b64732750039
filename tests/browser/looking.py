"""What is wrong with a page, in sentences: our own audit looks in every window, axe-core where it can see something new."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from tests.browser.window import Window

_AUDIT = Path(__file__).with_name("audit.js").read_text("utf-8")
_AXE = Path(sys.prefix) / "axe" / "axe_playwright_python" / "axe.min.js"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_COLOURS = ["color-contrast", "link-in-text-block"]


class Look(NamedTuple):
    """A window of so many CSS pixels, its colours, and what axe is asked there: nothing where it would find the same again."""

    width: int
    dark: bool = False
    axe: dict[str, Any] | None = None


LOOKS = {
    "desk": Look(1280, axe={"runOnly": _TAGS}),
    "desk, dark": Look(1280, dark=True, axe={"runOnly": _COLOURS}),
    "200 % zoom": Look(640),
    "phone, dark": Look(390, dark=True, axe={"runOnly": _TAGS, "rules": {rule: {"enabled": False} for rule in _COLOURS}}),
    "narrow": Look(320),
}


async def look(window: Window, where: str) -> list[str]:
    """What our audit says about the open page."""
    return await _look(window, where, axe=False)


async def look_hard(window: Window, where: str) -> list[str]:
    """What our audit and axe say about it; axe needs a window with scripts."""
    assert _AXE.exists(), f"axe-core is not at {_AXE}; `make setup` puts it there."
    await window.evaluate(_AXE.read_text("utf-8"))
    return await _look(window, where, axe=True)


async def _look(window: Window, where: str, *, axe: bool) -> list[str]:
    wrong = []
    await window.press("Shift")  # the focus is shown to those who use the keyboard
    for name, (width, dark, options) in LOOKS.items():
        await window.resize(width, dark=dark)
        found = await window.evaluate(_AUDIT)
        if axe and options is not None:
            found += await _broken(window, options)
        wrong += [f"{where}, {name}: {sentence}" for sentence in found]
    await window.resize(1280)
    return wrong


async def _broken(window: Window, options: dict[str, Any]) -> list[str]:
    """The rules of axe that are broken, each with its node."""
    asked = json.dumps(options | {"resultTypes": ["violations"], "preload": False})
    found: list[str] = await window.evaluate(f"""axe.run({asked}).then((found) => found.violations.flatMap(
        ({{id, nodes}}) => nodes.map(({{target, failureSummary}}) => `${{id}} at ${{target}}: ${{failureSummary}}`)))""")
    return found
