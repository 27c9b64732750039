"""Documents of a server that is killed: what was answered is there and opens, of what was not nothing stays, and what is deleted
goes, however often it is stopped."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import aiohttp
import psutil
from PIL import Image

from actors.papers import Gone
from core.ids import public
from core.settings import Settings
from core.vault import token_hash
from instance.assembly import assemble
from instance.setup import create_instance
from tests.drawn import drawn, opened, pdf, written
from tests.faults.processes import SOAK, Processes
from tests.promises.hostile_papers import many_scans
from tests.servers import until

_ROUNDS = 40 if SOAK else 4
_KIND = "approbation"


async def one(directory: Path, applications: int = 1) -> Settings:
    """An instance with some applications whose links are `secret1` and so on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = await create_instance(directory / "de", country="de", domain="127.0.0.1", port=port)
    async with assemble(settings) as its:
        now = its.clock.ms()
        for number in range(1, applications + 1):
            await its.database.write(lambda tx, number=number: tx.run(  # type: ignore[misc]
                "INSERT INTO applications (id, reference, kind, state, token_hash, language, address, confirmed_at, created_at,"
                " touched_at) VALUES (?, ?, 'joining', 'draft', ?, 'de', 'x@x.example', 1, ?, ?)",
                (number, f"AAAA-{number:04}", token_hash(f"secret{number}"), now, now)))
    return settings


async def hand_in(settings: Settings, number: int, file: bytes) -> int:
    """The status of the answer, 0 when there was none."""
    form = aiohttp.FormData({"kind": _KIND})
    form.add_field("file", BytesIO(file), filename="x")
    with suppress(aiohttp.ClientError, ConnectionError):
        async with (aiohttp.ClientSession(headers={"sec-fetch-site": "same-origin", "accept": "text/html"}) as session,
                    session.post(f"{settings.instance.url}/join/secret{number}/documents", data=form,
                                 allow_redirects=False) as response):
            return response.status
    return 0


def lying(settings: Settings) -> list[Path]:
    directory = settings.path("documents")
    return sorted(directory.iterdir()) if directory.exists() else []


async def test_a_server_that_is_killed_while_documents_come_keeps_what_it_has_answered_and_nothing_by_halves(
        tmp_path: Path) -> None:
    settings, chance, answered = await one(tmp_path, _ROUNDS), random.Random(20261126), 0
    place = Processes(settings)
    try:
        for number in range(1, _ROUNDS + 1):
            place.start("both")
            await until(place.ready, 30)
            sending = [asyncio.create_task(hand_in(settings, number, written(drawn(colour=f"rgb({shade},255,255)"))))
                       for shade in range(100, 108)]
            await asyncio.sleep(chance.uniform(0.3, 4.0))
            place.kill("both")
            answered += (await asyncio.gather(*sending)).count(303)
    finally:
        place.stop()
    for path in lying(settings):
        os.utime(path, (time.time() - 7_200,) * 2)
    async with assemble(settings) as its:
        await its.papers.sweep()
        kept = await its.database.read(lambda tx: tx.rows("SELECT id, pages FROM documents WHERE deleted_at IS NULL"))
        assert len(kept) >= answered
        for row in kept:
            assert opened(await its.papers.page(row["id"], 1, "olga")).format == "JPEG"
        assert {path.name for path in lying(settings)} == {f"{public(row['id'])}-1" for row in kept}
        assert await its.papers.find_lost() == 0


async def test_the_process_that_draws_ends_with_the_server_that_is_killed(tmp_path: Path) -> None:
    settings = await one(tmp_path)
    place = Processes(settings)
    place.start("both")
    try:
        await until(place.ready, 30)
        sending = asyncio.create_task(hand_in(settings, 1, many_scans()))
        server = psutil.Process(place.running["both"].pid)
        await until(lambda: any(child.cpu_times().user > 1 for child in server.children()), 30)
        [child] = server.children()
        place.kill("both")
        await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 5)
        assert await sending == 0 and lying(settings) == []
    finally:
        place.stop()


async def test_what_is_deleted_goes_also_when_the_server_is_killed_before_its_files_are_removed(tmp_path: Path) -> None:
    settings = await one(tmp_path)
    async with assemble(settings) as its:
        made = await its.papers.add(1, _KIND, pdf(5))
        kept = await its.papers.add(1, _KIND, written(Image.new("RGB", (300, 300))))
        await its.database.write(lambda tx: tx.run(  # what `remove` does before it touches a file, and no more
            "UPDATE documents SET deleted_at = 1, gone_for = 'removed', sealed_key = NULL WHERE id = ?", (made.id,)))
        (settings.path("documents") / f"{public(made.id)}-3").unlink()  # and it had begun
    assert len(lying(settings)) == 5
    place = Processes(settings)
    place.start("both")
    try:
        await until(lambda: [path.name for path in lying(settings)] == [f"{public(kept.id)}-1"], 30)
    finally:
        place.stop()


async def test_a_server_without_a_worker_leaves_its_files_to_the_worker_that_comes(tmp_path: Path) -> None:
    settings = await one(tmp_path)
    async with assemble(settings) as its:
        made = await its.papers.add(1, _KIND, pdf(2))
        assert await its.database.write(lambda tx: its.papers.delete_of(tx, 1, Gone.ENDED)) == 1
    assert len(lying(settings)) == made.pages
    place = Processes(settings)
    place.start("worker")
    try:
        await until(lambda: lying(settings) == [], 30)
    finally:
        place.stop()
