"""Leaving: everything a doctor wrote and did goes, here and at the siblings, and what others wrote stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.accounts import NewDoctor
from actors.models import Actor
from actors.store import by_uri
from core.errors import Conflict, NotSignedIn
from federation.identity import members_of
from instance.assembly import assemble
from posts.attesting import Outcome
from posts.departed import Receipts
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.conversations.test_tallies import asked, vote
from tests.conversations.test_the_whole_path import published
from tests.servers import PASSWORD, FakeSibling, Running, countries, know, until
from tests.test_erasures import kept, lines, put_back
from tests.test_siblings import audit

_WORD = "planted7c1e"
_CASE = Draft(Kind.CASE, f"Question {_WORD}?", f"Text {_WORD}", "de", CaseFacts(("cardiology",)))


def holds(place: Running, word: str = _WORD) -> list[str]:
    """The files of an instance that hold a word, byte for byte."""
    directory = Path(place.its.settings.instance.data_dir)
    return [path.name for path in directory.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


async def gone(place: Running) -> bool:
    """Whether everything of somebody who leaves has gone from an instance."""
    return await place.count("departures", "done_at IS NOT NULL") > 0


async def ends_today(place: Running) -> None:
    """Her days are over."""
    await place.its.database.write(lambda tx: tx.run("UPDATE departures SET due_at = 0"))


async def seen_from(place: Running, uri: str) -> Actor:
    found = await place.its.database.read(lambda tx: by_uri(tx, uri))
    assert found is not None
    return found


async def traces(place: Running, uri: str) -> dict[str, int]:
    """What there is of somebody at an instance, by table."""
    here = f"(SELECT id FROM actors WHERE uri = '{uri}')"
    wheres = {"posts": "author_id IN {0} AND erased_at IS NULL", "likes": "actor_id IN {0}", "boosts": "actor_id IN {0}",
              "votes": "voter_id IN {0}", "follows": "follower_id IN {0} OR followed_id IN {0}",
              "notifications": "actor_id IN {0}", "notification_events": "by_id IN {0}", "bookmarks": "actor_id IN {0}",
              "drafts": "actor_id IN {0}", "topic_follows": "actor_id IN {0}", "shuns": "actor_id IN {0} OR other_id IN {0}",
              "consults": "actor_id IN {0}", "actors": "id IN {0} AND (name <> '' OR handle <> '' OR gone_at IS NULL)",
              "actor_specialties": "actor_id IN {0}"}
    return {table: await place.count(table, where.format(here)) for table, where in wheres.items()}


async def test_after_fourteen_days_her_posts_are_tombstones_here_and_at_the_sibling(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    for draft in (_CASE, Draft(Kind.NOTE, f"Note {_WORD}", "Text", "de", CaseFacts())):
        await published(de, draft, fr)
    await until(lambda: fr.count("posts", "kind = 'case'"))
    await until(lambda: fr.count("posts", "kind = 'note'"))
    asked = await de.its.departures.ask(de.doctors["ada"], "ada")
    assert asked.due - asked.asked == 14 * 86_400_000 and asked.begun is None
    assert not await de.its.departing.step()  # nothing happens before
    assert await fr.count("posts", "erased_at IS NOT NULL") == 0
    await ends_today(de)
    for place in (de, fr):
        await until(lambda place=place: gone(place))  # type: ignore[misc]
        assert await place.count("posts", "erased_at IS NOT NULL") == 2
        assert await place.count("actors", "name = '' AND handle = '' AND gone_at IS NOT NULL") == 1
        await until(lambda place=place: not holds(place))  # type: ignore[misc]

    async def confirmed() -> bool:
        [one] = await de.its.departing.departed()
        return one.confirmed

    await until(confirmed)
    [one] = await de.its.departing.departed()
    assert one.posts == 2 and one.receipts == (Receipts("fr", 3, 3),)
    assert [entry[:2] for entry in await audit(de.its) if entry[1].startswith("doctor.") and entry[2] == "ada"][1:] == [
        ("ada", "doctor.leaves"), ("worker", "doctor.departed")]


async def test_likes_follows_votes_and_all_that_only_she_saw_go_too(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    ada, ben, jeanne = await de.author("ada"), await de.author("ben"), await fr.author("ben")
    digest = fr.its.compose.network_digest(await fr.its.compose.destinations())
    poll = PollDraft(("yes", "no"), False, de.its.clock.ms() + 3_600_000)
    theirs = await fr.its.compose.publish(jeanne, Draft(Kind.POLL, "Which?", "", "fr", CaseFacts(), poll), (de.url,),
                                          Reach.NETWORK, digest)
    ours = await de.its.compose.publish(ben, Draft(Kind.POLL, "Ours?", "", "de", CaseFacts(), poll), (), Reach.HOME, "")
    await until(lambda: de.count("posts", "question = 'Which?'"))
    [card] = [one for one in (await de.its.timelines.home(ada.actor, "all", None)).posts if one.question == "Which?"]
    doctor = await de.its.credentials.require_verified(de.doctors["ada"])
    await de.its.reactions.like(doctor, card.id)
    await de.its.reactions.boost(ada, card.id)
    await de.its.reactions.bookmark(ada.actor, card.id)
    voter = await de.author("ada", "vote")
    for post_id in (card.id, ours):
        await de.its.polls.vote(voter, post_id, (0,))
    await de.its.polls.vote(await de.author("ben", "vote"), card.id, (1,))
    other = await seen_from(de, jeanne.actor.uri)
    await de.its.relations.follow(doctor, other)
    await de.its.relations.mute(ada.actor, ben.actor)
    reply = await de.its.compose.reply(await de.author("ada", "reply"), card.id, f"Answer {_WORD}", "de")
    await until(lambda: fr.count("posts", "kind = 'reply'"))
    await until(lambda: fr.count("follows"))
    await until(lambda: fr.count("polls", "voters = 2"))
    [answer] = (await fr.its.threads.thread(jeanne.actor, theirs)).posts[1:]
    await fr.its.compose.reply(await fr.author("ben", "reply"), answer.id, "Merci", "fr")
    await until(lambda: de.count("posts", "kind = 'reply' AND sibling_id IS NOT NULL"))
    assert await fr.count("likes") == await fr.count("boosts") == 1 and reply
    before = [await traces(place, ada.actor.uri) for place in pair]
    assert all(before[0][table] for table in (
        "posts", "likes", "boosts", "votes", "follows", "bookmarks", "shuns", "notifications", "topic_follows")), before[0]
    assert all(before[1][table] for table in ("posts", "likes", "boosts", "follows", "notification_events")), before[1]
    await de.its.departures.order("ada", "test")
    for place in pair:
        await until(lambda place=place: gone(place))  # type: ignore[misc]
        assert set((await traces(place, ada.actor.uri)).values()) == {0}
        counted = await place.its.database.read(lambda tx: tx.row("SELECT likes, boosts FROM posts WHERE question = 'Which?'"))
        assert counted is not None and tuple(counted) == (0, 0)
    assert await de.count("polls p JOIN posts o ON o.id = p.post_id", "o.question = 'Ours?' AND p.voters = 0")  # counted anew
    await until(lambda: fr.count("polls", "voters = 1"))  # and so is theirs, by the tally
    thread = (await fr.its.threads.thread(jeanne.actor, theirs)).posts
    assert [(post.erased, "Merci" in post.html) for post in thread] == [(False, False), (True, False), (False, True)]
    for place in pair:
        await until(lambda place=place: not holds(place))  # type: ignore[misc]


async def test_nothing_of_the_person_stays_in_the_account_and_nobody_gets_her_handle(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    uri = (await de.author("ada")).actor.uri
    token = (await de.its.sessions.login("ada", PASSWORD, "203.0.113.5")).token
    await de.its.database.write(lambda tx: tx.run(
        "INSERT INTO verifications (id, account_id, what, method, evidence, register_text, by, at) VALUES (1, ?, 'verified',"
        " 'register', 'seen', 'Ada, Berlin', 'olga', 1)", (de.doctors["ada"].id,)))
    await de.its.departures.order("ada", "test")
    await until(lambda: gone(de))
    assert await de.its.sessions.find(token) is None
    with pytest.raises(NotSignedIn):
        await de.its.sessions.login("ada", PASSWORD, "203.0.113.5")
    row = await de.its.database.read(lambda tx: tx.row("SELECT * FROM accounts WHERE id = ?", (de.doctors["ada"].id,)))
    assert row is not None and (row["state"], row["name"], row["password_hash"], row["evidence"]) == ("departed", "", "", "")
    decided = await de.its.database.read(lambda tx: tx.row(
        "SELECT method, by, at, evidence, register_text FROM verifications WHERE account_id = ?", (row["id"],)))
    assert decided is not None and tuple(decided) == ("register", "olga", 1, "", "")
    await until(lambda: not holds(de, "Ada, Berlin"))
    with pytest.raises(Conflict, match="taken"):
        await de.its.accounts.add_doctor(NewDoctor("ada", "Other", PASSWORD))
    with pytest.raises(Conflict, match="taken"):
        await de.its.accounts.add_operator("ada", "Other", PASSWORD)
    assert await de.count("actors", f"uri = '{uri}' AND name = ''") == 1
    await de.its.departures.order("ben", "test")  # two of an instance can leave

    async def both() -> bool:
        return await de.count("departures", "done_at IS NOT NULL") == 2

    await until(both)


async def test_a_restored_backup_knows_her_and_lets_her_go_again_before_it_serves_anybody(tmp_path: Path) -> None:
    aside = tmp_path / "aside.db"
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await published(de, _CASE, fr)
        await until(lambda: fr.count("posts"))
        uri, settings, there = (await de.author("ada")).actor.uri, de.its.settings, fr.its.settings
        kept(de, aside)
        kept(fr, tmp_path / "there.db")
        await de.its.departures.order("ada", "test")
        for place in (de, fr):
            await until(lambda place=place: gone(place))  # type: ignore[misc]
    assert [(taken.name, len(taken.by)) for taken in lines(settings) if taken.what == "left"] == [(uri, 64)]
    assert [(taken.name, taken.by) for taken in lines(there) if taken.what == "left"] == [(uri, "")]
    for one, copy in ((settings, aside), (there, tmp_path / "there.db")):
        put_back(one, copy)
        assert _WORD.encode() in one.path("konsil.db").read_bytes()
        async with assemble(one) as its:
            left = await its.database.read(lambda tx: tx.row(
                "SELECT (SELECT count(*) FROM posts WHERE erased_at IS NULL),"
                " (SELECT count(*) FROM actors WHERE uri = ? AND name <> ''),"
                " (SELECT count(*) FROM tombstones)", (uri,)))
            assert left is not None and tuple(left) == (0, 1, 2)  # the rest is the worker's
            await its.departing.finish()
            assert await its.database.read(lambda tx: tx.row(
                "SELECT 1 FROM actors WHERE uri = ? AND name <> ''", (uri,))) is None
            if one is settings:
                with pytest.raises(Conflict, match="taken"):
                    await its.accounts.add_doctor(NewDoctor("ada", "Other", PASSWORD))
                assert (await its.accounts.by_handle("ada")) is None
        await until(lambda one=one: _WORD.encode() not in one.path("konsil.db").read_bytes())  # type: ignore[misc]


async def test_a_sibling_says_that_its_own_doctor_has_left_and_nobody_elses(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,):
        fake, it = FakeSibling("fr", 2), FakeSibling("it", 3)
        for one in (fake, it):
            await know(de, one)
        assert (await fake.send(de, fake.activity("Create", fake.note(de), "c1")))[0] == 202
        other, ours = f"{fake.origin}/actors/oth", (await de.author("ada")).actor.uri
        for name, (actor, target) in enumerate(((other, fake.actor), (fake.actor, it.actor), (it.actor, it.actor),
                                                (fake.actor, ours))):
            status, problem = await fake.send(de, fake.activity("Delete", target, f"x{name}", actor=actor))
            assert status == 403 and problem["type"].rsplit(":", 1)[1] in (
                "foreign-author", "foreign-actor", "foreign-object"), problem
        assert await de.count("departures") == await de.count("tombstones") == 0
        assert (await fake.send(de, fake.activity("Delete", {"id": fake.actor, "type": "Tombstone"}, "d1")))[0] == 202
        await until(lambda: gone(de))
        assert set((await traces(de, fake.actor)).values()) == {0}
        assert (await traces(de, it.actor))["actors"] == 1


async def test_who_has_left_is_not_heard_again_whatever_comes_late(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,):
        fake = FakeSibling("fr", 2)
        await know(de, fake)
        strange = f"{fake.origin}/actors/new"  # nobody here has met her: her Delete comes before anything else
        for actor in (fake.actor, strange):
            gone_now = fake.activity("Delete", actor, f"d{actor[-3:]}", actor=actor)
            assert (await fake.send(de, gone_now))[0] == 202
        await until(lambda: gone(de))
        for actor in (fake.actor, strange):
            late = [fake.activity("Create", fake.note(de, f"n{actor[-3:]}", attributedTo=actor), f"c{actor[-3:]}", actor=actor),
                    fake.activity("Update", fake.person(actor) | {"discoverable": True}, f"u{actor[-3:]}", actor=actor),
                    fake.activity("Follow", (await de.author("ada")).actor.uri, f"f{actor[-3:]}", actor=actor),
                    fake.activity("Delete", f"{fake.origin}/posts/n{actor[-3:]}", f"e{actor[-3:]}", actor=actor)]
            for activity in late:
                assert (await fake.send(de, activity))[0] == 202, activity
        assert await de.count("posts") == await de.count("follows") == await de.count("held") == 0
        assert await de.count("actors", "sibling_id IS NOT NULL AND name <> ''") == 0
        reply = fake.note(de, "r1", inReplyTo=f"{fake.origin}/posts/nnew", attributedTo=f"{fake.origin}/actors/doc2",
                          to=[members_of(de.url)])
        assert (await fake.send(de, fake.activity("Create", reply, "r1", actor=f"{fake.origin}/actors/doc2")))[0] == 202


async def test_what_was_told_of_a_poll_stays_attested_when_a_voter_leaves(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        post_id = await asked(de, fr)
        await vote(fr, "ada", 0)
        await vote(fr, "ben", 1)
        await until(lambda: de.count("polls", "voters = 2"))
        await fr.its.database.write(lambda tx: tx.run("UPDATE kept_polls SET final_at = 1"))
        await fr.its.departures.order("ada", "test")
        await until(lambda: gone(fr))
        assert await fr.count("votes") == 1
        assert [one.outcome for one in await de.its.attesting.check(post_id, "op")] == [Outcome.SAME]
        assert await de.count("polls", "voters = 2") == 1


async def test_a_post_that_was_still_on_its_way_into_the_database_goes_too(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        ada = await de.author("ada")  # she may write, as far as this request knows
        await de.its.departures.order("ada", "test")

        async def stage() -> str:
            row = await de.its.database.read(lambda tx: tx.row("SELECT stage FROM departures"))
            return row["stage"] if row is not None else ""

        while await stage() != "own":
            assert await de.its.departing.step()
        await de.its.compose.publish(ada, _CASE, (), Reach.HOME, "")
        await de.its.departing.finish()
        assert await de.count("posts", "erased_at IS NULL") == 0 and await de.count("departures", "done_at IS NOT NULL") == 1
        await until(lambda: not holds(de))


async def test_a_backup_from_before_she_came_keeps_her_handle_from_others_and_tells_siblings_again(tmp_path: Path) -> None:
    aside = tmp_path / "aside.db"
    async with countries(tmp_path, "de", "fr") as (de, fr):
        kept(de, aside)
        eva, settings = await de.add_doctor("eva"), de.its.settings
        uri = (await de.author("eva")).actor.uri
        await de.its.departures.order("eva", "test")
        await until(lambda: gone(de))
        await until(lambda: fr.count("tombstones"))
    put_back(settings, aside)
    async with assemble(settings) as its:
        assert await its.accounts.by_handle("eva") is None
        with pytest.raises(Conflict, match="taken"):
            await its.accounts.add_doctor(NewDoctor("eva", "Other", PASSWORD))
        sent = await its.database.read(lambda tx: tx.rows(
            "SELECT o.uri FROM outbox o JOIN deliveries d ON d.outbox_id = o.id WHERE d.deletes = 1 AND d.state = 'pending'"))
        assert [row["uri"] for row in sent] == [f"{uri}#delete"] and eva.handle == "eva"
    async with assemble(settings) as its:  # and not each time anew
        [row] = await its.database.read(lambda tx: tx.rows("SELECT count(*) AS n FROM outbox WHERE type = 'Delete'"))
        assert row["n"] == 1


async def test_a_sibling_that_is_away_hears_it_when_it_is_back_and_until_then_this_is_said(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await published(de, _CASE, fr)
    await until(lambda: fr.count("posts"))
    await de.its.siblings.pause(fr.domain, "test", "away")
    await de.its.departures.order("ada", "test")
    await until(lambda: gone(de))
    [one] = await de.its.departing.departed()
    assert one.receipts == (Receipts("fr", 0, 2),) and not one.confirmed and holds(fr)
    await de.its.siblings.resume(fr.domain, "test")
    await until(lambda: gone(fr))
    await until(lambda: not holds(fr))

    async def confirmed() -> bool:
        [one] = await de.its.departing.departed()
        return one.confirmed

    await until(confirmed)


async def test_one_departure_that_cannot_go_on_does_not_keep_the_others(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        await de.its.departures.order("ada", "test")
        await de.its.database.write(lambda tx: tx.run(
            "UPDATE departures SET stage = 'unheard of', begun_at = 1, due_at = 1"))
        await de.its.departures.order("ben", "test")
        while await de.its.departing.step():
            pass
        assert await de.count("departures", "done_at IS NOT NULL") == await de.count("departures", "done_at IS NULL") == 1
        with pytest.raises(KeyError):
            await de.its.departing.finish()
