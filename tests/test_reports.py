"""Reporting a post: what is hidden, from whom and where, what is refused, and what reporter and author see of it."""

from __future__ import annotations

import pytest

from actors.models import Account, Actor, Author
from core.database import Tx
from core.errors import Conflict, InvalidInput, NotFound, Refused, TooMany
from core.ids import number
from federation.allowlist import Direction, Purpose
from instance.assembly import Assembly
from posts.drafts import Sheet, What, Written
from posts.matters import TEXT_LIMIT, MatterState
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from posts.reports import Side
from posts.timelines import waiting_by_topic
from tests.servers import FakeSibling
from tests.test_notifications import asked, doctors

_MINUTE, _DAY = 60, 86_400


async def reported(its: Assembly, by: Author, post: str, category: str = "recognisable", text: str = "") -> str:
    return await its.reports.report(by.actor, post, category, text, "de", share=False)


async def names(its: Assembly, viewer: Actor, tab: str = "all") -> list[str]:
    return [post.id for post in (await its.timelines.home(viewer, tab, None)).posts]


async def test_a_hidden_post_is_nowhere_but_with_its_author(its: Assembly) -> None:
    ada, ben, eva = await doctors(its, "ada", "ben", "eva")
    post, other = await asked(its, ada), await asked(its, ada)
    answer = await its.compose.reply(ben, post, "An answer.", "de")
    await its.editing.edit(ada, post, "Which test first?", "Clinical.", 1)
    await its.reactions.bookmark(eva.actor, post)
    await its.compose.reply(ada, answer, "Thanks.", "de")
    sheet = Sheet(What.REPLY, post, "", "1")
    await its.drafts.keep(eva.actor, sheet, Written(text="Begun.", language="de"))
    newest = (await its.timelines.home(eva.actor, "all", None)).newest

    await reported(its, ben, post)
    for reader in (ben.actor, eva.actor):
        root, *answers = (await its.threads.thread(reader, post)).posts
        assert root.hidden is not None and (root.question, root.html, root.facts, root.state) == ("", "", CaseFacts(), None)
        assert [one.html.strip() for one in answers] == ["<p>An answer.</p>", "<p>Thanks.</p>"]
        assert await names(its, reader) == [other]
        with pytest.raises(NotFound):
            await its.threads.history(reader, post)
        with pytest.raises(NotFound):
            await its.reports.post(reader, post)
    assert (await its.timelines.bookmarks(eva.actor, None)).posts == ()
    assert await its.timelines.newer(eva.actor, "all", newest) == 0
    assert (await its.database.read(waiting_by_topic))[""] == 1
    [draft] = (await its.drafts.page(eva.actor, None)).drafts
    assert draft.question == "" and not draft.gone
    told = (await its.notifications.page(ben.actor, None)).shown
    assert [one.question for one in told] == [""]  # Ada replied to Ben in a conversation that he cannot read now
    with pytest.raises(NotFound):
        await its.compose.reply(eva, post, "Another.", "de")
    verified = await its.credentials.require_verified(await account(its, "eva"))
    with pytest.raises(NotFound):
        await its.reactions.like(verified, post)

    mine = (await its.threads.thread(ada.actor, post)).posts[0]
    assert mine.hidden is not None and mine.question == "Which test first?" and await names(its, ada.actor) == [other, post]
    await its.editing.edit(ada, post, "Which test?", "Changed.", 2)
    assert (await its.threads.thread(eva.actor, post)).posts[0].html == ""


async def account(its: Assembly, handle: str) -> Account:
    found = await its.accounts.by_handle(handle)
    assert found is not None
    return found


async def test_siblings_are_not_handed_what_is_hidden(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    fake = FakeSibling()
    await its.siblings.add("127.0.0.1:1", "fr", fake.described().fingerprint, descriptor=fake.described())
    await its.siblings.approve("127.0.0.1:1", "test")
    sibling = its.allowlist.admit(fake.origin, Direction.IN, Purpose.OBJECT)
    seen = its.compose.network_digest(await its.compose.destinations())
    draft = Draft(Kind.NOTE, "Which?", "Text", "de")
    post = await its.compose.publish(ada, draft, (fake.origin,), Reach.COUNTRIES, seen)
    answer = await its.compose.reply(ada, post, "An answer.", "de")
    assert len((await its.objects.outbox(sibling, actor_name(ada)))["orderedItems"]) == 2
    await reported(its, ben, answer)
    assert (await its.objects.replies(sibling, post))["orderedItems"] == []
    assert len((await its.objects.outbox(sibling, actor_name(ada)))["orderedItems"]) == 1
    await reported(its, ben, post)
    with pytest.raises(NotFound):
        await its.objects.post(sibling, post)


def actor_name(author: Author) -> str:
    return author.actor.uri.rpartition("/")[2]


@pytest.mark.parametrize("category", ["secrecy", "insult", "advertising", "false"])
async def test_nothing_but_a_recognisable_patient_hides(its: Assembly, category: str) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    post = await asked(its, ada)
    await reported(its, ben, post, category)
    assert await names(its, ben.actor) == [post]


async def test_what_is_no_report_is_refused_and_not_stored(its: Assembly) -> None:
    ada, ben, eva = await doctors(its, "ada", "ben", "eva")
    post = await asked(its, ada)
    consult = await its.compose.consult(ada, Draft(Kind.NOTE, "Between us?", "Text", "de"), [eva.actor])
    for category, text, field in (("", "x", "category"), ("nonsense", "x", "category"), ("other", " \n", "text"),
                                  ("secrecy", "x" * (TEXT_LIMIT + 1), "text")):
        with pytest.raises(InvalidInput) as caught:
            await reported(its, ben, post, category, text)
        assert caught.value.field == field
    with pytest.raises(Refused):
        await reported(its, ada, post)
    for nowhere in (consult, "0000000000000", "x"):
        with pytest.raises(NotFound):
            await reported(its, ben, nowhere)
    assert await its.database.read(lambda tx: tx.rows("SELECT 1 FROM reports UNION ALL SELECT 1 FROM matters")) == []
    await reported(its, eva, consult)
    await reported(its, ben, post, "false", "x" * TEXT_LIMIT)
    with pytest.raises(Conflict):
        await reported(its, ben, post, "insult")


async def test_one_doctor_reports_so_much_in_a_day_and_no_more(its: Assembly) -> None:
    ada, ben, eva = await doctors(its, "ada", "ben", "eva")
    posts = [await asked(its, ada) for _ in range(21)]
    for post in posts[:20]:
        await reported(its, ben, post)
    with pytest.raises(TooMany) as caught:
        await reported(its, ben, posts[20])
    assert caught.value.retry_after is not None and caught.value.retry_after > 80_000
    assert posts[20] in await names(its, eva.actor)
    await reported(its, eva, posts[20])
    its.clock.offset = _DAY + 1
    await reported(its, ben, await asked(its, ada))


async def test_reports_of_one_post_are_one_matter_as_grave_as_the_gravest(its: Assembly) -> None:
    ada, ben, eva = await doctors(its, "ada", "ben", "eva")
    post = await asked(its, ada)
    first = await reported(its, ben, post, "advertising")
    assert await reported(its, eva, post) == first
    [row] = (await its.judging.page("decide", None)).shown
    assert (row.category, row.reports, row.hidden) == ("recognisable", 2, True)
    assert (await its.reports.one(ben.actor, first)).category == "advertising"


async def test_what_operators_have_let_be_seen_is_hidden_again_only_when_it_has_changed(its: Assembly) -> None:
    ada, ben, eva = await doctors(its, "ada", "ben", "eva")
    post = await asked(its, ada)
    its.clock.offset = 1
    matter = await reported(its, ben, post)
    await its.judging.decide(matter, "kept", "Harmless.", "de", "olga")
    again = await reported(its, eva, post)
    assert again != matter and await names(its, eva.actor) == [post]
    its.clock.offset = 3
    await its.editing.edit(ada, post, "Which test?", "Now with a name.", 1)
    await reported(its, ben, post)
    assert await names(its, eva.actor) == []


async def test_only_the_two_see_a_matter_and_the_author_not_before_something_was_decided(its: Assembly) -> None:
    ada, ben, eva = await doctors(its, "ada", "ben", "eva")
    post = await asked(its, ada)
    matter = await reported(its, ben, post, "secrecy", "The name of the ward.")
    for nobody in (ada, eva):
        with pytest.raises(NotFound):
            await its.reports.one(nobody.actor, matter)
        assert (await its.reports.mine(nobody.actor, None)).shown == ()
    seen = await its.reports.one(ben.actor, matter)
    assert (seen.side, seen.state, seen.text) == (Side.REPORTER, MatterState.OPEN, "The name of the ward.")
    assert seen.question == "Which test?"
    await its.judging.decide(matter, "kept", "It is not named.", "de", "olga")
    for who, side, text in ((ben, Side.REPORTER, "The name of the ward."), (ada, Side.AUTHOR, "")):
        [seen] = (await its.reports.mine(who.actor, None)).shown
        assert (seen.side, seen.text, seen.decisions[0].reason) == (side, text, "It is not named.")
        [told] = (await its.notifications.page(who.actor, None)).shown
        assert told.kind == ("report" if who is ben else "judged") and told.place == f"/reports/{matter}" and told.people == ()
        await its.notifications.settle(who.actor, await its.notifications.decided(who.actor, matter))
        assert not (await its.notifications.page(who.actor, None)).shown[0].unread
    with pytest.raises(NotFound):
        await its.reports.one(eva.actor, matter)


async def test_a_post_that_its_author_deletes_ends_the_matter_and_the_reporter_is_told(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    post = await asked(its, ada)
    matter = await reported(its, ben, post, text="The village.")
    await its.editing.delete(ada.actor, post)
    seen = await its.reports.one(ben.actor, matter)
    assert (seen.state, seen.gone, seen.question) == (MatterState.DELETED, True, "")
    assert await its.judging.tell_due() == 0  # a takedown elsewhere is told a moment after its deletion
    its.clock.offset = _MINUTE + 1
    assert await its.judging.tell_due() == 1 and await its.judging.tell_due() == 0
    assert [one.kind for one in (await its.notifications.page(ben.actor, None)).shown] == ["report"]
    assert (await its.notifications.page(ada.actor, None)).shown == ()


async def test_only_the_author_appeals_in_time_and_once(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    matters = []
    for _ in range(2):
        post = await asked(its, ada)
        matters.append(await reported(its, ben, post))
        with pytest.raises(NotFound):
            await its.reports.appeal(ada.actor, matters[-1], "Why?")
        await its.judging.decide(matters[-1], "taken-down", "The date.", "de", "olga")
    for text in ("", " \n\0", "x" * (TEXT_LIMIT + 1)):
        with pytest.raises(InvalidInput) as caught:
            await its.reports.appeal(ada.actor, matters[0], text)
        assert caught.value.field == "appeal"
    with pytest.raises(Conflict):
        await its.reports.appeal(ben.actor, matters[0], "Not mine.")
    await its.reports.appeal(ada.actor, matters[0], "All invented.")
    with pytest.raises(Conflict):
        await its.reports.appeal(ada.actor, matters[0], "Again.")
    assert (await its.reports.one(ada.actor, matters[1])).appeal_until is not None
    its.clock.offset = 15 * _DAY
    assert (await its.reports.one(ada.actor, matters[1])).appeal_until is None
    with pytest.raises(Conflict):
        await its.reports.appeal(ada.actor, matters[1], "Too late.")
    await its.judging.decide(matters[0], "taken-down", "It stays.", "de", "olga")
    with pytest.raises(Conflict):
        await its.reports.appeal(ada.actor, matters[0], "Once more.")


async def test_a_hidden_poll_shows_neither_options_nor_counts(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    draft = Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(("a", "b"), False, its.clock.ms() + 3_600_000))
    post = await asked(its, ada, draft)
    await reported(its, ben, post)
    assert (await its.threads.thread(ben.actor, post)).posts[0].poll is None
    with pytest.raises(NotFound):
        await its.polls.vote(ben, post, (0,))


async def test_my_reports_come_page_by_page(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")

    def many(tx: Tx) -> None:
        for place in range(45):
            tx.run("INSERT INTO matters (id, post_id, state, category, opened_at) VALUES (?, ?, 'kept', 'false', 1)",
                   (place + 1, post_id))
            tx.run("INSERT INTO reports (id, matter_id, reporter_id, category, text, language, shared, at)"
                   " VALUES (?, ?, ?, 'false', '', 'de', 0, 1)", (place + 1, place + 1, ben.actor.id))

    post_id = number(await asked(its, ada)) or 0
    await its.database.write(many)
    found: list[str] = []
    before = None
    for size in (20, 20, 5):
        page = await its.reports.mine(ben.actor, before)
        assert len(page.shown) == size
        found += [one.id for one in page.shown]
        before = page.before
    assert before is None and len(set(found)) == 45 and found == sorted(found, reverse=True)
