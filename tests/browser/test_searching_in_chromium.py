"""The search field in a browser: by keyboard with and without scripts, and what it leads to."""

from __future__ import annotations

from pathlib import Path

import pytest

from posts.models import CaseFacts, Draft, Kind, Reach
from tests.browser.chromium import Chromium
from tests.browser.looking import look
from tests.browser.test_pages_in_chromium import login
from tests.servers import countries


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_doctor_finds_by_keyboard_what_she_looks_for(tmp_path: Path, browser: Chromium, scripts: bool) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        draft = Draft(Kind.CASE, "Sarkoidose der Lunge?", "Text.", "de", CaseFacts(("cardiology",)))
        await de.its.compose.publish(await de.author("ben"), draft, (), Reach.HOME, "")
        await de.its.indexing.step()
        window = await browser.open(scripts=scripts)
        await login(window, de, "ada")
        if scripts:
            for kind in ("rawKeyDown", "keyUp"):
                await window.call(
                    "Input.dispatchKeyEvent", type=kind, key="k", code="KeyK", windowsVirtualKeyCode=75, modifiers=2)
            await window.until("document.activeElement.id === 'find'")
        else:
            await window.tab_to("#find")
        await window.type("sarko")
        await window.press("Enter", leaves=True)
        assert await window.evaluate("document.querySelector('mark').textContent") == "Sarkoidose"
        assert await window.evaluate("document.querySelector('#q').value") == "sarko"
        await window.tab_to("summary")
        await window.press("Enter")
        await window.until("document.querySelector('details').open")
        assert await look(window, "found") == [] and window.complaints == []
