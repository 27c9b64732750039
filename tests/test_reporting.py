"""`konsil report`: what it prints for programs, what it does, and that it asks before something is erased."""

from __future__ import annotations

import asyncio

import pytest

from core.settings import Settings
from instance.assembly import assemble
from tests.test_cli import Konsil, de, documented
from tests.test_notifications import asked, doctors
from tests.test_reports import reported

__all__ = ["de"]
pytestmark = pytest.mark.usefixtures("logs_restored")


@pytest.fixture
async def matters(settings: Settings) -> list[str]:
    """Two reported posts."""
    async with assemble(settings) as its:
        ada, ben = await doctors(its, "ada", "ben")
        return [await reported(its, ben, await asked(its, ada), "insult", "The second sentence.") for _ in range(2)]


def opened(de: Konsil) -> int:
    return len(de.rows("SELECT 1 FROM audit WHERE action = 'case.opened'"))


async def test_what_waits_is_listed_without_text_and_shown_with_it(de: Konsil, matters: list[str]) -> None:
    rows = await asyncio.to_thread(de.json, "report", "list")
    assert [row["id"] for row in rows] == matters and set(rows[0]) == documented("report list")
    assert await asyncio.to_thread(de.json, "report", "list", "--which", "elsewhere") == []
    text = (await asyncio.to_thread(de.run, "report", "list")).stdout
    assert matters[0] in text and "Which test?" not in text and "sentence" not in text and opened(de) == 0
    shown = await asyncio.to_thread(de.json, "report", "show", matters[0])
    assert set(shown) == documented("report show") and shown["question"] == "Which test?" and opened(de) == 1
    assert shown["reported"][0]["text"] == "The second sentence." and shown["may_decide"] == ["taken-down", "kept"]


async def test_it_asks_before_something_is_erased_and_a_dry_run_changes_nothing(de: Konsil, matters: list[str]) -> None:
    decide = ("report", "decide", matters[0], "--result", "taken-down", "--reason", "Not like that.")
    shown = await asyncio.to_thread(de.json, *decide, "--dry-run")
    assert set(shown) == documented("report decide") and shown["state"] == "open" and opened(de) == 0
    said = (await asyncio.to_thread(de.run, *decide, "--dry-run")).stdout
    assert "it is erased here and in every country that has it. Nothing was changed." in said
    await asyncio.to_thread(de.run, *decide, given="n\n", exits=1)
    assert de.rows("SELECT state FROM matters WHERE state <> 'open'") == []
    assert (await asyncio.to_thread(de.json, *decide, "--yes"))["state"] == "taken-down"
    assert len(de.rows("SELECT 1 FROM posts WHERE taken_down = 'insult' AND html = ''")) == 1
    keep = ("report", "decide", matters[1], "--result", "kept", "--reason", "It is about nobody.", "--language", "de")
    assert (await asyncio.to_thread(de.json, *keep))["state"] == "kept"
    await asyncio.to_thread(de.refuses, *keep, saying="This was decided already.")
    await asyncio.to_thread(de.refuses, "report", "show", "0000000000000", saying="There is no such report.")
