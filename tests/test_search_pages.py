"""Searching as a doctor meets it: the field on every page, filters, what is found, and what the empty pages say."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.models import Role
from posts.models import CaseFacts, Draft, Kind, Reach
from posts.search import PAGE
from tests.servers import Running, countries
from tests.test_pages import Browser


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


async def asked(at: Running, question: str, text: str = "Text.") -> str:
    draft = Draft(Kind.CASE, question, text, "de", CaseFacts(("cardiology",), "50-59", "f", "therapeutic"))
    return await at.its.compose.publish(await at.author("ben"), draft, (), Reach.HOME, "")


async def entered(at: Running) -> None:
    while await at.its.indexing.step():
        pass


async def test_what_is_found_is_marked_and_nothing_of_it_is_markup(de: Running) -> None:
    post = await asked(de, "Fieber <b>nach</b> Reise?", "Seit Tagen Fieber & CRP `<5`.")
    answer = await de.its.compose.reply(await de.author("ada", "reply"), post, "Welches Fieber?", "de")
    await entered(de)
    async with Browser(de) as ada:
        await ada.login("ada")
        home = (await ada.get("/"))[1]
        assert 'action="/search" class="find" role="search"' in home
        status, page = await ada.get("/search?q=fieber")
        assert status == 200
        assert "<mark>Fieber</mark> &lt;b&gt;nach&lt;/b&gt; Reise?" in page
        assert "Seit Tagen <mark>Fieber</mark> &amp; CRP &lt;5." in page
        assert f'href="/p/{answer}#p-{answer}"' in page and "From an answer" in page
        assert 'value="fieber"' in page
        page = (await ada.get("/search?q=fieber&kind=case&sex=f"))[1]
        assert f'id="p-{post}"' in page and f'id="p-{answer}"' not in page
        assert '<details open>' in page and '<option value="f" selected>' in page
        page = (await ada.get('/search?q="><script>'))[1]
        assert 'value="&#34;&gt;&lt;script&gt;"' in page and "Nothing found" in page
        assert "What are you looking for?" in (await ada.get("/search"))[1]


async def test_long_lists_go_on_with_the_same_words_and_filters(de: Running) -> None:
    for number in range(PAGE + 1):
        await asked(de, f"Fieber {number}")
    await entered(de)
    async with Browser(de) as ada:
        await ada.login("ada")
        page = (await ada.get("/search?q=fieber&specialty=cardiology"))[1]
        assert page.count("<article") == PAGE
        (older,) = re.findall(r'href="(/search\?[^"]*before=[^"]*)"', page)
        assert "q=fieber" in older and "specialty=cardiology" in older
        page = (await ada.get(older.replace("&amp;", "&")))[1]
        assert page.count("<article") == 1 and "Fieber</mark> 0" in page and "Back to the newest" in page
        assert "Without filters" in page


async def test_a_page_says_when_much_is_not_found_yet(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        assert "is being prepared" not in (await ada.get("/search"))[1]
        await de.its.database.write(lambda tx: tx.insert("unindexed (post_id)", 1, [(number,) for number in range(1, 1001)]))
        assert "is being prepared" in (await ada.get("/search"))[1]


async def test_similar_questions_stand_beside_the_choice_of_readers(de: Running) -> None:
    post = await asked(de, "Gentamicin bei Endokarditis?", "Streptococcus gallolyticus.")
    await entered(de)
    async with Browser(de) as ada:
        await ada.login("ada")
        form = {"kind": "case", "question": "Gallolyticus-Endokarditis", "text": "Gentamicin?", "language": "de",
                "specialties": "cardiology", "step": "audience"}
        page = (await ada.post("/compose", form))[1]
        assert "Similar questions" in page and f'<a href="/p/{post}" target="_blank"' in page
        page = (await ada.post("/compose", form | {"question": "Anderes", "text": "Anders."}))[1]
        assert "Similar questions" not in page


async def test_students_search_and_who_is_not_verified_has_no_field(de: Running) -> None:
    await asked(de, "Fieber")
    await entered(de)
    await de.add_doctor("stu", Role.STUDENT)
    await de.add_doctor("new", proven=False)
    async with Browser(de) as stu, Browser(de) as new:
        await stu.login("stu")
        assert "<mark>Fieber</mark>" in (await stu.get("/search?q=fieber"))[1]
        await new.login("new")
        status, page = await new.get("/search?q=fieber")
        assert status == 403 and "Fieber" not in page and 'class="find"' not in page
