"""Passkeys, codes and the lock, seen in a browser with an authenticator that is none of its own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pyotp
import pytest

from core.settings import Settings
from tests.browser.chromium import Chromium
from tests.browser.hands import Hands, Keyboard, Mouse, sign_in
from tests.browser.looking import look, look_hard
from tests.browser.window import Window
from tests.servers import PASSWORD, Running, countries, until

SECURITY = "/settings/security"
LOCKED = "document.querySelector('#lock').open"


def idle(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, accounts=msgspec.structs.replace(settings.accounts, idle_minutes=15))


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", settled=idle, domain="localhost") as (one,):
        await one.its.accounts.add_operator("op", "Operator", PASSWORD)
        yield one


async def key_in(window: Window) -> str:
    """Plug a key into the browser that has looked at its holder; its name for the browser."""
    await window.call("WebAuthn.enable")
    found: dict[str, Any] = await window.call("WebAuthn.addVirtualAuthenticator", options={
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True,
        "automaticPresenceSimulation": True})
    return str(found["authenticatorId"])


async def add_passkey(hands: Hands, at: Running, name: str) -> None:
    await hands.window.go(f"{at.url}{SECURITY}/passkeys/new")
    await hands.write("#name", name)
    await hands.push("main form .button")


@pytest.mark.parametrize("kind", [Mouse, Keyboard])
async def test_a_passkey_is_made_and_opens_the_door_alone(browser: Chromium, de: Running, kind: type[Mouse | Keyboard]) -> None:
    ada = kind(await browser.open())
    await sign_in(ada, de, "ada")
    await key_in(ada.window)
    await add_passkey(ada, de, "my telephone")
    assert "my telephone" in await ada.window.text() and await de.count("passkeys") == 1
    await ada.window.go(f"{de.url}{SECURITY}/passkeys/new")
    await ada.window.click("main form .button")  # a browser makes no second one where one is
    await ada.window.until("!document.querySelector('main form .error').hidden")
    assert await de.count("passkeys") == 1
    await ada.push("header form .plain")
    assert await look_hard(ada.window, "the door with a passkey") == []
    await ada.push("[data-passkey] .button")
    assert await ada.window.has(".who") and await de.count("sessions", "proof = 'passkey'") == 1
    await ada.push("header form .plain")
    await ada.write("#handle", "ada")
    await ada.write("#password", PASSWORD)
    await ada.push(".door .button")
    assert "Use your passkey, or" in await ada.window.text() and await look(ada.window, "the second step") == []
    await ada.push("[data-passkey] .button")
    assert await ada.window.has(".who") and ada.window.complaints == []


async def test_without_a_key_the_page_says_so_and_the_password_still_works(browser: Chromium, de: Running) -> None:
    ada = Mouse(await browser.open())
    await key_in(ada.window)
    await ada.window.go(f"{de.url}/login")
    await ada.window.click("[data-passkey] .button")
    await ada.window.until("!document.querySelector('[data-passkey] .error').hidden")
    await sign_in(ada, de, "ada")


async def test_an_operator_sets_up_an_app_without_a_script(window: Window, de: Running) -> None:
    op = Keyboard(window)
    await window.go(de.url)
    await op.write("#handle", "op")
    await op.write("#password", PASSWORD)
    await op.push(".door .button")
    assert "Operators sign in with a second factor" in await window.text()
    await op.push("#codes .button")
    key = (await window.evaluate("document.querySelector('.key').textContent")).replace(" ", "")
    await op.write("#code", pyotp.TOTP(key).at(int(de.its.clock.now())))
    await op.push("main form .button")
    codes = re.findall(r"\b\w{5}-\w{5}\b", await window.text())
    assert len(codes) == 10 and await look(window, "recovery codes") == []
    await op.push("main .button")
    await window.go(f"{de.url}/admin/siblings")
    assert await window.has("h1") and "Siblings" in await window.text()


async def test_an_idle_page_covers_itself_and_nothing_that_was_typed_is_lost(browser: Chromium, de: Running) -> None:
    ada = Mouse(await browser.open())
    await sign_in(ada, de, "ada")
    await ada.window.call("Page.addScriptToEvaluateOnNewDocument",
                          source="((real) => { window.setTimeout = (work, ms) => real(work, ms / 1000); })(setTimeout)")
    await ada.window.go(f"{de.url}/compose?kind=note")
    await ada.write("#text", "Half a thought")
    await until(lambda: de.count("drafts", "fields LIKE '%Half a thought%'"))
    de.its.clock.offset = 17 * 60
    await ada.window.until(LOCKED)
    assert await look_hard(ada.window, "a covered page") == []
    await ada.window.press("Tab")
    await ada.window.call("Input.dispatchKeyEvent", type="keyDown", key="Escape", windowsVirtualKeyCode=27)
    await ada.window.call("Input.dispatchKeyEvent", type="keyUp", key="Escape", windowsVirtualKeyCode=27)
    assert await ada.window.evaluate(LOCKED)
    await ada.write("#lock-password", "a guess")
    await ada.window.press("Enter")
    await ada.window.until("!document.querySelector('#lock .error').hidden")
    assert await ada.window.evaluate(LOCKED)
    await ada.write("#lock-password", PASSWORD)
    await ada.window.press("Enter")
    await ada.window.until(f"!{LOCKED}")
    assert await ada.window.evaluate("document.querySelector('#text').value") == "Half a thought"
    await ada.write("#text", "A whole thought")
    await until(lambda: de.count("drafts", "fields LIKE '%A whole thought%'"))
    assert ada.window.complaints == []


async def test_what_is_sent_from_an_idle_page_goes_on_after_the_password(window: Window, de: Running) -> None:
    ada = Keyboard(window)
    await sign_in(ada, de, "ada")
    await window.go(f"{de.url}/settings")
    de.its.clock.offset = 17 * 60
    await ada.pick("#language-choice", "de")
    await ada.push("#language .button")
    assert "What you sent is kept" in await window.text() and await look(window, "the lock") == []
    await ada.write("#unlock-password", PASSWORD)
    await ada.push(".door .button")
    assert await window.evaluate("document.documentElement.lang") == "de" and await de.count("accounts", "language = 'de'") == 1
