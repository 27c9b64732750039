"""Pictures of siblings' posts: fetched when somebody looks, believed nothing, held for a moment in memory, and never longer than
the gate is open."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from core.clock import Clock
from core.errors import KonsilError
from core.settings import Settings
from posts import attachments
from posts.borrowed import Borrowed
from posts.models import Picture
from tests.illustrated import scan
from tests.promises.planted_pictures import jpeg
from tests.servers import FakeSibling, Running, countries, know, until
from tests.test_pages import Browser


class Sibling:
    """A sibling that hands out what it is told to."""

    def __init__(self) -> None:
        self.answer: tuple[int, str, bytes] = (404, "text/plain", b"")
        self.asked: list[str] = []
        self.wait = asyncio.Event()
        self.wait.set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.headers.get("signature", ""))
        await self.wait.wait()
        status, kind, body = self.answer
        return web.Response(status=status, body=body, content_type=kind)


def small_room(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, media=msgspec.structs.replace(settings.media, cache_mib=1))


@pytest.fixture
async def fr() -> AsyncIterator[tuple[Sibling, FakeSibling]]:
    sibling, app = Sibling(), web.Application()
    app.router.add_route("*", "/{path:.*}", sibling.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield sibling, FakeSibling("fr", runner.addresses[0][1])
    await runner.cleanup()


@pytest.fixture
async def de(tmp_path: Path, fr: tuple[Sibling, FakeSibling]) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", settled=small_room) as (de,):
        await know(de, fr[1])
        yield de


def of(origin: str, body: bytes, name: str = "a" * 24) -> Picture:
    return Picture(f"{origin}/media/{name}", "A white disc", "photo", 900, 600, hashlib.sha256(body).hexdigest())


async def test_it_is_fetched_once_by_a_signed_request_however_many_look_and_drawn_anew(
        de: Running, fr: tuple[Sibling, FakeSibling]) -> None:
    sibling, fake = fr
    body = jpeg()
    sibling.answer, picture = (200, "image/jpeg", body), of(fake.origin, body)
    sibling.wait.clear()
    looking = [asyncio.create_task(de.its.borrowed.picture(picture, small=one % 2 == 1)) for one in range(6)]
    await until(lambda: sibling.asked)
    looking[0].cancel()  # whoever goes away stops nobody
    sibling.wait.set()
    bodies = await asyncio.gather(*looking[1:])
    assert len(sibling.asked) == 1 and 'keyId="' in sibling.asked[0]
    assert len(set(bodies)) == 2 and all(one.startswith(b"\xff\xd8") and b"zqplanted" not in one for one in bodies)
    assert await de.its.borrowed.picture(picture) == bodies[1] and len(sibling.asked) == 1
    assert not any(path.name == "pictures" for path in de.its.settings.path(".").iterdir())


@pytest.mark.parametrize(("status", "kind", "body"), [
    (200, "image/jpeg", scan((200, 200))), (200, "text/html", scan()), (200, "image/svg+xml", b"<svg onload='x'/>"),
    (404, "x/y", b""), (302, "image/jpeg", b""), (500, "text/plain", b""),
    (200, "image/jpeg", b"\xff\xd8\xff" + bytes(5 << 20))])
async def test_what_is_not_the_picture_that_the_post_has_named_is_a_sentence(
        de: Running, fr: tuple[Sibling, FakeSibling], status: int, kind: str, body: bytes) -> None:
    sibling, fake = fr
    sibling.answer = (status, kind, body)
    with pytest.raises(KonsilError) as error:
        await de.its.borrowed.picture(of(fake.origin, scan()))
    assert error.value.status in (404, 503) and error.value.reason in ("picture-away", "picture-changed")
    assert de.its.borrowed.taken == 0


async def test_named_rightly_it_still_has_to_be_a_picture(de: Running, fr: tuple[Sibling, FakeSibling]) -> None:
    sibling, fake = fr
    for body in (b"<script>alert(1)</script>", scan(form="PNG"), scan()[:300]):
        sibling.answer = (200, "image/jpeg", body)
        with pytest.raises(KonsilError) as error:
            await de.its.borrowed.picture(of(fake.origin, body))
        assert error.value.status == 404


async def test_bytes_that_were_exchanged_stand_in_the_refusal_log(de: Running, fr: tuple[Sibling, FakeSibling]) -> None:
    sibling, fake = fr
    sibling.answer = (200, "image/jpeg", scan((300, 300)))
    with pytest.raises(KonsilError):
        await de.its.borrowed.picture(of(fake.origin, scan()))
    await de.its.refusals.flush()
    assert await de.count("refusals", "reason = 'picture-changed' AND direction = 'out'") == 1


async def test_a_closed_gate_closes_what_is_held_too_and_doctors_read_why(de: Running, fr: tuple[Sibling, FakeSibling]) -> None:
    sibling, fake = fr
    body = scan()
    sibling.answer = (200, "image/jpeg", body)
    made = fake.note(de, attachment=attachments.document([of(fake.origin, body)]))
    assert (await fake.send(de, fake.activity("Create", made)))[0] == 202
    ada = (await de.author("ada")).actor
    [post] = (await de.its.timelines.home(ada, "all", None)).posts
    async with Browser(de) as browser:
        await browser.login("ada")
        assert f'src="/p/{post.id}/pictures/1/small"' in (await browser.get(f"/p/{post.id}"))[1]
        assert (await browser.get(f"/p/{post.id}/pictures/1"))[0] == 200 and len(sibling.asked) == 1
        await de.its.siblings.pause(fake.origin.split("://")[1], "test", "test")
        page = (await browser.get(f"/p/{post.id}"))[1]
        assert "/pictures/1" not in page and "France is paused: its pictures can be seen again" in page
        assert "is paused" in (await browser.get(f"/p/{post.id}/pictures/1"))[1]
        await de.its.siblings.revoke(fake.origin.split("://")[1], "test", "test")
        page = (await browser.get(f"/p/{post.id}"))[1]
        assert "/pictures/1" not in page and "its pictures are not fetched any more" in page
        status, page = await browser.get(f"/p/{post.id}/pictures/1")
        assert status == 200 and "A white disc" in page and "outside our control" in page
        assert (await browser.get(f"/p/{post.id}/pictures/1/whole"))[0] == 404
    assert len(sibling.asked) == 1


async def test_no_more_is_held_than_there_is_room_for_and_nothing_longer_than_its_minutes(
        de: Running, fr: tuple[Sibling, FakeSibling]) -> None:
    sibling, fake = fr
    bodies = [scan((3_000, 2_000 + number)) for number in range(4)]
    noise = [of(fake.origin, body, f"{number}" * 24) for number, body in enumerate(bodies)]
    for body, picture in zip(bodies, noise, strict=True):
        sibling.answer = (200, "image/jpeg", body)
        await de.its.borrowed.picture(picture)
        assert 0 <= de.its.borrowed.taken <= 1 << 20
    class Moved(Clock):
        by = 0

        def ms(self) -> int:
            return super().ms() + self.by

    clock = Moved()
    held = Borrowed(de.its.allowlist, de.its.client, de.its.darkroom, de.its.refusals, clock, msgspec.structs.replace(
        de.its.settings.media, cache_minutes=1, cache_mib=8))
    await held.picture(noise[-1])
    before = len(sibling.asked)
    for clock.by, asked in ((50_000, before), (70_000, before + 1)):
        await held.picture(noise[-1])
        assert len(sibling.asked) == asked
