"""A country is paused, and then it leaves: what doctors read of it, wherever it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation.identity import members_of
from posts.models import CaseFacts, Draft, Kind
from tests.servers import FakeSibling, Running, countries, know
from tests.test_leaving import published
from tests.test_pages import Browser


async def two(de: Running) -> tuple[FakeSibling, FakeSibling]:
    fr, it = FakeSibling("fr", 2), FakeSibling("it", 3)
    for fake in (fr, it):
        await know(de, fake)
    return fr, it


async def test_a_thread_names_only_who_will_read_and_says_who_will_not(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,), Browser(de) as ada, Browser(de) as ben:
        fr, it = await two(de)
        post = await published(de, "Ours?", fr.origin, it.origin)
        answer = it.note(de, "a1", inReplyTo=f"{de.url}/posts/{post}", to=[members_of(de.url), members_of(fr.origin)])
        assert (await it.send(de, it.activity("Create", answer)))[0] == 202
        await ada.login("ada")
        await ben.login("ben")
        page = (await ben.get(f"/p/{post}"))[1]
        assert "Answer (DE, FR, IT)" in page and "outside our control" not in page and "paused" not in page

        await de.its.siblings.pause("127.0.0.1:3", "test", "test")
        for who in (ada, ben):
            page = (await who.get(f"/p/{post}"))[1]
            assert "Italy: paused since" in page and "Answer (DE, FR, IT)" in page
        assert "paused since" in (await ada.get("/?tab=all"))[1] and "gets it later" in (await ada.get("/?tab=all"))[1]
        assert "Italy: paused since" in (await ada.get("/@doc@127.0.0.1:3"))[1]

        await de.its.siblings.revoke("127.0.0.1:3", "test", "left")
        for who in (ada, ben):
            page = (await who.get(f"/p/{post}"))[1]
            assert "Answer (DE, FR)" in page and "Answer (DE, FR, IT)" not in page
            assert page.count("What you answer does not get there.") == 1 and "Italy: outside our control since" in page
            assert "Italy: outside our control since" in (await who.get("/?tab=all"))[1]
        assert "Italy: outside our control since" in (await ada.get("/@doc@127.0.0.1:3"))[1]
        before = await de.count("deliveries", "state = 'pending'")
        await de.its.compose.reply(await de.author("ben"), post, "An answer.", "de")
        assert await de.count("deliveries", "state = 'pending'") == before + 1  # to France alone
        assert [place.origin for place in await de.its.compose.destinations()] == [fr.origin]


async def test_a_consult_whose_others_have_all_left_cannot_be_answered(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,), Browser(de) as ada:
        await two(de)
        people = [await de.its.directory.known(f"@doc@127.0.0.1:{port}") for port in (2, 3)]
        draft = Draft(Kind.CASE, "Between us?", "Text", "de", CaseFacts(("cardiology",)))
        both, one = [await de.its.compose.consult(await de.author("ada"), draft, doctors) for doctors in (people, people[1:])]
        await ada.login("ada")
        assert "Answer (2 colleagues)" in (await ada.get(f"/p/{both}"))[1]
        await de.its.siblings.revoke("127.0.0.1:3", "test", "left")
        page = (await ada.get(f"/p/{both}"))[1]
        assert "Answer (1 colleague)" in page and page.count("outside our control, reads nothing more") == 1
        page = (await ada.get(f"/p/{one}"))[1]
        assert "Nobody else in this consult can be reached any more." in page and "Answer (" not in page
        assert "Answer (0" not in (await ada.get("/consults"))[1]


@pytest.mark.parametrize("state", ["paused", "revoked"])
async def test_whoever_was_written_to_for_good_reads_that_it_can_no_longer_be_confirmed(tmp_path: Path, state: str) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,), Browser(de) as ada:
        fr, _ = await two(de)
        post = await published(de, "Ours?", fr.origin)
        await (de.its.siblings.pause if state == "paused" else de.its.siblings.revoke)("127.0.0.1:2", "test", "test")
        await ada.login("ada")
        page = " ".join((await ada.get(f"/p/{post}"))[1].split())
        assert ("FR waiting since" in page) == (state == "paused") and ("France: paused since" in page) == (state == "paused")
        assert ("France: outside our control since" in page) == (state == "revoked")
