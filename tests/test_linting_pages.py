"""What could identify the patient, on the pages: shown beside its field, replaced by a button, confirmed once for one text."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posts.models import CaseFacts, Draft, Kind, Reach
from tests.servers import Running, countries
from tests.test_pages import Browser, fields

NIR = "1 85 05 78 006 084 91"
NOTE = {"kind": "note", "question": "Since 3 April 2024?", "text": "Mr Smith came on 5 April 2024.", "language": "en",
        "step": "audience"}
LOOKED = re.compile(r'name="looked" value="(\w+)"')


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


@pytest.fixture
async def ada(de: Running) -> AsyncIterator[Browser]:
    async with Browser(de) as browser:
        await browser.login("ada")
        yield browser


def choices(page: str) -> list[str]:
    return [html.unescape(value) for value in re.findall(r'name="apply" value="([^"]*)"', page)]


async def asked(de: Running) -> str:
    draft = Draft(Kind.CASE, "Which?", "Text", "en", CaseFacts(("cardiology",)))
    return await de.its.compose.publish(await de.author("ada"), draft, (), Reach.HOME, "")


async def test_findings_stand_beside_their_field_and_one_click_goes_on(de: Running, ada: Browser) -> None:
    status, page = await ada.post("/compose", NOTE)
    assert status == 200 and "Step 1 of 3" in page and "3 places could identify the patient" in page
    question, text = page.partition('id="findings-question"')[2].partition('id="findings-text"')[::2]
    assert "<mark>3 April 2024</mark>" in question and "<mark>Mr Smith</mark>" in text and "An exact date" in question
    assert "Replace by “day 2”" in text and "Replace by “This patient”" in text
    looked = LOOKED.search(page)
    assert looked is not None
    status, page = await ada.post("/compose", NOTE | {"looked": looked[1]})
    assert "Step 2 of 3" in page and looked[1] in page
    status, page = await ada.post("/compose", NOTE | fields(page) | {"step": "confirm", "reach": "home"})
    assert "Step 3 of 3" in page and "3 places that you have looked at" in page and "<mark>Mr Smith</mark>" in page
    status, _ = await ada.post("/compose", NOTE | fields(page) | {"step": "publish"})
    assert status == 303 and await de.count("posts") == 1


async def test_another_text_asks_anew_and_a_guessed_confirmation_is_none(de: Running, ada: Browser) -> None:
    looked = LOOKED.search((await ada.post("/compose", NOTE))[1])
    assert looked is not None
    for changed in ({"text": NOTE["text"] + " Mrs Jones too."}, {"looked": "x"}, {"looked": ""}):
        status, page = await ada.post("/compose", NOTE | {"looked": looked[1]} | changed)
        assert status == 200 and "Step 1 of 3" in page and "could identify the patient" in page
    other = {"looked": looked[1], "text": "Mr Brown.", "step": "publish", "reach": "home"}
    status, page = await ada.post("/compose", NOTE | other)
    assert status == 200 and "Step 1 of 3" in page and await de.count("posts") == 0


async def test_a_proposal_is_one_click_and_dates_go_together(ada: Browser) -> None:
    page = (await ada.post("/compose", NOTE))[1]
    date = next(choice for choice in choices(page) if "5 April" in choice)
    status, page = await ada.post("/compose", NOTE | {"apply": date})
    assert status == 200 and 'value="Since day 0?"' in page and ">Mr Smith came on day 2.</textarea>" in page
    assert "Replaced." in page and "1 place could identify" in page
    name = choices(page)
    assert len(name) == 1
    status, page = await ada.post("/compose", NOTE | {"question": "Since day 0?", "text": "Mr Smith came.", "apply": name[0]})
    assert ">This patient came.</textarea>" in page and "Nothing else was noticed" in page
    assert (await ada.post("/compose", NOTE | {"apply": "nonsense"}))[0] == 200


async def test_a_number_that_stands_for_one_person_stops_everything(de: Running, ada: Browser) -> None:
    found = NOTE | {"text": f"Card {NIR}.", "question": "Who?"}
    status, page = await ada.post("/compose", found)
    assert status == 400 and 'id="error-text"' in page and "French social security number" in page and "must go" in page
    assert LOOKED.search(page) is None and len(choices(page)) == 1
    for step in ("confirm", "publish"):
        assert (await ada.post("/compose", found | {"step": step, "reach": "home", "looked": "x"}))[0] == 400
    page = (await ada.post("/compose", found | {"apply": choices(page)[0]}))[1]
    assert ">Card […].</textarea>" in page and await de.count("posts") == 0


async def test_an_answer_costs_a_click_more_only_where_something_was_found(de: Running, ada: Browser) -> None:
    post = await asked(de)
    path = f"/p/{post}/reply"
    assert (await ada.post(path, {"text": "BP 120/80, try 5 mg.", "language": "en"}))[0] == 303
    status, page = await ada.post(path, {"text": "Mrs Jones needs it.", "language": "en"})
    looked = LOOKED.search(page)
    assert status == 200 and looked is not None and "<mark>Mrs Jones</mark>" in page and await de.count("posts") == 2
    assert ">Mrs Jones needs it.</textarea>" in page
    page = (await ada.post(path, {"text": "Mrs Jones needs it.", "language": "en", "apply": choices(page)[0]}))[1]
    assert ">This patient needs it.</textarea>" in page
    assert (await ada.post(path, {"text": "Mrs Jones needs it.", "language": "en", "looked": looked[1]}))[0] == 303
    status, page = await ada.post(path, {"text": NIR, "language": "en", "looked": looked[1]})
    assert status == 400 and "must go" in page and await de.count("posts") == 3


async def test_an_edit_is_looked_at_like_a_new_text(de: Running, ada: Browser) -> None:
    post = await asked(de)
    form = {"question": "Which?", "text": "Seen at the Royal Marsden.", "revision": "1"}
    status, page = await ada.post(f"/p/{post}/edit", form)
    looked = LOOKED.search(page)
    assert status == 200 and looked is not None and "<mark>Royal Marsden</mark>" in page
    page = (await ada.post(f"/p/{post}/edit", form | {"apply": choices(page)[0]}))[1]
    assert ">Seen at the [hospital].</textarea>" in page
    assert (await ada.post(f"/p/{post}/edit", form | {"text": NIR}))[0] == 400
    assert await de.count("revisions") == 0
    assert (await ada.post(f"/p/{post}/edit", form | {"looked": looked[1]}))[0] == 303 and await de.count("revisions") == 1


async def test_what_was_looked_at_stays_so_in_the_draft(ada: Browser) -> None:
    page = (await ada.post("/compose", NOTE))[1]
    looked = LOOKED.search(page)
    assert looked is not None
    draft = fields(page)["draft"]
    saved = NOTE | {"looked": looked[1], "draft": draft}
    assert (await ada.post(f"/drafts/new/{draft}", saved))[0] == 303
    again = (await ada.get(f"/compose?draft={draft}"))[1]
    assert fields(again)["looked"] == looked[1]
