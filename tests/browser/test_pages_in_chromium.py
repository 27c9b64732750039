"""Pages as people see them: every page in light, dark, on a phone and at 200 % zoom, and by keyboard alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium
from tests.browser.sights import sights
from tests.browser.window import Window
from tests.servers import PASSWORD, Running, countries, until

AUDIT = Path(__file__).with_name("audit.js").read_text("utf-8")
WINDOWS = {"desk": (1280, False), "desk, dark": (1280, True), "200 % zoom": (640, False), "phone, dark": (390, True),
           "narrow": (320, False)}


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


async def login(window: Window, at: Running, handle: str) -> None:
    await window.call("Network.clearBrowserCookies")
    await window.go(f"{at.url}/login")
    await window.until("document.activeElement.id === 'handle'")
    await window.type(handle)
    await window.press("Tab")
    await window.type(PASSWORD)
    await window.press("Enter", leaves=True)
    assert await window.evaluate("document.querySelector('.who') !== null")


async def look(window: Window, where: str) -> list[str]:
    """What is wrong with the open page in each of the windows."""
    wrong = []
    await window.press("Shift")  # the focus is shown to those who use the keyboard
    for name, (width, dark) in WINDOWS.items():
        await window.resize(width, dark=dark)
        wrong += [f"{where}, {name}: {sentence}" for sentence in await window.evaluate(AUDIT)]
    await window.resize(1280)
    return wrong


async def test_every_page_reads_well_in_every_window(pair: tuple[Running, Running], browser: Chromium) -> None:
    wrong = []
    async for sight, window in sights(browser, *pair, scripts=False):
        wrong += await look(window, sight)
    wrong += [complaint for window in browser.windows.values() for complaint in window.complaints]
    assert not wrong, "\n".join(wrong)


async def test_by_keyboard_alone_a_doctor_asks_corrects_and_publishes(pair: tuple[Running, Running], window: Window) -> None:
    de, fr = pair
    await login(window, de, "ada")
    await window.press("Tab")
    assert await window.evaluate("document.activeElement.matches('.skip')")
    await window.press("Enter")
    await window.until("document.activeElement.id === 'work'")
    await window.go(f"{de.url}/compose?kind=poll")
    await window.tab_to("#question")
    await window.type("Welches zuerst?")
    await window.tab_to("#options")
    await window.type("Dieses\ndieses zuletzt\nDieses")
    await window.tab_to(".row .button")
    await window.press("Enter", leaves=True)
    await window.until("document.activeElement.id === 'options'")  # the focus waits at the mistake
    assert await window.evaluate("document.querySelector('#question').value") == "Welches zuerst?"
    assert await look(window, "mistake") == []
    await window.evaluate("document.activeElement.value = ''")
    await window.type("Dieses\nJenes")
    await window.tab_to(".row .button")
    await window.press("Enter", leaves=True)
    assert await look(window, "audience") == []
    await window.tab_to("input[name=reach]")
    await window.press("ArrowDown")
    await window.tab_to("input[name=origin]")
    await window.press(" ")
    await window.tab_to("button[value=confirm]")
    await window.press("Enter", leaves=True)
    assert await look(window, "last look") == []
    await window.tab_to("button[value=publish]")
    await window.press("Enter", leaves=True)
    assert await window.evaluate("document.querySelector('h1').textContent") == "Welches zuerst?"
    await until(lambda: fr.count("posts"))
    await login(window, de, "ben")
    await window.go(f"{de.url}/?tab=all")
    await window.tab_to("input[name=choice]")
    await window.press(" ")
    await window.tab_to(".poll .button")
    await window.press("Enter", leaves=True)
    assert await window.evaluate("document.querySelector('.mine') !== null") and await look(window, "voted") == []


async def test_an_ended_session_gives_the_text_back(pair: tuple[Running, Running], window: Window) -> None:
    de, _ = pair
    await login(window, de, "ada")
    await window.go(f"{de.url}/compose?kind=note")
    await window.tab_to("#question")
    await window.type("Bleibt das?")
    await window.tab_to("#text")
    await window.type("Ja.")
    await window.call("Network.clearBrowserCookies")
    await window.tab_to(".row .button")
    await window.press("Enter", leaves=True)
    assert "session has ended" in await window.evaluate("document.body.innerText") and await look(window, "ended") == []
    kept = await window.evaluate("Object.fromEntries(new FormData(document.querySelector('main form')))")
    assert (kept["question"], kept["text"]) == ("Bleibt das?", "Ja.") and await de.count("posts") == 0
