"""Operators decide about reports: who may, what it does, what is kept for an appeal and how long, and what is written down."""

from __future__ import annotations

import pytest

from actors.models import Author
from core.database import Tx
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.ids import number, public
from instance.assembly import Assembly
from posts.drafts import Sheet, What, Written
from posts.judging import OpenReports
from posts.matters import TEXT_LIMIT, MatterState
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.servers import FakeSibling
from tests.test_notifications import asked, doctors
from tests.test_reports import reported
from tests.test_siblings import audit

_DAY = 86_400


async def operators(its: Assembly, *handles: str) -> None:
    for handle in handles:
        await its.accounts.add_operator(handle, handle.title(), "correct horse battery")


async def lines(its: Assembly) -> list[tuple[str, str]]:
    return [(by, action) for by, action, _ in await audit(its) if action.startswith(("case.", "report."))]


async def matter(its: Assembly, ada: Author, ben: Author, category: str = "recognisable", post: str = "") -> tuple[str, str]:
    post = post or await asked(its, ada)
    return post, await reported(its, ben, post, category, "The village.")


async def test_every_time_a_case_is_opened_that_is_written_down_and_lists_show_no_text(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    _, one = await matter(its, ada, ben)
    page = await its.judging.page("decide", None)
    assert (page.waiting, page.elsewhere) == (1, 0) and "Which test?" not in repr(page) and "village" not in repr(page)
    assert await lines(its) == []
    for by in ("olga", "omar", "olga"):
        found = await its.judging.case(one, by)
        assert (found.post.question, found.reports[0].text, found.reports[0].by) == ("Which test?", "The village.", "Dr Ben")
    assert await lines(its) == [("olga", "case.opened"), ("omar", "case.opened"), ("olga", "case.opened")]
    with pytest.raises(NotFound):
        await its.judging.case("0000000000000", "olga")


async def test_what_is_no_decision_is_refused(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    _, one = await matter(its, ada, ben)
    for result, reason, field in (("kept", " ", "reason"), ("kept", "x" * (TEXT_LIMIT + 1), "reason"), ("", "x", "result"),
                                  ("open", "x", "result"), ("deleted", "x", "result"), ("appealed", "x", "result")):
        with pytest.raises(InvalidInput) as caught:
            await its.judging.decide(one, result, reason, "de", "olga")
        assert caught.value.field == field
    for result in ("changed", "overturned"):  # it has not changed, and was not taken down
        with pytest.raises(Conflict):
            await its.judging.decide(one, result, "x", "de", "olga")
    assert await lines(its) == [] and (await its.judging.row(one)).state == MatterState.OPEN
    await its.judging.decide(one, "kept", "Harmless.", "de", "olga")
    with pytest.raises(Conflict):
        await its.judging.decide(one, "taken-down", "After all.", "de", "olga")
    assert await lines(its) == [("olga", "report.kept")]


async def test_nobody_judges_in_her_own_matter(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    await operators(its, "olga", "omar", "otto")

    def linked(tx: Tx) -> None:
        for operator, doctor in (("olga", "ada"), ("omar", "ben")):
            tx.run("UPDATE accounts SET doctor_id = (SELECT id FROM accounts WHERE handle = ?) WHERE handle = ?",
                   (doctor, operator))

    await its.database.write(linked)
    _, one = await matter(its, ada, ben)
    for by in ("olga", "omar"):
        found = await its.judging.case(one, by)
        assert found.results == () and found.why_not is not None and found.why_not.reason == "party"
        with pytest.raises(Refused):
            await its.judging.decide(one, "kept", "Mine.", "de", by)
        with pytest.raises(Refused):
            await its.judging.hide(one, by, hidden=False)
    assert (await its.judging.case(one, "otto")).results == (MatterState.TAKEN_DOWN, MatterState.KEPT)
    await its.judging.decide(one, "taken-down", "The date.", "de", "otto")
    await its.reports.appeal(ada.actor, one, "Please.")
    await its.judging.decide(one, "overturned", "There is nobody else.", "de", "otto")  # the others are parties


async def test_whoever_decided_does_not_decide_about_the_appeal_where_there_is_somebody_else(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    await operators(its, "olga", "omar")
    _, one = await matter(its, ada, ben)
    await its.judging.decide(one, "taken-down", "The date.", "de", "olga")
    await its.reports.appeal(ada.actor, one, "Please.")
    for by in ("olga", "cli:root"):
        with pytest.raises(Refused):
            await its.judging.decide(one, "taken-down", "It stays.", "de", by)
    assert (await its.judging.case(one, "omar")).results == (MatterState.TAKEN_DOWN, MatterState.OVERTURNED)
    await its.judging.decide(one, "taken-down", "It stays.", "de", "omar")
    assert (await its.database.read(lambda tx: tx.rows("SELECT kept FROM matters")))[0]["kept"] is None
    assert [one.reason for one in (await its.reports.one(ada.actor, one)).decisions] == ["The date.", "It stays."]


async def test_the_copy_for_an_appeal_is_sealed_opens_for_operators_alone_and_goes_in_time(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    draft = Draft(Kind.POLL, "Planted word?", "Planted text.", "de", CaseFacts(),
                  PollDraft(("Planted one", "Planted two"), True, its.clock.ms() + 3_600_000))
    _, one = await matter(its, ada, ben, post=await asked(its, ada, draft))
    await its.judging.decide(one, "taken-down", "The date.", "de", "olga")

    def planted(tx: Tx) -> list[str]:
        tables = [row["name"] for row in tx.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [table for table in tables for row in tx.rows(f"SELECT * FROM {table}") for value in row
                if b"lanted" in (value if isinstance(value, bytes) else str(value).encode())]

    assert await its.database.read(planted) == []
    found = (await its.judging.case(one, "olga")).post
    assert (found.question, found.options, found.erased) == ("Planted word?", ("Planted one", "Planted two"), True)
    assert "Planted text." in found.html
    assert await its.judging.prune() == 0
    its.clock.offset = 15 * _DAY
    assert await its.judging.prune() == 1
    assert (await its.judging.case(one, "olga")).post.question == ""


async def test_whoever_was_wronged_gets_back_what_she_had_written(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    root = await asked(its, ben)
    ends = its.clock.ms() + 3_600_000
    poll = Draft(Kind.POLL, "Which?", "Text", "de", CaseFacts(("cardiology",)), PollDraft(("a", "b"), True, ends))
    posts = [await asked(its, ada), await asked(its, ada, poll), await its.compose.reply(ada, root, "First.", "de"),
             await its.compose.reply(ada, root, "Second.", "fr")]
    for post in posts:
        _, one = await matter(its, ada, ben, post=post)
        await its.judging.decide(one, "taken-down", "The date.", "de", "olga")
        await its.reports.appeal(ada.actor, one, "Please.")
        await its.judging.decide(one, "overturned", "A mistake.", "de", "olga")
    drafts = {(draft.what, draft.written.kind): draft for draft in (await its.drafts.page(ada.actor, None)).drafts}
    case = drafts[What.NEW, "case"].written
    assert (case.question, case.text, case.language, case.age_band) == ("Which test?", "Text", "de", "30-39")
    again = drafts[What.NEW, "poll"].written
    assert (again.options, again.multiple, again.specialties) == ("a\nb", "1", ("cardiology",))
    answer = next(draft for draft in drafts.values() if draft.what == What.REPLY)
    assert answer.about == root and answer.written.text == "First."  # the second has no place beside it
    assert (drafts[What.NEW, "note"].written.text, drafts[What.NEW, "note"].written.language) == ("Second.", "fr")
    sheet = Sheet(answer.what, root, answer.version, "1")
    await its.compose.reply(ada, root, answer.written.text, "de", "form", sheet)  # it can be sent as any other draft
    assert await its.drafts.of(ada.actor, What.REPLY, root) is None


async def test_a_takedown_leaves_the_answers_and_says_for_what(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    post = await asked(its, ada)
    await its.compose.reply(ben, post, "An answer.", "de")
    await its.drafts.keep(ada.actor, Sheet(What.EDIT, post, "", "1"), Written(question="Which?", text="Text, changed."))
    _, one = await matter(its, ada, ben, "insult", post)
    await its.judging.decide(one, "taken-down", "Not like that.", "de", "olga")
    root, answer = (await its.threads.thread(ben.actor, post)).posts
    assert (root.erased, root.taken_down, root.taken_down_by, root.html) == (True, "insult", its.identity.name, "")
    assert "An answer." in answer.html and await its.drafts.of(ada.actor, What.EDIT, post) is None
    await its.erasures.record()
    assert '"erased"' in its.settings.path(its.settings.retention.erasure_journal).read_text("ascii")


async def test_what_waits_comes_first_in_first_and_what_is_over_the_other_way_round_page_by_page(its: Assembly) -> None:
    ada, _ = await doctors(its, "ada", "ben")
    post = number(await asked(its, ada))

    def many(tx: Tx) -> None:
        for place in range(1, 71):
            tx.run("INSERT INTO matters (id, post_id, state, category, opened_at) VALUES (?, ?, ?, 'false', 1)",
                   (place, post, "appealed" if place % 2 else "kept"))

    await its.database.write(many)
    for tab, first in (("decide", 1), ("decided", 70)):
        found: list[str] = []
        before = None
        for size in (30, 5):
            page = await its.judging.page(tab, before)
            assert len(page.shown) == size and (page.waiting, page.elsewhere) == (35, 0)
            found += [row.id for row in page.shown]
            before = page.before
        assert before is None and len(set(found)) == 35 and found[0] == public(first)
        assert found == sorted(found, reverse=tab == "decided")
    assert (await its.judging.page("elsewhere", None)).shown == ()


async def test_what_lies_with_a_sibling_is_counted_and_not_decided_here(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    fake = FakeSibling()
    await its.siblings.add("127.0.0.1:1", "fr", fake.described().fingerprint, descriptor=fake.described())
    await its.siblings.approve("127.0.0.1:1", "test")
    row = await its.siblings.row("127.0.0.1:1")
    post, one = await matter(its, ada, ben)
    assert await its.judging.open_by_sibling() == {}

    def theirs(tx: Tx) -> None:
        tx.run("UPDATE posts SET sibling_id = ?, uri = ? WHERE id = ?", (row.id, f"{fake.origin}/posts/x", number(post)))

    await its.database.write(theirs)
    assert await its.judging.open_by_sibling() == {row.id: OpenReports(1, 0)}
    page = await its.judging.page("elsewhere", None)
    assert [each.id for each in page.shown] == [one] and (page.waiting, page.elsewhere) == (0, 1)
    assert (await its.judging.case(one, "olga")).results == ()
    with pytest.raises(Conflict):
        await its.judging.decide(one, "taken-down", "Now.", "de", "olga")
    await its.judging.hide(one, "olga", hidden=False)
    assert [each.id for each in (await its.timelines.home(ben.actor, "all", None)).posts] == [post]
    await its.judging.hide(one, "olga", hidden=True)
    assert (await its.timelines.home(ben.actor, "all", None)).posts == ()
    assert [action for _, action in await lines(its)][-2:] == ["report.shown", "report.hidden"]


async def test_who_reported_and_what_was_written_is_forgotten_in_time_and_how_it_ended_is_not(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    _, decided = await matter(its, ada, ben)
    _, waits = await matter(its, ada, ben)
    _, appealed = await matter(its, ada, ben)
    for one in (decided, appealed):
        await its.judging.decide(one, "taken-down", "The date.", "de", "olga")
    await its.reports.appeal(ada.actor, appealed, "Please.")
    its.clock.offset = 181 * _DAY
    assert await its.judging.prune() == 2  # the copy, and the words
    assert await its.judging.prune() == 0
    found = await its.judging.case(decided, "olga")
    assert found.reports == () and [one.reason for one in found.decisions] == [""] and found.row.state == MatterState.TAKEN_DOWN
    for one in (waits, appealed):
        assert (await its.judging.case(one, "olga")).reports[0].text == "The village."
    assert (await its.reports.mine(ben.actor, None)).shown[0].id == appealed
    assert len((await its.reports.mine(ben.actor, None)).shown) == 2


async def test_an_operator_who_has_read_a_post_reports_it_and_it_goes_the_same_way(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    post = await asked(its, ada)
    for category, text, field in (("", "", "category"), ("other", " ", "text")):
        with pytest.raises(InvalidInput) as caught:
            await its.judging.report(post, category, text, "de", "olga", share=True)
        assert caught.value.field == field
    with pytest.raises(NotFound):
        await its.judging.report("0000000000000", "insult", "", "de", "olga", share=True)
    assert await lines(its) == []
    one = await its.judging.report(post, "recognisable", "Notice ABCD-EFGH.", "de", "olga", share=True)
    assert (await its.timelines.home(ben.actor, "all", None)).posts == ()
    [report] = (await its.judging.case(one, "omar")).reports
    assert (report.by, report.local, report.text) == ("olga", True, "Notice ABCD-EFGH.")
    await its.judging.decide(one, "taken-down", "The date.", "de", "olga")
    assert (await its.threads.thread(ben.actor, post)).posts[0].taken_down == "recognisable"
    with pytest.raises(NotFound):
        await its.judging.report(post, "insult", "", "de", "olga", share=True)
    assert await lines(its) == [("olga", "report.raised"), ("omar", "case.opened"), ("olga", "report.taken-down")]


async def test_a_post_of_another_reach_is_taken_down_like_any_other(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    consult = await its.compose.consult(ada, Draft(Kind.NOTE, "Between us?", "Text", "de"), [ben.actor])
    _, one = await matter(its, ada, ben, post=consult)
    assert (await its.judging.case(one, "olga")).post.consult
    await its.judging.decide(one, "taken-down", "The date.", "de", "olga")
    assert (await its.threads.thread(ben.actor, consult)).posts[0].taken_down == "recognisable"
    assert (await its.threads.thread(ben.actor, consult)).posts[0].audience.reach == Reach.NAMED
