"""Threads signed by role only: an alias speaks, its home instance alone knows for whom, and nothing a sibling has says it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posts.models import CaseFacts, Draft, Kind, PostView, Reach
from tests.servers import Running, countries, until

CASE = Draft(Kind.CASE, "Which test first?", "A rare story.", "de", CaseFacts(("cardiology",), "40-49", "f", "therapeutic"))


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


async def asked(de: Running, *to: Running, handle: str = "ada", draft: Draft = CASE) -> str:
    """A thread that is signed by role only."""
    compose = de.its.compose
    seen = compose.network_digest(await compose.destinations())
    return await compose.publish(await de.author(handle), draft, tuple(one.url for one in to),
                                 Reach.COUNTRIES if to else Reach.HOME, seen, by_role=True)


async def arrived(at: Running, handle: str = "ben") -> PostView:
    """The newest question there."""
    await until(lambda: at.count("posts", "parent_id IS NULL"))
    return (await at.its.timelines.home((await at.author(handle)).actor, "all", None)).posts[0]


async def test_a_case_signed_by_role_arrives_under_an_alias(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    ada = (await de.author("ada")).actor
    await asked(de, fr)
    there = await arrived(fr)
    speaker = there.author
    assert there.question == CASE.question and speaker.alias and speaker.uri != ada.uri
    assert (speaker.badge.role, speaker.badge.specialties, speaker.badge.country) == ("doctor", ("cardiology",), "de")
    assert speaker.badge.verified_by == ada.badge.verified_by and speaker.badge.verified_on % 86_400_000 == 0
    assert speaker.badge.holds(fr.its.clock.ms()) and "Ada" not in speaker.name and "ada" not in speaker.handle
