"""Doctors are told of what comes from abroad, each once and only of what she may read."""

from __future__ import annotations

from pathlib import Path

from actors.store import by_uri
from core.ids import number
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from posts.notifications import Notification
from posts.telling import Told
from tests.conversations.test_consults import met
from tests.conversations.test_the_whole_path import case, published
from tests.servers import FakeSibling, Running, countries, know, until


async def told(at: Running, handle: str) -> list[Notification]:
    return list((await at.its.notifications.page((await at.author(handle)).actor, None)).shown)


async def card(at: Running, handle: str) -> str:
    """The newest post in a doctor's lists."""
    return (await at.its.timelines.home((await at.author(handle)).actor, "all", None)).posts[0].id


async def test_answers_and_their_changes_are_told_across_the_border(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await published(de, case(), fr)
        await until(lambda: fr.count("posts"))
        there = await card(fr, "ben")
        answers = [await fr.its.compose.reply(await fr.author(handle), there, "Start heparin now.", "fr")
                   for handle in ("ada", "ben")]
        await until(lambda: de.count("notifications", "count = 2"))
        [one] = await told(de, "ada")
        assert (one.kind, one.own, one.number) == (Told.ANSWER, True, 2) and all(not who.local for who in one.people)
        assert await told(de, "ben") == await told(fr, "ada") == await told(fr, "ben") == []

        await fr.its.editing.edit(await fr.author("ben"), answers[1], "", "Start heparin tomorrow.", 1)
        await until(lambda: de.count("notifications", "kind = 'changed'"))
        changed = (await told(de, "ada"))[0]
        assert changed.kind == Told.CHANGED and changed.own and changed.question == "What would you do?"
        here = changed.place.split("/")[2]
        [now, first] = (await de.its.threads.history((await de.author("ada")).actor, here)).changes
        assert changed.place == f"/p/{here}/history#v-{now.now.revision}" and first.before is None
        assert now.text is not None and [piece.text for piece in now.text[0]] == ["Start heparin", "now.", "tomorrow."]

        await fr.its.editing.delete((await fr.author("ben")).actor, answers[1])
        await until(lambda: de.count("tombstones"))
        assert [(one.kind, one.times) for one in await told(de, "ada")] == [(Told.ANSWER, 1)]


async def test_a_doctor_abroad_is_told_by_her_own_instance_of_answers_to_her_answer(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        post = await published(de, case(), fr)
        await until(lambda: fr.count("posts"))
        await fr.its.compose.reply(await fr.author("ben"), await card(fr, "ben"), "Une réponse.", "fr")
        await until(lambda: de.count("posts", "kind = 'reply'"))
        answer = (await de.its.threads.thread((await de.author("ada")).actor, post)).posts[1]
        await de.its.compose.reply(await de.author("ben"), answer.id, "Gegenfrage", "de")
        await until(lambda: fr.count("notifications"))
        [one] = await told(fr, "ben")
        assert (one.kind, one.to_answer, one.own) == (Told.ANSWER, True, False)
        assert await fr.count("notifications") == 1 and await de.count("notifications") == 1


async def test_the_end_of_a_siblings_poll_is_told_to_who_voted_here(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        draft = Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(("a", "b"), False, de.its.clock.ms() + 60_000))
        await published(de, draft, fr, reach=Reach.NETWORK)
        await until(lambda: fr.count("posts"))
        await fr.its.polls.vote(await fr.author("ben"), await card(fr, "ben"), (0,))
        await until(lambda: de.count("polls", "voters = 1"))
        for one in (de, fr):
            one.its.clock.offset = 61
        await until(lambda: fr.count("notifications"))
        await until(lambda: de.count("notifications"))
        [ended] = await told(fr, "ben")
        assert (ended.kind, ended.own, ended.people) == (Told.CLOSED, False, ())
        [own] = await told(de, "ada")
        assert (own.kind, own.own) == (Told.CLOSED, True)
        assert await told(fr, "ada") == await told(de, "ben") == []


async def test_a_poll_that_a_sibling_closes_twice_is_told_once_and_stays_closed(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        assert (await fake.send(de, fake.activity("Create", fake.question(de))))[0] == 202
        await de.its.polls.vote(await de.author("ada"), await card(de, "ada"), (0,))
        for revision, changes in ((2, {"closed": "2026-01-03T00:00:00Z"}), (3, {}), (4, {"closed": True})):
            update = fake.activity("Update", fake.question(de, revision=revision, **changes), f"u{revision}")
            assert (await fake.send(de, update))[0] == 202
        assert [(one.kind, one.times) for one in await told(de, "ada")] == [(Told.CLOSED, 1)]
        assert await de.count("polls", "closed_at IS NOT NULL") == 1


async def test_a_consult_from_abroad_is_told_to_whom_it_names_alone(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        made = await de.its.compose.consult(await de.author("ada"), case(), [await met(de, fr, "ada"), (
            await de.author("ben")).actor])
        await until(lambda: fr.count("notifications"))
        [one] = await told(fr, "ada")
        assert (one.kind, one.begins, one.kind_asked) == (Told.CONSULT, True, "consult")
        await fr.its.compose.reply(await fr.author("ada"), one.place.split("#")[0].removeprefix("/p/"), "Non.", "fr")
        await until(lambda: de.count("notifications", "kind = 'answer'"))
        [to_ada], [to_ben] = await told(de, "ada"), await told(de, "ben")
        assert to_ada.kind == Told.ANSWER and (to_ben.kind, to_ben.times) == (Told.CONSULT, 2)
        assert to_ben.place == f"/p/{made}#p-{made}" and await told(fr, "ben") == []


async def test_an_answer_narrower_than_its_consult_is_told_to_its_readers_alone(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        ben = (await de.author("ben")).actor
        doc = await de.its.database.read(lambda tx: by_uri(tx, fake.actor))
        assert doc is not None
        await de.its.siblings.pause(fake.origin.split("://")[1], "test", "test")
        made = await de.its.compose.consult(await de.author("ada"), case(), [ben, doc])
        await de.its.siblings.resume(fake.origin.split("://")[1], "test")
        post = await de.its.database.read(lambda tx: tx.row("SELECT uri FROM posts WHERE id = ?", (number(made),)))
        assert post is not None
        answer = fake.note(de, "r1", inReplyTo=post["uri"], to=[ben.uri])
        assert (await fake.send(de, fake.activity("Create", answer, "a1")))[0] == 202
        changed = fake.note(de, "r1", inReplyTo=post["uri"], to=[ben.uri], revision=2, content="<p>other</p>")
        assert (await fake.send(de, fake.activity("Update", changed, "a2")))[0] == 202
        assert await told(de, "ada") == []
        assert [(one.kind, one.times) for one in await told(de, "ben")] == [(Told.CONSULT, 2)]


async def test_a_muted_doctor_abroad_is_not_told_of_and_a_batch_tells_everybody_else(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        ben = (await de.author("ben")).actor
        doc = await de.its.database.read(lambda tx: by_uri(tx, fake.actor))
        assert doc is not None
        posts = {}
        for handle in ("ada", "ben"):
            made = await de.its.compose.publish(await de.author(handle), case(), (fake.origin,), Reach.COUNTRIES,
                                                de.its.compose.network_digest(await de.its.compose.destinations()))
            posts[handle] = f"{de.url}/posts/{made}"
        await de.its.database.write(lambda tx: tx.insert("shuns (actor_id, other_id, kind, until, at)", 5, [
            (ben.id, doc.id, "mute", de.its.clock.ms() + 3_600_000, 0)]))
        for count in range(6):
            handle = ("ada", "ben")[count % 2]
            answer = fake.note(de, f"r{count}", inReplyTo=posts[handle])
            assert (await fake.send(de, fake.activity("Create", answer, f"a{count}")))[0] == 202
        again = fake.activity("Create", fake.note(de, "r0", inReplyTo=posts["ada"]), "a0")
        assert (await fake.send(de, again))[0] == 202  # it had its effect before
        [one] = await told(de, "ada")
        assert (one.kind, one.times, one.number) == (Told.ANSWER, 3, 1) and await told(de, "ben") == []
        assert await de.count("notification_events") == 3


async def test_whom_a_text_from_abroad_names_is_told_by_her_own_instance(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        claire = await met(de, fr, "ben")
        draft = Draft(Kind.CASE, "What would you do?", f"{claire.mention}, what is your view?", "de", CaseFacts(("cardiology",)))
        await published(de, draft, fr)
        await until(lambda: fr.count("notifications"))
        [one] = await told(fr, "ben")
        assert (one.kind, one.number, one.own) == (Told.MENTION, 1, False)
        assert one.people[0].badge.country == "de"
        assert await told(fr, "ada") == await told(de, "ada") == []


async def test_a_like_from_abroad_is_told_once_however_often_it_is_given_and_taken_back(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await published(de, case(), fr)
        await until(lambda: fr.count("posts"))
        doctor, there = await fr.its.credentials.require_verified(fr.doctors["ben"]), await card(fr, "ben")
        await fr.its.reactions.like(doctor, there)
        await fr.its.reactions.boost(await fr.author("ben"), there)
        await until(lambda: de.count("notifications", "kind = 'boost'"))
        await until(lambda: de.count("notifications", "kind = 'like'"))
        await fr.its.reactions.unlike(doctor.actor, there)

        async def gone() -> bool:
            return not await de.count("notifications", "kind = 'like'")

        await until(gone)
        await fr.its.reactions.like(doctor, there)
        await until(lambda: de.count("notifications", "kind = 'like'"))
        assert sorted((one.kind, one.times) for one in await told(de, "ada")) == [(Told.BOOST, 1), (Told.LIKE, 1)]
        assert await fr.count("notifications") == 0
