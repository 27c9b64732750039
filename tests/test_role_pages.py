"""Signing by role only in the pages: nothing is set, what is sent is shown first, and only its author sees that it is hers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.servers import Running, countries
from tests.test_consult_pages import seen
from tests.test_pages import Browser


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de") as (de,):
        yield de


async def test_a_doctor_signs_by_role_in_the_pages(de: Running) -> None:
    written = {"kind": "note", "question": "Which?", "text": "Seen by Ada today.", "language": "de"}
    async with Browser(de) as ada, Browser(de) as ben:
        await ada.login("ada")
        await ben.login("ben")
        page = (await ada.post("/compose", written | {"step": "audience"}))[1]
        choices = re.findall(r'<input type="radio" name="signature" [^>]*>', page)
        assert len(choices) == 2 and not any("checked" in choice for choice in choices)
        assert "2 doctors of this instance fit that description" in page
        status, page = await ada.post("/compose", written | {"step": "confirm", "reach": "home", "signature": "role"})
        words = seen(page)
        assert status == 200 and "Doctor, Cardiology Germany" in words and "Ada stands in your text" in words
        assert "Dr Ada" not in re.sub(r"<header.*?</header>|<nav.*?</nav>", "", page, flags=re.DOTALL)
        status, page = await ada.post("/compose", written | {
            "step": "confirm", "reach": "named", "doctor": "@ben", "signature": "role"})
        assert status == 400 and "a consult is signed with your name" in page
        status, page = await ada.post("/compose", written | {"step": "confirm", "reach": "home", "signature": "role"})
        form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        status, where = await ada.post("/compose", form | {"step": "publish"})
        assert status == 303
        hers, bens = (await ada.get(where))[1], (await ben.get(where))[1]
        assert "you, and nobody else sees that" in hers and "You answer here as" in hers and "Pass on" not in hers
        assert "signed by role only" in bens and "/@role-" not in bens and "you, and nobody else sees" not in bens
        assert "signed by role only" in (await ada.get("/mine"))[1]
        page = (await ada.post("/compose", form | {"step": "audience"}))[1]
        assert re.search(r'value="role" checked', page)
