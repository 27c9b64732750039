"""What is asked in one country is found in another by its words, with what was changed in it, until it is deleted."""

from __future__ import annotations

from pathlib import Path

from posts.models import CaseFacts, Draft, Kind, Reach
from posts.sought import Filters
from tests.conversations.test_the_whole_path import case, published
from tests.servers import Running, countries, until


async def found(at: Running, typed: str, handle: str = "ben") -> list[str]:
    """The questions that are found."""
    reader = (await at.author(handle)).actor
    results = await at.its.search.find(reader, typed, Filters())
    return [one.post.question for one in results.found]


async def test_a_case_is_found_abroad_as_it_is_and_not_after_it_was_deleted(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        post_id = await published(de, case("Granulome der Lunge?"), fr)
        for place in (de, fr):
            await until(lambda place=place: found(place, "granulome clinical"))  # type: ignore[misc]
        assert await found(it, "granulome") == []
        await de.its.editing.edit(await de.author("ada"), post_id, "Knoten der Lunge?", "New text.", 1)
        assert await found(de, "granulome") == []
        for place in (de, fr):
            await until(lambda place=place: found(place, "knoten"))  # type: ignore[misc]
        assert await found(fr, "granulome") == await found(fr, "clinical") == []
        await de.its.editing.delete((await de.author("ada")).actor, post_id)
        assert await found(de, "knoten") == []
        await until(lambda: fr.count("tombstones"))
        assert await found(fr, "knoten") == []
        for place in (de, fr):
            assert await place.count("postings") == 0


async def test_a_consult_is_found_abroad_by_whom_it_names_and_nobody_else(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        ada = await de.author("ada")
        colleagues = await de.its.colleagues.named(ada.actor, [f"@ben@{fr.domain}"])
        await de.its.compose.consult(ada, case("Nur für einen"), colleagues)
        await until(lambda: found(fr, "einen"))
        assert await found(fr, "einen") == ["Nur für einen"]
        assert await found(fr, "einen", "ada") == await found(fr, "clinical", "ada") == []
        await until(lambda: found(de, "einen", "ada"))
        assert await found(de, "einen", "ben") == []


async def test_the_deeds_of_a_sibling_leave_what_is_at_home_alone(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await published(de, case("Bleibt zu Hause"))
        await published(de, case("Geht nach Frankreich"), fr, reach=Reach.NETWORK)
        await until(lambda: found(fr, "frankreich"))
        await until(lambda: found(de, "hause"))
        assert await found(fr, "hause") == []
        assert await fr.count("postings", "word = 'hause'") == 0


async def test_typing_sarkoidose_finds_the_italian_case(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "it") as (de, it):
        draft = Draft(Kind.CASE, "Quale terapia?", "Paziente con **sarcoidosi** polmonare.", "it", CaseFacts(("cardiology",)))
        await published(it, draft, de)
        await until(lambda: found(de, "Sarkoidose"))
        assert await found(de, "Sarkoidose Lunge") == []
        results = await de.its.search.find((await de.author("ada")).actor, "Sarkoidose", Filters())
        assert [piece.text for piece in results.found[0].text if piece.marked] == ["sarcoidosi"]
        assert results.codes == ("sarcoidosis",)
