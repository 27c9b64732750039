"""New posts wait behind a link: a page can ask how many have come since it was drawn, and learns nothing else."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posts.models import CaseFacts, Draft, Kind, Reach
from posts.timelines import PAGE
from tests.servers import Running, countries
from tests.test_pages import Browser

CASE = Draft(Kind.CASE, "Which?", "Text", "de", CaseFacts(("cardiology",)))


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


async def ask(de: Running, handle: str, draft: Draft = CASE) -> str:
    return await de.its.compose.publish(await de.author(handle), draft, (), Reach.HOME, "")


async def new(browser: Browser, page: str) -> int:
    """What the script of this page would be told now."""
    found = re.search(r'data-new="([^"]+)"', page)
    assert found is not None
    status, told = await browser.get(html.unescape(found[1]))
    assert status == 200
    return int(json.loads(told)["count"])


async def test_a_page_learns_how_many_posts_of_others_have_come_since(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        empty = (await ada.get("/?tab=specialties"))[1]
        assert await new(ada, empty) == 0
        await ask(de, "ben")
        assert await new(ada, empty) == 1
        page = (await ada.get("/?tab=specialties"))[1]
        assert await new(ada, page) == 0 and 'data-one="{n} new"' in page
        await ask(de, "ada")
        await de.its.compose.consult(await de.author("ben"), CASE, [(await de.author("ada")).actor])
        assert await new(ada, page) == 0
        await ask(de, "ben")
        await ask(de, "ben", Draft(Kind.NOTE, "Elsewhere?", "Text", "de"))
        assert await new(ada, page) == 1
        assert await new(ada, page.replace("tab=specialties", "tab=country")) == 2
        assert await new(ada, page.replace("tab=specialties", "tab=abroad")) == 0
        await de.its.database.write(lambda tx: tx.run(
            "INSERT INTO shuns (actor_id, other_id, kind, at) SELECT a.id, b.id, 'block', 1 FROM actors a, actors b"
            " WHERE a.handle = 'ada' AND b.handle = 'ben'"))
        assert await new(ada, page) == 0
        assert "data-new" not in (await ada.get("/?before=0000000000001"))[1]


async def test_very_many_are_not_counted(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        empty = (await ada.get("/?tab=specialties"))[1]
        for _ in range(PAGE + 3):
            await ask(de, "ben")
        assert await new(ada, empty) == PAGE + 1


async def test_a_visitor_learns_nothing(de: Running) -> None:
    async with Browser(de) as visitor:
        status, where = await visitor.get("/new?tab=all&since=")
        assert status == 303 and where.startswith("/login")
