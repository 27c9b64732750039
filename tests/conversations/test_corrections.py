"""Corrections and recalls across borders: ahead of everything else, to whoever has read what they correct, and seen to arrive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from federation.lanes import URGENT
from posts.models import PostView, ReplyKind
from posts.telling import Told
from tests.conversations.test_the_whole_path import case, published
from tests.conversations.test_told import card, told
from tests.servers import FakeSibling, Running, countries, know, until
from tests.test_reconciler import change, compare, lose, settled, uri_of
from tests.test_recovery import restored


async def opened(at: Running, handle: str, post_id: str) -> tuple[PostView, ...]:
    """A doctor looks at a conversation."""
    reader = (await at.author(handle)).actor
    found = await at.its.threads.thread(reader, post_id)
    await at.its.readings.note_thread(reader, found.place, found.line)
    return found.posts


async def kinds(at: Running, handle: str) -> list[Told]:
    return [one.kind for one in await told(at, handle)]


async def answered(fr: Running, de: Running, post_id: str, text: str = "Ten milligrams.",
                   kind: ReplyKind = ReplyKind.ANSWER) -> tuple[str, str]:
    """An answer of Ben's in France to a German case: its id there and here."""
    there = await fr.its.compose.reply(await fr.author("ben"), await card(fr, "ben"), text, "fr", kind=kind)
    uri = f"{fr.url}/posts/{there}"
    await until(lambda: de.count("posts", f"uri = '{uri}'"))
    return there, next(post.id for post in await opened(de, "ada", post_id) if post.uri == uri)


async def test_what_an_answer_is_is_said_across_the_border_and_a_question_back_answers_nothing(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        post_id = await published(de, case(), fr)
        await until(lambda: fr.count("posts"))
        _, question = await answered(fr, de, post_id, "Depuis quand ?", ReplyKind.QUESTION)
        assert await kinds(de, "ada") == [Told.ASKED_BACK]
        [root, back] = await opened(de, "ada", post_id)
        assert (root.state, root.answers, root.asked_back, back.reply_kind) == ("open", 0, question, "question")
        await answered(fr, de, post_id, "NCT01234567", ReplyKind.EVIDENCE)
        assert [post.reply_kind for post in await opened(de, "ada", post_id)] == ["answer", "question", "evidence"]
        await de.its.compose.reply(await de.author("ada"), question, "Seit zwei Tagen.", "de")
        await until(lambda: fr.count("posts", "parent_id IS NULL AND asked_back IS NULL AND replies = 3"))
        assert await fr.count("posts", "parent_id IS NULL AND answers = 1") == 1


async def test_a_correction_reaches_who_asked_and_who_has_read_it_here_and_there_and_its_author_sees_where(
        tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        post_id = await published(de, case(), fr, it)
        for other in (fr, it):
            await until(lambda other=other: other.count("posts"))  # type: ignore[misc]
        there, here = await answered(fr, de, post_id)
        await until(lambda: it.count("posts", "kind = 'reply'"))
        await opened(it, "ada", await card(it, "ada"))
        await opened(fr, "ada", there)
        await fr.its.editing.edit(await fr.author("ben"), there, "", "Ten milligrams, once.", 1)
        await until(lambda: it.count("notifications", "kind = 'edited'"))
        assert await kinds(it, "ada") == await kinds(fr, "ada") == [Told.EDITED]

        await it.its.siblings.pause(fr.domain, "test", "Italy is away")
        await fr.its.editing.edit(await fr.author("ben"), there, "", "One milligram, once.", 2,
                                  corrects="The dose: ten times.")
        await until(lambda: de.count("notifications", "kind = 'corrected'"))
        assert await kinds(fr, "ada") == [Told.CORRECTED, Told.EDITED]
        assert await kinds(de, "ada") == [Told.CORRECTED, Told.CHANGED, Told.ANSWER] and await kinds(de, "ben") == []
        [_, seen] = await opened(de, "ada", post_id)
        assert seen.correction is not None and seen.correction.reason == "The dose: ten times."
        assert seen.correction.delivery is None

        async def received() -> tuple[tuple[str, ...], list[str]]:
            own = await fr.its.threads.own((await fr.author("ben")).actor, there)
            assert own.correction is not None and own.correction.delivery is not None
            return own.correction.delivery.received, [since.code for since in own.correction.delivery.waiting]

        async def only_germany() -> bool:
            return await received() == (("de",), ["it"])

        await until(only_germany)
        assert await fr.count("deliveries", f"state = 'pending' AND lane = {URGENT}") == 1
        await it.its.siblings.resume(fr.domain, "test")
        await fr.its.queues.retry_line(it.domain, "test")

        async def everybody() -> bool:
            return await received() == (("de", "it"), [])

        await until(everybody)
        assert await kinds(it, "ada") == [Told.CORRECTED, Told.EDITED] and await kinds(it, "ben") == []
        found = await it.its.threads.history((await it.author("ada")).actor, (await told(it, "ada"))[0].place.split("/")[2])
        newest = found.changes[0]
        assert newest.correction is not None and newest.text is not None and newest.text_differs
        assert here != there


async def test_a_recall_reaches_a_country_that_was_down_before_what_waited_longer(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        post_id = await published(de, case(), fr)
        await until(lambda: fr.count("posts"))
        there, _ = await answered(fr, de, post_id)
        await settled(de, fr)
        await de.its.siblings.pause(fr.domain, "test", "Germany is away")
        for count in range(3):
            await fr.its.compose.reply(await fr.author("ada"), await card(fr, "ada"), f"Autre {count}", "fr")
        await fr.its.editing.recall(await fr.author("ben"), there, "Ten times too much.")
        lanes = await fr.its.database.read(lambda tx: tx.rows(
            "SELECT o.type, o.body FROM deliveries d JOIN outbox o ON o.id = d.outbox_id WHERE d.state = 'pending'"
            " ORDER BY d.lane"))
        assert lanes[0]["type"] == "Update" and b'"summary":"\xe2\x9a\xa0 Ten times too much."' in lanes[0]["body"]
        await de.its.siblings.resume(fr.domain, "test")
        await fr.its.queues.retry_line(de.domain, "test")
        await until(lambda: de.count("posts", "recalled = 1"))
        await settled(de, fr)
        assert await kinds(de, "ada") == [Told.ANSWER, Told.RECALLED], "what waited longer came after it"
        assert (await opened(de, "ada", post_id))[0].answers == 3


@pytest.fixture
def said() -> dict[str, Any]:
    return {"kind": "correction", "reason": "The dose.", "revision": 2}


async def test_what_says_too_much_of_a_correction_is_refused_and_what_says_it_otherwise_is_read(
        tmp_path: Path, said: dict[str, Any]) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        assert (await fake.send(de, fake.activity("Create", fake.note(de), "c")))[0] == 202
        root = f"{fake.origin}/posts/n1"
        answer = fake.note(de, "r", inReplyTo=root, replyKind="riddle")
        assert (await fake.send(de, fake.activity("Create", answer, "r")))[0] == 202
        for place, wrong in enumerate((
                {"reason": "x" * 301}, {"revision": 3}, {"revision": 0}, {"revision": "2"}, {"reason": None})):
            note = fake.note(de, "r", inReplyTo=root, revision=2, correction=said | wrong)
            assert (await fake.send(de, fake.activity("Update", note, f"w{place}")))[0] == 400, wrong
        assert await de.count("posts", "correction <> ''") == 0
        for revision, correction, recalled in (
                (2, said | {"kind": "novelty"}, 0), (3, said, 0),
                (4, {"kind": "recall", "reason": "Wrong\nall\u202e", "revision": 4}, 1),
                (5, None, 1), (6, {"kind": "correction", "reason": "Not after all", "revision": 6}, 1)):
            note = fake.note(de, "r", inReplyTo=root, revision=revision, content=f"<p>{revision}</p>", correction=correction)
            assert (await fake.send(de, fake.activity("Update", note, f"u{revision}")))[0] == 202
            assert await de.count("posts", f"recalled = {recalled} AND kind = 'reply' AND revision = {revision}") == 1
        view = (await opened(de, "ada", await card(de, "ada")))[1]
        assert view.correction is not None and view.correction.reason == "Wrong all" and view.reply_kind == "answer"
        case_recalled = fake.note(de, revision=2, correction={"kind": "recall", "reason": "No", "revision": 2})
        assert (await fake.send(de, fake.activity("Update", case_recalled, "last")))[0] == 202
        assert await de.count("posts", "parent_id IS NULL AND recalled = 0 AND correction <> ''") == 1


async def test_what_comes_only_after_its_correction_says_so_and_a_lost_one_comes_back_out_of_a_siblings_copy(
        tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        post_id = await published(de, case(), fr)
        await until(lambda: fr.count("posts"))
        answers = [await de.its.compose.reply(await de.author("ben"), post_id, text, "de") for text in ("Zehn.", "Zwanzig.")]
        await settled(de, fr)
        await de.its.editing.edit(await de.author("ben"), answers[0], "", "Eins.", 1, corrects="Die Dosis.")
        await de.its.editing.recall(await de.author("ben"), answers[1], "Falsch.")
        await settled(de, fr)
        uris = [await uri_of(de, answer) for answer in answers]
        before = [tuple(row) for row in await de.its.database.read(lambda tx: tx.rows(
            "SELECT html, recalled, correction <> '' FROM posts WHERE kind = 'reply' ORDER BY id"))]
        await change(fr, lose(uris[0]))
        await compare(fr, de)
        assert await fr.count("posts", "correction LIKE '%Die Dosis.%'") == 1
        await restored(de)
        for uri in reversed(uris):
            await change(de, lose(uri))
        await compare(de, fr)
        assert [tuple(row) for row in await de.its.database.read(lambda tx: tx.rows(
            "SELECT html, recalled, correction <> '' FROM posts WHERE kind = 'reply' ORDER BY id"))] == before
