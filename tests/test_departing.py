"""Leaving: everything a doctor wrote and did goes, here and at the siblings, and what others wrote stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posts.models import CaseFacts, Draft, Kind
from tests.conversations.test_the_whole_path import published
from tests.servers import Running, countries, until

_WORD = "planted7c1e"
_CASE = Draft(Kind.CASE, f"Question {_WORD}?", f"Text {_WORD}", "de", CaseFacts(("cardiology",)))


def holds(place: Running, word: str = _WORD) -> list[str]:
    """The files of an instance that hold a word, byte for byte."""
    directory = Path(place.its.settings.instance.data_dir)
    return [path.name for path in directory.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


async def gone(place: Running) -> bool:
    """Whether everything of somebody who leaves has gone from an instance."""
    return await place.count("departures", "done_at IS NOT NULL") > 0


async def test_after_fourteen_days_her_posts_are_tombstones_here_and_at_the_sibling(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    for draft in (_CASE, Draft(Kind.NOTE, f"Note {_WORD}", "Text", "de", CaseFacts())):
        await published(de, draft, fr)
    await until(lambda: fr.count("posts", "kind = 'case'"))
    await until(lambda: fr.count("posts", "kind = 'note'"))
    asked = await de.its.departures.ask(de.doctors["ada"], "ada")
    assert asked.due - asked.asked == 14 * 86_400_000 and asked.begun is None
    assert not await de.its.departing.step()  # nothing happens before
    assert await fr.count("posts", "erased_at IS NOT NULL") == 0
    await de.its.database.write(lambda tx: tx.run("UPDATE departures SET due_at = 0"))
    for place in (de, fr):
        await until(lambda place=place: gone(place))  # type: ignore[misc]
        assert await place.count("posts", "erased_at IS NOT NULL") == 2
        assert await place.count("actors", "name = '' AND handle = '' AND gone_at IS NOT NULL") == 1
        await until(lambda place=place: not holds(place))  # type: ignore[misc]
    await until(lambda: de.count("deliveries", "deletes = 1 AND state = 'acked'"))
