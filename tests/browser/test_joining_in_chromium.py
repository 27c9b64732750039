"""A doctor applies in a real browser, from the door to having handed it in: with a mouse, by keyboard alone, in two languages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium
from tests.browser.hands import Hands, Keyboard, Mouse
from tests.browser.window import Window
from tests.mailserver import mailserver
from tests.servers import countries, until
from tests.test_joining_pages import link, with_document

SENT = "main .row .button"


@pytest.mark.parametrize(("hands", "language", "specialty"), [(Mouse, "de", "Kardiologie"), (Keyboard, "fr", "Cardiologie")],
                         ids=["clicked in German", "by keyboard alone in French"])
async def test_a_doctor_applies(browser: Chromium, tmp_path: Path, hands: Callable[[Window], Hands], language: str,
                                specialty: str) -> None:
    async with mailserver() as mail, countries(tmp_path, "de", settled=mail.used()) as (de,):
        vera = hands(await browser.open(scripts=False))
        await vera.window.go(f"{de.url}/login?lang={language}")
        await vera.push("main a[href='/join']")
        await vera.write("#address", "vera@klinik.example")
        await vera.push(SENT)
        await until(lambda: mail.taken)
        path = link(mail.taken[-1].text)
        await vera.window.go(f"{de.url}{path}?lang={language}")
        await vera.push("main .button")
        await with_document(de, path)
        await vera.write("#name", "Dr. Vera Beispiel")
        await vera.tick("input[name=role][value=doctor]")
        await vera.pick("#specialties", "cardiology")
        await vera.push(SENT)
        await vera.pick("#chamber", "be")
        await vera.pick("#register", "efn")
        await vera.write("#number", "802760107654320")
        await vera.write("#answer-university", "Charité")
        await vera.write("#answer-licence-year", "2009")
        await vera.write("#answer-licence-authority", "LAGeSo")
        await vera.push(SENT)
        assert await vera.window.has("#told-number")  # and she goes on
        await vera.push(".row .go")
        assert await vera.window.evaluate("location.pathname") == f"{path}/consents"
        for code in ("privacy", "truth", "secrecy"):
            await vera.tick(f"input[value={code}]")
        await vera.push(SENT)
        said = await vera.window.text()
        assert "Dr. Vera Beispiel" in said and specialty in said and "802760107654320" in said
        await vera.push(SENT)
        assert await vera.window.evaluate("location.pathname") == path
        application = (await de.its.joining.progress(path.removeprefix("/join/"))).application
        assert (application.state, application.language, application.specialties) == ("submitted", language, ("cardiology",))
        await vera.push("main a[href$='/withdraw']")
        await vera.push("main .button")
        assert await de.count("applications", "state = 'withdrawn' AND name = ''") == 1
        assert vera.window.complaints == []
