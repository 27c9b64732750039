"""Pages of specialties and hashtags, as a doctor meets them: what stands there, what waits, and the button to follow."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.models import Author, Role
from core.countries import specialties
from posts.models import CaseFacts, Draft, Kind, Reach
from posts.timelines import PAGE
from tests.servers import Running, countries
from tests.test_pages import Browser


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


async def case(at: Running, author: Author, question: str, *codes: str, text: str = "Text.") -> str:
    return await at.its.compose.publish(author, Draft(Kind.CASE, question, text, "de", CaseFacts(codes)), (), Reach.HOME, "")


def questions(page: str) -> list[str]:
    return [html.unescape(found) for found in re.findall(r'<h2[^>]*><a href="/p/\w+">([^<]*)</a>', page)]


async def test_every_specialty_stands_in_the_list_with_what_waits_and_what_is_followed(de: Running) -> None:
    ben = await de.author("ben")
    for question in ("First?", "Second?"):
        answered = await case(de, ben, question, "nephrology", "urology")
    await de.its.compose.reply(await de.author("ada"), answered, "So.", "de")
    await case(de, ben, "Third?", "nephrology")
    async with Browser(de) as ada:
        await ada.login("ada")
        page = (await ada.get("/specialties"))[1]
        listed = re.findall(r'<li id="t-([\w-]+)">\s*<p>\s*<a href="/specialties/([\w-]+)">', page)
        assert len(listed) == len(specialties()) and all(one == other for one, other in listed)
        rows = {row.partition('"')[0]: row.partition("</li>")[0] for row in page.split('<li id="t-')[1:]}
        assert "2 cases wait" in rows["nephrology"] and "1 case waits" in rows["urology"] and "wait" not in rows["cardiology"]
        assert "</span> followed</span>" in rows["cardiology"] and "Unfollow" in rows["cardiology"]
        assert "Unfollow" not in rows["nephrology"] and "None yet." in page
        assert (await ada.post("/specialties/nephrology/follow", {"list": "1"})) == (303, "/specialties#t-nephrology")
        assert (await ada.post("/specialties/cardiology/follow", {"stop": "1"})) == (303, "/specialties/cardiology")
        assert (await ada.post("/tags/Sepsis/follow", {})) == (303, "/tags/sepsis")
        page = (await ada.get("/specialties"))[1]
        rows = {row.partition('"')[0]: row.partition("</li>")[0] for row in page.split('<li id="t-')[1:]}
        assert "Unfollow" in rows["nephrology"] and "Unfollow" not in rows["cardiology"]
        assert 'href="/tags/sepsis">#sepsis</a>' in rows["#sepsis"] and "None yet." not in page
        assert (await ada.post("/tags/sepsis/follow", {"stop": "1", "list": "1"})) == (303, "/specialties#t-%23sepsis")


async def test_a_specialtys_page_has_all_and_what_waits_and_the_way_to_ask(de: Running) -> None:
    ben = await de.author("ben")
    answered = await case(de, ben, "Answered?", "nephrology")
    await case(de, ben, "Open?", "nephrology")
    await case(de, ben, "Elsewhere?", "urology")
    await de.its.compose.reply(await de.author("ada"), answered, "So.", "de")
    async with Browser(de) as ada:
        await ada.login("ada")
        page = (await ada.get("/specialties/nephrology"))[1]
        assert questions(page) == ["Open?", "Answered?"]
        assert 'href="/compose?kind=case&amp;specialty=nephrology"' in page
        assert 'class="chip" href="/specialties/nephrology"' in page
        assert questions((await ada.get("/specialties/nephrology?tab=waiting"))[1]) == ["Open?"]
        assert 'value="nephrology" selected' in (await ada.get("/compose?kind=case&specialty=nephrology"))[1]
        chosen = (await ada.get("/compose?kind=case&specialty=<b>"))[1].partition('id="specialties"')[2].partition("</select>")[0]
        assert "nephrology" in chosen and "selected" not in chosen
        assert "Nothing in Clinical oncology yet" in (await ada.get("/specialties/radiotherapy"))[1]
        assert "Nobody is waiting" in (await ada.get("/specialties/radiotherapy?tab=waiting"))[1]
        assert "Nothing older" in (await ada.get("/specialties/radiotherapy?before=0000000000001"))[1]


async def test_pages_go_on_by_key(de: Running) -> None:
    ben = await de.author("ben")
    for number in range(PAGE + 3):
        await case(de, ben, f"Question {number}?", "nephrology", text="Mit #Sepsis.")
    async with Browser(de) as ada:
        await ada.login("ada")
        for path in ("/specialties/nephrology", "/specialties/nephrology?tab=waiting", "/tags/sepsis"):
            page = (await ada.get(path))[1]
            found = questions(page)
            more = re.search(r'<a href="([^"]*before=[^"]*)" rel="next">', page)
            assert len(found) == PAGE and more is not None and more[1].startswith(path)
            page = (await ada.get(html.unescape(more[1])))[1]
            assert found + questions(page) == [f"Question {number}?" for number in reversed(range(PAGE + 3))]
            assert "Back to the newest" in page and 'rel="next"' not in page


async def test_a_hashtags_page_has_what_carries_it_in_whatever_case(de: Running) -> None:
    await case(de, await de.author("ben"), "Carries?", "nephrology", text="Mit #Größe, ohne `#anderes`.")
    async with Browser(de) as ada:
        await ada.login("ada")
        for path in ("/tags/gr%C3%B6sse", "/tags/GR%C3%96SSE", "/tags/gro%CC%88%C3%9Fe"):
            page = (await ada.get(path))[1]
            assert questions(page) == ["Carries?"] and "<h1>#grösse</h1>" in page, path
            assert 'action="/tags/gr%C3%B6sse/follow"' in page
        page = (await ada.get("/tags/anderes"))[1]
        assert "Nothing with #anderes yet" in page and "/compose?kind=case&amp;specialty" not in page
        await ada.post("/tags/gr%C3%B6sse/follow", {})
        assert questions((await ada.get("/?tab=following"))[1]) == ["Carries?"]
        assert "Unfollow" in (await ada.get("/tags/gr%C3%B6sse"))[1]


async def test_what_is_no_topic_is_not_there_in_words_and_cannot_be_followed(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        before = await de.count("topic_follows")
        for path, why in (
                ("/specialties/nothing", "There is no such specialty"), ("/specialties/%23sepsis", "There is no such specialty"),
                *((f"/tags/{name}", "A hashtag has 1 to 60 letters") for name in ("1", "a%20b", "%3Cb%3E", "a" * 61))):
            status, page = await ada.get(path)
            assert status == 404 and why in page and 'href="/specialties"' in page, path
            assert (await ada.post(f"{path}/follow", {}))[0] == 404
        assert await de.count("topic_follows") == before


async def test_the_left_column_names_my_specialties_with_what_waits_there(de: Running) -> None:
    await case(de, await de.author("ben"), "Open?", "cardiology")
    async with Browser(de) as ada:
        await ada.login("ada")
        for code in ("urology", "anaesthetics"):
            await ada.post(f"/specialties/{code}/follow", {})
        await ada.post("/tags/sepsis/follow", {})
        places = re.search(r'<nav class="places".*?</nav>', (await ada.get("/specialties/urology"))[1], re.DOTALL)
        assert places is not None
        named = re.findall(r'<a href="/specialties/?([\w-]*)"([^>]*)>(.*?)</a>', places[0])
        assert [code for code, _, _ in named] == ["anaesthetics", "cardiology", "urology", ""]
        assert re.sub(r"<[^>]*>", "", named[1][2]) == "Cardiology 1 waiting case" and named[3][2] == "All specialties"
        assert [code for code, more, _ in named if "aria-current" in more] == ["urology"]


async def test_a_student_follows_and_is_not_offered_to_ask(de: Running) -> None:
    await de.add_doctor("stu", Role.STUDENT)
    async with Browser(de) as student:
        await student.login("stu")
        page = (await student.get("/specialties/nephrology"))[1]
        assert "/compose" not in page and 'action="/specialties/nephrology/follow"' in page
        assert (await student.post("/specialties/nephrology/follow", {}))[0] == 303
        assert await de.count("topic_follows", "topic = 'nephrology'") == 1
