"""Following with consent, blocking and muting: among doctors of one instance, and what goes out to others and what does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from actors.models import Actor, Role, VerifiedDoctor
from actors.relations import PAGE, Circle, Relation, Shun
from actors.store import by_uri
from core.errors import Conflict, InvalidInput
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.servers import FakeSibling, Running, countries, know
from tests.test_directory import put


async def doctor(place: Running, handle: str) -> VerifiedDoctor:
    return await place.its.credentials.require_verified(place.doctors[handle])


async def circle(place: Running, me: VerifiedDoctor, which: Circle) -> list[str]:
    return [member.actor.name for member in (await place.its.relations.circle(me.actor, which)).members]


async def between(place: Running, me: VerifiedDoctor, other: VerifiedDoctor) -> Relation:
    return await place.its.relations.between(me.actor, other.actor)


async def states(place: Running, me: VerifiedDoctor, other: VerifiedDoctor) -> tuple[str, str]:
    """How the first follows the second, and the second the first, as the first knows it."""
    found = await between(place, me, other)
    return str(found.following.state) if found.following else "", str(found.followed_by.state) if found.followed_by else ""


async def ask(place: Running, author: VerifiedDoctor, question: str) -> None:
    await place.its.compose.publish(await place.author(author.account.handle),
                                    Draft(Kind.CASE, question, "Text", "de", CaseFacts(("cardiology",))), (), Reach.HOME, "")


async def tab(place: Running, me: VerifiedDoctor, name: str = "following") -> list[str]:
    return [post.question for post in (await place.its.timelines.home(me.actor, name, None)).posts]


async def outbox(place: Running) -> list[dict[str, Any]]:
    rows = await place.its.database.read(lambda tx: tx.rows("SELECT body FROM outbox ORDER BY id"))
    return [json.loads(row["body"]) for row in rows]


async def test_a_follow_waits_for_consent_and_fills_the_tab_from_then_on(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        ada, ben, relations = await doctor(de, "ada"), await doctor(de, "ben"), de.its.relations
        await ask(de, ben, "What first?")
        await relations.follow(ada, ben.actor)
        await relations.follow(ada, ben.actor)
        assert await de.count("follows") == 1
        assert await states(de, ada, ben) == ("requested", "") and await states(de, ben, ada) == ("", "requested")
        assert await tab(de, ada) == [] and await circle(de, ben, Circle.FOLLOWERS) == []
        assert await circle(de, ben, Circle.REQUESTS) == ["Dr Ada"] and await circle(de, ada, Circle.FOLLOWING) == ["Dr Ben"]
        assert (await relations.circle(ben.actor, Circle.BLOCKED)).requests == 1
        await relations.accept(ben, ada.actor)
        await relations.accept(ben, ada.actor)
        assert await states(de, ada, ben) == ("accepted", "") and await tab(de, ada) == ["What first?"]
        assert await circle(de, ben, Circle.FOLLOWERS) == ["Dr Ada"] and await circle(de, ben, Circle.REQUESTS) == []
        await relations.unfollow(ada.actor, ben.actor)
        assert await states(de, ada, ben) == ("", "") and await tab(de, ada) == []
        assert await outbox(de) == []  # among neighbours nothing goes over the wire


async def test_who_is_declined_or_removed_is_no_longer_pending_and_may_ask_again(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        ada, ben, relations = await doctor(de, "ada"), await doctor(de, "ben"), de.its.relations
        for consents in (False, True):
            await relations.follow(ada, ben.actor)
            if consents:
                await relations.accept(ben, ada.actor)
            await relations.dismiss(ben.actor, ada.actor)
            assert await states(de, ada, ben) == ("", "") and await de.count("follows") == 0
        await relations.follow(ada, ben.actor)
        await relations.unfollow(ada.actor, ben.actor)
        with pytest.raises(Conflict, match="does not ask any more"):
            await relations.accept(ben, ada.actor)
        assert await de.count("follows") == 0


async def test_nobody_follows_or_shuts_out_themselves_and_students_may_follow(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        await de.add_doctor("stu", Role.STUDENT)
        ada, stu, relations = await doctor(de, "ada"), await doctor(de, "stu"), de.its.relations
        for attempt in (relations.follow(ada, ada.actor), relations.block(ada.actor, ada.actor),
                        relations.mute(ada.actor, ada.actor)):
            with pytest.raises(InvalidInput, match="Nobody"):
                await attempt
        with pytest.raises(InvalidInput, match="in the future"):
            await relations.mute(ada.actor, stu.actor, de.its.clock.ms())
        assert await de.count("follows") == await de.count("shuns") == 0
        await relations.follow(stu, ada.actor)
        await relations.accept(ada, stu.actor)
        assert await states(de, stu, ada) == ("accepted", "")


async def test_a_block_ends_follows_both_ways_hides_posts_and_is_never_told(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        ada, ben, relations = await doctor(de, "ada"), await doctor(de, "ben"), de.its.relations
        for one, other in ((ada, ben), (ben, ada)):
            await ask(de, one, f"By {one.actor.handle}?")
            await relations.follow(one, other.actor)
            await relations.accept(other, one.actor)
        await relations.block(ada.actor, ben.actor)
        assert await de.count("follows") == 0 and await circle(de, ada, Circle.BLOCKED) == ["Dr Ben"]
        assert await tab(de, ada, "all") == ["By ada?"] and await tab(de, ben, "all") == ["By ben?", "By ada?"]
        assert (await between(de, ben, ada)).shun is None  # ben is not told ...
        await relations.follow(ben, ada.actor)
        assert await states(de, ben, ada) == ("requested", "")  # ... and what he asks waits, as it would with anybody
        assert await states(de, ada, ben) == ("", "") and await circle(de, ada, Circle.REQUESTS) == []
        assert (await relations.circle(ada.actor, Circle.BLOCKED)).requests == 0
        with pytest.raises(Conflict):
            await relations.accept(ada, ben.actor)
        with pytest.raises(InvalidInput, match="End the block first"):
            await relations.follow(ada, ben.actor)
        with pytest.raises(InvalidInput, match="hides more"):
            await relations.mute(ada.actor, ben.actor)
        await relations.block(ada.actor, ben.actor)
        assert await states(de, ben, ada) == ("requested", "")
        await relations.end_shun(ada.actor, ben.actor)
        assert await circle(de, ada, Circle.BLOCKED) == [] and await circle(de, ada, Circle.REQUESTS) == ["Dr Ben"]
        assert await tab(de, ada, "all") == ["By ben?", "By ada?"]


async def test_a_mute_hides_posts_only_and_ends_by_itself(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        ada, ben, relations = await doctor(de, "ada"), await doctor(de, "ben"), de.its.relations
        await ask(de, ben, "By ben?")
        await relations.follow(ada, ben.actor)
        await relations.accept(ben, ada.actor)
        until = de.its.clock.ms() + 3_600_000
        await relations.mute(ada.actor, ben.actor, until)
        found = await between(de, ada, ben)
        assert (found.shun, found.until) == (Shun.MUTE, until) and await states(de, ada, ben) == ("accepted", "")
        assert await tab(de, ada) == await tab(de, ada, "all") == [] and await circle(de, ada, Circle.MUTED) == ["Dr Ben"]
        de.its.clock.offset = 3601
        assert await tab(de, ada) == ["By ben?"] and await circle(de, ada, Circle.MUTED) == []
        assert (await between(de, ada, ben)).shun is None
        await relations.mute(ada.actor, ben.actor)
        de.its.clock.offset = 10 * 365 * 86_400
        assert await tab(de, ada) == [] and await circle(de, ada, Circle.MUTED) == ["Dr Ben"]
        await relations.block(ada.actor, ben.actor)  # more than muting: it takes its place
        assert await circle(de, ada, Circle.MUTED) == [] and await circle(de, ada, Circle.BLOCKED) == ["Dr Ben"]


async def test_what_goes_out_is_addressed_to_the_other_alone_and_keeps_its_order(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        await FakeSibling("it", 9).listed(de, "active")
        ada, relations = await doctor(de, "ada"), de.its.relations
        doc = await de.its.database.read(lambda tx: by_uri(tx, fake.actor))
        assert doc is not None
        await relations.follow(ada, doc)
        assert (await fake.send(de, fake.activity("Follow", ada.actor.uri, "f1")))[0] == 202
        await relations.accept(ada, doc)
        await relations.block(ada.actor, doc)
        sent = await outbox(de)
        assert [one["type"] for one in sent] == ["Follow", "Accept", "Undo", "Reject"]
        assert all(one["actor"] == ada.actor.uri and one["to"] == [fake.actor] for one in sent)
        asked, accepted, undone, rejected = sent
        assert asked["object"] == fake.actor and undone["object"] == {
            "id": asked["id"], "type": "Follow", "actor": ada.actor.uri, "object": fake.actor}
        assert accepted["object"] == rejected["object"] == {
            "id": f"{fake.origin}/activities/f1", "type": "Follow", "actor": fake.actor, "object": ada.actor.uri}
        assert len({one["id"] for one in sent}) == 4 and all(one["id"].startswith(f"{de.url}/") for one in sent)
        rows = await de.its.database.read(lambda tx: tx.rows("SELECT sibling_id, object_key FROM deliveries ORDER BY sequence"))
        assert {row["sibling_id"] for row in rows} == {doc.sibling_id}
        keys = [row["object_key"] for row in rows]
        assert keys[0] == keys[2] != keys[1] == keys[3]


async def test_an_instance_that_is_not_sent_to_is_not_asked_and_gets_no_consent(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        ada, relations = await doctor(de, "ada"), de.its.relations
        doc = await de.its.database.read(lambda tx: by_uri(tx, fake.actor))
        assert doc is not None and (await relations.between(ada.actor, doc)).reachable
        assert (await fake.send(de, fake.activity("Follow", ada.actor.uri, "f1")))[0] == 202
        await relations.follow(ada, doc)
        await de.its.siblings.revoke(fake.origin.split("://")[1], "test", "left")
        before = len(await outbox(de))
        assert not (await relations.between(ada.actor, doc)).reachable
        assert await de.count("follows") == 0 and await de.count("notifications") == 0  # the revocation has cut both
        with pytest.raises(InvalidInput, match="cannot be reached"):
            await relations.follow(ada, doc)
        with pytest.raises(Conflict, match="does not ask any more"):
            await relations.accept(ada, doc)
        await relations.unfollow(ada.actor, doc)
        await relations.dismiss(ada.actor, doc)
        assert await de.count("follows") == 0 and len(await outbox(de)) == before


async def test_a_revocation_cuts_the_follows_with_that_instance_and_no_others(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fr, it = FakeSibling("fr", 2), FakeSibling("it", 3)
        await know(de, fr)
        await know(de, it)
        ada, ben, relations = await doctor(de, "ada"), await doctor(de, "ben"), de.its.relations
        for fake in (fr, it):
            assert (await fake.send(de, fake.activity("Follow", ada.actor.uri, "f1")))[0] == 202
        await relations.follow(ben, ada.actor)
        row = await de.its.siblings.row(fr.origin.split("://")[1])
        assert await de.count("follows") == 3 and (await de.its.ties.of(row.id)).followers == 1
        await de.its.siblings.revoke(row.domain, "test", "left")
        assert await de.count("follows") == 2 and (await de.its.ties.of(row.id)).follows == 0
        assert len(await circle(de, ada, Circle.REQUESTS)) == 2
        assert await de.count("notification_events") == 2
        assert await de.count("notifications", "kind = 'follow' AND count = 2") == 1


async def test_circles_come_page_by_page_newest_first(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        ada, fr = await doctor(de, "ada"), await FakeSibling("fr", 2).listed(de, "active")
        many: list[Actor] = [await put(de.its, f"Dr {number}", sibling=fr) for number in range(PAGE + 3)]
        for other in many:
            await de.its.relations.block(ada.actor, other)
        first = await de.its.relations.circle(ada.actor, Circle.BLOCKED)
        rest = await de.its.relations.circle(ada.actor, Circle.BLOCKED, first.before)
        assert len(first.members) == PAGE and rest.before is None
        found = [member.actor.id for member in (*first.members, *rest.members)]
        assert sorted(found) == sorted(actor.id for actor in many)
        times = [member.since for member in (*first.members, *rest.members)]
        assert times == sorted(times, reverse=True)
        assert (await de.its.relations.circle(ada.actor, Circle.BLOCKED, "nonsense")).members == first.members
