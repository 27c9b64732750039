"""What counts as an answer, and whom a case waits for."""

from __future__ import annotations

import pytest

from core.errors import Conflict, InvalidInput
from core.ids import public
from instance.assembly import Assembly
from posts import answers, store
from posts.models import Correction, CorrectionKind, ReplyKind
from posts.store import Post
from posts.telling import Told
from tests.test_notifications import asked, doctors, kinds, post_of, told


async def standing(its: Assembly, case: str) -> tuple[int, int, str | None]:
    """How many replies, how many answers, and the question that waits for the author."""
    post = await post_of(its, case)
    assert await recounted(its, post) == (post.answers, post.asked_back), "counted as they came is counted anew"
    return post.replies, post.answers, public(post.asked_back) if post.asked_back is not None else None


async def recounted(its: Assembly, post: Post) -> tuple[int, int | None]:
    await its.database.write(lambda tx: answers.recount(tx, [post.id]))
    again = await post_of(its, public(post.id))
    return again.answers, again.asked_back


async def waiting(its: Assembly, viewer: object) -> list[str]:
    return [post.id for post in (await its.timelines.home(viewer, "waiting", None)).posts]  # type: ignore[arg-type]


async def test_a_question_back_answers_nothing_and_waits_for_the_author(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    case = await asked(its, ada)
    question = await its.compose.reply(ben, case, "Since when?", "de", kind=ReplyKind.QUESTION)
    assert await standing(its, case) == (1, 0, question) and await kinds(its, ada) == [Told.ASKED_BACK]
    assert await waiting(its, cleo.actor) == [case]
    [view] = (await its.timelines.home(ada.actor, "all", None)).posts
    assert (view.state, view.asked_back, view.answers) == ("open", question, 0)
    await its.compose.reply(ada, question, "Two days.", "de")
    assert await standing(its, case) == (2, 0, None), "what she says herself is no answer to her case"
    assert await kinds(its, ben) == [Told.ANSWER] and await waiting(its, cleo.actor) == [case]
    await its.compose.reply(cleo, case, "Then wait.", "de")
    assert await standing(its, case) == (3, 1, None) and await waiting(its, cleo.actor) == []


async def test_a_question_back_about_an_answer_waits_for_whoever_wrote_that(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    case = await asked(its, ada)
    answer = await its.compose.reply(ben, case, "Heparin.", "de")
    await its.compose.reply(cleo, answer, "How much?", "de", kind=ReplyKind.QUESTION)
    assert await standing(its, case) == (2, 1, None)
    [one] = await told(its, ben)
    assert (one.kind, one.to_answer) == (Told.ASKED_BACK, True)


async def test_what_is_erased_or_recalled_or_was_something_else_is_counted_anew(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    case = await asked(its, ada)
    first = await its.compose.reply(ben, case, "One?", "de", kind=ReplyKind.QUESTION)
    second = await its.compose.reply(cleo, case, "Two?", "de", kind=ReplyKind.QUESTION)
    assert (await standing(its, case))[1:] == (0, first)
    await its.editing.edit(ben, first, "", "One.", 1, reply_kind=ReplyKind.EVIDENCE)
    assert (await standing(its, case))[1:] == (1, second)
    await its.editing.delete(cleo.actor, second)
    assert (await standing(its, case))[1:] == (1, None)
    await its.editing.recall(ben, first, "It was wrong.")
    assert (await standing(its, case))[1:] == (0, None) and await waiting(its, cleo.actor) == [case]
    for _ in range(2):
        await its.compose.reply(cleo, case, "An answer", "de")
    assert (await standing(its, case))[1:] == (2, None)


async def test_a_recall_keeps_the_text_behind_why_and_cannot_be_taken_back(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    case = await asked(its, ada)
    answer = await its.compose.reply(ben, case, "Ten milligrams.", "de")
    for reason in ("", " \n", "x" * 301):
        with pytest.raises(InvalidInput) as refused:
            await its.editing.recall(ben, answer, reason)
        assert refused.value.field == "reason"
    with pytest.raises(InvalidInput):
        await its.editing.recall(ada, case, "No question is recalled.")
    await its.editing.recall(ben, answer, "Ten times\ntoo much.\u202e")
    await its.editing.recall(ben, answer, "Once is enough.")
    post = await post_of(its, answer)
    assert post.correction is not None and (post.correction.reason, post.revision) == ("Ten times too much.", 2)
    [_, view] = (await its.threads.thread(ada.actor, case)).posts
    assert view.recalled and view.html.strip() == "<p>Ten milligrams.</p>" and view.correction is not None
    with pytest.raises(Conflict):
        await its.editing.edit(ben, answer, "", "One milligram.", 2)
    assert await kinds(its, ada) == [Told.RECALLED, Told.ANSWER]


async def test_a_correction_says_why_changes_something_and_stands_in_the_history(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    case = await asked(its, ada)
    answer = await its.compose.reply(ben, case, "Ten milligrams.", "de")
    for text, reason, field in (("One.", "", "reason"), ("Ten milligrams.", "A reason", "text")):
        with pytest.raises(InvalidInput) as refused:
            await its.editing.edit(ben, answer, "", text, 1, corrects=reason)
        assert refused.value.field == field
    await its.editing.edit(ben, answer, "", "One milligram.", 1, corrects="The dose was wrong.")
    await its.editing.edit(ben, answer, "", "One milligram!", 2)
    post = await post_of(its, answer)
    assert post.correction is not None and (post.correction.revision, post.revision) == (2, 3)
    found = await its.threads.history(ada.actor, answer)
    assert [change.correction.reason if change.correction else "" for change in found.changes] == ["", "The dose was wrong.", ""]
    await its.editing.delete(ben.actor, answer)
    rows = await its.database.read(lambda tx: tx.rows("SELECT correction FROM posts UNION ALL SELECT correction FROM revisions"))
    assert {row["correction"] for row in rows} == {""}


async def test_corrections_are_stored_as_they_are_read() -> None:
    for correction in (None, Correction(CorrectionKind.RECALL, "“Zehnfach” zu hoch", 3, 17)):
        assert answers.read(answers.said(correction)) == correction


async def test_what_was_changed_because_of_a_report_takes_its_reason_along(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    case = await asked(its, ada)
    answer = await its.compose.reply(ben, case, "Herr Muster, ten.", "de")
    await its.editing.edit(ben, answer, "", "One.", 1, corrects="Herr Muster got too much.")
    post = await post_of(its, answer)
    await its.database.write(lambda tx: store.forget_earlier(tx, post.id))
    assert (await post_of(its, answer)).correction is None
