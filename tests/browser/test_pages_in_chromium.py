"""By keyboard alone, without JavaScript: asking, correcting, voting, and a session that ends over a text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser.looking import look
from tests.browser.window import Window
from tests.servers import PASSWORD, Running, countries, until


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
    await window.tab_to("input[name=signature]")
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
    assert await window.has(".steps a[href='/login']") and await look(window, "ended") == []
    kept = await window.evaluate("Object.fromEntries(new FormData(document.querySelector('main form')))")
    assert (kept["question"], kept["text"]) == ("Bleibt das?", "Ja.") and await de.count("posts") == 0
