"""Who may speak and who is spoken of: badges follow the account, and only the verified are shown to anybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors.models import Role
from core.clock import parse_rfc3339, rfc3339
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.ids import public
from posts.models import Reach
from tests.conversations.test_the_whole_path import case, published
from tests.servers import FakeSibling, Running, countries, until
from tests.test_pages import Browser, fields


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[tuple[Running, FakeSibling]]:
    async with countries(tmp_path, "de", worker=False) as (de,):
        yield de, await FakeSibling().listed(de, "active")


async def served(de: Running, fake: FakeSibling, handle: str) -> list[tuple[int, Any]]:
    """What a sibling is told of a doctor: her actor, her outbox, her WebFinger."""
    account = await de.its.accounts.by_handle(handle)
    assert account is not None and account.actor_id is not None
    actor = f"{de.url}/actors/{public(account.actor_id)}"
    return [await fake.get(url) for url in (
        actor, f"{actor}/outbox", f"{de.url}/.well-known/webfinger?resource=acct:{handle}@{de.domain}")]


async def nobody(de: Running, fake: FakeSibling) -> list[tuple[int, Any]]:
    actor = f"{de.url}/actors/0000000000000"
    return [await fake.get(url) for url in (
        actor, f"{actor}/outbox", f"{de.url}/.well-known/webfinger?resource=acct:nobody@{de.domain}")]


async def test_of_an_account_that_was_never_verified_nothing_is_served(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    await de.add_doctor("new", proven=False)
    await de.add_doctor("rejected", proven=False)
    await de.its.accounts.reject("rejected", "no diploma", "test")
    missing = await nobody(de, fake)
    assert [status for status, _ in missing] == [404] * 3
    for handle in ("new", "rejected"):
        assert await served(de, fake, handle) == missing
    assert [status for status, _ in await served(de, fake, "ada")] == [200] * 3


async def test_a_badge_begins_when_the_doctor_is_verified(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    account = await de.add_doctor("new", Role.RESIDENT, proven=False)
    with pytest.raises(Refused):
        await de.its.credentials.author(account, "post")
    with pytest.raises(InvalidInput):
        await de.its.accounts.approve("new", "register", " ", "test")
    assert (await served(de, fake, "new"))[0][0] == 404
    de.its.clock.offset = 86_400  # the operator looks at the proof a day later
    verified = de.its.clock.ms()
    await de.its.accounts.approve("new", "register", "seen", "test")
    de.its.clock.offset = 0.0
    status, document = (await served(de, fake, "new"))[0]
    assert status == 200 and document["badge"]["verifiedBy"] == "Konsil Germany"
    assert 0 <= parse_rfc3339(document["badge"]["verifiedOn"]) - verified // 1000 * 1000 < 5_000
    months = (parse_rfc3339(document["badge"]["until"]) - parse_rfc3339(document["badge"]["verifiedOn"])) / 86_400_000 / 30.4375
    assert round(months, 2) == de.its.settings.joining.resident_months
    assert (await de.its.credentials.author(account, "post")).actor.handle == "new"
    assert await de.count("audit", "action = 'doctor.verified' AND target = 'new'") == 1


async def test_a_suspended_doctors_posts_stay_and_her_badge_has_ended(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    author = await de.author("ada")
    seen = de.its.compose.network_digest(await de.its.compose.destinations())
    post_id = await de.its.compose.publish(author, case(), (fake.origin,), Reach.COUNTRIES, seen)
    before = (await served(de, fake, "ada"))[0][1]
    assert parse_rfc3339(before["badge"]["until"]) > de.its.clock.ms() + 86_400_000
    await de.its.accounts.suspend("ada", "under inquiry", "test")
    with pytest.raises(Refused):
        await de.its.credentials.require_verified(de.doctors["ada"])
    (status, actor), (_, outbox), (found, _) = await served(de, fake, "ada")
    assert (status, found) == (200, 200) and outbox["orderedItems"] == [f"{de.url}/posts/{post_id}"]
    assert (await fake.get(f"{de.url}/posts/{post_id}"))[0] == 200
    assert actor["badge"]["until"] <= rfc3339(de.its.clock.ms()) and actor["id"] == before["id"]
    async with Browser(de) as ben:
        await ben.login("ben")
        assert "no longer verified since" in (await ben.get("/"))[1]
    await de.its.accounts.resume("ada", "test")
    assert (await served(de, fake, "ada"))[0][1] == before


async def test_an_account_moves_only_along_its_graph(door: tuple[Running, FakeSibling]) -> None:
    de, _ = door
    accounts = de.its.accounts
    await de.add_doctor("new", proven=False)
    for step in (accounts.suspend("new", "why", "test"), accounts.resume("new", "test"), accounts.reject("ada", "why", "test"),
                 accounts.approve("ada", "register", "seen", "test"), accounts.resume("ada", "test")):
        with pytest.raises(Conflict):
            await step
    with pytest.raises(NotFound):
        await accounts.suspend("nobody", "why", "test")
    await accounts.suspend("ada", "why", "test")
    with pytest.raises(Conflict):  # what was suspended is resumed, not approved again
        await accounts.approve("ada", "register", "seen", "test")


async def test_a_resident_does_not_gain_time_by_being_suspended(door: tuple[Running, FakeSibling]) -> None:
    de, _ = door
    account = await de.add_doctor("res", Role.RESIDENT)
    before = (await de.its.credentials.require_verified(account)).actor.badge
    await de.its.accounts.suspend("res", "why", "test")
    de.its.clock.offset = 86_400.0
    await de.its.accounts.resume("res", "test")
    assert (await de.its.credentials.require_verified(account)).actor.badge == before
    de.its.clock.offset = 3 * 365 * 86_400.0
    await de.its.accounts.suspend("res", "why", "test")
    await de.its.accounts.resume("res", "test")
    with pytest.raises(Refused) as caught:
        await de.its.credentials.require_verified(account)
    assert caught.value.reason == "expired"


async def erased(at: Running, many: int) -> bool:
    return await at.count("tombstones") == many


async def expire(at: Running, handle: str) -> None:
    """Let a doctor's verification have run out a minute ago."""
    await at.its.database.write(lambda tx: tx.run(
        "UPDATE actors SET verified_until = ? WHERE handle = ? AND sibling_id IS NULL", (at.its.clock.ms() - 60_000, handle)))


async def test_whose_verification_ran_out_can_still_erase_her_own_posts_everywhere(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr), Browser(de) as ada, Browser(de) as ben:
        mine = await published(de, case("My own?"), fr)
        seen = de.its.compose.network_digest(await de.its.compose.destinations())
        theirs = await de.its.compose.publish(await de.author("ben"), case("Of Ben?"), (fr.url,), Reach.COUNTRIES, seen)
        answer = await de.its.compose.reply(await de.author("ada"), theirs, "My answer.", "de")
        await until(lambda: fr.count("posts", "kind <> 'reply'"))
        assert await ada.login("ada") == 303 and await ben.login("ben") == 303
        await expire(de, "ada")
        status, page = await ada.get("/")
        assert status == 403 and 'href="/mine"' in page
        for path in ("/compose", f"/p/{mine}", f"/p/{mine}/edit", f"/p/{theirs}"):
            assert (await ada.get(path))[0] == 403
        for path in (f"/p/{mine}/edit", f"/p/{theirs}/reply", "/compose"):
            assert (await ada.post(path, {"text": "x"}))[0] == 403
        status, page = await ada.get("/mine")
        assert status == 200 and "My own?" in page and "My answer." in page and "Of Ben?" not in page
        assert f'href="/p/{mine}/delete"' in page and f'href="/p/{mine}"' not in page
        missing = await ada.get("/p/0000000000000/delete")
        assert missing[0] == 404
        assert await ada.get(f"/p/{theirs}/delete") == missing  # not hers and not there are the same
        assert (await ada.post(f"/p/{theirs}/delete", {}))[0] == 404
        for post_id in (mine, answer):
            assert (await ada.get(f"/p/{post_id}/delete"))[0] == 200
            assert await ada.post(f"/p/{post_id}/delete", {}) == (303, "/mine")
        assert "My own?" not in (await ada.get("/mine"))[1]
        await until(lambda: erased(fr, 2))
        assert await fr.count("posts", "question = 'My own?'") == 0 and await fr.count("posts", "question = 'Of Ben?'") == 1
        assert "My own?" not in (await ben.get("/mine"))[1] and "Of Ben?" in (await ben.get("/mine"))[1]


async def counted(at: Running) -> tuple[int, int, int]:
    return await at.count("posts"), await at.count("outbox"), await at.count("deliveries")


async def test_a_double_click_publishes_once(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", worker=False) as (de, fr), Browser(de) as ada, Browser(de) as ben:
        assert await ada.login("ada") == 303 and await ben.login("ben") == 303
        written = {"kind": "case", "question": "Once?", "text": "Text", "language": "de", "specialties": "cardiology",
                   "signature": "name", "ground": "anonymous", "no_name": "1"}
        page = (await ada.post("/compose", written | {"step": "confirm", "reach": "countries", "origin": fr.url}))[1]
        form = written | fields(page) | {"step": "publish"}
        first = await ada.post("/compose", form)
        assert first[0] == 303 and first[1].startswith("/p/")
        once = await counted(de)
        assert once == (1, 1, 1) and await ada.post("/compose", form) == first and await counted(de) == once
        # the list of countries has changed meanwhile: what was sent was sent
        await de.its.siblings.revoke(fr.domain, "test", "test")
        assert await ada.post("/compose", form) == first and await counted(de) == once
        # erased is erased, whatever a Back button sends
        assert (await ada.post(f"{first[1]}/delete", {}))[0] == 303
        assert await ada.post("/compose", form) == first and await de.count("posts", "erased_at IS NULL") == 0


async def test_what_a_form_says_of_itself_makes_nobody_lose_a_post(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,), Browser(de) as ada, Browser(de) as ben:
        assert await ada.login("ada") == 303 and await ben.login("ben") == 303
        written = {"kind": "note", "question": "Mine?", "text": "Text", "language": "de", "step": "publish", "reach": "home"}
        places = {(await who.post("/compose", written | {"form": form}))[1]
                  for who in (ada, ben) for form in ("somebody else's", "x" * 5000, "\u0000", "0000000000000")}
        places |= {(await ada.post("/compose", written))[1] for _ in range(2)}  # a program's form may have none
        places |= {(await ada.post("/compose", written | {"form": "0000000000000", "text": "Another text"}))[1]}
        assert len(places) == 11 == await de.count("posts") and all(place.startswith("/p/") for place in places)


async def test_a_double_click_answers_once(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", worker=False) as (de, fr), Browser(de) as ben:
        post_id = await published(de, case(), fr)
        assert await ben.login("ben") == 303
        form = fields((await ben.get(f"/p/{post_id}"))[1]) | {"text": "Once.", "language": "de"}
        first = await ben.post(f"/p/{post_id}/reply", form)
        assert first[0] == 303
        once = await counted(de)
        assert once == (2, 2, 2) and await ben.post(f"/p/{post_id}/reply", form) == first and await counted(de) == once
        # the browser's Back button, another text: another answer, never a lost one
        second = await ben.post(f"/p/{post_id}/reply", form | {"text": "And one thing more."})
        assert second[0] == 303 and second != first and await counted(de) == (3, 3, 3)
        again = fields((await ben.get(f"/p/{post_id}"))[1])
        assert again["form"] != form["form"]
        assert await ben.post(f"/p/{post_id}/reply", form | again) != first and await counted(de) == (4, 4, 4)


async def test_two_clicks_at_the_same_moment_publish_once(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,), Browser(de) as ada:
        assert await ada.login("ada") == 303
        written = {"kind": "note", "question": "At once?", "text": "Text", "language": "de", "step": "publish", "reach": "home",
                   "form": "a form's token"}
        answers = await asyncio.gather(*(ada.post("/compose", written) for _ in range(8)))
        assert len(set(answers)) == 1 and answers[0][0] == 303 and await de.count("posts") == 1
