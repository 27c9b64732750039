"""Liking, passing on, keeping: counted once, sent once, to those who can read the post and to nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors.models import Actor, Role, VerifiedDoctor
from actors.store import by_uri
from core.errors import InvalidInput, NotFound, Refused
from federation.identity import members_of
from posts import reactions
from posts.models import PostView, Reach
from tests.conversations.test_consults import CASE
from tests.conversations.test_the_whole_path import case
from tests.servers import FakeSibling, Running, countries, know


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[tuple[Running, FakeSibling]]:
    """A German instance without a worker, so that what is on its way can be looked at, and a French sibling with a doctor."""
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        yield de, fake


async def doctor(at: Running, handle: str) -> VerifiedDoctor:
    return await at.its.credentials.require_verified(at.doctors[handle])


async def asked(de: Running, *origins: str) -> str:
    """A case of Ada's, at home or for these origins."""
    seen = de.its.compose.network_digest(await de.its.compose.destinations())
    return await de.its.compose.publish(
        await de.author("ada"), case(), origins, Reach.COUNTRIES if origins else Reach.HOME, seen)


async def shown(at: Running, handle: str, post_id: str) -> PostView:
    conversation = await at.its.threads.thread((await doctor(at, handle)).actor, post_id)
    return next(post for post in conversation.posts if post.id == post_id)


async def sent(at: Running, *types: str) -> list[dict[str, Any]]:
    """The activities of these types in the outbox, oldest first."""
    rows = await at.its.database.read(lambda tx: tx.rows("SELECT type, body FROM outbox WHERE length(body) > 0 ORDER BY id"))
    return [json.loads(row["body"]) for row in rows if row["type"] in types]


async def test_a_like_and_a_boost_go_once_to_the_whole_audience_by_reference_and_are_taken_back_in_order(
        room: tuple[Running, FakeSibling]) -> None:
    de, fake = room
    post_id, ben = await asked(de, fake.origin), await doctor(de, "ben")
    author, its = await de.author("ben"), de.its.reactions
    for kind, do, undo in (("Like", lambda: its.like(ben, post_id), lambda: its.unlike(ben.actor, post_id)),
                           ("Announce", lambda: its.boost(author, post_id), lambda: its.unboost(ben.actor, post_id))):
        table = {"Like": "likes", "Announce": "boosts"}[kind]
        await do()
        await do()
        [made] = await sent(de, kind)
        assert {key: made[key] for key in ("type", "actor", "object", "to")} == {
            "type": kind, "actor": ben.actor.uri, "object": f"{de.url}/posts/{post_id}", "to": [members_of(fake.origin)]}
        assert made["id"].startswith(f"{de.url}/{table}/") and set(made) == {"@context", "id", "type", "actor", "object", "to"}
        view = await shown(de, "ben", post_id)
        assert (getattr(view, table), view.liked or view.boosted) == (1, True)
        assert getattr(await shown(de, "ada", post_id), table) == 1
        await undo()
        await undo()
        [undone] = await sent(de, "Undo")
        assert undone["object"] == {key: made[key] for key in ("id", "type", "actor", "object", "to")}
        assert (undone["id"], undone["to"]) == (f"{made['id']}#undo", made["to"])
        await do()
        assert len({activity["id"] for activity in await sent(de, kind)}) == 2
        # one line per doctor and post: the second must not arrive before the first is taken back
        assert await de.count("outbox", f"type IN ('{kind}', 'Undo')") == 3
        assert await de.count("(SELECT DISTINCT object_key FROM outbox WHERE type <> 'Create')") == 1
        await undo()
        assert await de.count(table) == await de.count("posts", f"{table} <> 0") == 0
        await de.its.database.write(lambda tx: (tx.run("DELETE FROM deliveries"), tx.run("DELETE FROM outbox")))


async def test_clicking_many_times_at_once_counts_once(room: tuple[Running, FakeSibling]) -> None:
    de, fake = room
    post_id, ben = await asked(de, fake.origin), await doctor(de, "ben")
    await asyncio.gather(*(de.its.reactions.like(ben, post_id) for _ in range(8)))
    assert (await shown(de, "ada", post_id)).likes == await de.count("likes") == len(await sent(de, "Like")) == 1
    await asyncio.gather(*(de.its.reactions.unlike(ben.actor, post_id) for _ in range(8)))
    assert (await shown(de, "ada", post_id)).likes == await de.count("likes") == 0 and len(await sent(de, "Undo")) == 1


async def test_what_is_at_home_is_counted_at_home(room: tuple[Running, FakeSibling]) -> None:
    de, _ = room
    post_id, ben = await asked(de), await doctor(de, "ben")
    await de.its.reactions.like(ben, post_id)
    await de.its.reactions.boost(await de.author("ben"), post_id)
    view = await shown(de, "ben", post_id)
    assert (view.likes, view.boosts, view.liked, view.boosted) == (1, 1, True, True)
    await de.its.reactions.unlike(ben.actor, post_id)
    await de.its.reactions.unboost(ben.actor, post_id)
    assert await de.count("outbox") == await de.count("likes") == await de.count("boosts") == 0


async def test_nobody_likes_what_she_wrote_but_she_may_bring_it_up_again(room: tuple[Running, FakeSibling]) -> None:
    de, fake = room
    post_id, ada = await asked(de, fake.origin), await doctor(de, "ada")
    with pytest.raises(InvalidInput, match="Nobody likes their own post"):
        await de.its.reactions.like(ada, post_id)
    assert await de.count("likes") == await de.count("posts", "likes > 0") == len(await sent(de, "Like")) == 0
    await de.its.reactions.boost(await de.author("ada"), post_id)
    assert (await shown(de, "ada", post_id)).boosted


async def test_a_consult_is_liked_among_those_in_it_and_never_passed_on(room: tuple[Running, FakeSibling]) -> None:
    de, fake = room
    claire = await de.its.database.read(lambda tx: by_uri(tx, fake.actor))
    assert claire is not None
    ben = await doctor(de, "ben")
    consult = await de.its.compose.consult(await de.author("ada"), CASE, [claire, ben.actor])
    await de.its.reactions.like(ben, consult)
    [like] = await sent(de, "Like")
    assert sorted(like["to"]) == sorted([claire.uri, (await doctor(de, "ada")).actor.uri])
    assert (await shown(de, "ada", consult)).likes == 1
    with pytest.raises(Refused, match="not passed on"):
        await de.its.reactions.boost(await de.author("ben"), consult)
    assert await de.count("boosts") == len(await sent(de, "Announce")) == 0


async def test_who_cannot_read_a_post_can_do_nothing_with_it(room: tuple[Running, FakeSibling]) -> None:
    de, fake = room
    claire = await de.its.database.read(lambda tx: by_uri(tx, fake.actor))
    assert claire is not None
    consult = await de.its.compose.consult(await de.author("ada"), CASE, [claire])
    gone = await asked(de, fake.origin)
    await de.its.editing.delete((await doctor(de, "ada")).actor, gone)
    before = await de.count("outbox")
    ben, author = await doctor(de, "ben"), await de.author("ben")
    for post_id in (consult, gone, "0" * 13, "nonsense"):
        for attempt in (
                de.its.reactions.like(ben, post_id), de.its.reactions.unlike(ben.actor, post_id),
                de.its.reactions.boost(author, post_id), de.its.reactions.unboost(ben.actor, post_id),
                de.its.reactions.bookmark(ben.actor, post_id), de.its.reactions.unbookmark(ben.actor, post_id),
                de.its.reactions.people(ben.actor, "likes", post_id, None)):
            with pytest.raises(NotFound, match=r"There is no such post here\."):
                await attempt
    for table in ("likes", "boosts", "bookmarks"):
        assert await de.count(table) == 0
    assert await de.count("outbox") == before


async def test_students_like_and_keep_but_bring_up_no_more_than_they_ask(room: tuple[Running, FakeSibling]) -> None:
    de, _ = room
    account, post_id = await de.add_doctor("stu", Role.STUDENT), await asked(de)
    student = await de.its.credentials.require_verified(account)
    await de.its.reactions.like(student, post_id)
    await de.its.reactions.bookmark(student.actor, post_id)
    view = await shown(de, "stu", post_id)
    assert view.liked and view.bookmarked
    with pytest.raises(Refused):
        await de.author("stu")
    applicant = await de.add_doctor("new", proven=False)
    with pytest.raises(Refused):
        await de.its.credentials.require_verified(applicant)


async def kept(at: Running, reader: Actor) -> list[str]:
    return [post.id for post in (await at.its.timelines.bookmarks(reader, None)).posts]


async def test_what_is_kept_is_kept_for_oneself_last_kept_first(room: tuple[Running, FakeSibling]) -> None:
    de, fake = room
    ada, ben = (await doctor(de, "ada")).actor, (await doctor(de, "ben")).actor
    first, second = await asked(de, fake.origin), await asked(de, fake.origin)
    before = await de.count("outbox")
    for post_id in (second, first, second):
        await de.its.reactions.bookmark(ben, post_id)
    assert await kept(de, ben) == [first, second] and await kept(de, ada) == []
    assert (await shown(de, "ben", first)).bookmarked and not (await shown(de, "ada", first)).bookmarked
    await de.its.reactions.unbookmark(ben, first)
    await de.its.reactions.unbookmark(ben, first)
    assert await kept(de, ben) == [second] and await de.count("outbox") == before


async def test_a_deleted_post_takes_likes_boosts_and_bookmarks_along_and_what_is_on_its_way(
        room: tuple[Running, FakeSibling]) -> None:
    de, fake = room
    post_id, ben = await asked(de, fake.origin), await doctor(de, "ben")
    await de.its.reactions.like(ben, post_id)
    await de.its.reactions.unlike(ben.actor, post_id)
    await de.its.reactions.like(ben, post_id)
    await de.its.reactions.boost(await de.author("ben"), post_id)
    await de.its.reactions.bookmark(ben.actor, post_id)
    await de.its.editing.delete((await doctor(de, "ada")).actor, post_id)
    for table in ("likes", "boosts", "bookmarks"):
        assert await de.count(table) == 0
    assert await de.count("posts", "likes <> 0 OR boosts <> 0") == 0 and await kept(de, ben.actor) == []
    assert await de.count("outbox", "type <> 'Delete' AND length(body) > 0") == 0
    assert await de.count("deliveries", "state = 'pending'") == 1  # the Delete


async def test_who_liked_is_read_page_by_page_last_first(
        room: tuple[Running, FakeSibling], monkeypatch: pytest.MonkeyPatch) -> None:
    de, _ = room
    monkeypatch.setattr(reactions, "PEOPLE", 2)
    post_id = await asked(de)
    handles = [f"d{number}" for number in range(5)]
    for handle in handles:
        await de.add_doctor(handle)
        await de.its.reactions.like(await doctor(de, handle), post_id)
        await de.its.reactions.boost(await de.author(handle), post_id)
    ada = (await doctor(de, "ada")).actor
    for table in reactions.TABLES:
        found, before, pages = list[str](), None, 0
        while pages == 0 or before is not None:
            page = await de.its.reactions.people(ada, table, post_id, before)
            found += [actor.handle for actor, at in page.people]
            before, pages = page.before, pages + 1
            assert page.post.likes == 5 and len(page.people) <= 2
        assert found == handles[::-1] and pages == 3
        assert len((await de.its.reactions.people(ada, table, post_id, "nonsense")).people) == 2
