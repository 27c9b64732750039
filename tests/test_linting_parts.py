"""What could identify a patient is noticed in the parts of a case, its outcome and its rows too, and a number never leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import InvalidInput
from posts.models import CaseFacts, Draft, Kind, Reach
from posts.parts import Parts, Row, Section
from tests.servers import Running, countries
from tests.test_pages import Browser

NUMBER = "943 476 5919"
CASE = {"kind": "case", "question": "Which?", "text": "A story.", "language": "en", "specialties": "cardiology",
        "signature": "name"}


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de") as (de,):
        yield de


async def test_findings_stand_beside_the_part_they_mean_and_are_replaced_there(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        typed = CASE | {"history": "Seen on 12 March 2024 for fever.", "day": "0", "happened": "Ring Mrs Smith"}
        page = (await ada.post("/compose", typed | {"step": "audience"}))[1]
        assert 'id="findings-history"' in page and 'id="findings-timeline"' in page and 'id="findings-text"' not in page
        page = (await ada.post("/compose", typed | {"apply": "history:8:12 March 2024"}))[1]
        assert "12 March 2024" not in page.split('name="history"')[1].split("</textarea>")[0] and "Ring Mrs Smith" in page


@pytest.mark.parametrize("parts", [
    Parts((Section("history", source=f"NHS number {NUMBER}."),)),
    Parts((Section("history", source="Well."),), (Row(0, f"NHS number {NUMBER}"),))])
async def test_a_number_in_a_part_is_refused_whoever_hands_it_in(de: Running, parts: Parts) -> None:
    draft = Draft(Kind.CASE, "Which?", "A story.", "en", CaseFacts(("cardiology",)), parts=parts)
    with pytest.raises(InvalidInput) as refused:
        await de.its.compose.publish(await de.author("ada"), draft, (), Reach.HOME, "")
    assert refused.value.reason == "identifies" and await de.count("posts") == 0


async def test_a_number_in_an_outcome_a_correction_or_a_recall_is_refused(de: Running) -> None:
    ada, its = await de.author("ada"), de.its
    draft = Draft(Kind.CASE, "Which?", "A story.", "en", CaseFacts(("cardiology",)))
    case = await its.compose.publish(ada, draft, (), Reach.HOME, "")
    answer = await its.compose.reply(await de.author("ben"), case, "One milligram.", "en")
    for attempt in (its.cases.tell_outcome(ada, case, f"NHS number {NUMBER} is well."),
                    its.editing.edit(ada, case, "Which?", "Another.", 2, corrects=f"NHS number {NUMBER}"),
                    its.editing.recall(await de.author("ben"), answer, f"NHS number {NUMBER}")):
        with pytest.raises(InvalidInput) as refused:
            await attempt
        assert refused.value.reason == "identifies"
    assert await de.count("posts", "revision > 1") == 0
