"""Consults between named doctors, across borders: who is not in one never learns that there is one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from actors.models import Actor
from actors.store import by_uri, save
from core.errors import InvalidInput, NotFound
from posts.models import CaseFacts, Draft, Kind, PollDraft
from tests.servers import FakeSibling, Running, countries, know, until

CASE = Draft(Kind.CASE, "Would you operate?", "A story for few.", "de", CaseFacts(("cardiology",), "40-49", "f", "therapeutic"))


async def met(place: Running, other: Running, handle: str) -> Actor:
    """A doctor of another country as `place` knows her, as if something of hers had come before."""
    actor = (await other.author(handle)).actor
    row = await place.its.siblings.row(other.domain)
    now = place.its.clock.ms()
    await place.its.database.write(lambda tx: save(
        tx, msgspec.structs.replace(actor, id=place.its.ids.new(), sibling_id=row.id), now))
    found = await place.its.database.read(lambda tx: by_uri(tx, actor.uri))
    assert found is not None
    return found


async def lists(place: Running, handle: str) -> list[str]:
    """The ids of all posts in all lists of a doctor, but for her consults."""
    viewer, timelines = (await place.author(handle)).actor, place.its.timelines
    tabs = ("specialties", "following", "country", "abroad", "all", "waiting")
    pages = [await timelines.home(viewer, tab, None) for tab in tabs]
    pages += [await timelines.topic(viewer, "cardiology", None), await timelines.topic(viewer, "cardiology", None, waiting=True)]
    return [post.id for page in pages for post in page.posts]


async def test_a_consult_is_read_and_answered_by_those_it_names_and_by_nobody_else(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        ada, ben, claire = await de.author("ada"), await de.author("ben"), (await fr.author("ada")).actor
        made = await de.its.compose.consult(ada, CASE, [await met(de, fr, "ada")])
        await until(lambda: fr.count("consults"))
        assert await lists(de, "ada") == await lists(de, "ben") == await lists(fr, "ada") == await lists(fr, "ben") == []
        assert [post.id for post in (await de.its.timelines.consults(ada.actor, None)).posts] == [made]
        [card] = (await fr.its.timelines.consults(claire, None)).posts
        assert card.question == "Would you operate?" and {reader.uri for reader in card.readers} == {ada.actor.uri, claire.uri}
        answer = await fr.its.compose.reply(await fr.author("ada"), card.id, "No.", "fr")
        await until(lambda: de.count("posts", "parent_id IS NOT NULL"))
        assert [post.author.name for post in (await de.its.threads.thread(ada.actor, made)).posts] == ["Dr Ada", "Dr Ada"]

        curious = await fr.author("ben")
        for place, outsider, post_id in ((de, ben, made), (fr, curious, card.id), (fr, curious, answer)):
            for attempt in (
                    place.its.threads.thread(outsider.actor, post_id), place.its.threads.history(outsider.actor, post_id),
                    place.its.threads.source(outsider.actor, post_id), place.its.compose.reply(outsider, post_id, "Hm.", "de"),
                    place.its.editing.edit(outsider, post_id, "X?", "Y", 1),
                    place.its.editing.delete(outsider.actor, post_id)):
                with pytest.raises(NotFound, match=r"There is no such post here\."):
                    await attempt
            assert (await place.its.timelines.consults(outsider.actor, None)).posts == ()
        assert await it.count("posts") == await it.count("ledger") == await it.count("consults") == 0

        await de.its.editing.edit(ada, made, "Would you operate now?", "A story for few.", 1)
        await until(lambda: fr.count("posts", "question = 'Would you operate now?'"))
        await de.its.editing.delete(ada.actor, made)
        await until(lambda: fr.count("posts", "erased_at IS NOT NULL"))


async def test_votes_in_a_consults_poll_are_its_members(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        ada = await de.author("ada")
        poll = Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(("one", "two"), False, de.its.clock.ms() + 3_600_000))
        made = await de.its.compose.consult(ada, poll, [await met(de, fr, "ada"), (await de.author("ben")).actor])
        await until(lambda: fr.count("consults"))
        claire = await fr.author("ada")
        [card] = (await fr.its.timelines.consults(claire.actor, None)).posts
        await fr.its.polls.vote(claire, card.id, (1,))
        await de.its.polls.vote(await de.author("ben"), made, (1,))
        await until(lambda: de.count("polls", "voters = 2"))
        with pytest.raises(NotFound):
            await fr.its.polls.vote(await fr.author("ben"), card.id, (0,))


async def test_a_consult_needs_somebody_who_can_be_reached(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        ada, claire = await de.author("ada"), await met(de, fr, "ada")
        with pytest.raises(InvalidInput, match="1 to 20 colleagues"):
            await de.its.compose.consult(ada, CASE, [ada.actor])
        applicant = await de.add_doctor("zoe", proven=False)
        unknown = await de.its.database.read(lambda tx: by_uri(tx, f"{de.url}/actors/{'0' * 13}"))
        assert applicant.actor_id is not None and unknown is None
        await de.its.siblings.revoke(fr.domain, "test", "left")
        with pytest.raises(InvalidInput, match="cannot be reached"):
            await de.its.compose.consult(ada, CASE, [claire])
        assert await de.count("posts") == await de.count("outbox") == await de.count("consults") == 0


async def test_what_names_nobody_here_is_refused_and_an_answer_reaches_no_further_than_its_consult(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,):
        fake = FakeSibling()
        await know(de, fake)
        ada, applicant = (await de.author("ada")).actor, await de.add_doctor("zoe", proven=False)
        row = await de.its.database.read(lambda tx: tx.row("SELECT uri FROM actors WHERE id = ?", (applicant.actor_id,)))
        assert row is not None
        for number, nobody in enumerate((f"{de.url}/actors/0000000000000", row["uri"], f"{de.url}/actor")):
            status, problem = await fake.send(de, fake.activity("Create", fake.note(de, f"n{number}", to=[nobody]), f"a{number}"))
            assert (status, problem["type"]) == (403, "urn:konsil:problem:not-addressed")
        assert (await fake.send(de, fake.activity("Create", fake.note(de, "own", to=[ada.uri]), "own")))[0] == 202
        assert await de.count("consults") == 1 and await de.count("posts", "reach = 'named'") == 1
        for name, to, status in (("wide", None, 400), ("others", [ada.uri, (await de.author("ben")).actor.uri], 400),
                                 ("right", [ada.uri], 202)):
            changes = {"inReplyTo": f"{fake.origin}/posts/own"} | ({"to": to} if to else {})
            assert (await fake.send(de, fake.activity("Create", fake.note(de, name, **changes), name)))[0] == status, name
        wider = fake.note(de, "own", revision=2)
        assert (await fake.send(de, fake.activity("Update", wider, "wider")))[1]["type"].endswith(":wider-audience")


async def test_a_stranger_to_a_consult_of_ours_cannot_answer_it(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,):
        fake = FakeSibling()
        await know(de, fake)
        await de.its.siblings.pause(fake.origin.split("://")[1], "test", "test")
        other = await de.its.database.read(lambda tx: by_uri(tx, fake.actor))
        assert other is not None
        named = msgspec.structs.replace(other, id=de.its.ids.new(), uri=f"{fake.origin}/actors/other", handle="other")
        await de.its.database.write(lambda tx: save(tx, named, de.its.clock.ms()))
        made = await de.its.compose.consult(await de.author("ada"), CASE, [named])
        await de.its.siblings.resume(fake.origin.split("://")[1], "test")
        answer = fake.note(de, "r1", inReplyTo=f"{de.url}/posts/{made}", to=[(await de.author("ada")).actor.uri])
        status, problem = await fake.send(de, fake.activity("Create", answer))
        assert (status, problem["type"]) == (400, "urn:konsil:problem:no-such-parent")


async def test_an_answer_does_not_find_out_whether_a_third_countrys_consult_lies_here(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "it") as (de, it):
        curious = FakeSibling("fr")
        await know(de, curious)
        ada = await met(it, de, "ada")
        made = await it.its.compose.consult(await it.author("ada"), CASE, [ada])
        await until(lambda: de.count("consults"))
        for number, parent in enumerate((f"{it.url}/posts/{made}", f"{it.url}/posts/0000000000000")):
            answer = curious.note(de, f"r{number}", inReplyTo=parent, to=[(await de.author("ada")).actor.uri])
            assert (await curious.send(de, curious.activity("Create", answer, f"a{number}")))[0] == 202
        assert await de.count("posts", "parent_id IS NOT NULL") == 0
