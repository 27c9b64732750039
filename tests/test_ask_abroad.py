"""Asking abroad what was asked at home: a new post in which the author names the countries, and a link that stays here."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import NotFound
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.servers import Running, countries, until
from tests.test_consult_pages import seen
from tests.test_pages import Browser, fields

CASE = Draft(Kind.CASE, "Which test first?", "A <long> story.", "de", CaseFacts(("cardiology",), "40-49", "f", "therapeutic"))


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


async def at_home(de: Running, handle: str = "ada", draft: Draft = CASE) -> str:
    return await de.its.compose.publish(await de.author(handle), draft, (), Reach.HOME, "")


async def test_a_post_at_home_is_asked_abroad_as_a_new_post_that_is_linked_here_and_nowhere_else(
        pair: tuple[Running, Running]) -> None:
    de, fr = pair
    home = await at_home(de)
    await de.its.compose.reply(await de.author("ben"), home, "At home we say yes.", "de")
    async with Browser(de) as ada, Browser(de) as ben:
        await ada.login("ada")
        await ben.login("ben")
        assert f"/compose?abroad={home}" in (await ada.get(f"/p/{home}"))[1]
        assert "/compose?abroad" not in (await ben.get(f"/p/{home}"))[1]
        page = (await ada.get(f"/compose?abroad={home}"))[1]
        assert "From your post at home" in page and 'value="Which test first?"' in page and "A &lt;long&gt; story." in page
        assert 'value="cardiology" selected' in page and 'value="40-49" selected' in page
        assert 'value="therapeutic" selected' in page and fields(page)["asked_from"] == home
        written = {"kind": "case", "question": "Which test first?", "text": "A <long> story.", "language": "de",
                   "specialties": "cardiology", "age_band": "40-49", "sex": "f", "aim": "therapeutic", "asked_from": home,
                   "ground": "anonymous", "no_name": "1"}
        page = (await ada.post("/compose", written | {"step": "audience"}))[1]
        choices = re.findall(r'<input type="(?:radio|checkbox)" (?!name="(?:ground|no_name)")[^>]*>', page)
        assert len(choices) == 5 and not any("checked" in choice or 'value="home"' in choice or 'value="named"' in choice
                                             for choice in choices)
        for nothing in ({}, {"reach": "countries"}, {"reach": "home"}, {"reach": "home", "origin": fr.url}):
            status, page = await ada.post("/compose", written | nothing | {"step": "confirm"})
            assert status == 400 and "Choose who may read this." in page, nothing
        status, page = await ada.post("/compose", written | {"origin": fr.url, "step": "confirm"})
        assert status == 400 and "Choose how you sign." in page
        status, page = await ada.post("/compose", written | {"origin": fr.url, "step": "confirm", "signature": "name"})
        assert status == 200 and "Publish to Germany, France" in page and "sent to nobody" in page
        assert await de.count("posts", "parent_id IS NULL") == 1
        status, where = await ada.post("/compose", written | fields(page) | {"step": "publish"})
        assert status == 303
        await until(lambda: fr.count("posts"))

        assert "Asked abroad: FR (0 answers)" in seen((await ada.get(f"/p/{home}"))[1])
        assert f'href="{where}"' in (await ada.get(f"/p/{home}"))[1]
        assert f'href="/p/{home}">From your post at home' in (await ada.get(where))[1]
        for page in ((await ben.get(f"/p/{home}"))[1], (await ben.get(where))[1]):
            assert "Asked abroad" not in page and "From your post at home" not in page

        claire = await fr.author("ada")
        [there] = (await fr.its.timelines.home(claire.actor, "all", None)).posts
        await fr.its.compose.reply(claire, there.id, "In Lyon we say no.", "fr")
        await until(lambda: de.count("posts", "language = 'fr'"))
        assert "In Lyon" not in (await ada.get(f"/p/{home}"))[1] and "In Lyon" in (await ada.get(where))[1]
        assert "FR (1 answer)" in seen((await ada.get(f"/p/{home}"))[1])
        assert await fr.count("posts", "asked_from IS NOT NULL") == 0 and await fr.count("posts", "language = 'de'") == 1
    row = await de.its.database.read(lambda tx: tx.row("SELECT count(*) AS n FROM outbox WHERE instr(body, ?) > 0",
                                                       (home.encode(),)))
    assert row is not None and row["n"] == 0 and await de.count("outbox") > 0


async def test_a_poll_takes_its_options_along(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    poll = PollDraft(("first", "second"), True, de.its.clock.ms() + 3_600_000)
    home = await at_home(de, draft=Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), poll))
    async with Browser(de) as ada:
        await ada.login("ada")
        page = (await ada.get(f"/compose?abroad={home}"))[1]
        assert ">first\nsecond</textarea>" in page and 'name="multiple" value="1" checked' in page


async def test_only_ones_own_post_at_home_is_asked_abroad(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    home, others = await at_home(de), await at_home(de, "ben")
    answer = await de.its.compose.reply(await de.author("ada"), home, "Nobody?", "de")
    ada = await de.author("ada")
    places = await de.its.compose.destinations()
    seen_list = de.its.compose.network_digest(places)
    abroad = await de.its.compose.publish(ada, CASE, (fr.url,), Reach.COUNTRIES, seen_list)
    async with Browser(de) as browser:
        await browser.login("ada")
        for post_id, status in ((others, 403), (answer, 404), (abroad, 404), ("0" * 13, 404)):
            assert (await browser.get(f"/compose?abroad={post_id}"))[0] == status
        assert "/compose?abroad" not in (await browser.get(f"/p/{abroad}"))[1]
    for post_id in (others, answer, abroad, "0" * 13):
        with pytest.raises(NotFound):
            await de.its.compose.publish(ada, CASE, (fr.url,), Reach.COUNTRIES, seen_list, asked_from=post_id)
    assert await de.count("posts", "asked_from IS NOT NULL") == 0


async def test_what_was_deleted_at_home_meanwhile_can_go_out_on_its_own(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    home = await at_home(de)
    written = {"kind": "note", "question": "Which?", "text": "Text", "language": "de", "asked_from": home, "origin": fr.url,
               "reach": "countries", "signature": "name"}
    async with Browser(de) as ada:
        await ada.login("ada")
        page = (await ada.post("/compose", written | {"step": "confirm"}))[1]
        await de.its.editing.delete((await de.author("ada")).actor, home)
        status, page = await ada.post("/compose", written | fields(page) | {"step": "publish"})
        assert status == 409 and "not at home any more" in page and fields(page)["asked_from"] == ""
        assert f'value="{fr.url}" checked' in page and fields(page)["text"] == "Text" and await fr.count("posts") == 0
