"""Rows that tell doctors: gathered while unread, closed when read, gone with what they are about."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.accounts import NewDoctor
from actors.models import Account, Actor, Author, VerifiedDoctor
from core.database import Tx
from core.errors import NotFound
from core.ids import number, public
from instance.assembly import Assembly
from posts import concerns, store
from posts.models import CaseFacts, Draft, Kind, Mention, PollDraft, Reach, Tags
from posts.notifications import MANY, UNREAD, Notification, unread, unread_since
from posts.store import Post
from posts.telling import QUIET, Event, Told, tell

CASE = Draft(Kind.CASE, "Which test?", "Text", "de", CaseFacts(("cardiology",), "30-39", "f", "diagnostic"))


async def doctor(its: Assembly, handle: str) -> Author:
    await its.accounts.add_doctor(NewDoctor(
        handle, f"Dr {handle.title()}", "long enough to guess", method="register", evidence="seen"))
    account = await its.accounts.by_handle(handle)
    assert account is not None
    return await its.credentials.author(account, "post")


async def doctors(its: Assembly, *handles: str) -> list[Author]:
    return [await doctor(its, handle) for handle in handles]


async def asked(its: Assembly, author: Author, draft: Draft = CASE) -> str:
    return await its.compose.publish(author, draft, (), Reach.HOME, "")


async def account_of(its: Assembly, who: Author) -> Account:
    account = await its.accounts.by_handle(who.actor.handle)
    assert account is not None
    return account


async def told(its: Assembly, who: Author, *, only_unread: bool = False) -> list[Notification]:
    return list((await its.notifications.page(who.actor, None, only_unread=only_unread)).shown)


async def kinds(its: Assembly, who: Author) -> list[Told]:
    return [one.kind for one in await told(its, who)]


async def post_of(its: Assembly, post_id: str) -> Post:
    found = await its.database.read(lambda tx: store.by_id(tx, number(post_id) or 0))
    assert found is not None
    return found


async def written(its: Assembly, post: Post) -> None:
    """As `compose` does it, for posts it cannot make yet."""
    def write(tx: Tx) -> None:
        store.insert(tx, [post])
        concerns.written(tx, its.ids, [post], its.clock.ms())

    await its.database.write(write)


def mentioning(post: Post, its: Assembly, *named: Actor) -> Post:
    """A post like another one, by the same author, that names doctors in its text."""
    inner = its.ids.new()
    tags = Tags(tuple(Mention(actor.uri, actor.mention) for actor in named))
    return Post(inner, f"{its.identity.origin}/posts/{public(inner)}", post.author_id, None, post.kind,
                post.root_id if post.parent_id else inner, post.parent_id, "Another?", "", "<p>x</p>", "de", CaseFacts(), None,
                post.audience, "de", its.clock.ms(), tags=tags)


async def test_answers_gather_until_they_are_read_and_then_anew(its: Assembly) -> None:
    ada, *others = await doctors(its, "ada", "ben", "cleo", "dora", "emil")
    case = await asked(its, ada)
    answers = [await its.compose.reply(who, case, "Answer", "de") for who in (*others, others[0])]
    [one] = await told(its, ada)
    assert (one.kind, one.times, one.number, one.others, one.unread) == (Told.ANSWER, 5, 4, 2, True)
    assert [who.name for who in one.people] == ["Dr Ben", "Dr Emil"]
    assert one.place == f"/p/{answers[0]}#p-{answers[0]}" and one.question == "Which test?" and one.own and not one.to_answer
    await its.notifications.read(ada.actor, one.id)
    await its.compose.reply(others[1], case, "One more", "de")
    new, old = await told(its, ada)
    assert (new.times, new.unread, old.times, old.unread) == (1, True, 5, False) and new.id != old.id
    assert await told(its, others[0]) == []


async def test_one_answer_is_told_once_and_to_whom_it_answers(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    case = await asked(its, ada)
    answer = await its.compose.reply(ben, case, "Answer", "de")
    reply = await its.compose.reply(cleo, answer, "To Ben", "de")
    own = await its.compose.reply(ada, answer, "From Ada", "de")
    [to_ada], [to_ben] = await told(its, ada), await told(its, ben)
    assert (to_ada.times, to_ada.to_answer) == (2, False)
    assert (to_ben.times, to_ben.to_answer, to_ben.own) == (2, True, False)
    assert to_ben.place == f"/p/{reply}#p-{reply}" and [who.handle for who in to_ben.people] == ["ada", "cleo"]
    assert own and await told(its, cleo) == []


async def test_a_mention_is_told_unless_the_post_answers_her_anyway(its: Assembly) -> None:
    ada, ben, cleo, dora = await doctors(its, "ada", "ben", "cleo", "dora")
    case = await asked(its, ada)
    answer = await its.compose.reply(ben, case, "Answer", "de")
    asking = mentioning(await post_of(its, case), its, ben.actor, ada.actor)  # her own name: nobody is told of her own deeds
    await written(its, asking)
    like = await post_of(its, await its.compose.reply(cleo, answer, "To Ben", "de"))
    await written(its, mentioning(like, its, ada.actor, ben.actor, dora.actor))
    assert await kinds(its, ada) == [Told.MENTION, Told.ANSWER]
    assert await kinds(its, ben) == [Told.ANSWER, Told.MENTION]  # what answers her is told as an answer
    assert [one.times for one in await told(its, ben)] == [2, 1]
    [to_dora] = await told(its, dora)
    assert to_dora.kind == Told.MENTION and to_dora.question == "Which test?"


async def test_a_consult_tells_whom_it_names_and_nobody_else(its: Assembly) -> None:
    ada, ben, cleo, dora = await doctors(its, "ada", "ben", "cleo", "dora")
    consult = await its.compose.consult(ada, CASE, [ben.actor, cleo.actor])
    [first] = await told(its, ben)
    assert (first.kind, first.begins, first.kind_asked) == (Told.CONSULT, True, "consult")
    await its.notifications.read_all(ben.actor, (await its.notifications.page(ben.actor, None)).newest)
    await its.compose.reply(cleo, consult, "Answer", "de")
    assert await kinds(its, ada) == [Told.ANSWER]
    later, _ = await told(its, ben)
    assert (later.kind, later.begins, later.unread) == (Told.CONSULT, False, True)
    assert await its.database.read(lambda tx: unread(tx, ben.actor.id)) == (1, 1, 0)
    root = await post_of(its, consult)
    await written(its, mentioning(root, its, dora.actor, cleo.actor))  # named in the text, but not in the consult
    assert await told(its, dora) == [] and await kinds(its, cleo) == [Told.MENTION, Told.CONSULT]


async def test_nobody_is_told_of_whom_she_shuns_and_a_mute_may_end(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    case, now = await asked(its, ada), its.clock.ms()
    await its.database.write(lambda tx: tx.insert("shuns (actor_id, other_id, kind, until, at)", 5, [
        (ada.actor.id, ben.actor.id, "block", None, now), (ada.actor.id, cleo.actor.id, "mute", now + 60_000, now)]))
    for who in (ben, cleo):
        await its.compose.reply(who, case, "Answer", "de")
    assert await told(its, ada) == []
    its.clock.offset = 61
    for who in (ben, cleo):
        await its.compose.reply(who, case, "Answer again", "de")
    assert [(one.times, one.people[0].handle) for one in await told(its, ada)] == [(1, "cleo")]


async def test_a_changed_answer_is_told_with_its_version_and_a_changed_case_is_not(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    case = await asked(its, ada)
    answer = await its.compose.reply(ben, case, "Start heparin now.", "de")
    below = await its.compose.reply(cleo, answer, "No.", "de")
    await its.editing.edit(ben, answer, "", "Start heparin tomorrow.", 1)
    await its.editing.edit(ben, answer, "", "Start heparin next week.", 2)
    await its.editing.edit(cleo, below, "", "Yes.", 1)
    await its.editing.edit(ada, case, "Which test now?", "Text", 1)
    await its.editing.edit(ada, case, "Which test now?", "New", 2)
    first, second, _ = await told(its, ada)
    assert (first.kind, first.place, first.times) == (Told.CHANGED, f"/p/{below}/history#v-2", 1)
    assert (second.kind, second.place, second.times) == (Told.CHANGED, f"/p/{answer}/history#v-2", 2)
    assert [(one.kind, one.own) for one in await told(its, ben)] == [(Told.CHANGED, False), (Told.ANSWER, False)]
    assert await told(its, cleo) == []


async def test_a_poll_that_closes_tells_who_asked_and_who_voted_once(its: Assembly) -> None:
    ada, ben, cleo, dora = await doctors(its, "ada", "ben", "cleo", "dora")
    poll = await asked(its, ada, Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(
        ("a", "b"), True, its.clock.ms() + 60_000)))
    await its.polls.vote(ben, poll, (0, 1))
    await its.polls.vote(dora, poll, (1,))
    await its.database.write(lambda tx: tx.insert("shuns (actor_id, other_id, kind, until, at)", 5, [
        (dora.actor.id, ada.actor.id, "block", None, 0)]))
    its.clock.offset = 1
    await its.polls.announce_due()
    assert await told(its, ada) == await told(its, ben) == []
    its.clock.offset = 62
    for _ in range(2):
        await its.polls.announce_due()
    for who, own in ((ada, True), (ben, False)):
        [one] = await told(its, who)
        assert (one.kind, one.times, one.people, one.own, one.place) == (Told.CLOSED, 1, (), own, f"/p/{poll}#p-{poll}")
    assert await told(its, cleo) == await told(its, dora) == []


async def test_what_fails_while_a_poll_closes_leaves_it_open_to_be_closed_and_told(
        its: Assembly, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, = await doctors(its, "ada")
    await asked(its, ada, Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(
        ("a", "b"), False, its.clock.ms() + 60_000)))
    its.clock.offset = 62

    def broken(*_: object) -> None:
        raise RuntimeError("torn")

    with monkeypatch.context() as torn:
        torn.setattr("posts.concerns.tell", broken)
        with pytest.raises(RuntimeError):
            await its.polls.announce_due()
    row = await its.database.read(lambda tx: tx.row("SELECT closed_at FROM polls"))
    assert row is not None and row["closed_at"] is None and await told(its, ada) == []
    await its.polls.announce_due()
    assert await kinds(its, ada) == [Told.CLOSED]


async def test_likes_and_passing_on_are_quiet_and_can_be_taken_back(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    post = await asked(its, ada)
    for who in (ben, cleo, ben):
        await its.reactions.like(VerifiedDoctor(await account_of(its, who), who.actor), post)
    for who in (ben, ada):
        await its.reactions.boost(who, post)
    assert [(one.kind, one.number) for one in await told(its, ada)] == [(Told.BOOST, 1), (Told.LIKE, 2)]
    assert await its.database.read(lambda tx: unread(tx, ada.actor.id)) == (0, 0, 0)
    assert (await its.database.read(lambda tx: unread_since(tx, ada.actor.id, 0))).counts == {}
    await its.reactions.unlike(cleo.actor, post)
    await its.reactions.unboost(ben.actor, post)
    assert [(one.kind, one.people[0].handle, one.times) for one in await told(its, ada)] == [(Told.LIKE, "ben", 1)]


async def test_follow_requests_and_their_acceptance_are_told_and_can_be_taken_back(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    for who in (ben, cleo):
        await its.relations.follow(VerifiedDoctor(await account_of(its, who), who.actor), ada.actor)
    await its.relations.accept(VerifiedDoctor(await account_of(its, ada), ada.actor), ben.actor)
    [one], [accepted] = await told(its, ada), await told(its, ben)
    assert (one.kind, one.number, one.place) == (Told.FOLLOW, 2, "/follows")
    assert (accepted.kind, accepted.place) == (Told.ACCEPTED, f"/@ada@{its.identity.domain}")
    await its.relations.unfollow(ben.actor, ada.actor)
    [one] = await told(its, ada)
    assert (one.number, one.people[0].handle) == (1, "cleo") and await told(its, ben) == []


async def test_erasing_a_post_takes_what_was_told_of_it_along(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    case = await asked(its, ada)
    answers = [await its.compose.reply(who, case, "Answer", "de") for who in (ben, cleo)]
    await its.reactions.like(VerifiedDoctor(await account_of(its, ada), ada.actor), answers[0])
    assert Told.LIKE in await kinds(its, ben)
    await its.editing.edit(ben, answers[0], "", "Changed", 1)
    await its.editing.delete(ben.actor, answers[0])
    [one] = await told(its, ada)
    assert (one.kind, one.times, one.people[0].handle) == (Told.ANSWER, 1, "cleo")
    assert one.place == f"/p/{answers[1]}#p-{answers[1]}" and await told(its, ben) == []
    await its.editing.delete(cleo.actor, answers[1])
    assert await told(its, ada) == []
    rows = await its.database.read(lambda tx: tx.row("SELECT count(*) FROM notification_events"))
    assert rows is not None and rows[0] == 0


async def test_an_answer_to_what_is_erased_concerns_its_author_no_more(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    case = await asked(its, ada)
    answer = await its.compose.reply(ben, case, "Answer", "de")
    await its.editing.delete(ada.actor, case)
    await its.compose.reply(cleo, answer, "To Ben", "de")
    assert [one.times for one in await told(its, ada)] == [1] and await kinds(its, ben) == [Told.ANSWER]
    assert (await told(its, ada))[0].question == ""


async def test_pages_go_back_by_key_and_all_is_what_stood_on_the_page(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    cases = [await asked(its, ada) for _ in range(45)]
    for case in cases:
        await its.compose.reply(ben, case, "Answer", "de")
    first = await its.notifications.page(ada.actor, None)
    second = await its.notifications.page(ada.actor, first.before)
    third = await its.notifications.page(ada.actor, second.before)
    assert [len(page.shown) for page in (first, second, third)] == [20, 20, 5] and third.before is None
    assert len({one.id for page in (first, second, third) for one in page.shown}) == 45
    await its.compose.reply(ben, cases[0], "A later one", "de")  # its group is the newest now
    await its.notifications.read_all(ada.actor, second.newest)
    assert [one.times for one in await told(its, ada, only_unread=True)] == [2]
    assert (await its.notifications.page(ada.actor, "not a cursor")).shown[0].times == 2


async def test_very_many_are_counted_up_to_a_bound(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    events = [Event(ada.actor.id, Told.ANSWER, ben.actor.id, 1000 + about) for about in range(MANY + 60)]
    await its.database.write(lambda tx: tell(tx, its.ids, events, its.clock.ms()))
    assert (await its.database.read(lambda tx: unread(tx, ada.actor.id))).notifications == MANY + 1
    page = await its.notifications.page(ada.actor, None)
    assert len(page.shown) == 20 and len({one.id for one in page.shown}) == 20


async def test_others_notifications_are_not_there(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    await its.compose.reply(ben, await asked(its, ada), "Answer", "de")
    [one] = await told(its, ada)
    for wrong in (one.id, "0000000000000", "nonsense"):
        with pytest.raises(NotFound):
            await its.notifications.read(ben.actor, wrong)
    await its.notifications.read_all(ben.actor, "7zzzzzzzzzzzz")
    assert (await told(its, ada))[0].unread


async def test_a_page_of_a_conversation_answers_what_it_shows_and_nothing_that_came_since(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    case = await asked(its, ada)
    answer = await its.compose.reply(ben, case, "Answer", "de")
    found = await its.threads.thread(ada.actor, case)
    await its.editing.edit(ben, answer, "", "Changed", 1)
    await its.compose.reply(ben, case, "Came since", "de")
    await its.notifications.settle(ada.actor, found.seen)
    assert [one.unread for one in await told(its, ada)] == [True, True]
    await its.notifications.settle(ada.actor, (await its.threads.thread(ada.actor, case)).seen)
    assert [(one.kind, one.unread) for one in await told(its, ada)] == [(Told.ANSWER, False), (Told.CHANGED, True)]
    history = await its.threads.history(ada.actor, answer)
    await its.notifications.settle(ada.actor, history.seen)
    assert not any(one.unread for one in await told(its, ada))
    assert (await its.threads.thread(ben.actor, case)).seen.ids == ()


async def test_of_very_many_answers_only_those_on_the_page_are_read(its: Assembly, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posts.threads.ANSWERS", 2)
    ada, ben = await doctors(its, "ada", "ben")
    case = await asked(its, ada)
    for count in range(3):
        await its.compose.reply(ben, case, f"Answer {count}", "de")
    first = await its.threads.thread(ada.actor, case)
    assert first.after is not None and first.seen.ids == ()
    assert len((await its.threads.thread(ada.actor, case, after=first.after)).seen.ids) == 1


async def test_what_concerns_nobody_here_costs_no_statement(its: Assembly) -> None:
    ada, = await doctors(its, "ada")
    post = await post_of(its, await asked(its, ada))

    class Untouchable:
        def __getattr__(self, name: str) -> Callable[..., object]:
            raise AssertionError(f"the database was asked for {name}")

    concerns.written(Untouchable(), its.ids, [post] * 50, 0)  # type: ignore[arg-type]
    concerns.changed(Untouchable(), its.ids, post, post, 0)  # type: ignore[arg-type]


async def test_the_counts_are_read_from_an_index(its: Assembly) -> None:
    plan = await its.database.read(lambda tx: [row["detail"] for row in tx.rows(
        f"EXPLAIN QUERY PLAN {UNREAD}", (1, *QUIET))])
    assert any("notifications_unread" in line for line in plan) and not any("FOR ORDER BY" in line for line in plan), plan
