"""A doctor sees what has come since she was there: in a conversation, in the lists, on her home page; and nobody else sees it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posts.models import CaseFacts, Draft, Kind, Reach
from tests.servers import Running, countries, until
from tests.test_pages import Browser

CASE = Draft(Kind.CASE, "Which?", "Text", "de", CaseFacts(("cardiology",)))
HOUR = 3600


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


async def ask(de: Running, handle: str) -> str:
    return await de.its.compose.publish(await de.author(handle), CASE, (), Reach.HOME, "")


async def answer(de: Running, handle: str, post: str) -> str:
    return await de.its.compose.reply(await de.author(handle, "reply"), post, "This one.", "de")


async def settled(de: Running, page: str, table: str = "thread_reads") -> str:
    """A page whose position is written down."""
    await until(lambda: not de.its.database._later)
    assert await de.count(table)
    return page


async def test_a_conversation_says_what_is_new_since_she_was_there(de: Running) -> None:
    post = await ask(de, "ben")
    async with Browser(de) as ada:
        await ada.login("ada")
        first = await settled(de, (await ada.get(f"/p/{post}"))[1])
        assert "since you were here" not in first
        de.its.clock.offset += HOUR
        old = await answer(de, "ben", post)
        second = await settled(de, (await ada.get(f"/p/{post}"))[1])
        assert "1 new answer since you were here" in second
        assert second.index('id="new"') < second.index(f'id="p-{old}"')
        again = await settled(de, (await ada.get(f"/p/{post}?answer={old}"))[1])
        assert "1 new answer since you were here" in again  # to answer it takes no mark away
        await answer(de, "ada", old)  # and one's own is not new
        de.its.clock.offset += HOUR
        later = [await answer(de, "ben", post), await answer(de, "ben", old)]
        third = await settled(de, (await ada.get(f"/p/{post}"))[1])
        assert "2 new answers since you were here" in third
        marked = re.findall(r'id="p-(\w+)">\s*<p class="eyebrow"><span class="mark new">', third)
        assert sorted(marked) == sorted(later)
        de.its.clock.offset += HOUR
        assert "since you were here" not in (await ada.get(f"/p/{post}"))[1]


async def test_a_page_that_nobody_looks_at_moves_nothing(de: Running) -> None:
    post = await ask(de, "ben")
    async with Browser(de) as ada:
        await ada.login("ada")
        for path in ("/", f"/p/{post}"):
            await ada.get(path, **{"sec-purpose": "prefetch"})
        await until(lambda: not de.its.database._later)
        assert await de.count("thread_reads") == await de.count("list_reads") == 0


async def test_lists_say_how_many_answers_are_new(de: Running) -> None:
    post, other = await ask(de, "ben"), await ask(de, "ben")
    async with Browser(de) as ada:
        await ada.login("ada")
        await settled(de, (await ada.get(f"/p/{post}"))[1])
        for one in (post, post, other):
            await answer(de, "ben", one)
        page = (await ada.get("/?tab=all"))[1]
        assert "2 new answers" in page and "1 new answer" not in page  # in the other one she has never been
        await answer(de, "ada", post)
        assert "2 new answers" in (await ada.get("/specialties/cardiology"))[1]
        await settled(de, (await ada.get(f"/p/{post}"))[1])
        assert "new answer" not in (await ada.get("/?tab=all"))[1].replace('data-many="{n} new', "")


async def test_home_draws_a_line_where_she_stopped_reading(de: Running) -> None:
    await ask(de, "ben")
    async with Browser(de) as ada:
        await ada.login("ada")
        assert "New since" not in await settled(de, (await ada.get("/"))[1], "list_reads")
        await ask(de, "ben")
        de.its.clock.offset += 20 * 60
        now = await settled(de, (await ada.get("/"))[1], "list_reads")
        assert "New since" in now and now.index("New since") < now.index("You have seen what follows")
        assert "New since" in await settled(de, (await ada.get("/"))[1], "list_reads")  # for as long as the visit lasts
        de.its.clock.offset += HOUR
        assert "New since" not in await settled(de, (await ada.get("/"))[1], "list_reads")
        assert "New since" not in (await ada.get("/?tab=country"))[1]  # each list has a line of its own


async def test_positions_go_with_the_post_with_the_doctor_and_after_half_a_year(de: Running) -> None:
    post = await ask(de, "ben")
    async with Browser(de) as ada:
        await ada.login("ada")
        await settled(de, (await ada.get(f"/p/{post}"))[1])
        await settled(de, (await ada.get("/"))[1], "list_reads")
        author = await de.author("ben")
        await de.its.editing.delete(author.actor, post)
        assert await de.count("thread_reads") == 0
        await settled(de, (await ada.get(f"/p/{await ask(de, 'ben')}"))[1])
        await de.its.departures.order("ada", "test")
        await de.its.departing.finish()
        assert await de.count("thread_reads") == await de.count("list_reads") == 0
    async with Browser(de) as ben:
        await ben.login("ben")
        await settled(de, (await ben.get("/"))[1], "list_reads")
        de.its.clock.offset += 181 * 24 * HOUR
        await de.its.readings.prune()
        assert await de.count("list_reads") == 0
