"""Choosing the conditions a case is about: they are looked up in any language, offered where the text names them, and read in
one's own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.servers import Running, countries
from tests.test_consult_pages import seen
from tests.test_pages import Browser

CASE = {"kind": "case", "question": "Cortisone o attesa?", "text": "Donna con sarcoidosi e tosse.", "language": "it",
        "specialties": "cardiology", "signature": "name"}


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de") as (de,):
        yield de


def offered(page: str) -> dict[str, bool]:
    """The conditions in a form, and whether each is chosen."""
    return {code: bool(ticked) for code, ticked in re.findall(
        r'<input type="checkbox" name="condition" value="([^"]+)"( checked)?', page)}


async def test_what_the_text_names_is_offered_and_anything_else_can_be_looked_up(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        assert offered((await ada.get("/compose?kind=case"))[1]) == {}
        page = (await ada.post("/compose", CASE | {"look_up": "1", "sought": "Riesenzellarteriitis"}))[1]
        assert offered(page) == {"giant-cell-arteritis": False, "sarcoidosis": False} and "Cortisone o attesa?" in page
        page = (await ada.post("/compose", CASE | {"look_up": "1", "sought": "", "condition": "giant-cell-arteritis"}))[1]
        assert offered(page) == {"giant-cell-arteritis": True, "sarcoidosis": False}
        page = (await ada.post("/compose", {"kind": "case", "look_up": "1", "sought": "zzzz"}))[1]
        assert offered(page) == {} and "Nothing in the list is called so" in page


async def test_a_chosen_condition_is_read_in_the_readers_language_and_leads_to_its_page(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        written = CASE | {"condition": "sarcoidosis"}
        page = (await ada.post("/compose", written | {"step": "confirm", "reach": "home"}))[1]
        form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        assert form["condition"] == "sarcoidosis"
        status, where = await ada.post("/compose", form | {"step": "publish"})
        assert status == 303
        page = (await ada.get(where))[1]
        assert '<a class="chip" href="/conditions/sarcoidosis">' in page
        assert offered((await ada.get(f"{where}/edit"))[1])["sarcoidosis"]
        german = await ada.get(where, **{"Accept-Language": "de"})
        assert "Sarkoidose" in seen(german[1])


async def test_a_condition_that_is_not_in_the_list_is_refused(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        status, page = await ada.post("/compose", CASE | {"step": "audience", "condition": "no-such-thing"})
        assert status == 400 and 'id="error-conditions"' in page
