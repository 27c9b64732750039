"""Editorial desks: they publish news and congresses and speak through the doctor who answers for them, whom readers see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.models import AccountState, Role
from core.errors import Conflict, InvalidInput, NotFound, NotSignedIn, Refused
from posts.models import Aim, CaseFacts, Draft, Kind, PostView, Reach
from posts.parts import Congress, Parts, Study
from posts.telling import Told
from tests.conversations.test_role_posts import arrived, sent, thread
from tests.servers import PASSWORD, Running, countries, until

NEWS = Draft(Kind.NOTE, "New sepsis guideline", "What changes on Monday.", "de", CaseFacts(("cardiology",), aim=Aim.NEWS),
             parts=Parts(sponsor=""))
CONGRESS = Draft(Kind.NOTE, "Annual meeting", "Three days.", "de", CaseFacts(aim=Aim.CONGRESS),
                 parts=Parts(congress=Congress("2027-03-01", "2027-03-03", "Lyon")))


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await de.its.desks.add("redaktion", "Redaktion Kardiologie", "ada", ("cardiology",), "test")
        yield de, fr


async def published(de: Running, *to: Running, draft: Draft = NEWS) -> str:
    compose = de.its.compose
    seen = compose.network_digest(await compose.destinations())
    return await compose.publish(await de.its.credentials.desk(de.doctors["ada"], "redaktion"), draft,
                                 tuple(one.url for one in to), Reach.COUNTRIES if to else Reach.HOME, seen)


async def desk_of(fr: Running, post_id: str) -> PostView:
    return (await thread(fr, "ben", post_id))[0]


async def test_news_of_a_desk_arrive_with_the_name_of_who_answers_for_it(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await published(de, fr)
    there = await arrived(fr)
    speaker = there.author
    assert there.question == NEWS.question and there.facts.aim == Aim.NEWS and there.parts.sponsor == ""
    assert speaker.desk and not speaker.alias and speaker.mention == f"@redaktion@{de.domain}"
    assert speaker.badge.role == "editor" and speaker.badge.holds(fr.its.clock.ms())
    assert speaker.answered_by is not None and speaker.answered_by.name == "Dr Ada"
    assert speaker.answered_by.uri == (await de.author("ada")).actor.uri
    [document] = [one["object"] for one in await sent(de) if one["type"] == "Create"]
    assert document["attributedTo"] == speaker.uri


async def test_what_a_desk_publishes_is_changed_and_deleted_by_who_answers_for_it_alone(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    post_id = await published(de, fr, draft=CONGRESS)
    there = await arrived(fr)
    assert [post.mine for post in await thread(de, "ada", post_id)] == [True]
    assert [post.mine for post in await thread(de, "ben", post_id)] == [False]
    assert post_id in [post.id for post in (await de.its.timelines.mine((await de.author("ada")).actor, None)).posts]
    with pytest.raises(Refused):
        await de.its.editing.edit(await de.author("ben"), post_id, "Mine", "now.", 2)
    moved = Parts(congress=Congress("2027-03-02", "2027-03-04", "Lyon"))
    await de.its.editing.edit(await de.author("ada"), post_id, "Annual meeting, moved", "Four days.", 2,
                              facts=CONGRESS.facts, parts=moved)
    await until(lambda: fr.count("posts", "revision = 2"))
    changed = await desk_of(fr, there.id)
    assert changed.question == "Annual meeting, moved" and changed.parts.congress == moved.congress and changed.author.desk
    with pytest.raises(NotFound):
        await de.its.editing.delete((await de.author("ben")).actor, post_id)
    await de.its.editing.delete((await de.author("ada")).actor, post_id)
    await until(lambda: fr.count("posts", "erased_at IS NOT NULL"))


async def test_answers_to_a_desk_are_told_to_who_answers_for_it(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await published(de, fr)
    there = await arrived(fr)
    await fr.its.compose.reply(await fr.author("ben", "reply"), there.id, "Since when?", "de")
    ada = (await de.author("ada")).actor

    async def told() -> list[Told]:
        return [one.kind for one in (await de.its.notifications.page(ada, None)).shown]

    await until(lambda: de.count("posts", "parent_id IS NOT NULL"))
    assert await told() == [Told.ANSWER]


async def test_only_desks_publish_news_and_desks_nothing_but_what_is_theirs(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    compose, seen = de.its.compose, ""
    ada, desk = await de.author("ada"), await de.its.credentials.desk(de.doctors["ada"], "redaktion")
    for draft in (NEWS, CONGRESS):
        with pytest.raises(Refused):
            await compose.publish(ada, draft, (), Reach.HOME, seen)
    case = Draft(Kind.CASE, "Which test?", "A story.", "de", CaseFacts(("cardiology",), aim=Aim.DIAGNOSTIC))
    with pytest.raises(Refused):
        await compose.publish(desk, case, (), Reach.HOME, seen)
    with pytest.raises(InvalidInput):
        await compose.consult(desk, NEWS, [(await de.author("ben")).actor])
    study = Draft(Kind.NOTE, "A trial", "In short.", "de", CaseFacts(aim=Aim.STUDY),
                  parts=Parts(study=Study("10.1000/182", "randomised", 120)))
    for author in (ada, desk):
        assert await compose.publish(author, study, (), Reach.HOME, seen)
    assert await de.count("posts", "parent_id IS NULL") == 2


async def test_whoever_does_not_answer_for_a_desk_does_not_speak_for_it(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    credentials = de.its.credentials
    for handle, desk in (("ben", "redaktion"), ("ada", "anything"), ("ada", "ben")):
        with pytest.raises(Refused):
            await credentials.desk(de.doctors[handle], desk)
    await de.its.accounts.suspend("ada", "asked", "test")
    with pytest.raises(Refused):
        await credentials.desk(de.doctors["ada"], "redaktion")
    assert [(one.handle, one.able) for one in await de.its.desks.all()] == [("redaktion", False)]


async def test_a_desk_is_handed_over_and_readers_abroad_see_it(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    post_id = await published(de, fr)
    there = await arrived(fr)
    await de.its.desks.hand_over("redaktion", "ben", "test")

    async def ben_answers() -> bool:
        answering = (await desk_of(fr, there.id)).author.answered_by
        return answering is not None and answering.name == "Dr Ben"

    await until(ben_answers)
    assert [post.mine for post in await thread(de, "ben", post_id)] == [True]
    with pytest.raises(Refused):
        await de.its.credentials.desk(de.doctors["ada"], "redaktion")
    student = await de.add_doctor("stud", Role.STUDENT)
    for handle, error in ((student.handle, Refused), ("nobody", NotFound), ("redaktion", NotFound)):
        with pytest.raises(error):
            await de.its.desks.hand_over("redaktion", handle, "test")


async def test_a_closed_desk_publishes_nothing_and_can_be_opened_again(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await published(de, fr)
    there = await arrived(fr)
    await de.its.desks.close("redaktion", "no editors", "test")

    async def ended() -> bool:
        return not (await desk_of(fr, there.id)).author.badge.holds(fr.its.clock.ms() + 1)

    await until(ended)
    with pytest.raises(Refused):
        await de.its.credentials.desk(de.doctors["ada"], "redaktion")
    with pytest.raises(Conflict):
        await de.its.desks.close("redaktion", "again", "test")
    await de.its.desks.hand_over("redaktion", "ada", "test")
    await published(de, fr, draft=CONGRESS)

    async def two() -> bool:
        return await fr.count("posts", "parent_id IS NULL") == 2

    await until(two)


async def test_when_who_answers_leaves_nobody_answers_for_the_desk(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await published(de, fr)
    there = await arrived(fr)
    await de.its.departures.order("ada", "test")
    await until(lambda: de.count("accounts", f"state = '{AccountState.DEPARTED}'"))

    async def nobody() -> bool:
        return (await desk_of(fr, there.id)).author.answered_by is None

    await until(nobody)
    assert [(one.doctor, one.able, one.open) for one in await de.its.desks.all()] == [("", False, True)]


async def test_nobody_signs_in_to_a_desk_or_leaves_as_one(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    for password in ("", PASSWORD):
        with pytest.raises(NotSignedIn):
            await de.its.sessions.login("redaktion", password, "127.0.0.1")
    for act in (de.its.accounts.suspend("redaktion", "x", "test"), de.its.departures.order("redaktion", "test"),
                de.its.accounts.doctor("redaktion")):
        with pytest.raises(NotFound):
            await act
    with pytest.raises(Conflict):
        await de.its.desks.add("redaktion", "Another", "ben")
