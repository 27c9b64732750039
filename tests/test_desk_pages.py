"""Desks in the pages: operators make, hand over and close them; who answers for one publishes in its name; news, studies and
congresses have their places, and a congress goes into a calendar."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import icalendar
import pytest

from tests.servers import PASSWORD, Running, countries
from tests.test_consult_pages import seen
from tests.test_pages import Browser

SOON, AFTER = (date.today() + timedelta(days=30)).isoformat(), (date.today() + timedelta(days=32)).isoformat()
CONGRESS = {"kind": "congress", "question": "Annual meeting", "text": "Three days.", "language": "de", "starts": SOON,
            "ends": AFTER, "place": "Lyon", "link": "https://congress.example/2027", "specialties": "cardiology"}
NEWS = {"kind": "news", "question": "A new guideline", "text": "What changes.", "language": "de", "sponsored": "no",
        "specialties": "cardiology"}


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de") as (de,):
        await de.its.accounts.add_operator("op", "Operator", PASSWORD)
        await de.its.desks.add("redaktion", "Redaktion Kardiologie", "ada", ("cardiology",), "test")
        yield de


async def published(ada: Browser, written: dict[str, str]) -> str:
    """Go through the steps and publish at home; where it is then."""
    page = (await ada.post("/compose", written | {"step": "confirm", "reach": "home"}))[1]
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    status, where = await ada.post("/compose", form | {"step": "publish"})
    assert status == 303, where
    return where


async def test_operators_make_hand_over_and_close_desks(de: Running) -> None:
    async with Browser(de) as op, Browser(de) as ada:
        await op.login("op")
        new = {"handle": "news", "name": "News desk", "doctor": "@ben", "specialty": "neurology"}
        assert (await op.post("/admin/desks", new))[0] == 303
        words = seen((await op.get("/admin/desks"))[1])
        assert "News desk @news Dr Ben @ben Neurology" in words and "Redaktion Kardiologie @redaktion Dr Ada @ada" in words
        for wrong, field in (({"handle": "news"}, "handle"), ({"doctor": "nobody", "handle": "x"}, "doctor"),
                             ({"name": "", "handle": "x"}, "name")):
            status, page = await op.post("/admin/desks", new | wrong)
            assert status in (400, 404, 409) and f'id="error-{field}"' in page and f'value="{(new | wrong)["doctor"]}"' in page
        assert (await op.post("/admin/desks/news/hand-over", {"doctor": "ada"}))[0] == 303
        assert (await op.post("/admin/desks/news/close", {"reason": ""}))[0] == 400
        assert (await op.post("/admin/desks/news/close", {"reason": "no editors"}))[0] == 303
        assert "closed" in seen((await op.get("/admin/desks"))[1])
        await ada.login("ada")
        for path in ("/admin/desks", "/admin/desks/news/close"):
            assert (await ada.post(path, new | {"reason": "mine"}))[0] in (403, 404)


async def test_news_are_written_in_the_name_of_the_desk_and_say_who_has_paid(de: Running) -> None:
    async with Browser(de) as ada, Browser(de) as ben:
        await ada.login("ada")
        await ben.login("ben")
        page = (await ada.get("/compose?kind=news"))[1]
        assert '<option value="redaktion" selected>Redaktion Kardiologie</option>' in page
        assert 'name="desk"' not in (await ada.get("/compose?kind=case"))[1]
        page = (await ben.get("/compose?kind=news"))[1]
        assert 'value="news"' not in page and "Redaktion" not in page
        status, page = await ada.post("/compose", NEWS | {"desk": "redaktion", "sponsored": "", "step": "audience"})
        assert status == 400 and 'id="error-sponsor"' in page
        page = (await ada.post("/compose", NEWS | {"desk": "redaktion", "step": "audience"}))[1]
        assert 'name="signature"' not in page.split("<fieldset", 1)[1] and 'value="named"' not in page
        where = await published(ada, NEWS | {"desk": "redaktion"})
        words = seen((await ben.get(where))[1])
        assert "Redaktion Kardiologie Editorial desk Germany" in words and "Dr Ada answers for it" in words
        assert "Sponsor nobody" in words
        assert "Redaktion Kardiologie" in seen((await ben.get("/?tab=news"))[1])
        assert "A new guideline" in seen((await ben.get("/specialties/cardiology?tab=news"))[1])
        for elsewhere in ("/?tab=asked", "/specialties/cardiology?tab=cases", "/specialties/cardiology?tab=studies"):
            assert "A new guideline" not in seen((await ben.get(elsewhere))[1])
        status, page = await ben.post("/compose", NEWS | {"desk": "redaktion", "step": "confirm", "reach": "home"})
        assert status == 403


async def test_a_case_is_never_in_the_name_of_a_desk(de: Running) -> None:
    case = {"kind": "case", "question": "Which?", "text": "A story.", "language": "de", "specialties": "cardiology"}
    async with Browser(de) as ada:
        await ada.login("ada")
        page = (await ada.post("/compose", NEWS | {"desk": "redaktion", "turn": "case"}))[1]
        assert 'name="desk"' not in page
        status, _ = await ada.post("/compose", case | {
            "desk": "redaktion", "step": "confirm", "reach": "home", "signature": "name"})
        where = await published(ada, case | {"signature": "name"})
        assert status == 200 and "Redaktion" not in (await ada.get(where))[1]


async def test_a_congress_goes_into_a_calendar_and_out_of_the_list_when_it_is_over(de: Running) -> None:
    async with Browser(de) as ada, Browser(de) as ben:
        await ada.login("ada")
        await ben.login("ben")
        where = await published(ada, CONGRESS | {"desk": "redaktion"})
        over = await published(ada, CONGRESS | {
            "desk": "redaktion", "question": "Last year's", "starts": "2020-01-01", "ends": ""})
        for path in ("/congresses", "/specialties/cardiology?tab=congresses"):
            words = seen((await ben.get(path))[1])
            assert "Annual meeting" in words and "Last year" not in words
        status, made = await ben.get(f"{where}/congress.ics")
        [event] = icalendar.Calendar.from_ical(made).walk("VEVENT")
        assert status == 200 and str(event["summary"]) == "Annual meeting" and str(event["location"]) == "Lyon"
        assert event["dtstart"].dt == date.fromisoformat(SOON)
        assert event["dtend"].dt == date.fromisoformat(AFTER) + timedelta(days=1)
        assert str(event["url"]) == "https://congress.example/2027"
        assert (await ben.get(f"{over}/congress.ics"))[0] == 200
        news = await published(ada, NEWS | {"desk": "redaktion"})
        assert (await ben.get(f"{news}/congress.ics"))[0] == 404


async def test_home_begins_with_what_nobody_has_answered_in_ones_specialties(de: Running) -> None:
    case = {"kind": "case", "question": "Which valve?", "text": "A story.", "language": "de", "signature": "name"}
    async with Browser(de) as ada, Browser(de) as ben:
        await ada.login("ada")
        await ben.login("ben")
        mine = await published(ada, case | {"specialties": "cardiology"})
        await published(ada, case | {"question": "Which nerve?", "specialties": "neurology"})
        words = seen((await ben.get("/"))[1])
        assert "Which valve?" in words and "Which nerve?" not in words and "Open, asked just now" in words
        await de.its.compose.reply(await de.author("ben", "reply"), mine.rpartition("/")[2], "The mitral one.", "de")
        assert "Which valve?" not in seen((await ben.get("/"))[1])
        assert "Which valve?" in seen((await ben.get("/?tab=specialties"))[1])
