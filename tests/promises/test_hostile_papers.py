"""Whatever somebody hands in as a document: it is refused with a sentence, or a picture of it is kept; in little time and memory,
and nothing else of it is anywhere."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import aiohttp
import psutil
import pytest

from core.darkroom import MEMORY, Darkroom
from core.errors import KonsilError
from core.papers import BYTES
from core.settings import Settings
from core.vault import token, token_hash
from instance.assembly import assemble
from instance.setup import create_instance
from instance.uploads import BODY_LIMIT
from tests.drawn import opened, pdf, photograph
from tests.faults.processes import Processes
from tests.promises.hostile_papers import FILES
from tests.servers import until

_SERVER_GROWS = 96 << 20
_SERVER_SECONDS = 5.0
_GIB = 1 << 30
_SLOW = ("a JPEG of 60 000 rounds",)
"""What is stopped by its time and by nothing else: it is given less."""


class Worst(NamedTuple):
    """The most memory (bytes) that a process had while something went on."""

    server: int
    child: int


@asynccontextmanager
async def watched(server: psutil.Process | None, darkroom: Darkroom | None = None) -> AsyncIterator[list[Worst]]:
    """Look at the memory of a server and of its children, or of a darkroom's processes, hundred times a second."""
    worst = [Worst(0, 0)]

    async def look() -> None:
        while True:
            with suppress(psutil.Error):
                own = server.memory_info().rss if server is not None else 0
                children = server.children() if server is not None else [psutil.Process(one) for one in darkroom.running]  # type: ignore[union-attr]
                worst[0] = Worst(max(worst[0].server, own), max([worst[0].child, *(one.memory_info().rss for one in children)]))
            await asyncio.sleep(0.01)

    looking = asyncio.create_task(look())
    try:
        yield worst
    finally:
        looking.cancel()


@pytest.mark.parametrize("name", FILES)
async def test_a_hostile_file_is_refused_or_becomes_a_harmless_picture_within_bounds(name: str) -> None:
    data = FILES[name].make()
    assert len(data) <= BYTES
    darkroom = Darkroom(3 if name in _SLOW else 15)
    async with watched(None, darkroom) as worst:
        if FILES[name].refused is not None:
            with pytest.raises(KonsilError) as error:
                await darkroom.pages(data)
            assert (error.value.reason, error.value.field) == (FILES[name].refused, "file")
            assert error.value.message.endswith(".")
        else:
            [page] = await darkroom.pages(data)
            assert opened(page).format == "JPEG" and max(opened(page).size) <= 2000
    assert darkroom.running == () and worst[0].child <= MEMORY


@pytest.mark.parametrize("form", ["JPEG", "PNG", "HEIF", "PDF"])
async def test_files_with_changed_bytes_are_refused_or_become_pictures_and_nothing_else_happens(form: str) -> None:
    chance, darkroom = random.Random(form), Darkroom()
    whole = pdf(2) if form == "PDF" else photograph(form)
    for _ in range(6):
        changed = bytearray(whole)
        for _ in range(chance.choice((1, 8, 200))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        with suppress(KonsilError):
            for page in await darkroom.pages(bytes(changed)):
                assert opened(page).format == "JPEG"
    assert len(await darkroom.pages(whole)) in (1, 2)


class Served(NamedTuple):
    """An instance in a process of its own with two applications that may hand something in."""

    processes: Processes
    settings: Settings
    secrets: tuple[str, str]

    @property
    def port(self) -> int:
        return self.settings.server.port

    @property
    def server(self) -> psutil.Process:
        return psutil.Process(self.processes.running["both"].pid)

    def files(self) -> set[str]:
        directory = self.settings.path("documents")
        return {path.name for path in directory.iterdir()} if directory.exists() else set()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = await create_instance(tmp_path / "de", country="de", domain="127.0.0.1", port=port)
    secrets = (token(), token())
    async with assemble(settings) as its:
        now = its.clock.ms()
        for number, secret in enumerate(secrets, 1):
            await its.database.write(lambda tx, number=number, secret=secret: tx.run(  # type: ignore[misc]
                "INSERT INTO applications (id, reference, kind, state, token_hash, language, address, confirmed_at, created_at,"
                " touched_at) VALUES (?, ?, 'joining', 'draft', ?, 'de', 'x@x.example', 1, ?, ?)",
                (number, f"AAAA-000{number}", token_hash(secret), now, now)))
    processes = Processes(settings)
    processes.start("both")
    try:
        await until(processes.ready, 30)
        yield Served(processes, settings, secrets)
    finally:
        processes.stop()


def said(page: str) -> str:
    """What the page says is wrong."""
    found = re.search(r'<p class="error"[^>]*>.*?</strong>(.*?)</p>', page, re.DOTALL)
    return found[1].strip() if found else ""


@asynccontextmanager
async def person(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(served.settings.instance.url, headers={
            "accept": "text/html", "accept-language": "en", "sec-fetch-site": "same-origin"}) as session:
        yield session


def form(file: bytes, name: str = "a.jpg", media: str = "image/jpeg") -> aiohttp.FormData:
    made = aiohttp.FormData({"kind": "approbation"})
    made.add_field("file", BytesIO(file), filename=name, content_type=media)
    return made


async def test_over_http_each_is_answered_with_a_page_that_says_why_and_the_server_stays_small(served: Served) -> None:
    before = served.server.memory_info().rss
    chosen = ("a ZIP bomb", "a GIF that is a PDF", "a JPEG that is a ZIP", "a PNG of 30 000 x 30 000",
              "a PDF with a packed script", "a PDF with a file in it", "a PDF with a password", "a PDF of 10 000 pages",
              "a JPEG cut short", "nothing",
              "a PDF whose drawing has a million million parts")
    async with person(served) as anna, watched(served.server) as worst:
        for name in chosen:
            async with anna.post(f"/join/{served.secrets[0]}/documents", data=form(FILES[name].make())) as response:
                page = await response.text()
            assert response.status == 400 and said(page).endswith("."), name
            assert 'aria-invalid="true"' in page and "Something went wrong" not in page
        async with anna.post(f"/join/{served.secrets[1]}/documents", data=form(photograph()), allow_redirects=False) as response:
            assert response.status == 303
    assert worst[0].server - before < _SERVER_GROWS and worst[0].child <= MEMORY
    assert served.processes.rows("SELECT count(*) FROM documents") == [(1,)] and len(served.files()) == 1


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_a_gigabyte_is_refused_at_once_and_thrown_away_as_it_comes(served: Served, chunked: bool) -> None:
    before = served.server.memory_info().rss
    part = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {_GIB + len(part)}"
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    block = bytes(1 << 20)
    async with watched(served.server) as worst:
        begun = time.monotonic()
        writer.write(f"POST /join/{served.secrets[0]}/documents HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
                     f"Accept: text/html\r\nAccept-Language: en\r\nSec-Fetch-Site: same-origin\r\n{length}\r\n"
                     "Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode())
        writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        answer, sent, at = asyncio.create_task(reader.readuntil(b"\r\n")), 0, 0
        while sent < _GIB:
            writer.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            await writer.drain()
            sent += len(block)
            at = at or (sent if answer.done() else 0)
        took = time.monotonic() - begun
        assert (await answer).startswith(b"HTTP/1.1 413 ")
        rest = await reader.readuntil(b"</html>")
    writer.close()
    assert said(rest.decode()) == "This file is larger than 20 MB. Please hand in a smaller photograph, or fewer pages."
    assert 0 < at < _GIB // 4 and took < 60, "it is answered long before it has come"
    assert worst[0].server - before < _SERVER_GROWS
    assert served.files() == set()


async def test_many_large_files_at_once_stay_within_the_memory_for_all_of_them(served: Served) -> None:
    before = served.server.memory_info().rss
    large = b"\x89PNG\r\n\x1a\n" + bytes(BYTES - 1000)

    async def send(session: aiohttp.ClientSession, secret: str) -> tuple[int, str]:
        async with session.post(f"/join/{secret}/documents", data=form(large)) as response:
            return response.status, said(await response.text())

    async with person(served) as anna, watched(served.server) as worst:
        answers = await asyncio.gather(*(send(anna, secret) for secret in served.secrets * 5))
    assert {status for status, _ in answers} <= {400, 503} and all(sentence for _, sentence in answers)
    assert worst[0].server - before < 5 * BODY_LIMIT + _SERVER_GROWS


async def test_what_a_file_is_called_and_said_to_be_is_never_asked(served: Served, tmp_path: Path) -> None:
    names = ("../../../../../../tmp/konsil-was-here", "..\\..\\x.exe", "/etc/passwd", "a\0b.jpg", "x" * 5000, "CON",
             "<script>", "")
    async with person(served) as anna:
        for name, media in zip(names, ("text/html", "image/svg+xml", "application/x-sh", "a/b", "", "x", "text/html", "a/b"),
                               strict=True):
            body = (b'--x\r\ncontent-disposition: form-data; name="kind"\r\n\r\napprobation\r\n--x\r\n'
                    b'content-disposition: form-data; name="file"; filename="%b"\r\ncontent-type: %b\r\n\r\n%b\r\n--x--\r\n' % (
                        name.encode(), media.encode(), photograph(comment=name.encode()[:100])))
            async with anna.post(f"/join/{served.secrets[0]}/documents", data=body, allow_redirects=False, headers={
                    "content-type": "multipart/form-data; boundary=x"}) as response:
                page = await response.text()
            assert response.status == 303 or said(page), name
    kept = served.files()
    assert kept and all(re.fullmatch(r"[0-9a-z]{13}-1", name) for name in kept)
    assert not Path("/tmp/konsil-was-here").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"de", "de-both.log"}


_PART = b'--x\r\ncontent-disposition: form-data; name="%b"\r\n\r\n'
_FORMS: tuple[tuple[bytes, str], ...] = (
    (b"", "multipart/form-data"), (b"", "multipart/form-data; boundary="), (b"--x", "multipart/form-data; boundary=x"),
    (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x"), (b"kind=a&file=b", "application/x-www-form-urlencoded"),
    (b"{}", "application/json"), (b"--\xc3\xa4", "multipart/form-data; boundary=\u00e4"),
    (_PART % b"kind" + b"k" * 1_000_000 + b"\r\n--x--", "multipart/form-data; boundary=x"),
    ((_PART % b"a" + b"b\r\n") * 2000 + b"--x--", "multipart/form-data; boundary=x"),
    (b"--x\r\n" + b"a: b\r\n" * 100_000, "multipart/form-data; boundary=x"),
    (b"\r\n" * 2_000_000, "multipart/form-data; boundary=x"),
    (_PART % b'file"; filename="a' + b"\r" * 4_000_000, "multipart/form-data; boundary=x"),
)
"""Bodies that are no form with a file, and what they say they are."""


async def test_a_form_that_is_none_is_answered_in_words(served: Served) -> None:
    async with person(served) as anna:
        for body, kind in _FORMS:
            begun = time.monotonic()
            async with anna.post(f"/join/{served.secrets[0]}/documents", data=BytesIO(body), headers={
                    "content-type": kind}) as response:
                page = await response.text()
            assert response.status in (400, 413) and said(page).endswith("."), (body[:60], kind)
            assert time.monotonic() - begun < _SERVER_SECONDS, (body[:60], kind)
    assert served.files() == set()
