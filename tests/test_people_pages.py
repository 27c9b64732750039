"""People's pages as doctors meet them: profiles, the directory, requests and what shuts somebody out, without a script."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.models import Role
from actors.profiles import Said
from tests.conversations.test_the_whole_path import case, published
from tests.servers import FakeSibling, Running, countries, until
from tests.test_directory import put
from tests.test_pages import Browser
from tests.test_relations import doctor


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (de,):
        yield de


async def test_a_doctor_asks_to_follow_is_accepted_and_finds_what_was_asked_on_the_profile(house: Running) -> None:
    await published(house, case("What first?"))
    async with Browser(house) as ada, Browser(house) as ben:
        assert await ada.login("ada") == await ben.login("ben") == 303
        page, full = [re.sub(r'name="(?:form|mark|draft)" value="[^"]*"', "", (await ben.get(path))[1])
                      for path in ("/@ada", f"/@ada@{house.domain}")]
        assert "What first?" in page and "verified by Konsil Germany" in page and "Ask to follow" in page
        assert 'href="/specialties/cardiology"' in page and full == page
        assert await ben.post("/@ada/relation", {"do": "follow"}) == (303, f"/@ada@{house.domain}")
        assert "There is no answer yet" in (await ben.get("/@ada"))[1]
        assert "Withdraw" in (await ben.get("/follows?tab=following"))[1]
        assert "Dr Ben asks to follow you" in (await ada.get("/@ben"))[1] and "Dr Ben" in (await ada.get("/follows"))[1]
        assert await ada.post("/@ben/relation", {"do": "accept", "tab": "requests"}) == (303, "/follows?tab=requests")
        assert "No request" in (await ada.get("/follows"))[1] and "Dr Ben" in (await ada.get("/follows?tab=followers"))[1]
        assert "What first?" in (await ben.get("/?tab=following"))[1]
        assert "You have followed Dr Ada since" in (await ben.get("/@ada"))[1]
        assert (await ada.post("/@ben/relation", {"do": "dismiss"}))[0] == 303
        assert "Ask to follow" in (await ben.get("/@ada"))[1]


async def test_a_block_says_what_it_does_and_hides_and_can_be_ended(house: Running) -> None:
    await published(house, case("What first?"))
    async with Browser(house) as ben:
        await ben.login("ben")
        page = (await ben.get("/@ada"))[1]
        assert "A block does not hide you: what you share with Germany, every doctor there can read, Dr Ada too." in page
        assert (await ben.post("/@ada/relation", {"do": "block"}))[0] == 303
        page = (await ben.get("/@ada"))[1]
        assert "You have blocked Dr Ada" in page and "What first?" not in page and "Ask to follow" not in page
        assert "What first?" in (await ben.get("/@ada?posts=1"))[1] and "What first?" not in (await ben.get("/?tab=all"))[1]
        assert "Dr Ada" in (await ben.get("/follows?tab=blocked"))[1]
        status, page = await ben.post("/@ada/relation", {"do": "follow"})
        assert status == 400 and "End the block first" in page and 'role="alert"' in page
        assert (await ben.post("/@ada/relation", {"do": "end", "tab": "blocked"})) == (303, "/follows?tab=blocked")
        assert "Nobody is blocked" in (await ben.get("/follows?tab=blocked"))[1] and "What first?" in (await ben.get("/@ada"))[1]


async def test_a_mute_lasts_as_long_as_was_said(house: Running) -> None:
    async with Browser(house) as ben:
        await ben.login("ben")
        for hours in ("0", "soon", "-1", "9" * 9):
            status, page = await ben.post("/@ada/relation", {"do": "mute", "hours": hours})
            assert status == 400 and "Say for how long" in page
        assert await house.count("shuns") == 0
        for hours, said in (("24", "You have muted Dr Ada until"), ("", "You have muted Dr Ada until you end it")):
            assert (await ben.post("/@ada/relation", {"do": "mute", "hours": hours}))[0] == 303
            assert said in (await ben.get("/@ada"))[1] and "Dr Ada" in (await ben.get("/follows?tab=muted"))[1]
        assert (await ben.post("/@ada/relation", {"do": "end"}))[0] == 303 and await house.count("shuns") == 0


async def test_who_is_not_there_not_proven_or_not_met_is_the_same_404(house: Running) -> None:
    await house.add_doctor("zoe", proven=False)
    met = await put(house.its, "Dr Met", sibling=await FakeSibling("fr", 2).listed(house, "active"))
    async with Browser(house) as ben:
        await ben.login("ben")
        assert "Dr Met" in (await ben.get(f"/{met.mention}"))[1]
        nothing = (await ben.get("/@nobody"))[1]
        assert "There is no such page" in nothing
        for mention in ("zoe", "ghost", f"zoe@{house.domain}", "ghost@127.0.0.1:2", "doc@elsewhere.example", "a b", "@", "%00"):
            assert await ben.get(f"/@{mention}") == (404, nothing), mention
            assert (await ben.post(f"/@{mention}/relation", {"do": "follow"})) == (404, nothing), mention
    assert await house.count("follows") == 0


async def test_a_form_that_says_nothing_or_comes_from_elsewhere_does_nothing(house: Running) -> None:
    async with Browser(house) as ben:
        await ben.login("ben")
        for data in ({}, {"do": "everything"}):
            assert (await ben.post("/@ada/relation", data))[0] == 400
        for path, data in (("/@ada/relation", {"do": "block"}), ("/settings/profile", {"about": "x"}),
                           ("/directory", {"name": "@ada"})):
            assert (await ben.post(path, data, **{"sec-fetch-site": "cross-site"}))[0] == 403
        assert (await ben.post("/@ada/relation", {"do": "follow", "tab": "//evil.example"}))[1] == f"/@ada@{house.domain}"
    assert await house.count("shuns") == 0 and await house.count("actors", "about <> ''") == 0


async def test_one_says_who_one_is_and_whether_to_be_found_abroad(house: Running) -> None:
    async with Browser(house) as ben, Browser(house) as ada:
        await ben.login("ben")
        await ada.login("ada")
        assert "Change your profile" in (await ben.get("/@ben"))[1] and "Ask to follow" not in (await ben.get("/@ben"))[1]
        status, page = await ben.post("/settings/profile", {"about": "x" * 501, "discoverable": "1"})
        assert status == 400 and "x" * 501 in page and " checked" in page and "at most 500" in page
        assert await house.count("actors", "discoverable = 1") == 0
        status, where = await ben.post("/settings/profile", {"about": "Hearts <b>\r\n\r\nand valves", "discoverable": "1"})
        assert (status, where) == (303, f"/@ben@{house.domain}")
        assert "Hearts &lt;b&gt;\nand valves" in (await ada.get("/@ben"))[1]
        assert "Hearts &lt;b&gt;" in (await ada.get("/directory"))[1]
        page = (await ben.get("/settings/profile"))[1]
        assert "Hearts &lt;b&gt;\nand valves</textarea>" in page and " checked" in page


async def test_colleagues_are_found_by_name_specialty_country_and_address(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr), Browser(de) as ben:
        await ben.login("ben")
        page = (await ben.get("/directory"))[1]
        assert "Dr Ada" in page and "Dr Ben" in page and f'value="{de.country}" selected' in page
        assert "Dr Ada" not in (await ben.get("/directory?name=be"))[1]
        assert "Nobody found" in (await ben.get("/directory?specialty=nephrology"))[1]
        assert "Nobody found" in (await ben.get("/directory?country=fr"))[1]
        await fr.its.profiles.change(await doctor(fr, "ada"), Said("Lyon", discoverable=True))
        await until(lambda: de.count("actors", "discoverable = 1"))
        assert "Lyon" in (await ben.get("/directory?country=fr"))[1]
        page = (await ben.get("/directory?country=&name=ad"))[1]
        assert f"@ada@{fr.domain}" in page and f"@ada@{de.domain}" in page
        typed = f"@ben@{fr.domain}"
        assert "Go to this profile" in (await ben.get(f"/directory?name={typed}"))[1] and (await ben.get(f"/{typed}"))[0] == 404
        assert await ben.post("/directory", {"name": typed}) == (303, f"/{typed}")
        assert (await ben.get(f"/{typed}"))[0] == 200
        status, page = await ben.post("/directory", {"name": "@ben@elsewhere.example"})
        assert status == 400 and "There is no doctor @ben@elsewhere.example in this network" in page and 'id="error-name"' in page


async def test_the_directory_goes_on_page_by_page_with_its_filters(house: Running) -> None:
    fr = await FakeSibling("fr", 2).listed(house, "active")
    for number in range(25):
        await put(house.its, f"Dr Same {number:02}", sibling=fr, discoverable=True)
    async with Browser(house) as ben:
        await ben.login("ben")
        page = (await ben.get("/directory?country=fr&name=sa"))[1]
        assert "Dr Same 19" in page and "Dr Same 20" not in page
        link = next(part.split('"')[0] for part in page.split('href="') if "after=" in part).replace("&amp;", "&")
        page = (await ben.get(link))[1]
        assert "Dr Same 19" not in page and "Dr Same 20" in page and "Dr Same 24" in page and "Back to the first ones" in page
        assert 'value="sa"' in page and 'value="fr" selected' in page and "rel=\"next\"" not in page


async def test_a_badge_that_has_ended_says_since_when(house: Running) -> None:
    await published(house, case("What first?"))
    await house.add_doctor("stu", Role.STUDENT)
    async with Browser(house) as ben:
        await ben.login("ben")
        assert "verified by Konsil Germany from the register, until" in (await ben.get("/@stu"))[1]
        await house.its.accounts.suspend("ada", "left", "test")
        for path in ("/@ada", "/?tab=all"):
            page = (await ben.get(path))[1]
            assert "no longer verified since" in page and "What first?" in page


async def test_a_student_may_follow(house: Running) -> None:
    await house.add_doctor("stu", Role.STUDENT)
    async with Browser(house) as stu:
        await stu.login("stu")
        assert (await stu.post("/@ada/relation", {"do": "follow"}))[0] == 303
    assert await house.count("follows") == 1


async def test_a_country_that_was_revoked_is_said_to_be_out_of_reach(house: Running) -> None:
    fr = await FakeSibling("fr", 2).listed(house, "active")
    met = await put(house.its, "Dr Met", sibling=fr)
    async with Browser(house) as ben:
        await ben.login("ben")
        assert "Ask to follow" in (await ben.get(f"/{met.mention}"))[1]
        await house.its.siblings.revoke("127.0.0.1:2", "test", "test")
        page = (await ben.get(f"/{met.mention}"))[1]
        assert "France is not connected any more" in page and "Ask to follow" not in page
        status, page = await ben.post(f"/{met.mention}/relation", {"do": "follow"})
        assert status == 400 and "cannot be reached" in page
