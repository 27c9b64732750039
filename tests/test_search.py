"""Search: everything she may read is found by its words, facts and conditions, and nothing else is, by no way round."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.models import Actor, Author
from actors.store import shown_by_handle
from core import conditions
from core.ids import number
from instance.assembly import Assembly
from posts import matters
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from posts.search import PAGE, Results, Search
from posts.sought import Filters
from tests.test_timelines import doctor, follows


@pytest.fixture
def search(its: Assembly) -> Search:
    return its.search


async def ask(its: Assembly, author: Actor, question: str, text: str = "Text.", *, facts: CaseFacts | None = None,
              language: str = "de", kind: Kind = Kind.CASE, options: tuple[str, ...] = ()) -> str:
    poll = PollDraft(options, False, its.clock.ms() + 86_400_000) if options else None
    draft = Draft(kind, question, text, language, facts or CaseFacts(("cardiology",) if kind == Kind.CASE else ()), poll)
    return await its.compose.publish(Author(author), draft, (), Reach.HOME, "")


async def entered(its: Assembly) -> None:
    while await its.indexing.step():
        pass


async def found(search: Search, reader: Actor, typed: str, filters: Filters | None = None) -> list[str]:
    """The public ids of all pages."""
    ids: list[str] = []
    before = None
    while True:
        results = await search.find(reader, typed, filters or Filters(), before)
        ids += [one.post.id for one in results.found]
        if results.before is None:
            return ids
        before = results.before


def said(results: Results) -> list[str]:
    return ["".join(piece.text for piece in one.text) for one in results.found]


async def test_words_are_found_in_question_text_and_options_newest_first(its: Assembly, search: Search) -> None:
    ada = await doctor(its, "ada")
    one = await ask(its, ada, "Unklares Ödem der Lunge", "Seit **drei** Wochen, mit Fieber.")
    two = await ask(its, ada, "Fieber nach der Reise")
    three = await ask(its, ada, "Was zuerst?", kind=Kind.POLL, options=("Fieber senken", "Abwarten"))
    answer = await its.compose.reply(Author(ada), one, "Wie hoch ist das Fieber?", "de")
    assert await found(search, ada, "fieber") == []
    await entered(its)
    assert await found(search, ada, "fieber") == [answer, three, two, one]
    assert await found(search, ada, "FIEBER odem") == [one]
    assert await found(search, ada, "drei wochen") == [one]
    assert await found(search, ada, "fie") == [answer, three, two, one]
    assert await found(search, ada, "fie nach") == []
    assert await found(search, ada, "fie* nach") == [two]
    assert await found(search, ada, '"fieber nach"') == [two]
    assert await found(search, ada, '"nach fieber"') == []
    assert await found(search, ada, "fieber -reise -odem") == [answer, three]
    assert await found(search, ada, 'fieber -"drei wochen"') == [answer, three, two]
    assert await found(search, ada, "") == await found(search, ada, "?!") == []
    results = await search.find(ada, "fieber", Filters())
    assert [piece.text for piece in results.found[0].text if piece.marked] == ["Fieber"]
    assert "".join(piece.text for piece in results.found[0].question) == "Unklares Ödem der Lunge"
    assert said(results)[1] == "Text. · Fieber senken · Abwarten"


async def test_pages_follow_each_other_without_gaps_or_repeats(its: Assembly, search: Search) -> None:
    ada = await doctor(its, "ada")
    made = [await ask(its, ada, f"Frage {at} zu Fieber", kind=Kind.NOTE) for at in range(2 * PAGE + 3)]
    await entered(its)
    assert await found(search, ada, "fieber") == made[::-1]
    hurried = Search(its.database, its.identity, its.clock, conditions, seconds=0.0)
    assert await found(hurried, ada, "fieber") == made[::-1]
    first = await search.find(ada, "fieber", Filters())
    assert len(first.found) == PAGE and first.until is None
    for nonsense in ("x", "", "0" * 26, "z" * 26, "0" * 13):
        assert len((await search.find(ada, "fieber", Filters(), nonsense)).found) in (0, PAGE)


async def test_what_is_looked_for_by_a_condition_is_found_in_every_language(its: Assembly, search: Search) -> None:
    ada = await doctor(its, "ada")
    german = await ask(its, ada, "Sarkoidose der Lunge")
    italian = await ask(its, ada, "Caso", "Paziente con sarcoidosi polmonare.", language="it")
    other = await ask(its, ada, "Sclerosi multipla?", language="it")
    await entered(its)
    assert await found(search, ada, "Sarkoidose") == [italian, german]
    assert await found(search, ada, "sarcoïdose") == [italian, german]
    assert await found(search, ada, "Sarkoidose polmonare") == [italian]
    assert await found(search, ada, "multiple Sklerose") == [other]
    assert await found(search, ada, '"Sarkoidose"') == [german]
    assert await found(search, ada, "", Filters(condition="sarcoidosis")) == [italian, german]
    results = await search.find(ada, "Sarkoidose", Filters())
    assert results.codes == ("sarcoidosis",)
    assert [piece.text for piece in results.found[0].text if piece.marked] == ["sarcoidosi"]


async def test_a_consult_is_found_by_those_in_it_alone(its: Assembly, search: Search) -> None:
    ada, ben, eve = await doctor(its, "ada"), await doctor(its, "ben"), await doctor(its, "eve")
    consult = await its.compose.consult(
        Author(ada), Draft(Kind.CASE, "Seltenes Fieber", "Nur für Ben.", "de", CaseFacts(("cardiology",))), [ben])
    answer = await its.compose.reply(Author(ben), consult, "Fieber seit wann?", "de")
    public = await ask(its, ada, "Fieber im Allgemeinen", kind=Kind.NOTE)
    await entered(its)
    assert await found(search, ada, "fieber") == await found(search, ben, "fieber") == [public, answer, consult]
    assert await found(search, ben, "fieber", Filters(whose="consults")) == [answer, consult]
    assert await found(search, eve, "fieber") == [public]
    for filters in (Filters(whose="consults"), Filters(specialty="cardiology"), Filters(kind="case")):
        assert await found(search, eve, "seltenes", filters) == await found(search, eve, "", filters) == []
    nothing = await search.find(eve, "seltenes", Filters())
    assert (nothing.found, nothing.before, nothing.until) == ((), None, None)


async def test_hidden_shunned_and_erased_posts_are_in_no_page(its: Assembly, search: Search) -> None:
    ada, ben = await doctor(its, "ada"), await doctor(its, "ben")
    hidden = await ask(its, ada, "Fieber, verborgen")
    answer = await its.compose.reply(Author(ben), hidden, "Auch Fieber.", "de")
    erased = await ask(its, ada, "Fieber, gelöscht")
    await entered(its)
    assert await found(search, ben, "fieber") == [erased, answer, hidden]
    await its.editing.delete(ada, erased)
    await its.database.write(lambda tx: matters.hide(tx, number(hidden) or 0, its.clock.ms()))
    assert await found(search, ben, "fieber") == [answer]
    assert (await search.find(ben, "fieber", Filters())).found[0].question == ()
    assert await found(search, ada, "fieber") == [answer, hidden]
    await its.database.write(lambda tx: matters.show(tx, number(hidden) or 0, its.clock.ms()))
    await its.relations.mute(ben, ada)
    assert await found(search, ben, "fieber") == [answer]
    assert await found(search, ben, "", Filters(kind="case")) == []


async def test_an_edit_replaces_the_words_and_a_deletion_takes_every_one_of_them(its: Assembly, search: Search) -> None:
    ada = await doctor(its, "ada")
    post = await ask(its, ada, "Zuerst Fieber", "Sarkoidose und Husten")
    await entered(its)
    await its.editing.edit(Author(ada), post, "Zuerst Ausschlag", "Nur Husten", 1)
    assert await found(search, ada, "fieber") == await found(search, ada, "sarcoidosi") == []
    assert await found(search, ada, "husten") == [post]
    await entered(its)
    assert await found(search, ada, "ausschlag") == [post]
    await its.editing.delete(ada, post)
    for table in ("postings", "post_conditions", "unindexed"):
        assert await its.database.read(lambda tx, table=table: tx.rows(f"SELECT * FROM {table}")) == []  # type: ignore[misc]
    assert [tuple(row) for row in await its.database.read(lambda tx: tx.rows("SELECT * FROM places"))] == [(0, None, None)]


async def test_filters_ask_for_facts_months_answers_and_whose(its: Assembly, search: Search) -> None:
    ada, ben, eve = await doctor(its, "ada"), await doctor(its, "ben"), await doctor(its, "eve")
    case = await ask(its, ada, "Fall", facts=CaseFacts(("cardiology",), "50-59", "f", "therapeutic"))
    note = await ask(its, ben, "Notiz", kind=Kind.NOTE, language="fr")
    await entered(its)

    async def by(**asked: str) -> list[str]:
        return await found(search, eve, "", Filters(**asked))

    assert await by(kind="case") == await by(aim="therapeutic") == await by(specialty="cardiology") == [case]
    assert await by(age_band="50-59") == await by(sex="f") == await by(state="open") == [case]
    assert await by(kind="case", sex="m") == await by(kind="nothing") == await by(specialty="' OR 1") == []
    assert await by(language="fr") == [note]
    assert await by(country="de") == await by(answers="without") == [note, case]
    assert await by(answers="with") == await by(state="answered") == []
    answer = await its.compose.reply(Author(ben), case, "Antwort", "de")
    await entered(its)
    assert await by(answers="with") == await by(state="answered") == [case]
    assert await by(answers="without") == [note]
    assert await by(kind="reply") == [answer]
    await its.cases.tell_outcome(Author(ada), case, "Gut.")
    await entered(its)
    assert await by(state="known") == [case]
    assert await by(state="answered") == await by(state="open") == []
    await its.editing.delete(ben, answer)
    await entered(its)
    assert await by(answers="with") == []
    assert await by(answers="without") == [note, case]
    month = "2026-01"
    await its.database.write(lambda tx: tx.run("UPDATE posts SET published_at = 1767700000000 WHERE id = ?", (number(note),)))
    await its.database.write(lambda tx: tx.run("UPDATE indexed_by SET version = 'earlier'"))
    await its.indexing.begin()
    await entered(its)
    assert await by(since=month, until=month) == await by(until="2026-02") == [note]
    assert await by(since="2026-02") == [case]
    assert await by(since="nothing") == await by(since="2026-13") == []
    assert await by(whose="mine") == []
    assert await found(search, ada, "", Filters(whose="mine")) == [case]
    await follows(its, eve, ben)
    assert await by(whose="following") == [note]


async def test_an_index_of_another_release_is_made_anew(its: Assembly, search: Search) -> None:
    ada = await doctor(its, "ada")
    post = await ask(its, ada, "Fieber")
    await its.indexing.begin()
    await entered(its)
    assert await its.indexing.step() == 0
    await its.database.write(lambda tx: tx.run("UPDATE indexed_by SET version = 'earlier'"))
    await its.database.write(lambda tx: tx.run("UPDATE postings SET word = 'stale' WHERE word = 'fieber'"))
    await its.indexing.begin()
    assert await its.indexing.step() == 1
    assert await found(search, ada, "fieber") == [post]
    assert await found(search, ada, "stale") == []


async def test_what_changes_while_it_is_entered_is_entered_as_it_is(its: Assembly, search: Search) -> None:
    ada = await doctor(its, "ada")
    changed, erased = await ask(its, ada, "Fieber"), await ask(its, ada, "Fieber")
    entries, gone = await its.database.read(its.indexing._look)
    await its.editing.edit(Author(ada), changed, "Husten", "Text.", 1)
    await its.editing.delete(ada, erased)
    from posts.indexing import _enter
    await its.database.write(lambda tx: _enter(tx, entries, gone))
    assert await found(search, ada, "fieber") == []
    await entered(its)
    assert await found(search, ada, "husten") == [changed]
    assert await found(search, ada, "text") == [changed]


@given(typed=st.text(max_size=60), kind=st.text(max_size=8), since=st.text(max_size=8), before=st.text(max_size=27))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_whatever_is_asked_for_is_answered(its: Assembly, search: Search, typed: str, kind: str, since: str,
                                                 before: str) -> None:
    reader = await its.database.read(lambda tx: shown_by_handle(tx, "ada")) or await doctor(its, "ada")
    results = await search.find(reader, typed, Filters(kind=kind, since=since, condition=kind), before)
    assert results.found == () and results.before is None
