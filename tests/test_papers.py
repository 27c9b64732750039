"""Documents: drawn anew and sealed, seen by operators with their name across, and gone when their time is over."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from core.vault import token, token_hash
from tests.drawn import opened, photograph
from tests.servers import PASSWORD, Running, countries
from tests.test_pages import Browser


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (de,):
        await de.its.accounts.add_operator("olga", "Olga", PASSWORD)
        yield de


async def apply(at: Running, reference: str = "AB12-CD34", state: str = "draft") -> tuple[int, str]:
    """An application as joining makes it; its id and the secret of its link."""
    number, secret, now = at.its.ids.new(), token(), at.its.clock.ms()
    await at.its.database.write(lambda tx: tx.run(
        "INSERT INTO applications (id, reference, kind, state, token_hash, language, address, created_at, touched_at)"
        " VALUES (?, ?, 'joining', ?, ?, 'de', 'anna@x.example', ?, ?)", (number, reference, state, token_hash(secret), now, now)))
    return number, secret


def form(file: bytes, name: str = "diploma.jpg", kind: str = "Approbation certificate",
         media: str = "image/jpeg") -> aiohttp.FormData:
    made = aiohttp.FormData({"kind": kind})
    made.add_field("file", file, filename=name, content_type=media)
    return made


async def hand_in(browser: Browser, secret: str, file: bytes, **more: str) -> tuple[int, str]:
    return await browser.post(f"/join/{secret}/documents", form(file, **more))


async def test_a_photograph_is_handed_in_kept_sealed_and_seen_with_the_operators_name_across_it(de: Running) -> None:
    _, secret = await apply(de)
    async with Browser(de) as anna, Browser(de) as olga:
        status, where = await hand_in(anna, secret, photograph(exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"))
        assert (status, where.partition("?")[0]) == (303, f"/join/{secret}/documents")
        page = (await anna.get(where))[1]
        assert "Approbation certificate" in page and "1 page" in page and "It is here." in page
        directory = de.its.settings.path("documents")
        [kept] = directory.iterdir()
        assert kept.stat().st_mode & 0o777 == 0o600 and directory.stat().st_mode & 0o777 == 0o700
        assert b"\xff\xd8" not in kept.read_bytes()[:32] and b"JFIF" not in kept.read_bytes()
        document = re.search(r"/documents/(\w{13})/remove", page)
        assert document is not None
        seen = f"/admin/documents/{document[1]}/1"
        assert (await anna.get(seen))[0] == 303
        assert await olga.login("olga") == 303
        async with olga.session.get(seen) as response:
            shown = await response.read()
            assert (response.status, response.headers["content-type"], response.headers["cache-control"]) == (
                200, "image/jpeg", "no-store")
        image = opened(shown)
        assert image.format == "JPEG" and max(image.size) <= 2000 and not image.getexif()
        [entry] = await de.its.audit.list(5, action="document.viewed")
        assert (entry.by, entry.target) == ("olga", "AB12-CD34") and entry.detail.startswith(f"{document[1]} 1 ")
        for nothing in (f"/admin/documents/{document[1]}/2", f"/admin/documents/{document[1]}/0", "/admin/documents/x/1"):
            assert (await olga.get(nothing))[0] == 404
