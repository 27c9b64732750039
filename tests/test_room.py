"""Back-pressure: before memory or the disk runs out siblings are asked to come back, doctors keep what they wrote, and nothing
is stored by halves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from core.errors import Unavailable
from core.settings import Settings
from core.space import Space
from federation.documents import dumps
from inbox.room import Room
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.servers import PASSWORD, FakeSibling, Running, countries, get, know, until
from tests.test_pages import Browser
from tests.test_refusals import rows

MIB = 1 << 20


def test_bytes_are_counted_while_they_are_there_and_given_back_whatever_happens() -> None:
    room = Room(Space((), 0), 1)
    with room.body() as first:
        first.grow(MIB // 2)
        with pytest.raises(Unavailable) as refused, room.body() as second:
            second.grow(MIB // 4)
            second.grow(MIB // 2)
        assert refused.value.reason == "overloaded" and refused.value.retry_after == 5 and room.taken == MIB // 2
        first.grow(MIB // 2)
    assert room.taken == 0


def _small(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, federation=msgspec.structs.replace(settings.federation, inbox_memory_mib=1))


async def test_bodies_that_do_not_end_fill_the_room_and_no_more(tmp_path: Path) -> None:
    """Four that send almost all of a large body and then wait; a fifth is asked to come back, and comes through afterwards."""
    async with countries(tmp_path, "de", worker=False, settled=_small) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        body = b" " * 250_000
        head = "".join(f"{name}: {value}\r\n" for name, value in fake.headers("POST", f"{de.url}/inbox", body).items())
        opened = []
        for _ in range(4):
            _, writer = await asyncio.open_connection("127.0.0.1", int(de.domain.split(":")[1]))
            writer.write(f"POST /inbox HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body[:-1])
            opened.append(writer)
        sent = dumps(fake.activity("Create", fake.note(de, content="x" * 60_000)))

        async def status() -> int:
            async with aiohttp.ClientSession() as session, session.post(
                    f"{de.url}/inbox", data=sent, headers=fake.headers("POST", f"{de.url}/inbox", sent)) as response:
                if response.status == 503:
                    assert response.headers["retry-after"] == "5" and (await response.json(content_type=None))["type"].endswith(
                        ":overloaded")
                return response.status

        assert await status() == 503 and not await de.count("posts")
        for writer in opened:
            writer.close()

        async def through() -> bool:
            return await status() == 202

        await until(through)
        assert await de.count("posts") == 1
        assert ("in", fake.origin, "inbox", "overloaded") in [row[:4] for row in await rows(de)]


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (made,):
        yield made


async def test_on_a_full_disk_a_sibling_waits_and_is_told_why(de: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSibling()
    await know(de, fake)
    with monkeypatch.context() as full:
        full.setattr(Space, "low", True)
        status, problem = await fake.send(de, fake.activity("Create", fake.note(de)))
        assert status == 503 and problem["type"] == "urn:konsil:problem:disk-low" and "activity" not in problem
        assert (await get(f"{de.url}/actor"))[0] == 200
    assert await de.count("posts") == 0 and await de.count("ledger") == 0
    assert ("in", fake.origin, "inbox", "disk-low", 1) in await rows(de)
    assert (await fake.send(de, fake.activity("Create", fake.note(de))))[0] == 202


async def test_on_a_full_disk_a_doctor_keeps_what_she_wrote_and_can_delete_and_operators_see_it(
        de: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    author = await de.author("ada")
    post_id = await de.its.compose.publish(author, Draft(Kind.NOTE, "Question?", "Text", "en", CaseFacts()), (), Reach.HOME, "")
    await de.its.accounts.add_operator("olga", "Olga", PASSWORD)
    async with Browser(de) as ada, Browser(de) as olga:
        assert await ada.login("ada") == 303 and await olga.login("olga") == 303
        assert "almost full" not in (await olga.get("/admin/siblings"))[1]
        monkeypatch.setattr(Space, "low", True)
        status, page = await ada.post("/compose", {"kind": "case", "text": "Planted <here>", "step": "publish"})
        assert status == 503 and "almost full" in page and "is kept on this page" in page and 'action="/compose"' in page
        assert 'name="text" value="Planted &lt;here&gt;"' in page and 'value="confirm"' in page and "Sign in" not in page
        for path in (f"/p/{post_id}/reply", f"/p/{post_id}/like", f"/drafts/new/{post_id}"):
            assert (await ada.post(path, {"text": "x", "language": "en"}))[0] == 503
        assert (await ada.get("/"))[0] == 200 and "almost full" in (await olga.get("/admin/siblings"))[1]
        assert (await ada.post(f"/p/{post_id}/delete", {}))[0] == 303 and (await ada.post("/logout", {}))[0] == 303
    assert [await de.count(table) for table in ("posts", "drafts", "likes", "tombstones")] == [1, 0, 0, 1]
