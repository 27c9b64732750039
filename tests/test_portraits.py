"""Pictures of doctors: drawn anew, shown to doctors and to siblings the gate lets through, and gone when they are taken away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from actors.models import Actor, VerifiedDoctor
from core.errors import InvalidInput
from core.ids import public
from tests.servers import FakeSibling, Running, countries, know, until
from tests.test_pages import Browser

RED, BLUE = (200, 30, 30), (30, 30, 200)


def picture(colour: tuple[int, int, int] = RED, size: tuple[int, int] = (900, 600), kind: str = "JPEG") -> bytes:
    """A picture with something in it that must not go along."""
    made, into = Image.new("RGB", size, colour), BytesIO()
    exif = made.getexif()
    exif[0x010E] = "planted7place"
    made.save(into, kind, exif=exif)
    return into.getvalue()


def is_square(body: bytes, side: int, colour: tuple[int, int, int]) -> bool:
    image = Image.open(BytesIO(body))
    middle = image.convert("RGB").getpixel((side // 2, side // 2))
    assert isinstance(middle, tuple)
    return (image.format == "JPEG" and image.size == (side, side) and b"planted7place" not in body
            and all(abs(one - other) < 12 for one, other in zip(middle, colour, strict=True)))


async def doctor(at: Running, handle: str = "ada") -> VerifiedDoctor:
    return await at.its.credentials.require_verified(at.doctors[handle])


async def known(at: Running, actor: Actor) -> Actor:
    return await at.its.directory.resolve(actor.mention)


async def shown(browser: Browser, actor: Actor, size: str = "large") -> tuple[int, bytes]:
    async with browser.session.get(f"/portraits/{public(actor.id)}/{actor.portrait}/{size}") as response:
        return response.status, await response.read()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


async def test_a_picture_is_drawn_anew_and_seen_here_and_abroad_until_it_is_taken_away(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    ada = (await doctor(de)).actor
    await known(fr, ada)
    async with Browser(de) as hers, Browser(de) as ben, Browser(fr) as claire:
        for browser, handle in ((hers, "ada"), (ben, "ben"), (claire, "ben")):
            assert await browser.login(handle) == 303
        for colour in (RED, BLUE):
            form = aiohttp.FormData()
            form.add_field("file", picture(colour), filename="../../me.jpg", content_type="image/jpeg")
            assert await hers.post("/settings/portrait", form) == (303, "/settings/profile#portrait")
            here = (await doctor(de)).actor
            assert here.portrait
            for side, size in ((400, "large"), (120, "small")):
                status, body = await shown(ben, here, size)
                assert status == 200 and is_square(body, side, colour)
            assert f'/{here.portrait}/large"' in (await ben.get(f"/{ada.mention}"))[1]

            async def there(colour: tuple[int, int, int] = colour) -> bool:
                actor = await known(fr, ada)
                status, body = await shown(claire, actor)  # between these two it may have become another one
                return status == 200 and is_square(body, 400, colour)

            await until(there)
        assert (await shown(claire, (await known(fr, ada)), "huge"))[0] == 404
        old = await known(fr, ada)
        assert await hers.post("/settings/portrait/remove", {}) == (303, "/settings/profile#portrait")
        assert (await shown(ben, here))[0] == 404 and "portrait large" not in (await ben.get(f"/{ada.mention}"))[1]
        await until(lambda: fr.count("actors", "sibling_id IS NOT NULL AND portrait = ''"))
        assert (await shown(claire, old))[0] == 404 and await fr.count("portraits") == await de.count("portraits") == 0


async def test_who_may_not_see_a_picture_does_not(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    await de.its.portraits.change(await doctor(de), picture())
    ada = (await doctor(de)).actor
    path = f"{de.url}/media/portraits/{public(ada.id)}/{ada.portrait}"
    stranger, sibling = FakeSibling("it", 9), FakeSibling("es", 10)
    await know(de, sibling)

    async def signed(who: FakeSibling, url: str = path) -> int:
        async with aiohttp.ClientSession() as session, session.get(url, headers=who.headers("GET", url)) as response:
            return response.status

    assert await signed(stranger) == 403 and await signed(sibling) == 200 and await signed(sibling, f"{path}x") == 404
    async with Browser(de) as visitor:
        assert (await shown(visitor, ada))[0] == 200 and (await visitor.get(
            f"/portraits/{public(ada.id)}/{ada.portrait}/large"))[1].startswith("/login")
    await de.its.siblings.pause(sibling.origin.split("://")[1], "test", "test")
    assert await signed(sibling) == 503


@pytest.mark.parametrize("file", [b"", b"GIF89a", b"%PDF-1.4\n", picture()[:200], b"\x89PNG\r\n\x1a\n" + b"x" * 100])
async def test_what_is_no_picture_is_refused_and_the_old_one_stays(pair: tuple[Running, Running], file: bytes) -> None:
    de, _ = pair
    await de.its.portraits.change(await doctor(de), picture())
    before = (await doctor(de)).actor.portrait
    with pytest.raises(InvalidInput):
        await de.its.portraits.change(await doctor(de), file)
    async with Browser(de) as ada:
        await ada.login("ada")
        form = aiohttp.FormData()
        form.add_field("file", file, filename="me.jpg")
        status, page = await ada.post("/settings/portrait", form)
        assert status == 400 and 'id="error-file"' in page
    assert (await doctor(de)).actor.portrait == before and await de.count("portraits") == 1


async def test_a_sibling_that_hands_out_no_picture_is_asked_some_times_and_then_no_more(tmp_path: Path) -> None:
    answers: list[tuple[int, str, bytes]] = []
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("signature", ""))
        status, kind, body = answers.pop(0) if len(answers) > 1 else answers[0]
        return web.Response(status=status, body=body, content_type=kind)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with countries(tmp_path, "de", worker=False) as (de,):
            fr = FakeSibling("fr", runner.addresses[0][1])
            await know(de, fr)

            async def says(url: str) -> None:
                person = fr.person() | {"icon": {"type": "Image", "mediaType": "image/jpeg", "url": url}}
                number = de.its.ids.new()
                assert (await fr.send(de, fr.activity("Update", person, f"u{number}")))[0] == 202

            async def due() -> int:
                return await de.its.portraits.fetch_due()

            async def time_passes() -> None:
                await de.its.database.write(lambda tx: tx.run("UPDATE portraits SET next_try = 1 WHERE next_try IS NOT NULL"))

            async def there() -> str:
                row = await de.its.database.read(lambda tx: tx.row("SELECT portrait FROM actors WHERE sibling_id IS NOT NULL"))
                assert row is not None
                return str(row["portrait"])

            await says("https://elsewhere.example/me.jpg")
            assert await de.count("portraits") == 0 and await due() == 0
            answers[:] = [(500, "text/plain", b""), (200, "image/jpeg", picture())]
            await says(f"{fr.origin}/one.jpg")
            assert await due() == 1 and not await there() and await due() == 0
            await time_passes()
            assert await due() == 1 and (first := await there()) and await due() == 0
            for kind, body in (("image/jpeg", b"<html>"), ("text/html", picture()), ("image/jpeg", b"\xff\xd8" * 600_000)):
                answers[:] = [(200, kind, body)]
                await says(f"{fr.origin}/{len(asked)}.jpg")
                assert await due() == 1 and await there() == first
                await time_passes()
                assert await due() == 0, "it is no picture, and will be none"
            answers[:] = [(503, "text/plain", b"")]
            await says(f"{fr.origin}/{len(asked)}.jpg")
            tries = 0
            while await due():
                tries += 1
                await time_passes()
            assert tries == 12 and await there() == first
            assert all('keyId="' in signature for signature in asked)
            await says("")
            assert not await there() and await de.count("portraits") == 0
    finally:
        await runner.cleanup()


