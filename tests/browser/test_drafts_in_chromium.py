"""Drafts that save themselves where scripts run, and new posts that wait: seen in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posts.drafts import Sheet, What, Written
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.browser.chromium import Chromium
from tests.browser.hands import Mouse, sign_in
from tests.browser.window import Window
from tests.servers import PASSWORD, Running, countries, until

STATUS = ".saving [role=status]"
SAVED = f"document.querySelector({STATUS!r}).textContent.startsWith('Saved ')"
CASE = Draft(Kind.CASE, "Which?", "Text", "de", CaseFacts(("cardiology",)))


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de") as (one,):
        yield one


async def signed_in(browser: Chromium, at: Running, handle: str = "ada") -> Mouse:
    hands = Mouse(await browser.open())
    await sign_in(hands, at, handle)
    return hands


async def says(window: Window, words: str) -> None:
    """Until the form says this about its draft."""
    await window.until(f"document.querySelector({STATUS!r}).textContent.includes({words!r})")


async def reload(window: Window) -> None:
    async with window.leaving():
        await window.call("Page.reload")


async def text(window: Window) -> str:
    return str(await window.evaluate("document.querySelector('#text').value"))


async def test_what_is_typed_survives_the_page(browser: Chromium, de: Running) -> None:
    ada = await signed_in(browser, de)
    await ada.window.go(f"{de.url}/compose?kind=note")
    await ada.write("#question", "Which?")
    await ada.write("#text", "Half a thought")
    assert await de.count("drafts") == 0  # not with each keystroke
    await ada.window.until(SAVED)
    await reload(ada.window)
    assert await text(ada.window) == "Half a thought"
    await ada.window.click("#text")
    await ada.window.type(" and more of it. ")
    await ada.push(".brand")  # before two seconds are over
    await until(lambda: de.count("drafts", "fields LIKE '%more of it%'"))
    elsewhere = await signed_in(browser, de)  # another computer
    await elsewhere.push(".places .draft")
    assert "more of it" in await text(elsewhere.window) and await elsewhere.window.evaluate(SAVED)
    assert ada.window.complaints == [] and elsewhere.window.complaints == []


async def test_an_answer_that_is_sent_leaves_no_draft(browser: Chromium, de: Running) -> None:
    root = await de.its.compose.publish(await de.author("ben"), CASE, (), Reach.HOME, "")
    ada = await signed_in(browser, de)
    await ada.window.go(f"{de.url}/p/{root}")
    await ada.write("#text", "I would wait.")
    await ada.window.until(SAVED)
    await reload(ada.window)
    assert await text(ada.window) == "I would wait."
    await ada.window.click("#text")
    await ada.window.type(" Or not.")
    await ada.push("#answer .button")
    assert await de.count("posts", "parent_id IS NOT NULL") == 1 and await de.count("drafts") == 0
    await ada.push(".brand")
    assert await de.count("drafts") == 0 and ada.window.complaints == []


async def test_a_tab_that_knows_less_says_so_and_overwrites_nothing(browser: Chromium, de: Running) -> None:
    root = await de.its.compose.publish(await de.author("ben"), CASE, (), Reach.HOME, "")
    ada = await signed_in(browser, de)
    await ada.window.go(f"{de.url}/p/{root}")
    owner = (await de.author("ada")).actor
    await de.its.drafts.keep(owner, Sheet(What.REPLY, root, "", "another"), Written(text="From the other tab", language="de"))
    await ada.write("#text", "From this one")
    await says(ada.window, "elsewhere")
    assert await de.count("drafts", "fields LIKE '%other tab%'") == 1
    await ada.push("#answer .row [formaction]")  # to keep it all the same is a person's decision
    assert "Keeping this one replaces it" in await ada.window.text() and await text(ada.window) == "From this one"
    await ada.push("#answer .row [formaction]")
    assert await de.count("drafts", "fields LIKE '%From this one%'") == await de.count("drafts") == 1


async def test_a_session_that_ends_keeps_the_text_in_the_form_until_it_can_be_saved(browser: Chromium, de: Running) -> None:
    ada = await signed_in(browser, de)
    await ada.window.go(f"{de.url}/compose?kind=note")
    await ada.window.call("Network.clearBrowserCookies")
    await ada.write("#text", "Not lost")
    await says(ada.window, "Your session has ended")
    assert await ada.window.evaluate("document.querySelector('.saving a').checkVisibility()")
    assert await text(ada.window) == "Not lost" and await de.count("drafts") == 0
    await sign_in_beside(ada.window, "ben")  # on a ward's computer it may be somebody else
    await ada.window.evaluate("((real) => { window.fetch = (...what) => real(...what).then((answer) => {"
                              " window.heard = answer.status; return answer; }); })(fetch)")
    await ada.window.type(" yet")
    await ada.window.until("window.heard === 401")
    assert await de.count("drafts") == 0
    await sign_in_beside(ada.window, "ada")
    await ada.window.type(".")
    await ada.window.until(SAVED)
    assert await de.count("drafts", "fields LIKE '%Not lost yet.%'") == 1


async def sign_in_beside(window: Window, handle: str) -> None:
    """What signing in in another tab does to this one."""
    await window.evaluate(f"fetch('/login', {{method: 'POST', body: new URLSearchParams({{handle: {handle!r},"
                          f" password: {PASSWORD!r}}})}}).then(() => true)")


_SLOWLY = """((real) => { window.setInterval = (work, ms) => real(work, ms / 100); })(setInterval); delete window.EventSource"""


@pytest.mark.parametrize(("width", "asking"), [(1280, False), (320, False), (1280, True)])
async def test_new_posts_wait_behind_a_link_and_nothing_moves(browser: Chromium, de: Running, width: int, asking: bool) -> None:
    """They are heard of as they come; a browser that cannot listen asks once in a while."""
    await de.its.compose.publish(await de.author("ben"), CASE, (), Reach.HOME, "")
    ada = await signed_in(browser, de)
    await ada.window.call("Page.addScriptToEvaluateOnNewDocument", source=_SLOWLY if asking else "")
    await ada.window.resize(width)
    await ada.window.go(de.url)
    place = "document.querySelector('article').getBoundingClientRect().top"
    before = await ada.window.evaluate(place)
    assert not await ada.window.evaluate("document.querySelector('.news a').checkVisibility()")
    for number in (1, 2):
        await de.its.compose.publish(await de.author("ben"), CASE, (), Reach.HOME, "")
        await ada.window.until(f"document.querySelector('.news').innerText === '{number} new'")
        assert (await ada.window.evaluate("document.title")).startswith(f"({number}) ")
    assert await ada.window.evaluate(place) == before
    assert await ada.window.evaluate("document.querySelectorAll('article').length") == 1
    await ada.push(".news a")
    assert await ada.window.evaluate("document.querySelectorAll('article').length") == 3
    await ada.window.evaluate("Object.defineProperty(document, 'hidden', {value: true})")
    asked = "performance.getEntriesByType('resource').filter(({name}) => name.includes('/new?')).length"
    count = await ada.window.evaluate(asked)
    await ada.window.evaluate("new Promise((done) => setTimeout(done, 1500))")
    assert await ada.window.evaluate(asked) == count and ada.window.complaints == []
