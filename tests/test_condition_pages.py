"""Pages of conditions, as a doctor meets them: looked up in any language, shown in hers, with the registers beside."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.conditions import conditions, of_specialty
from tests.servers import Running, countries
from tests.test_pages import Browser


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


def listed(page: str) -> list[str]:
    return re.findall(r'<li><p><a href="/conditions/([\w-]+)">', page)


async def test_a_condition_is_looked_up_in_any_language_and_shown_in_the_readers(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        page = (await ada.get("/conditions"))[1]
        assert listed(page) == [] and "Nothing found" not in page and f"There are {len(conditions())}." in page
        assert 'href="/conditions"' in (await ada.get("/specialties"))[1]
        for typed in ("Sarkoidose", "sarcoidosi", "Sarco%C3%AFdose", "M.%20Boeck", "ORPHA:797"):
            page = (await ada.get(f"/conditions?q={typed}"))[1]
            assert listed(page)[0] == "sarcoidosis" and '<a href="/conditions/sarcoidosis">Sarcoidosis</a>' in page, typed
        assert listed((await ada.get("/conditions?q=arterit&specialty=neurology"))[1]) == ["giant-cell-arteritis"]
        assert "Nothing found" in (await ada.get("/conditions?q=%22%3E%3Cqw%3E"))[1]
        assert len(listed((await ada.get("/conditions?q=a"))[1])) == 50
        assert listed((await ada.get("/conditions?specialty=rheumatology"))[1]) == [
            one.code for one in of_specialty("rheumatology", "en")]
        assert listed((await ada.get("/conditions?specialty=nothing"))[1]) == []
        german = (await ada.get("/conditions?q=sarcoidosi&lang=de"))[1]
        assert '<a href="/conditions/sarcoidosis">Sarkoidose</a>' in german


async def test_a_conditions_page_has_its_names_its_specialties_and_the_registers(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        page = html.unescape((await ada.get("/conditions/sarcoidosis"))[1])
        assert "<h1>Sarcoidosis</h1>" in page and 'class="chip" href="/specialties/rheumatology"' in page
        assert '<dd lang="de">Sarkoidose, Morbus Boeck' in page and '<dd lang="fr">Sarcoïdose, ' in page
        links = re.findall(r'<a class="go" href="(https:[^"]+)" target="_blank" rel="noopener noreferrer">', page)
        assert links == [link.url for link in conditions()["sarcoidosis"].links("en")]
        assert "Where it can be read about" not in (await ada.get("/conditions/minoca"))[1]
        for code in ("nothing", "Sarcoidosis", "%3Cb%3E"):
            status, page = (await ada.get(f"/conditions/{code}"))[:2]
            assert status == 404 and "There is no such condition." in page and 'href="/conditions"' in page
