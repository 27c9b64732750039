"""Consults in the pages: who will read is said before sending and on the page, and the operators' sentence with it."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from actors.attention import Attention
from actors.models import Author, Role
from actors.store import save
from posts.models import Draft, Kind, Reach
from tests.conversations.test_consults import CASE, met
from tests.servers import Running, countries, until
from tests.test_pages import Browser, fields

WRITTEN = {"kind": "note", "question": "Would you operate?", "text": "A story for few.", "language": "de"}
SENTENCE = "The operators of Konsil Germany and Konsil France could technically read this."


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


def seen(page: str) -> str:
    """The words of a page as they are read."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


async def test_a_consult_goes_to_those_it_names_after_a_last_look(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    claire = await met(de, fr, "ada")
    async with Browser(de) as ada, Browser(de) as ben, Browser(fr) as at_lyon, Browser(fr) as other:
        for browser, handle in ((ada, "ada"), (ben, "ben"), (at_lyon, "ada"), (other, "ben")):
            await browser.login(handle)
        assert "No consults yet" in (await ada.get("/consults"))[1]
        page = (await ada.post("/compose", WRITTEN | {"step": "audience"}))[1]
        assert 'value="named"' in page and "The operators of your instance and of theirs" in page
        choice = {"reach": "named", "doctor": f"{claire.mention}, @ben@{de.domain}", "was": "home"}
        status, page = await ada.post("/compose", WRITTEN | choice | {"step": "confirm"})
        assert status == 200 and "Only these colleagues will be able to read it: Dr Ada and Dr Ben." in page
        assert SENTENCE in page and "Send to Dr Ada and Dr Ben" in page and await de.count("posts") == 0
        status, where = await ada.post("/compose", WRITTEN | fields(page) | {"step": "publish"})
        assert status == 303
        await until(lambda: fr.count("consults"))

        thread = seen((await ada.get(where))[1])
        assert SENTENCE in thread and "3 colleagues are in this consult" in thread and "Answer (2 colleagues)" in thread
        assert "verified by Konsil France" in thread and "Dr Ben Cardiology Germany" in thread
        there = (await at_lyon.get("/consults"))[1]
        assert "Would you operate?" in there and "Only between Dr Ada, Dr Ada and 1 more" in seen(there)
        found = re.search(r'href="/p/(\w+)"', there)
        assert found is not None
        assert "Only these" not in (await other.get("/consults"))[1] and (await other.get(f"/p/{found[1]}"))[0] == 404
        answer = await at_lyon.post(f"/p/{found[1]}/reply", {"text": "No.", "language": "fr"})
        assert answer[0] == 303
        await until(lambda: de.count("posts", "parent_id IS NOT NULL"))
        assert "last written in: just now" in seen((await ben.get("/consults"))[1])
        for path in ("/", "/?tab=all", "/?tab=country", "/mine"):
            page = (await ada.get(path))[1]
            assert ("Would you operate?" in page) == (path == "/mine"), path
        assert "Save (2 colleagues)" in (await ada.get(f"{where}/edit"))[1]


async def test_a_profiles_link_names_the_colleague_from_the_first_step_to_the_last(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    claire = await met(de, fr, "ada")
    async with Browser(de) as ada:
        await ada.login("ada")
        link = re.search(r'href="(/compose\?kind=case&amp;to=[^"]*)">Ask Dr Ada only', (await ada.get(f"/{claire.mention}"))[1])
        assert link is not None
        assert fields((await ada.get(html.unescape(link[1])))[1])["doctor"] == claire.mention
        assert "/compose?kind=case&amp;to" not in (await ada.get("/@ada"))[1]
        page = (await ada.get(f"/compose?kind=note&to={claire.mention}"))[1]
        assert f"For {claire.mention} only." in page and fields(page)["reach"] == "named"
        page = (await ada.post("/compose", WRITTEN | fields(page) | {"step": "audience"}))[1]
        assert 'value="named" checked' in page and f'value="{claire.mention}"' in page
        page = (await ada.get("/compose?kind=case&to="))[1]
        assert fields(page)["reach"] == "named" and "doctor" not in fields(page)


async def test_a_handle_nobody_has_keeps_everything_typed_and_is_named(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await de.add_doctor("zoe", proven=False)
    async with Browser(de) as ada:
        await ada.login("ada")
        for typed, sentence in (
                ("", "Name at least one colleague."),
                ("@ada", "A consult needs somebody besides yourself."),
                ("zoe", f"There is no doctor @zoe@{de.domain} in this network."),
                (f"@ben @nobody@{fr.domain}", f"There is no doctor @nobody@{fr.domain} in this network."),
                (" ".join(f"@d{number}" for number in range(21)), "A consult goes to 1 to 20 colleagues.")):
            choice = {"reach": "named", "doctor": typed, "step": "confirm", "was": "named"}
            status, page = await ada.post("/compose", WRITTEN | choice)
            assert status == 400 and sentence in page and 'id="error-doctors"' in page, typed
            assert fields(page)["text"] == "A story for few." and f'name="doctor" value="{typed}"' in page
            assert 'value="named" checked' in page
        several = [*WRITTEN.items(), ("reach", "named"), ("step", "confirm"), ("doctor", "@ben"), ("doctor", "@nobody")]
        page = (await ada.post("/compose", several))[1]
        assert re.findall(r'value="([^"]*)"[^>]*aria-invalid', page) == ["@nobody"]
        assert await de.count("posts") == await de.count("outbox") == 0


async def test_colleagues_named_beside_another_choice_are_a_slip_that_tells_nobody(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    async with Browser(de) as ada:
        await ada.login("ada")
        for reach in ("home", "countries", "network"):
            choice = {"reach": reach, "doctor": "@ben", "origin": fr.url, "was": "countries"}
            status, page = await ada.post("/compose", WRITTEN | choice | {"step": "confirm"})
            assert status == 400 and "Colleagues are named, but another choice is marked" in page and 'value="@ben"' in page
        home = {"reach": "home", "doctor": "@ben", "was": "named", "step": "confirm"}
        status, page = await ada.post("/compose", WRITTEN | home)
        assert status == 200 and "Publish in Germany only" in page and "@ben" not in page


async def test_a_handle_that_means_somebody_else_by_now_is_not_written_to(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    claire = await met(de, fr, "ada")
    async with Browser(de) as ada:
        await ada.login("ada")
        choice = {"reach": "named", "doctor": claire.mention}
        page = (await ada.post("/compose", WRITTEN | choice | {"step": "confirm"}))[1]
        await de.its.database.write(lambda tx: tx.run("UPDATE actors SET gone_at = 1 WHERE id = ?", (claire.id,)))
        assert (await ada.post("/compose", WRITTEN | fields(page) | {"step": "publish"}))[0] == 400
        other = msgspec.structs.replace(claire, id=de.its.ids.new(), uri=f"{fr.url}/actors/{'0' * 13}", name="Dr Other")
        await de.its.database.write(lambda tx: save(tx, other, de.its.clock.ms()))
        status, page = await ada.post("/compose", WRITTEN | fields(page) | {"step": "publish"})
        assert status == 409 and "stands for somebody else now" in page and await de.count("posts") == 0


async def test_who_was_met_is_suggested_and_who_is_shunned_is_not(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    ada, ben = await de.author("ada"), await de.author("ben")
    await de.add_doctor("zoe")
    await de.add_doctor("mia")
    zoe, mia = await de.author("zoe"), await de.author("mia")

    async def suggested(author: Author) -> list[str]:
        return [doctor.handle for doctor in await de.its.colleagues.suggested(author.actor)]

    assert await suggested(ada) == []
    asked = await de.its.compose.publish(ada, Draft(Kind.NOTE, "Who?", "Text", "de"), (), Reach.HOME, "")
    await de.its.compose.reply(ben, asked, "I.", "de")
    await de.its.compose.consult(mia, CASE, [ada.actor])
    await de.its.database.write(lambda tx: tx.run(
        "INSERT INTO follows (follower_id, followed_id, state, uri, uri_key, at) VALUES (?, ?, 'accepted', 'x', x'00', 1)",
        (ada.actor.id, zoe.actor.id)))
    assert await suggested(ada) == ["ben", "mia", "zoe"] and await suggested(ben) == ["ada"]
    await de.its.database.write(lambda tx: tx.run(
        "INSERT INTO shuns (actor_id, other_id, kind, at) VALUES (?, ?, 'mute', 1)", (ada.actor.id, ben.actor.id)))
    assert await suggested(ada) == ["mia", "zoe"]
    async with Browser(de) as browser:
        await browser.login("ada")
        page = (await browser.post("/compose", WRITTEN | {"step": "audience"}))[1]
        assert f'<option value="{zoe.actor.mention}">Dr Zoe, Cardiology</option>' in page


async def test_consults_come_a_page_at_a_time_the_last_written_in_first(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    ada, ben = await de.author("ada"), await de.author("ben")
    await de.its.attentions.change(de.doctors["ben"], Attention(asks=50))
    made = [await de.its.compose.consult(ada, Draft(Kind.NOTE, f"Number {number}?", "Text", "de"), [ben.actor])
            for number in range(21)]
    await de.its.compose.reply(ben, made[0], "Yes.", "de")
    async with Browser(de) as browser:
        await browser.login("ada")
        first = (await browser.get("/consults"))[1]
        assert re.findall(r"Number (\d+)\?", first) == ["0", *(str(number) for number in range(20, 1, -1))]
        older = re.search(r'href="(/consults\?before=\w+)"', first)
        assert older is not None
        assert re.findall(r"Number (\d+)\?", (await browser.get(older[1]))[1]) == ["1"]


async def test_students_who_may_not_ask_are_not_offered_to(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    await de.add_doctor("stu", Role.STUDENT)
    async with Browser(de) as student:
        await student.login("stu")
        page = (await student.get("/consults"))[1]
        assert "No consults yet" in page and "/compose" not in page
        assert (await student.post("/compose", WRITTEN | {"reach": "named", "doctor": "@ben", "step": "confirm"}))[0] == 403
