"""A sibling that orders everything of its own erased: all of that goes, step by step, and nothing of anybody else."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from actors.store import by_uri, save
from actors.wire import actor_of
from core.settings import Settings
from federation.identity import members_of
from inbox import ordered
from instance.assembly import assemble
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.servers import PASSWORD, FakeSibling, Running, countries, know
from tests.test_pages import Browser
from tests.test_siblings import audit

_SECRET = "Geheimwort"


class Two:
    """A German instance and two siblings of it, both of which have written, liked, passed on, voted and followed here."""

    def __init__(self, de: Running) -> None:
        self.de = de
        self.fr, self.it = FakeSibling("fr", 2), FakeSibling("it", 3)

    async def fill(self) -> None:
        for fake in (self.fr, self.it):
            await know(self.de, fake)
        de, ada = self.de, await self.de.author("ada")
        everywhere = (self.fr.origin, self.it.origin)
        digest = de.its.compose.network_digest(await de.its.compose.destinations())
        case = Draft(Kind.CASE, "Ours?", "Text", "de", CaseFacts(("cardiology",)))
        self.case = await de.its.compose.publish(ada, case, everywhere, Reach.NETWORK, digest)
        polls = []
        for question in ("Open?", "Closed?"):
            draft = Draft(Kind.POLL, question, "", "de", CaseFacts(),
                          PollDraft(("yes", "no"), False, de.its.clock.ms() + 3_600_000))
            polls.append(await de.its.compose.publish(ada, draft, everywhere, Reach.NETWORK, digest))
        for fake in (self.fr, self.it):
            await self.says(fake, "Create", fake.note(de, content=f"<p>{_SECRET}{fake.country}</p>") | {"name": "Quoi?"}, "c1")
            for number in range(60):
                await self.says(fake, "Create", fake.note(de, f"m{number}", content="<p>text</p>"), f"d{number}")
            await self.says(fake, "Create", fake.note(de, "a1", inReplyTo=self.uri(self.case), to=[
                members_of(de.url), *(members_of(origin) for origin in everywhere if origin != fake.origin)]), "c2")
            await self.says(fake, "Like", self.uri(self.case), "l1")
            await self.says(fake, "Announce", self.uri(self.case), "b1")
            await self.says(fake, "Follow", ada.actor.uri, "f1")
            await self.says(fake, "Flag", self.uri(self.case), "r1", actor=f"{fake.origin}/actor", category="secrecy",
                            content=f"{_SECRET}{fake.country}")
            for number, poll in enumerate(polls):
                vote = {"id": f"{fake.origin}/votes/{number}", "type": "Note", "attributedTo": fake.actor, "name": "yes",
                        "inReplyTo": self.uri(poll), "to": [ada.actor.uri]}
                await self.says(fake, "Create", vote, f"v{number}")
            unknown = fake.note(de, "h1", inReplyTo=f"{fake.origin}/posts/never", content=f"<p>{_SECRET}{fake.country}</p>")
            await self.says(fake, "Create", unknown, "h1")
        await de.its.database.write(lambda tx: tx.run("UPDATE polls SET closed_at = 1 WHERE post_id IN"
                                                      " (SELECT id FROM posts WHERE question = 'Closed?')"))
        doc = await de.its.database.read(lambda tx: by_uri(tx, self.fr.actor))
        assert doc is not None
        self.doc = doc
        doctor = await de.its.credentials.require_verified(de.doctors["ben"])
        await de.its.relations.follow(doctor, doc)
        await de.its.relations.mute(doctor.actor, doc)

    def uri(self, post_id: str) -> str:
        return f"{self.de.url}/posts/{post_id}"

    async def says(self, fake: FakeSibling, kind: str, made: Any, name: str, **changes: Any) -> None:
        answer = await fake.send(self.de, fake.activity(kind, made, name, **changes))
        assert answer[0] == 202, answer

    async def orders(self, fake: FakeSibling, name: str = "erasure") -> None:
        actor = f"{fake.origin}/actor"
        await self.says(fake, "Delete", actor, name, actor=actor)

    async def finish(self) -> int:
        steps = 0
        while await self.de.its.ordered_erasures.step():
            steps += 1
        return steps

    async def of(self, fake: FakeSibling) -> dict[str, int]:
        """What lies here that is a sibling's own, by kind."""
        here = f"(SELECT id FROM siblings WHERE origin = '{fake.origin}')"
        people = f"(SELECT id FROM actors WHERE sibling_id = {here})"
        return {
            "posts": await self.de.count("posts", f"sibling_id = {here} AND (erased_at IS NULL OR html <> '' OR question <> '')"),
            "likes": await self.de.count("likes", f"actor_id IN {people}"),
            "boosts": await self.de.count("boosts", f"actor_id IN {people}"),
            "votes": await self.de.count("votes", f"voter_id IN {people}"),
            "told": await self.de.count("notification_events", f"by_id IN {people}"),
            "follows": await self.de.count("follows", f"follower_id IN {people} OR followed_id IN {people}"),
            "reports": await self.de.count("reports", f"sibling_id = {here}"),
            "held": await self.de.count("held", f"sibling_id = {here}"),
            "named": await self.de.count("actors", f"sibling_id = {here} AND (name <> '' OR handle <> '' OR gone_at IS NULL)")}


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    async with countries(tmp_path, "de", worker=False) as (de,):
        made = Two(de)
        await made.fill()
        yield made


async def test_everything_of_its_own_goes_and_nothing_of_others(two: Two) -> None:
    de = two.de
    before, others = await two.of(two.fr), await two.of(two.it)
    assert all(before.values()), before
    await two.orders(two.fr)
    assert await two.of(two.fr) == before  # the answer is quick, the work comes later
    assert await two.finish() > 8
    assert set((await two.of(two.fr)).values()) == {0}
    assert await two.of(two.it) == others
    ours = await de.its.database.read(lambda tx: tx.row(
        "SELECT likes, boosts, replies FROM posts WHERE question = 'Ours?' AND erased_at IS NULL"))
    assert ours is not None and tuple(ours) == (1, 1, 1)  # the other sibling's
    polls = await de.its.database.read(lambda tx: {row["question"]: row["voters"] for row in tx.rows(
        "SELECT p.question, v.voters FROM polls v JOIN posts p ON p.id = v.post_id WHERE p.sibling_id IS NULL")})
    assert polls == {"Open?": 1, "Closed?": 2}  # a result that was announced stays, without who voted
    assert await de.count("tombstones", f"origin = '{two.fr.origin}'") == 62
    [found] = (await de.its.ordered_erasures.newest()).values()
    assert (found.posts, found.people) == (62, 1) and found.done is not None
    assert [entry for entry in await audit(de.its) if entry[1].startswith("sibling.eras")] == [
        ("worker", "sibling.erasing", two.fr.origin), ("worker", "sibling.erased", two.fr.origin)]


async def test_the_text_is_nowhere_in_the_file_afterwards(two: Two) -> None:
    await two.orders(two.fr)
    await two.finish()
    path = two.de.its.settings.path("konsil.db")
    with closing(sqlite3.connect(path)) as connection:
        text = "\n".join(connection.iterdump())
    assert f"{_SECRET}it" in text and f"{_SECRET}fr" not in text


async def test_it_can_order_this_about_itself_only(two: Two) -> None:
    fr, it = f"{two.fr.origin}/actor", f"{two.it.origin}/actor"
    before = [await two.of(fake) for fake in (two.fr, two.it)]
    for number, (actor, what) in enumerate(((fr, it), (it, it), (it, fr), (two.fr.actor, fr), (fr, two.it.actor),
                                            (fr, two.de.its.identity.actor_uri))):
        status, problem = await two.fr.send(two.de, two.fr.activity("Delete", what, f"x{number}", actor=actor))
        assert status == 403 and problem["type"].rsplit(":", 1)[1] in ("foreign-actor", "foreign-object", "foreign-author"), actor
    assert await two.finish() == 0 and [await two.of(fake) for fake in (two.fr, two.it)] == before


async def test_ordered_twice_it_is_done_once_and_a_paused_sibling_is_not_listened_to(two: Two) -> None:
    await two.orders(two.fr)
    await two.orders(two.fr, "again")
    assert await two.de.count("ordered_erasures") == 1
    await two.de.its.siblings.pause(two.it.origin.split("://")[1], "test", "test")
    actor = f"{two.it.origin}/actor"
    assert (await two.it.send(two.de, two.it.activity("Delete", actor, "e", actor=actor)))[0] == 503
    assert await two.de.count("ordered_erasures") == 1


async def test_what_comes_after_the_order_stays_and_whoever_is_admitted_again_is_known_again(two: Two) -> None:
    de, fr = two.de, two.fr
    await two.orders(fr)
    await two.says(fr, "Create", fr.note(de, "later") | {"name": "Encore?"}, "later")
    await two.finish()
    assert (await two.of(fr))["posts"] == 1
    domain = fr.origin.split("://")[1]
    assert await de.its.database.read(lambda tx: by_uri(tx, fr.actor)) is None
    await de.its.siblings.revoke(domain, "test", "left")
    await know(de, fr)
    back = await de.its.database.read(lambda tx: by_uri(tx, fr.actor))
    assert back is not None and back.id == two.doc.id and back.name == "Dr Doc"
    relation = await de.its.relations.between((await de.author("ben")).actor, back)
    assert relation.following is None and relation.shun == "mute"  # what our own doctor decided still holds


async def test_operators_are_told_and_doctors_see_empty_places(two: Two) -> None:
    de = two.de
    await de.its.accounts.add_operator("olga", "Olga", PASSWORD)
    await two.orders(two.fr)
    async with Browser(de) as olga, Browser(de) as ada:
        await olga.login("olga")
        await ada.login("ada")
        for path in ("/admin/siblings", f"/admin/siblings/{two.fr.origin.split('://')[1]}"):
            assert "to erase everything of its own. That goes on. Posts so far: 0, people: 0." in (await olga.get(path))[1]
        await two.finish()
        for path in ("/admin/siblings", f"/admin/siblings/{two.fr.origin.split('://')[1]}"):
            assert "Posts: 62, people: 1." in (await olga.get(path))[1]
        status, page = await ada.get(f"/p/{two.case}")
        assert status == 200 and "This was deleted by its author." in page
        for path in ("/", "/?tab=all", "/notifications", "/follows", "/directory?country=", f"/p/{two.case}/likes"):
            assert (await ada.get(path))[0] == 200, path
        async with Browser(de) as ben:
            await ben.login("ben")
            status, page = await ben.get("/follows?tab=muted")
            assert status == 200 and "Dr Doc" not in page


async def test_a_database_out_of_a_backup_obeys_the_order_again(settings: Settings) -> None:
    fake = FakeSibling("fr", 2)
    async with assemble(settings) as its:
        described = fake.described()
        await its.siblings.add("127.0.0.1:2", "fr", described.fingerprint, descriptor=described)
        row = await its.siblings.approve("127.0.0.1:2", "test")
        actor = actor_of(fake.person(), expected=fake.actor, sibling_id=row.id, country="fr", actor_id=its.ids.new())
        await its.database.write(lambda tx: save(tx, actor, its.clock.ms()))
    backup = settings.path("konsil.db").read_bytes()
    async with assemble(settings) as its:
        await its.database.write(lambda tx: ordered.order(tx, its.ids, row.id, its.clock.ms()))
        while await its.ordered_erasures.step():
            pass
    for path in settings.path(".").glob("konsil.db*"):
        path.unlink()
    settings.path("konsil.db").write_bytes(backup)
    async with assemble(settings) as its:
        assert await its.database.read(lambda tx: by_uri(tx, fake.actor)) is not None
        while await its.ordered_erasures.step():
            pass
        assert await its.database.read(lambda tx: by_uri(tx, fake.actor)) is None
        assert len(await its.ordered_erasures.newest()) == 1
    async with assemble(settings) as its:
        assert not await its.ordered_erasures.step()
