"""Following a conversation: told how it goes on, by whoever may read it, until one does not want to be."""

from __future__ import annotations

import pytest

from core.errors import InvalidInput, NotFound
from instance.assembly import Assembly
from posts.following import told as interested
from posts.models import ReplyKind
from posts.telling import Told
from tests.test_notifications import CASE, account_of, asked, doctors, kinds, post_of, told


async def test_who_follows_is_told_of_answers_until_she_does_not(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    case = await asked(its, ada)
    for _ in range(2):
        await its.following.follow(cleo.actor, case)
    answer = await its.compose.reply(ben, case, "Answer", "de")
    await its.compose.reply(ada, answer, "Thanks", "de")
    await its.compose.reply(cleo, case, "Hers is none she is told of", "de")
    [one] = await told(its, cleo)
    assert (one.kind, one.times, one.number) == (Told.FOLLOWED, 2, 2) and one.place.startswith(f"/p/{answer}")
    assert [post.id for post in (await its.timelines.followed(cleo.actor, None)).posts] == [case]
    assert (await its.threads.thread(cleo.actor, case)).posts[0].followed
    assert not (await its.threads.thread(ben.actor, case)).posts[0].followed
    await its.notifications.read_all(cleo.actor, (await its.notifications.page(cleo.actor, None)).newest)
    await its.following.unfollow(cleo.actor, answer)
    await its.compose.reply(ben, case, "More", "de")
    assert len(await told(its, cleo)) == 1 and (await its.timelines.followed(cleo.actor, None)).posts == ()


async def test_who_mutes_hears_of_corrections_alone(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    case = await asked(its, ada)
    await its.following.follow(cleo.actor, case)
    for who in (ada, cleo):
        for _ in range(2):
            await its.following.mute(who.actor, case)
    answer = await its.compose.reply(ben, case, "Answer", "de")
    await its.reactions.like(await its.credentials.require_verified(await account_of(its, ben)), case)
    assert await kinds(its, ada) == await kinds(its, cleo) == []
    assert (await its.timelines.followed(cleo.actor, None)).posts == ()
    assert [post.id for post in (await its.timelines.muted(cleo.actor, None)).posts] == [case]
    assert all(post.muted for post in (await its.threads.thread(cleo.actor, case)).posts)
    assert not (await its.threads.thread(ben.actor, case)).posts[0].muted
    await its.editing.recall(ben, answer, "Wrong dose")
    assert await kinds(its, ada) == [Told.RECALLED]
    await its.following.unmute(ada.actor, case)
    await its.following.follow(cleo.actor, case)
    await its.compose.reply(ben, case, "Again", "de")
    assert await kinds(its, ada) == [Told.ANSWER, Told.RECALLED] and Told.FOLLOWED in await kinds(its, cleo)
    assert (await its.timelines.muted(cleo.actor, None)).posts == ()


async def test_one_answer_is_told_once_and_as_what_concerns_her_most(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    case = await asked(its, ada)
    for follower in (ada, ben, cleo):
        await its.following.follow(follower.actor, case)
    answer = await its.compose.reply(ben, case, "Answer", "de")
    await its.compose.reply(cleo, answer, "Really?", "de", kind=ReplyKind.QUESTION)
    assert await kinds(its, ben) == [Told.ASKED_BACK] and await kinds(its, cleo) == [Told.FOLLOWED]
    assert await kinds(its, ada) == [Told.ASKED_BACK, Told.ANSWER]


async def test_those_who_answered_and_those_who_follow_are_interested_and_the_author_is_not(its: Assembly) -> None:
    ada, ben, cleo, dora = await doctors(its, "ada", "ben", "cleo", "dora")
    case = await asked(its, ada)
    await its.compose.reply(ben, case, "Answer", "de")
    await its.compose.reply(ada, case, "Thanks", "de")
    for follower in (ben, cleo, ada):
        await its.following.follow(follower.actor, case)
    gone = await its.compose.reply(dora, case, "No.", "de")
    await its.editing.delete(dora.actor, gone)
    post = await post_of(its, case)
    assert await its.database.read(lambda tx: interested(tx, post)) == tuple(sorted((ben.actor.id, cleo.actor.id)))


async def test_who_may_not_read_may_not_follow_and_a_consult_needs_no_following(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    consult = await its.compose.consult(ada, CASE, [ben.actor])
    with pytest.raises(NotFound):
        await its.following.follow(cleo.actor, consult)
    with pytest.raises(InvalidInput):
        await its.following.follow(ben.actor, consult)
    case = await asked(its, ada)
    await its.following.follow(ben.actor, case)
    await its.editing.delete(ada.actor, case)
    rows = await its.database.read(lambda tx: tx.rows("SELECT * FROM case_follows"))
    assert rows == [] and (await its.timelines.followed(ben.actor, None)).posts == ()
