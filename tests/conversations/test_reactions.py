"""Likes and boosts between countries: every instance whose doctors can read a post counts the same, whoever wrote it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors.models import VerifiedDoctor
from actors.store import by_uri
from core.errors import NotFound, Refused
from federation.allowlist import Direction, Purpose
from federation.documents import dumps
from inbox.arrival import Arrival, Held, Stored, arrival
from posts.models import PostView
from tests.conversations.test_consults import CASE, met
from tests.conversations.test_the_whole_path import case, published
from tests.servers import FakeSibling, Running, countries, know, until
from tests.test_held import ServingSibling


async def doctor(at: Running, handle: str = "ben") -> VerifiedDoctor:
    return await at.its.credentials.require_verified(at.doctors[handle])


async def card(at: Running, handle: str = "ben", question: str = "What would you do?") -> PostView:
    viewer = (await doctor(at, handle)).actor
    return next(post for post in (await at.its.timelines.home(viewer, "all", None)).posts if post.question == question)


async def comes_to(number: int, at: Running, table: str, where: str = "1=1") -> bool:
    return await at.count(table, where) == number


async def counted(likes: int, boosts: int, *places: Running, uri: str = "%") -> None:
    """Wait until each of these instances counts so many at the post, in its rows and beside it."""
    for at in places:
        post = f"(SELECT id FROM posts WHERE uri LIKE '{uri}' AND parent_id IS NULL)"
        await until(lambda at=at: at.count("posts", f"uri LIKE '{uri}' AND parent_id IS NULL AND likes = {likes}"  # type: ignore[misc]
                                                    f" AND boosts = {boosts}"))
        assert await at.count("likes", f"post_id IN {post}") == likes
        assert await at.count("boosts", f"post_id IN {post}") == boosts


async def test_likes_and_boosts_of_three_countries_count_the_same_in_all_of_them(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it", "es") as (de, fr, it, es):
        await published(de, case(), fr, it)
        for at in (fr, it):
            await until(lambda at=at: at.count("posts"))  # type: ignore[misc]
        for number, at in enumerate((fr, it, de), start=1):
            post = await card(at)
            await at.its.reactions.like(await doctor(at), post.id)
            await counted(number, number - 1, de, fr, it)
            await at.its.reactions.boost(await at.author("ben"), post.id)
            await counted(number, number, de, fr, it)
        seen = await card(it)
        assert (seen.likes, seen.boosts, seen.liked, seen.boosted) == (3, 3, True, True)
        names = {actor.badge.country for actor, _ in (await it.its.reactions.people(
            (await doctor(it)).actor, "likes", seen.id, None)).people}
        assert names == {"de", "fr", "it"}
        for number, at in enumerate((it, de, fr), start=1):
            post = await card(at)
            await at.its.reactions.unlike((await doctor(at)).actor, post.id)
            await at.its.reactions.unboost((await doctor(at)).actor, post.id)
            await counted(3 - number, 3 - number, de, fr, it)
        assert await es.count("ledger") == await es.count("posts") == await es.count("held") == 0
        for at in (de, fr, it):
            assert await at.count("outbox", "type IN ('Like', 'Announce', 'Undo') AND instr(body, 'clinical') > 0") == 0


async def test_an_answer_from_a_third_country_is_liked_as_well(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        await published(de, case(), fr, it)
        for at in (fr, it):
            await until(lambda at=at: at.count("posts"))  # type: ignore[misc]
        await fr.its.compose.reply(await fr.author("ada"), (await card(fr)).id, "Rien.", "fr")
        await until(lambda: it.count("posts", "parent_id IS NOT NULL"))
        answer = (await it.its.threads.thread((await doctor(it)).actor, (await card(it)).id)).posts[1]
        await it.its.reactions.like(await doctor(it), answer.id)
        for at in (de, fr, it):
            await until(lambda at=at: at.count("posts", "parent_id IS NOT NULL AND likes = 1"))  # type: ignore[misc]


async def test_clicking_to_and_fro_ends_everywhere_where_it_ended_here(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        await published(de, case(), fr, it)
        await until(lambda: fr.count("posts"))
        await fr.its.siblings.pause(it.domain, "test", "for a while")
        post, ben = await card(fr), await doctor(fr)
        for _ in range(6):
            await fr.its.reactions.like(ben, post.id)
            await fr.its.reactions.unlike(ben.actor, post.id)
        await fr.its.reactions.like(ben, post.id)
        await fr.its.siblings.resume(it.domain, "test")
        await until(lambda: comes_to(26, fr, "deliveries d JOIN outbox o ON o.id = d.outbox_id",
                                     "o.type IN ('Like', 'Undo') AND d.state = 'acked'"))
        await counted(1, 0, de, fr, it)
        assert await it.count("tombstones") == 0


async def test_what_is_passed_on_stands_in_the_lists_of_those_who_follow_whoever_passed_it_on(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        await published(de, case(), fr, it)
        for at in (fr, it):
            await until(lambda at=at: at.count("posts"))  # type: ignore[misc]
        reader, ben = (await doctor(it)).actor, await met(it, fr, "ben")
        await it.its.database.write(lambda tx: tx.run(
            "INSERT INTO follows (follower_id, followed_id, state, uri, uri_key, at) VALUES (?, ?, 'accepted', 'u', x'00', 0)",
            (reader.id, ben.id)))
        assert (await it.its.timelines.home(reader, "following", None)).posts == ()
        post = await card(fr)
        await fr.its.reactions.boost(await fr.author("ben"), post.id)
        await counted(0, 1, it)
        [found] = (await it.its.timelines.home(reader, "following", None)).posts
        assert found.question == "What would you do?" and found.boosted_by is not None and found.boosted_by.uri == ben.uri
        await fr.its.reactions.unboost((await doctor(fr)).actor, post.id)
        await counted(0, 0, it)
        assert (await it.its.timelines.home(reader, "following", None)).posts == ()


async def test_what_comes_before_its_post_waits_for_it_and_what_is_taken_back_meanwhile_waits_no_longer(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        await it.its.siblings.pause(de.domain, "test", "for a while")
        await published(de, case(), fr, it)
        await until(lambda: fr.count("posts"))
        post = await card(fr)
        for handle in ("ada", "ben"):
            await fr.its.reactions.like(await doctor(fr, handle), post.id)
            await fr.its.reactions.boost(await fr.author(handle), post.id)
        await until(lambda: comes_to(4, it, "held"))
        await fr.its.reactions.unlike((await doctor(fr, "ada")).actor, post.id)
        await fr.its.reactions.unboost((await doctor(fr, "ada")).actor, post.id)
        await until(lambda: comes_to(2, it, "held"))
        assert await it.count("ledger", "outcome = 'ignored: taken back'") == 2
        await it.its.siblings.resume(de.domain, "test")
        await counted(1, 1, de, fr, it)
        assert await it.count("held") == await it.count("tombstones") == 0


async def test_inside_a_consult_a_like_reaches_those_in_it_and_nobody_passes_it_on(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        made = await de.its.compose.consult(await de.author("ada"), CASE, [await met(de, fr, "ada"), await met(de, it, "ada")])
        for at in (fr, it):
            await until(lambda at=at: at.count("consults"))  # type: ignore[misc]
        claire = await doctor(fr, "ada")
        [post] = (await fr.its.timelines.consults(claire.actor, None)).posts
        await fr.its.reactions.like(claire, post.id)
        await counted(1, 0, de, fr, it)
        for place, handle, post_id in ((fr, "ben", post.id), (de, "ben", made)):
            outsider = await doctor(place, handle)
            for attempt in (place.its.reactions.like(outsider, post_id), place.its.reactions.bookmark(outsider.actor, post_id),
                            place.its.reactions.people(outsider.actor, "likes", post_id, None)):
                with pytest.raises(NotFound):
                    await attempt
        for place, handle, post_id in ((fr, "ada", post.id), (de, "ada", made)):
            with pytest.raises(Refused, match="not passed on"):
                await place.its.reactions.boost(await place.author(handle), post_id)
        await fr.its.reactions.unlike(claire.actor, post.id)
        await counted(0, 0, de, fr, it)


async def test_a_deleted_post_leaves_no_like_no_boost_and_no_body_anywhere(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        await it.its.siblings.pause(fr.domain, "test", "for a while")  # what FR does stays on its way to IT
        post_id = await published(de, case(), fr, it)
        for at in (fr, it):
            await until(lambda at=at: at.count("posts"))  # type: ignore[misc]
        for at in (de, fr, it):
            post = await card(at)
            await at.its.reactions.like(await doctor(at), post.id)
            await at.its.reactions.boost(await at.author("ben"), post.id)
            await at.its.reactions.bookmark((await doctor(at)).actor, post.id)
        await counted(3, 3, de)
        await de.its.editing.delete((await doctor(de, "ada")).actor, post_id)
        for at in (de, fr, it):
            await until(lambda at=at: at.count("tombstones"))  # type: ignore[misc]
            for table in ("likes", "boosts", "bookmarks", "held"):
                assert await at.count(table) == 0, (at.country, table)
            assert await at.count("posts", "likes <> 0 OR boosts <> 0") == 0
            assert await at.count("outbox", "type <> 'Delete' AND length(body) > 0") == 0
            assert await at.count("deliveries d JOIN outbox o ON o.id = d.outbox_id",
                                  "d.state = 'pending' AND o.type <> 'Delete'") == 0
        await it.its.siblings.resume(fr.domain, "test")
        await asyncio.sleep(0.5)
        assert await it.count("likes") == await it.count("held") == 0


@pytest.fixture
async def meeting(tmp_path: Path) -> AsyncIterator[tuple[Running, FakeSibling, ServingSibling]]:
    """A German instance with its worker; a French sibling that says what the test wants, and an Italian one that is asked."""
    fake, third = FakeSibling(), ServingSibling()
    third.country = "it"
    runner = await third.start()
    try:
        async with countries(tmp_path, "de") as (de,):
            await know(de, fake)
            await know(de, third)
            yield de, fake, third
    finally:
        await runner.cleanup()


def undone(fake: FakeSibling, made: dict[str, Any], name: str = "u1") -> dict[str, Any]:
    return fake.activity("Undo", {key: made[key] for key in ("id", "type", "actor", "object")}, name)


_KINDS = (("Like", "likes"), ("Announce", "boosts"))


@pytest.mark.parametrize(("kind", "table"), _KINDS)
async def test_a_third_countrys_post_is_fetched_from_there_when_it_is_named_and_only_its_id_is_used(
        meeting: tuple[Running, FakeSibling, ServingSibling], kind: str, table: str) -> None:
    de, fake, third = meeting
    note = third.note(de, "n1", content="<p>as it is</p>")
    third.documents["/posts/n1"] = note
    embedded = note | {"content": "<p>as somebody says it is</p>", "to": [f"{de.url}/members", f"{fake.origin}/members"]}
    assert (await fake.send(de, fake.activity(kind, embedded)))[0] == 202
    await until(lambda: de.count("posts"))
    # it is for Germany alone: that France names it gives France no place in its audience, and its word no weight
    await until(lambda: de.count("ledger", "outcome = 'ignored: about a post that is not for its sender'"))
    assert await de.count("posts", "html LIKE '%as it is%'") == 1 and await de.count(table) == await de.count("held") == 0
    note = third.note(de, "n2", to=[f"{de.url}/members", f"{fake.origin}/members"])
    third.documents["/posts/n2"] = note
    assert (await fake.send(de, fake.activity(kind, note["id"], "l2")))[0] == 202
    await counted(int(table == "likes"), int(table == "boosts"), de, uri="%/n2")
    assert third.asked == {"/posts/n1": 1, "/posts/n2": 1} and third.signed


@pytest.mark.parametrize(("kind", "table"), _KINDS)
async def test_undoing_what_has_not_come_yet_holds_when_it_comes(
        meeting: tuple[Running, FakeSibling, ServingSibling], kind: str, table: str) -> None:
    de, fake, _ = meeting
    post = f"{de.url}/posts/{await published(de, case(), *(await _audience(de, fake)))}"
    made = fake.activity(kind, post)
    for activity in (undone(fake, made), made):
        assert (await fake.send(de, activity))[0] == 202
    assert await de.count(table) == await de.count("posts", f"{table} > 0") == 0
    assert await de.count("ledger", "outcome = 'ignored: taken back before it came'") == 1
    assert (await fake.send(de, fake.activity(kind, post, "l2")))[0] == 202
    assert await de.count(table) == await de.count("posts", f"{table} = 1") == 1


@pytest.mark.parametrize(("kind", "table"), _KINDS)
async def test_the_same_under_another_id_counts_once_and_its_last_id_is_undone(
        meeting: tuple[Running, FakeSibling, ServingSibling], kind: str, table: str) -> None:
    de, fake, _ = meeting
    post = f"{de.url}/posts/{await published(de, case(), *(await _audience(de, fake)))}"
    first, second = fake.activity(kind, post, "l1"), fake.activity(kind, post, "l2")
    for activity in (first, first, second):
        assert (await fake.send(de, activity))[0] == 202
        assert await de.count(table) == await de.count("posts", f"{table} = 1") == 1
    assert (await fake.send(de, undone(fake, first, "u1")))[0] == 202  # late: she has liked it again since
    assert await de.count(table) == await de.count("posts", f"{table} = 1") == 1
    assert (await fake.send(de, undone(fake, second, "u2")))[0] == 202
    assert (await fake.send(de, undone(fake, second, "u3")))[0] == 202
    assert await de.count(table) == await de.count("posts", f"{table} <> 0") == await de.count("tombstones") == 0


async def _audience(de: Running, fake: FakeSibling) -> tuple[Running, ...]:
    """The fake sibling as somebody to publish to."""
    return (Running(fake.country, fake.origin, de.server, {}),)


async def test_what_is_not_there_and_what_is_not_theirs_have_one_answer(
        meeting: tuple[Running, FakeSibling, ServingSibling]) -> None:
    de, fake, third = meeting
    home = f"{de.url}/posts/{await published(de, case())}"
    other = await de.its.database.read(lambda tx: by_uri(tx, third.actor))
    assert other is not None
    consult = f"{de.url}/posts/{await de.its.compose.consult(await de.author('ada'), CASE, [other])}"
    await third.send(de, third.activity("Create", third.note(de, "theirs")))
    gone = await published(de, case("gone?"), *(await _audience(de, fake)))
    await de.its.editing.delete((await doctor(de, "ada")).actor, gone)
    name = 0
    for kind, _ in _KINDS:
        answers = []
        for about in (f"{de.url}/posts/{'0' * 13}", f"{de.url}/actor", home, consult):
            name += 1
            status, problem = await fake.send(de, fake.activity(kind, about, f"o{name}"))
            answers.append((status, {key: value for key, value in problem.items() if key != "activity"}))
        assert answers[0][0] == 400 and answers[0][1]["type"] == "urn:konsil:problem:no-such-post"
        assert answers == [answers[0]] * 4
        for about in (f"{third.origin}/posts/theirs", f"{third.origin}/posts/none", "https://stranger.example/posts/1",
                      f"{de.url}/posts/{gone}"):
            name += 1
            assert (await fake.send(de, fake.activity(kind, about, f"o{name}")))[0] == 202, about
    assert await de.count("held") == 2 and third.asked.total() > 0  # for what may still come, and only where we may ask
    for reason in ("about a post that is not for its sender", "about a post outside our network", "deleted meanwhile"):
        assert await de.count("ledger", f"outcome = 'ignored: {reason}'") == 2
    assert await de.count("likes") == await de.count("boosts") == await de.count("posts", "likes + boosts > 0") == 0


async def test_what_breaks_a_rule_is_refused_by_its_name(meeting: tuple[Running, FakeSibling, ServingSibling]) -> None:
    de, fake, _ = meeting
    audience = await _audience(de, fake)
    post = f"{de.url}/posts/{await published(de, case(), *audience)}"
    claire = await de.its.database.read(lambda tx: by_uri(tx, fake.actor))
    assert claire is not None
    consult = f"{de.url}/posts/{await de.its.compose.consult(await de.author('ada'), CASE, [claire])}"
    own = fake.note(de, "own")
    assert (await fake.send(de, fake.activity("Create", own, "own")))[0] == 202
    like = fake.activity("Like", post, "like")
    assert (await fake.send(de, like))[0] == 202
    ada = (await doctor(de, "ada")).actor.uri
    for status, reason, activity in (
            (400, "bad-object", fake.activity("Like", {"type": "Note"}, "a1")),
            (400, "bad-object", fake.activity("Announce", ["a", "b"], "a2")),
            (403, "foreign-actor", fake.activity("Like", post, "a3", actor=ada)),
            (403, "named", fake.activity("Announce", consult, "a4")),
            (400, "bad-object", fake.activity("Undo", like["id"], "a5")),
            (403, "foreign-author", undone(fake, like | {"actor": f"{fake.origin}/actors/other"}, "a6")),
            (403, "foreign-object", undone(fake, like | {"id": f"{de.url}/likes/0"}, "a7")),
            (400, "bad-object", undone(fake, like | {"id": own["id"]}, "a8"))):
        answered, problem = await fake.send(de, activity)
        assert (answered, problem["type"]) == (status, f"urn:konsil:problem:{reason}"), activity
    for activity in (fake.activity("Like", consult, "b1"), fake.activity("Announce", own["id"], "b2"),
                     fake.activity("Like", own["id"], "b3"), fake.activity("Undo", {"id": f"{fake.origin}/x", "type": "Block",
                                                                                "actor": fake.actor}, "b4"),
                     undone(fake, like | {"type": "Announce"}, "b5")):  # not what it was: nothing is undone
        assert (await fake.send(de, activity))[0] == 202, activity
    assert await de.count("likes") == 2 and await de.count("boosts") == 1 and await de.count("tombstones") == 0
    assert await de.count("ledger", "outcome = 'ignored: of one''s own post'") == 1


async def test_a_doctor_who_is_not_known_yet_is_fetched_and_counted(
        meeting: tuple[Running, FakeSibling, ServingSibling]) -> None:
    de, _, third = meeting
    post = f"{de.url}/posts/{await published(de, case(), *(await _audience(de, third)))}"
    await until(lambda: de.count("deliveries"))
    new = f"{third.origin}/actors/new"
    third.documents["/actors/new"] = third.person(new)
    for number, (kind, _) in enumerate(_KINDS):
        assert (await third.send(de, third.activity(kind, post, f"n{number}", actor=new)))[0] == 202
    await counted(1, 1, de)
    assert third.asked["/actors/new"] == 1 and await de.count("held") == 0


async def test_likes_between_posts_are_taken_in_with_them_in_order(tmp_path: Path) -> None:
    """One batch: what comes after its post counts, what comes before it waits and is woken by it."""
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        sibling = de.its.allowlist.admit(fake.origin, Direction.IN, Purpose.INBOX)

        def came(document: dict[str, Any]) -> Arrival:
            body = dumps(document)
            return arrival(sibling, document, body, hashlib.sha256(body).digest(), de.its.clock.ms())

        root = f"{de.url}/posts/{await published(de, case(), *(await _audience(de, fake)))}"
        answer = fake.note(de, "r1", inReplyTo=root)
        second = fake.note(de, "n2")
        batch = [came(fake.activity(kind, about, f"a{number}")) for number, (kind, about) in enumerate((
            ("Announce", answer["id"]), ("Like", root), ("Create", answer), ("Announce", root), ("Like", root),
            ("Create", second), ("Announce", second["id"])))]
        results = await de.its.database.write(lambda tx: de.its.bundles._writer.apply(tx, batch))
        assert [type(result) for result in results] == [Held, *[Stored] * 6]
        assert await de.count("held", f"next_try <= {batch[0].now}") == 1
        assert await de.count("posts", f"uri = '{root}' AND likes = 1 AND boosts = 1 AND replies = 1") == 1
        assert await de.count("posts", "uri LIKE '%/n2' AND boosts = 1") == 1 and await de.count("likes") == 1
