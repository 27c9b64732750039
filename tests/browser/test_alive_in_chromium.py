"""An open page hears of news, Konsil can be installed and shows a page of its own without a network, and keeps nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.settings import Push, Settings
from instance.pushing import Sign
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.browser.chromium import Chromium
from tests.browser.hands import Mouse, sign_in
from tests.servers import Running, countries, until

CASE = Draft(Kind.CASE, "Which first?", "Secret text", "de", CaseFacts(("cardiology",)))
_KEPT = "caches.keys().then((all) => Promise.all(all.map((one) => caches.open(one).then((kept) => kept.keys()))))" \
    ".then((found) => found.flat().map(({url}) => new URL(url).pathname).sort())"


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    def settled(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, push=Push(("push.example",)))

    async with countries(tmp_path, "de", worker=False, settled=settled) as (one,):
        yield one


async def test_new_answers_wait_behind_a_link_where_she_writes_hers(browser: Chromium, de: Running) -> None:
    post = await de.its.compose.publish(await de.author("ben"), CASE, (), Reach.HOME, "")
    ada = Mouse(await browser.open())
    await sign_in(ada, de, "ada")
    await ada.window.go(f"{de.url}/p/{post}")
    await ada.window.until("!document.querySelector('.news').hidden")
    place = "document.querySelector('#answer').getBoundingClientRect().top"
    before = await ada.window.evaluate(place)
    await ada.window.evaluate("document.querySelector('#text').value = 'My own answer'")
    for number, words in ((1, "1 new answer"), (2, "2 new answers")):
        await de.its.compose.reply(await de.author("ben", "reply"), post, "One more.", "de")
        await ada.window.until(f"document.querySelector('.news').innerText === '{words}'")
        assert (await ada.window.evaluate("document.title")).startswith(f"({number}) ")
    assert await ada.window.evaluate(place) == before
    assert await ada.window.evaluate("document.querySelector('#text').value") == "My own answer"
    await ada.push(".news a")
    assert await ada.window.evaluate("document.querySelectorAll('.reply').length") == 2
    assert "since you were here" in await ada.window.text()
    consult = Draft(Kind.NOTE, "Between us?", "Text", "de")
    await de.its.compose.consult(await de.author("ben"), consult, [(await de.author("ada")).actor])
    await ada.window.until("document.querySelector('.places a[href=\"/consults\"] .count')?.textContent === '1 unread'")
    assert ada.window.complaints == []


async def test_without_a_server_there_is_one_page_and_nothing_was_kept(browser: Chromium, tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        post = await de.its.compose.publish(await de.author("ben"), CASE, (), Reach.HOME, "")
        ada = Mouse(await browser.open())
        await sign_in(ada, de, "ada")
        await ada.window.evaluate("navigator.serviceWorker.ready.then(() => true)")
        for path in ("/", f"/p/{post}", "/notifications", f"/p/{post}"):
            await ada.window.go(de.url + path)
        await ada.window.until("navigator.serviceWorker.controller !== null")
        assert "Which first?" in await ada.window.text()
        manifest = await ada.window.call("Page.getAppManifest")
        assert manifest["errors"] == [] and json.loads(manifest["data"])["short_name"] == "Konsil"
        assert await ada.window.evaluate(_KEPT) == ["/offline", "/static/icon.svg", "/static/konsil.css"]
        assert ada.window.complaints == []
    await ada.window.go(f"{de.url}/p/{post}")
    text = await ada.window.text()
    assert "No connection" in text and "Which first?" not in text and "Secret" not in text and "Dr Ada" not in text


async def _allow(browser: Chromium, ada: Mouse, de: Running, setting: str) -> None:
    """What somebody answers when her browser asks whether signs are allowed."""
    targets = (await browser.call("Target.getTargets"))["targetInfos"]
    [context] = [one["browserContextId"] for one in targets if one["url"].startswith(de.url) and one["type"] == "page"]
    await browser.call("Browser.setPermission", permission={"name": "notifications"}, setting=setting, origin=de.url,
                       browserContextId=context)


async def test_a_browser_that_does_not_allow_signs_says_so(browser: Chromium, de: Running) -> None:
    ada = Mouse(await browser.open())
    await sign_in(ada, de, "ada")
    await _allow(browser, ada, de, "denied")
    await ada.window.go(f"{de.url}/settings/attention")
    status = "document.querySelector('#push [role=status]').innerText"
    assert await ada.window.evaluate(status) == "This browser shows nothing by itself."
    await ada.unfold("#push .button")
    await ada.window.until(f"{status}.startsWith('Your browser does not allow it')")
    assert await de.count("push_subscriptions") == 0 and ada.window.complaints == []


async def test_a_sign_is_shown_as_it_was_sent(browser: Chromium, de: Running) -> None:
    ada, registered = Mouse(await browser.open()), list[str]()
    hear = ada.window.hear

    def note(method: str, said: dict[str, Any]) -> None:
        if method == "ServiceWorker.workerRegistrationUpdated":
            registered.extend(one["registrationId"] for one in said["registrations"])
        hear(method, said)

    ada.window.hear = note  # type: ignore[method-assign]
    await sign_in(ada, de, "ada")
    await _allow(browser, ada, de, "granted")
    await ada.window.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await ada.window.call("ServiceWorker.enable")
    await until(lambda: registered)
    sign = msgspec.json.encode(Sign("Something new on Konsil", "1 answer to what you wrote", "/notifications"))
    said = ("navigator.serviceWorker.ready.then((worker) => worker.getNotifications())"
            ".then((all) => all.map(({title, body, data}) => [title, body, data].join('|')).join())")

    async def shown() -> str:
        """What is shown after one more message; each takes the place of the one before. On a busy machine
        one was lost."""
        await ada.window.call("ServiceWorker.deliverPushMessage", origin=f"{de.url}/", registrationId=registered[-1],
                              data=sign.decode())
        await asyncio.sleep(1)
        return str(await ada.window.evaluate(said))

    await until(shown, 20)
    assert await ada.window.evaluate(said) == "Something new on Konsil|1 answer to what you wrote|/notifications"
