"""axe-core finds nothing wrong with any page, whoever looks at it, in light, in dark and on a phone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from werkzeug.routing import Map, Rule

from core.access import Access
from instance.app import routes
from tests.browser.chromium import Chromium
from tests.browser.sights import SIGHTS, sights
from tests.browser.window import Window
from tests.servers import countries

AXE = Path(sys.prefix) / "axe" / "axe_playwright_python" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]
LOOKS: dict[str, tuple[int, bool, dict[str, Any]]] = {
    "light": (1280, False, {"runOnly": TAGS}), "dark": (1280, True, {"runOnly": COLOURS}),
    "phone": (390, False, {"runOnly": TAGS, "rules": {rule: {"enabled": False} for rule in COLOURS}})}
"""Window, colour scheme and what axe does there: colours are the same on a phone, and all else is the same in the dark."""
NO_PAGES = {"/new", "/drafts/<what>/<about>", "/actor", "/.well-known/nodeinfo", "/nodeinfo/2.1",
            "/livez", "/readyz", "/static/<name>"}
"""What is fetched and nobody reads, and what only leads on."""


def test_every_page_a_person_can_open_is_among_the_sights() -> None:
    pages = {route.rule for route in routes() if "GET" in route.methods and route.access != Access.SIBLING}
    assert pages >= NO_PAGES
    known = Map([Rule(rule, endpoint=rule) for rule in pages]).bind("konsil.example")
    paths = [sight for seen in SIGHTS.values() for sight in seen if isinstance(sight, str)]
    shown = {known.match(path.partition("?")[0].translate(_PLACES))[0] for path in paths}
    assert sorted(pages - NO_PAGES - shown) == [], "add these to SIGHTS in tests/browser/sights.py"


_PLACES = str.maketrans({"{": None, "}": None})


async def test_axe_finds_nothing_wrong_with_any_page(browser: Chromium, tmp_path: Path) -> None:
    assert AXE.exists(), f"axe-core is not at {AXE}; `make setup` puts it there."
    wrong = []
    async with countries(tmp_path, "de", "fr") as (de, fr):
        async for sight, window in sights(browser, de, fr, scripts=True):
            await window.evaluate(AXE.read_text("utf-8"))
            for name, (width, dark, options) in LOOKS.items():
                await window.resize(width, dark=dark)
                wrong += [f"{sight}, {name}: {sentence}" for sentence in await broken(window, options)]
            await window.resize(1280)
        wrong += [complaint for window in browser.windows.values() for complaint in window.complaints]
    assert not wrong, "\n".join(wrong)


async def broken(window: Window, options: dict[str, Any]) -> list[str]:
    """The rules that the open page breaks, each with its node."""
    asked = json.dumps(options | {"resultTypes": ["violations"], "preload": False})
    found: list[str] = await window.evaluate(f"""axe.run({asked}).then((found) => found.violations.flatMap(
        ({{id, nodes}}) => nodes.map(({{target, failureSummary}}) => `${{id}} at ${{target}}: ${{failureSummary}}`)))""")
    return found
