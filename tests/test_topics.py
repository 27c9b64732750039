"""Specialties and hashtags are followed by their one name, and what is followed stands in the lists it belongs to."""

from __future__ import annotations

import pytest

from actors.models import Author
from core.countries import CODES, CountryName, pack, specialties, specialties_in, specialty_title
from core.database import Tx
from core.errors import InvalidInput, NotFound
from instance.assembly import Assembly
from posts.models import CaseFacts, Draft, Kind, Reach
from posts.timelines import topics_of
from posts.topics import hashtag_topic, specialty_topic
from tests.test_timelines import asked, doctor


async def tagged(its: Assembly, author: Author, text: str) -> str:
    return await its.compose.publish(author, Draft(Kind.NOTE, "Why?", text, "de"), (), Reach.HOME, "")


async def test_a_topic_has_one_name_however_it_is_written() -> None:
    assert specialty_topic("cardiology") == "cardiology"
    assert {hashtag_topic(name) for name in ("Stra\u00dfe", "STRASSE", "strasse")} == {"#strasse"}
    for code in ("", "Cardiology", "#cardiology", "cardiology ", "nothing"):
        with pytest.raises(NotFound):
            specialty_topic(code)
    for name in ("", "1", "a b", "#a", "<b>", "a" * 61, "_"):
        with pytest.raises(NotFound):
            hashtag_topic(name)


async def test_following_begins_and_ends_and_twice_is_once(its: Assembly) -> None:
    ada, ben = await doctor(its, "ada"), await doctor(its, "ben", "cardiology")
    for _ in range(2):
        await its.topics.follow(ada, "#sepsis")
        await its.topics.follow(ada, "cardiology")
    followed = lambda who: lambda tx: topics_of(tx, who)
    assert await its.database.read(followed(ada)) == ("cardiology", "#sepsis")
    case, note = await asked(its, ben, "cardiology"), await tagged(its, Author(ben), "Ein #Sepsis-Fall")
    other = await tagged(its, Author(ben), "#andere #1 `#sepsis`")
    assert [post.id for post in (await its.timelines.home(ada, "specialties", None)).posts] == [case]
    assert [post.id for post in (await its.timelines.home(ada, "following", None)).posts] == [note]
    assert [post.id for post in (await its.timelines.topic(ada, "#andere", None)).posts] == [other]
    for _ in range(2):
        await its.topics.unfollow(ada, "#sepsis")
        await its.topics.unfollow(ada, "cardiology")
    assert await its.database.read(followed(ada)) == () and await its.database.read(followed(ben)) == ("cardiology",)
    for tab in ("specialties", "following"):
        assert (await its.timelines.home(ada, tab, None)).posts == ()


async def test_hashtags_have_a_bound_and_specialties_none(its: Assembly) -> None:
    ada = await doctor(its, "ada")

    def fill(tx: Tx) -> None:
        tx.insert("topic_follows (actor_id, topic, at)", 3, [(ada.id, f"#t{number}", 1) for number in range(99)])

    await its.database.write(fill)
    await its.topics.follow(ada, "#last")
    with pytest.raises(InvalidInput, match="You follow 100 hashtags"):
        await its.topics.follow(ada, "#more")
    for code in specialties():
        await its.topics.follow(ada, code)
    assert len(await its.database.read(lambda tx: topics_of(tx, ada))) == 100 + len(specialties())
    await its.topics.unfollow(ada, "#t0")
    await its.topics.follow(ada, "#more")


async def test_answers_and_consults_stand_in_no_topic(its: Assembly) -> None:
    ada, ben = await doctor(its, "ada"), await doctor(its, "ben")
    note = await tagged(its, Author(ada), "Kein Wort")
    await its.compose.reply(Author(ben), note, "#sepsis!", "de")
    facts = CaseFacts(("cardiology",))
    await its.compose.consult(Author(ada), Draft(Kind.CASE, "Why?", "#sepsis", "de", facts), [ben])
    for topic in ("#sepsis", "cardiology"):
        assert (await its.timelines.topic(ben, topic, None)).posts == ()


@pytest.mark.parametrize("language", ["de", "fr", "it", "es", "en", "de-AT"])
def test_specialties_are_sorted_as_their_language_sorts_words(language: str) -> None:
    codes = specialties_in(language)
    assert sorted(codes) == sorted(specialties())
    titles = [specialty_title(code, language) for code in codes]
    plain = str.maketrans("ÄÖÜÉÈÓÍäöüéèóíáúñç", "AOUEEOIaoueeoiaunc")
    assert titles == sorted(titles, key=lambda title: title.translate(plain).lower())


def test_a_countrys_name_in_an_error_is_said_in_the_readers_language() -> None:
    error = InvalidInput("Add %(country)s.", values={"country": CountryName("it")})
    assert error.message == "Add Italy."
    german = lambda text: text.name_in("de") if isinstance(text, CountryName) else text.replace("Add", "Nimm dazu:")
    assert error.said(german) == "Nimm dazu: Italien."
    assert [CountryName(code) for code in CODES] == [pack(code).name for code in CODES]
    assert CountryName("xx") == CountryName("xx").name_in("de") == "XX"
