"""Operators read applications at the command line, longest waiting first, each with what is said about its number."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.settings import load
from instance.assembly import assemble
from tests.test_cli import Konsil
from tests.test_joining import ENTRY, filled, handed_in

pytestmark = pytest.mark.usefixtures("logs_restored")


def applied(place: Path) -> list[str]:
    """Two that were handed in, the second with a wrong number, and one that was not: their references."""
    async def work() -> list[str]:
        async with assemble(load(place / "config.toml", {})) as its:
            first, second = await handed_in(its, "a@k.example"), await filled(its, "b@k.example")
            await its.joining.say_number(second, ENTRY._replace(number="12"), "de")
            await its.joining.hand_in(second)
            return [(await its.joining.progress(token)).application.reference
                    for token in (first, second, await filled(its, "c@k.example"))]

    return asyncio.run(work())


def test_applications_are_listed_by_state_and_shown_by_their_reference(place: Path) -> None:
    konsil = Konsil(place)
    assert konsil.json("application", "list") == []
    first, second, draft = applied(place)
    rows = konsil.json("application", "list")
    assert [(row["reference"], row["verdict"], row["kind"]) for row in rows] == [
        (first, "ok", "joining"), (second, "format", "joining")]
    assert [row["reference"] for row in konsil.json("application", "list", "--limit", "1")] == [first]
    assert [row["reference"] for row in konsil.json("application", "list", "--state", "draft")] == [draft]
    shown = konsil.json("application", "show", second.lower())
    assert (shown["name"], shown["number"], shown["address"], shown["role"]) == (
        "Dr. Vera Beispiel", "12", "b@k.example", "doctor")
    assert shown["submitted"] and shown["decided"] is None and shown["answers"] == ENTRY.answers and not shown["invited"]
    printed = konsil.run("application", "list").stdout
    assert first in printed and "a@k.example" not in printed
    assert draft in konsil.run("application", "show", draft).stdout
    konsil.refuses("application", "show", "ABCD-EFGH", saying="There is no application ABCD-EFGH.")
