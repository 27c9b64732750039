"""Settings: each section is saved by itself, and the language somebody chooses is the one she is spoken to, wherever she is."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import InvalidInput
from tests.promises.test_words import pseudo_german, spoken
from tests.servers import PASSWORD, Running, countries
from tests.test_pages import Browser


@pytest.fixture
async def fr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """A French instance for which there is a German catalogue only: it offers English and German."""
    pseudo_german(tmp_path / "locale")
    monkeypatch.setattr("instance.context.LOCALE", tmp_path / "locale")
    async with countries(tmp_path, "fr", worker=False) as (one,):
        await one.its.accounts.add_operator("op", "Operator", PASSWORD)
        yield one


def language_of(page: str) -> str:
    found = re.search(r'<html lang="([^"]*)"', page)
    assert found is not None
    return found[1]


async def test_a_chosen_language_holds_in_every_browser_until_another_is_chosen(fr: Running) -> None:
    async with Browser(fr) as ada, Browser(fr) as elsewhere, Browser(fr) as ben:
        for browser, handle in ((ada, "ada"), (elsewhere, "ada"), (ben, "ben")):
            assert await browser.login(handle) == 303
        page = (await ada.get("/settings"))[1]
        assert language_of(page) == "en" and "As your browser asks: English" in page
        assert (await ada.post("/settings/language", {"language": "de"})) == (303, "/settings?saved=language#language")
        page = (await ada.get("/settings?saved=language"))[1]
        assert language_of(page) == "de" and "«Saved.»" in page and 'value="de" lang="de" selected' in page
        assert language_of((await elsewhere.get("/", **{"accept-language": "en"}))[1]) == "de"
        assert language_of((await elsewhere.get("/imprint?lang=en"))[1]) == "de"
        assert language_of((await ben.get("/"))[1]) == "en"
        assert (await ada.post("/settings/language", {"language": ""}))[0] == 303
        assert language_of((await ada.get("/", **{"accept-language": "de"}))[1]) == "de"
        assert language_of((await ada.get("/", **{"accept-language": "en"}))[1]) == "en"


async def test_operators_and_applicants_have_settings_visitors_none(fr: Running) -> None:
    await fr.add_doctor("new", proven=False)
    async with Browser(fr) as operator, Browser(fr) as applicant, Browser(fr) as visitor:
        assert await operator.login("op") == 303 and await applicant.login("new") == 303
        for browser in (operator, applicant):
            assert (await browser.post("/settings/language", {"language": "de"}))[0] == 303
            assert language_of((await browser.get("/settings"))[1]) == "de"
        assert (await visitor.get("/settings")) == (303, "/login?next=/settings")
        assert (await visitor.post("/settings/language", {"language": "de"}))[0] == 401
        assert await fr.count("accounts", "language = 'de'") == 2


@pytest.mark.parametrize("language", ["fr", "xx-nonsense", "../../etc", "de; --", "d" * 5000])
async def test_a_language_that_is_not_offered_is_refused_and_nothing_changes(fr: Running, language: str) -> None:
    async with Browser(fr) as ada:
        await ada.login("ada")
        await ada.post("/settings/language", {"language": "de"})
        status, page = await ada.post("/settings/language", {"language": language})
        assert status == 400 and 'id="error-language"' in page and 'aria-invalid="true"' in page
        assert await fr.count("accounts", "language = 'de'") == 1


async def test_nobody_is_spoken_to_in_a_language_that_is_none(fr: Running) -> None:
    with pytest.raises(InvalidInput):
        await fr.its.accounts.choose_language(fr.doctors["ada"], "xx-nonsense")
    assert await fr.count("accounts", "language != ''") == 0


async def test_a_choice_that_is_no_longer_offered_falls_back_to_the_browsers(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pseudo_german(tmp_path / "locale")
    monkeypatch.setattr("instance.context.LOCALE", tmp_path / "locale")
    async with countries(tmp_path, "de", worker=False, settled=spoken("en")) as (de,), Browser(de) as ada:
        await de.its.accounts.choose_language(de.doctors["ada"], "de")
        await ada.login("ada")
        assert language_of((await ada.get("/"))[1]) == "en" and await de.count("accounts", "language = 'de'") == 1
