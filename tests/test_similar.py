"""Similar cases: those with the same conditions or rare words, among what one may read, and never a consult."""

from __future__ import annotations

import pytest

from actors.models import Author
from core.ids import number
from instance.assembly import Assembly
from posts import matters
from posts.models import CaseFacts, Draft, Kind
from posts.similar import MOST, Similar
from tests.test_search import ask, entered
from tests.test_timelines import doctor

FILLED = "Der Patient kam mit Beschwerden in die Ambulanz und wurde untersucht."


@pytest.fixture
def similar(its: Assembly) -> Similar:
    return its.similar


async def test_the_same_condition_or_several_rare_words_make_a_case_similar(its: Assembly, similar: Similar) -> None:
    ada, ben = await doctor(its, "ada"), await doctor(its, "ben")
    for at in range(100):
        await ask(its, ben, f"Frage {at}", FILLED)
    italian = await ask(its, ben, "Caso raro", f"Sarcoidosi polmonare. {FILLED}", language="it")
    words = await ask(its, ben, "Gentamicin vor der Untersuchung?", f"Streptococcus gallolyticus in der Blutkultur. {FILLED}")
    answer = await its.compose.reply(Author(ben), words, "Streptococcus gallolyticus braucht Gentamicin.", "de")
    await entered(its)
    assert [post.id for post in await similar.to(ada, "Sarkoidose der Lunge", FILLED)] == [italian]
    assert [post.id for post in await similar.to(ada, "Gentamicin", f"gallolyticus {FILLED}")] == [words]
    assert answer not in [post.id for post in await similar.to(ada, "Streptococcus gallolyticus Gentamicin", "")]
    assert await similar.to(ada, "Der Patient kam", FILLED) == ()
    assert await similar.to(ada, "Gentamicin allein", "") == ()
    assert await similar.to(ada, "", "") == ()


async def test_no_more_than_a_few_are_shown_the_closest_first(its: Assembly, similar: Similar) -> None:
    ada = await doctor(its, "ada")
    made = [await ask(its, ada, "Endokarditis Gentamicin" + (" Gallolyticus" if at == 0 else "")) for at in range(MOST + 2)]
    await entered(its)
    found = [post.id for post in await similar.to(ada, "Endokarditis Gentamicin Gallolyticus", "")]
    assert found == [made[0], *made[:-MOST:-1]]


async def test_consults_hidden_erased_and_shunned_posts_are_similar_to_nothing(its: Assembly, similar: Similar) -> None:
    ada, ben, eve = await doctor(its, "ada"), await doctor(its, "ben"), await doctor(its, "eve")
    draft = Draft(Kind.CASE, "Sarkoidose, vertraulich", "Text.", "de", CaseFacts(("cardiology",)))
    await its.compose.consult(Author(ada), draft, [ben])
    hidden, erased = await ask(its, ada, "Sarkoidose eins"), await ask(its, ada, "Sarkoidose zwei")
    muted = await ask(its, eve, "Sarkoidose drei")
    await entered(its)
    assert {post.id for post in await similar.to(ben, "Sarkoidose", "")} == {hidden, erased, muted}
    await its.database.write(lambda tx: matters.hide(tx, number(hidden) or 0, its.clock.ms()))
    await its.editing.delete(ada, erased)
    await its.relations.mute(ben, eve)
    assert await similar.to(ben, "Sarkoidose", "") == ()
