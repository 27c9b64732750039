"""From the first look at an instance to the first screen, as apps do it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posts.models import CaseFacts, Draft, Kind, Reach
from tests.phones import Phone
from tests.servers import Running, countries

CASE = Draft(Kind.CASE, "Which test first?", "She *coughs*.", "de", CaseFacts(("cardiology",), "30-39", "f", "diagnostic"))


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


async def test_an_app_is_let_in_and_shows_home(de: Running) -> None:
    post_id = await de.its.compose.publish(await de.author("ben"), CASE, (), Reach.HOME, "")
    async with Phone(de) as phone:
        await phone.log_in("ada")
        me = await phone.get("/api/v1/accounts/verify_credentials")
        assert me["username"] == me["acct"] == "ada" and me["source"]["privacy"] == "private"
        [status] = await phone.get("/api/v1/timelines/home/")
        assert status["id"] == post_id and "Which test first?" in status["content"] and "<em>coughs</em>" in status["content"]
        assert status["account"]["username"] == "ben" and status["visibility"] == "private"
