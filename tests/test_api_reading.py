"""Reading in an app: posts complete in themselves, conversations, versions, people, search; across two countries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.ids import public
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from posts.parts import Parts, Section
from tests.conversations.test_the_whole_path import published
from tests.phones import Phone
from tests.servers import Running, countries, until

FACTS = CaseFacts(("cardiology",), "30-39", "f", "diagnostic")


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


@pytest.fixture
async def phone(pair: tuple[Running, Running]) -> AsyncIterator[Phone]:
    async with Phone(pair[1]) as one:
        yield await one.log_in("ben")


async def arrived(phone: Phone, words: str) -> dict[str, Any]:
    """A post as the app sees it once it has come from abroad."""
    found: list[dict[str, Any]] = []

    async def there() -> bool:
        found[:] = [one for one in await phone.get("/api/v1/timelines/public") if words in one["content"]]
        return bool(found)

    await until(there)
    return found[0]


async def test_a_case_from_abroad_is_whole_and_so_is_its_conversation(pair: tuple[Running, Running], phone: Phone) -> None:
    de, fr = pair
    case = Draft(Kind.CASE, "Which test first?", f"She coughs, says @ada@{fr.domain}. #sepsis [x](/imprint)", "de", FACTS,
                 parts=Parts((Section("history", source="Never smoked."),)))
    post_id = await published(de, case, fr)
    status = await arrived(phone, "Which test first?")
    assert "Never smoked." in status["content"] and "Kardiologie" in status["content"] and "30-39" in status["content"]
    assert status["account"]["acct"] == f"ada@{de.domain}" and status["uri"] == f"{de.url}/posts/{post_id}"
    assert status["url"] == f"{fr.url}/p/{status['id']}" and status["visibility"] == "private" and status["language"] == "de"
    [mention], [tag] = status["mentions"], status["tags"]
    assert mention["acct"] == "ada" and f'href="{mention["url"]}"' in status["content"].replace("%40", "@")
    assert tag == {"name": "sepsis", "url": f"{fr.url}/tags/sepsis"} and f'href="{tag["url"]}"' in status["content"]
    assert 'href="/' not in status["content"] and "Allemagne" in status["content"]
    answer = await fr.its.compose.reply(await fr.author("ben", "reply"), status["id"], "A scan.", "fr")
    below = await fr.its.compose.reply(await fr.author("ada", "reply"), answer, "Indeed.", "fr")
    beside = await fr.its.compose.reply(await fr.author("ada", "reply"), status["id"], "Or blood.", "fr")
    context = await phone.get(f"/api/v1/statuses/{status['id']}/context")
    assert context["ancestors"] == [] and [one["id"] for one in context["descendants"]] == [answer, below, beside]
    context = await phone.get(f"/api/v1/statuses/{below}/context")
    assert [one["id"] for one in context["ancestors"]] == [status["id"], answer] and context["descendants"] == []
    one = await phone.get(f"/api/v1/statuses/{below}")
    ben = public((await fr.author("ben")).actor.id)
    assert one["in_reply_to_id"] == answer and one["in_reply_to_account_id"] == ben and one["content"] == "<p>Indeed.</p>"
    assert await fr.count("thread_reads", f"actor_id = {(await fr.author('ben')).actor.id}") == 1  # corrections reach her
    await fr.its.editing.delete((await fr.author("ben")).actor, answer)
    assert (await phone.ask("GET", f"/api/v1/statuses/{answer}"))[0] == 404
    context = await phone.get(f"/api/v1/statuses/{status['id']}/context")
    assert [one["id"] for one in context["descendants"]] == [below, beside]


async def test_apps_that_show_every_line_break_show_none_that_nobody_made(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    text = "One\ntwo\n\n- three\n- four\n\n| a | b |\n|---|---|\n| c | d |\n\n```\nfive\n\nsix\n```\n\nseven"
    post_id = await fr.its.compose.publish(await fr.author("ben"), Draft(Kind.NOTE, "First", text, "fr"), (), Reach.HOME, "")
    shown = (await phone.get(f"/api/v1/statuses/{post_id}"))["content"]
    assert "<p>One<br>two</p><ul><li>three</li><li>four</li></ul><table><thead><tr><th>a</th>" in shown
    assert "<pre><code>five\n\nsix\n</code></pre><p>seven</p>" in shown
    assert (await phone.get(f"/api/v1/statuses/{post_id}/history"))[-1]["content"].endswith("<p>seven</p>")


async def test_a_poll_shows_what_the_reader_may_see(pair: tuple[Running, Running], phone: Phone) -> None:
    de, fr = pair
    ends = de.its.clock.ms() + 3_600_000
    await published(de, Draft(Kind.POLL, "Which?", "Text", "de", CaseFacts(), PollDraft(("a", "b"), False, ends)), fr)
    status = await arrived(phone, "Which?")
    poll = status["poll"]
    assert [one["votes_count"] for one in poll["options"]] == [None, None] and not poll["voted"] and not poll["expired"]
    await fr.its.polls.vote(await fr.author("ben", "vote"), status["id"], (1,))
    poll = await phone.get(f"/api/v1/polls/{status['id']}")
    assert poll["voted"] and poll["own_votes"] == [1] and poll["id"] == status["id"] and poll["multiple"] is False
    assert (await phone.ask("GET", f"/api/v1/polls/{public(1)}"))[0] == 404


async def test_a_consult_is_direct_and_nobody_elses(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    ada, ben = await fr.author("ada"), await fr.author("ben")
    post_id = await fr.its.compose.consult(ada, Draft(Kind.CASE, "Between us?", "Secret", "fr", FACTS), [ben.actor])
    status = await phone.get(f"/api/v1/statuses/{post_id}")
    assert status["visibility"] == "direct" and [one["acct"] for one in status["mentions"]] == ["ben"]
    assert (await phone.get("/api/v1/notifications"))[0]["status"]["id"] == post_id
    await fr.add_doctor("cleo")
    async with Phone(fr) as other:
        await other.log_in("cleo")
        for path in ("", "/context", "/source", "/history", "/favourited_by", "/reblogged_by"):
            status_, said, _ = await other.ask("GET", f"/api/v1/statuses/{post_id}{path}")
            assert status_ == 404 and "Secret" not in str(said), path
        assert await other.get(f"/api/v1/statuses?id[]={post_id}") == []
        assert (await other.get("/api/v2/search?q=Secret"))["statuses"] == []
        assert (await other.get(f"/api/v2/search?resolve=true&q={fr.url}/p/{post_id}"))["statuses"] == []
        assert await other.get("/api/v1/notifications") == []


async def test_versions_sources_and_corrections(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    ben = await fr.author("ben")
    post_id = await fr.its.compose.publish(ben, Draft(Kind.NOTE, "First", "One *two*", "fr"), (), Reach.HOME, "")
    assert (await phone.get(f"/api/v1/statuses/{post_id}"))["edited_at"] is None
    await fr.its.editing.edit(ben, post_id, "Second", "Three", 1)
    assert (await phone.get(f"/api/v1/statuses/{post_id}"))["edited_at"]
    assert (await phone.get(f"/api/v1/statuses/{post_id}/source"))["text"] == "Three"
    first, second = await phone.get(f"/api/v1/statuses/{post_id}/history")
    assert "First" in first["content"] and "<em>two</em>" in first["content"] and "Three" in second["content"]
    answer = await fr.its.compose.reply(await fr.author("ada", "reply"), post_id, "Give it.", "fr")
    assert (await phone.get(f"/api/v1/statuses/{answer}"))["spoiler_text"] == ""
    await fr.its.editing.recall(await fr.author("ada"), answer, "The dose was wrong.")
    recalled = await phone.get(f"/api/v1/statuses/{answer}")
    assert recalled["sensitive"] and "The dose was wrong." in recalled["spoiler_text"]
    assert [one["type"] for one in await phone.get("/api/v1/notifications")][:1] == ["update"]
    other = await fr.its.compose.publish(await fr.author("ada"), Draft(Kind.NOTE, "Hers", "Text", "fr"), (), Reach.HOME, "")
    assert (await phone.ask("GET", f"/api/v1/statuses/{other}/source"))[0] == 403
    await fr.its.reactions.like(await fr.its.credentials.require_verified(fr.doctors["ada"]), post_id)
    assert [one["acct"] for one in await phone.get(f"/api/v1/statuses/{post_id}/favourited_by")] == ["ada"]
    assert await phone.get(f"/api/v1/statuses/{post_id}/reblogged_by") == []
    told = await phone.get("/api/v1/notifications?types[]=favourite")
    assert [(one["type"], one["account"]["acct"]) for one in told] == [("favourite", "ada")]


async def test_people_and_how_one_stands_to_them(pair: tuple[Running, Running], phone: Phone) -> None:
    de, fr = pair
    ada = (await fr.author("ada")).actor
    here = await phone.get("/api/v1/accounts/lookup?acct=ada")
    assert here["id"] == public(ada.id) and (await phone.get(f"/api/v1/accounts/{here['id']}"))["acct"] == "ada"
    assert (await phone.ask("GET", f"/api/v1/accounts/lookup?acct=ada@{de.domain}"))[0] == 404  # not met yet, and nobody is asked
    found = await phone.get(f"/api/v2/search?type=accounts&resolve=true&q=@ada@{de.domain}")
    abroad = found["accounts"][0]
    assert abroad["acct"] == f"ada@{de.domain}" and found["statuses"] == [] == found["hashtags"]
    assert (await phone.get(f"/api/v1/accounts/lookup?acct=ada@{de.domain}"))["id"] == abroad["id"]
    assert [one["acct"] for one in await phone.get("/api/v1/accounts/search?q=Ada")][:1] == ["ada"]
    [stands] = await phone.get(f"/api/v1/accounts/relationships?id[]={here['id']}")
    assert not any(stands[name] for name in ("following", "requested", "followed_by", "blocking", "muting"))
    await fr.its.relations.follow(await fr.its.credentials.require_verified(fr.doctors["ben"]), ada)
    await fr.its.relations.mute((await fr.author("ben")).actor, ada)
    both = await phone.get(f"/api/v1/accounts/relationships?id[]={abroad['id']}&id[]={here['id']}&id[]=nonsense")
    assert [one["id"] for one in both] == [abroad["id"], here["id"]] and both[1]["requested"] and both[1]["muting"]
    assert [one["acct"] for one in await phone.get("/api/v1/mutes")] == ["ada"]
    me = await phone.get("/api/v1/accounts/verify_credentials")
    assert [one["acct"] for one in await phone.get(f"/api/v1/accounts/{me['id']}/following")] == ["ada"]
    assert await phone.get(f"/api/v1/accounts/{here['id']}/following") == []
    asked = await fr.its.compose.publish(await fr.author("ada"), Draft(Kind.NOTE, "Hers", "Text", "fr"), (), Reach.HOME, "")
    assert [one["id"] for one in await phone.get(f"/api/v1/accounts/{here['id']}/statuses")] == [asked]
    named = await phone.get("/api/v1/accounts/lookup?acct=ada")
    assert named["statuses_count"] == 1 and named == await phone.get(f"/api/v1/accounts/{here['id']}")
    for empty in ("statuses?pinned=true", "featured_tags"):
        assert await phone.get(f"/api/v1/accounts/{here['id']}/{empty}") == []
    await fr.add_doctor("hidden", proven=False)
    unseen = fr.doctors["hidden"].actor_id
    for path in ("", "/featured_tags"):
        assert (await phone.ask("GET", f"/api/v1/accounts/{public(unseen or 1)}{path}"))[0] == 404
    assert await phone.get(f"/api/v1/accounts?id[]={public(unseen or 1)}&id[]={here['id']}") == [
        await phone.get(f"/api/v1/accounts/{here['id']}") | {"statuses_count": 0, "last_status_at": None}]


async def test_search_finds_words_addresses_and_hashtags(pair: tuple[Running, Running], phone: Phone) -> None:
    de, fr = pair
    post_id = await published(de, Draft(Kind.NOTE, "Sarcoidosis", "Text about granuloma", "de"), fr)
    status = await arrived(phone, "granuloma")
    await until(lambda: _indexed(fr))
    for typed in ("granuloma", f"{fr.url}/p/{status['id']}", f"{de.url}/posts/{post_id}"):
        found = await phone.get(f"/api/v2/search?q={typed}&resolve=true")
        assert [one["id"] for one in found["statuses"]] == [status["id"]], typed
    assert (await phone.get("/api/v2/search?q=granuloma&offset=20"))["statuses"] == []
    assert (await phone.get("/api/v2/search?q=%23Sepsis&type=hashtags"))["hashtags"][0]["name"] == "sepsis"
    assert await phone.get("/api/v2/search?q=%20") == {"accounts": [], "statuses": [], "hashtags": []}


async def _indexed(place: Running) -> bool:
    return await place.count("unindexed") == 0
