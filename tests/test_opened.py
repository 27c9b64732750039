"""By what a doctor has opened corrections reach her; it is remembered for some days, for the instance itself and nobody else."""

from __future__ import annotations

from actors.models import Author
from core.ids import number
from instance import pruning
from instance.assembly import Assembly
from posts.readings import readers
from posts.telling import QUIET, Told
from tests.test_notifications import asked, doctors, kinds, post_of


async def opened(its: Assembly, who: Author, post_id: str) -> bool:
    """As a page does it; whether she has read on."""
    found = await its.threads.thread(who.actor, post_id)
    await its.readings.note_thread(who.actor, found.place, found.line)
    return found.place.further


async def test_that_a_conversation_was_opened_and_up_to_where_is_stored_before_the_page_is_sent(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    case = await asked(its, ada)
    assert await opened(its, cleo, case) and not await opened(its, cleo, case)
    answer = await its.compose.reply(ben, case, "Answer", "de")
    post = await post_of(its, answer)
    assert await its.database.read(lambda tx: readers(tx, post)) == []
    assert await opened(its, cleo, answer) and not await opened(its, cleo, case)
    assert await its.database.read(lambda tx: readers(tx, post)) == [cleo.actor.id]
    rows = await its.database.read(lambda tx: tx.rows("SELECT post_id, seen_id FROM thread_reads"))
    assert [tuple(row) for row in rows] == [(number(case), number(answer))]


async def test_who_has_opened_an_answer_is_told_of_other_words_quietly_and_of_a_correction_not(its: Assembly) -> None:
    ada, ben, cleo, dora = await doctors(its, "ada", "ben", "cleo", "dora")
    case = await asked(its, ada)
    await opened(its, dora, case)
    answer = await its.compose.reply(ben, case, "Ten.", "de")
    for who in (ada, ben, cleo):
        await opened(its, who, case)
    await its.editing.edit(ben, answer, "", "Ten milligrams.", 1)
    assert await kinds(its, cleo) == [Told.EDITED] and Told.EDITED in QUIET
    assert (await kinds(its, ada))[0] == Told.CHANGED and await kinds(its, dora) == []
    await its.following.follow(dora.actor, case)
    await its.editing.edit(ben, answer, "", "One milligram.", 2, corrects="The dose.")
    for who in (ada, cleo, dora):
        assert (await kinds(its, who))[0] == Told.CORRECTED
    assert await kinds(its, ben) == []
    found = await its.threads.history(cleo.actor, answer)
    await its.notifications.settle(cleo.actor, found.seen)
    assert (await its.notifications.page(cleo.actor, None, only_unread=True)).shown == ()


async def test_a_corrected_case_is_told_to_whoever_opened_or_answered_it(its: Assembly) -> None:
    ada, ben, cleo, dora = await doctors(its, "ada", "ben", "cleo", "dora")
    case = await asked(its, ada)
    await opened(its, cleo, case)
    await its.compose.reply(ben, case, "Answer", "de")
    await its.editing.edit(ada, case, "Which test?", "Another text", 1)
    assert Told.CORRECTED not in await kinds(its, cleo) + await kinds(its, ben)
    await its.editing.edit(ada, case, "Which test?", "The sodium is 115", 2, corrects="A finding was wrong.")
    assert await kinds(its, cleo) == await kinds(its, ben) == [Told.CORRECTED] and await kinds(its, dora) == []


async def test_what_was_opened_is_forgotten_after_its_days_and_with_the_post(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    first, second, third = [await asked(its, ada) for _ in range(3)]
    await opened(its, ben, first)
    its.clock.offset = its.settings.retention.reading_days * 86_400 + 60
    await opened(its, ben, second)
    await opened(its, ben, third)
    await pruning.prune(its)
    await its.editing.delete(ada.actor, third)
    rows = await its.database.read(lambda tx: tx.rows("SELECT post_id FROM thread_reads"))
    assert [row["post_id"] for row in rows] == [number(second)]
