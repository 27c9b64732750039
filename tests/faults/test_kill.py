"""kill -9 of web and worker processes at random moments under load: nothing missing, nothing twice."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from actors.accounts import NewDoctor
from actors.models import Role
from core.errors import KonsilError
from core.settings import Settings
from federation import descriptor
from instance.assembly import assemble
from instance.setup import create_instance
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.servers import PASSWORD, until

_POSTS = 160
_KILLS = 10


class Processes:
    """A web server and a worker of one instance, each its own process."""

    def __init__(self, settings: Settings) -> None:
        self.config = Path(settings.instance.data_dir) / "config.toml"
        self.url = settings.instance.url
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, what: str) -> None:
        words = ["serve", "--no-worker"] if what == "web" else ["worker"]
        with (self.config.parent / f"{what}.log").open("ab") as log:
            self.running[what] = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "instance", "--config", str(self.config), *words],
                stdout=log, stderr=log, cwd=Path(__file__).parents[2])

    def kill(self, what: str) -> None:
        self.running[what].send_signal(signal.SIGKILL)
        self.running[what].wait()

    def stop(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.wait(20)

    async def ready(self) -> bool:
        def ask() -> bool:
            with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=1):
                return True
            return False

        return await asyncio.to_thread(ask)


async def _two(directory: Path) -> list[Settings]:
    made = []
    for code in ("de", "fr"):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        made.append(await create_instance(directory / code, country=code, domain="127.0.0.1", port=port))
    described = []
    for settings in made:
        async with assemble(settings) as its:
            described.append(descriptor.read(descriptor.export(its.identity)))
            await its.accounts.add_doctor(NewDoctor("ada", "Dr Ada", PASSWORD, Role.DOCTOR, (), "register", "seen"))
    for settings, other in zip(made, reversed(described), strict=True):
        async with assemble(settings) as its:
            domain = other.origin.split("://")[1]
            await its.siblings.add(domain, other.country, other.fingerprint, descriptor=other)
            await its.siblings.approve(domain, "test")
    return made


def _content(settings: Settings, origin: str) -> list[tuple[object, ...]]:
    """What an instance holds of the posts of one origin, by content."""
    connection = sqlite3.connect(Path(settings.instance.data_dir) / "konsil.db")
    try:
        return connection.execute(
            "SELECT uri, question, html, revision, erased_at IS NOT NULL FROM posts WHERE uri LIKE ? ORDER BY uri",
            (f"{origin}/%",)).fetchall()
    finally:
        connection.close()


async def test_kill_9_at_random_moments_loses_and_doubles_nothing(tmp_path: Path) -> None:
    dice = random.Random(20261124)
    berlin, lyon = await _two(tmp_path)
    places = [Processes(berlin), Processes(lyon)]
    try:
        for place in places:
            for what in ("web", "worker"):
                place.start(what)
        for place in places:
            await until(place.ready, 30)
        async with assemble(berlin) as its:
            account = await its.accounts.by_handle("ada")
            assert account is not None
            author = await its.credentials.author(account, "post")
            seen = its.compose.network_digest(await its.compose.destinations())
            done: list[str] = []

            async def write() -> None:
                for number in range(_POSTS):
                    draft = Draft(Kind.CASE, f"Case {number}", f"Text {number}", "de", CaseFacts(("cardiology",)))
                    done.append(await its.compose.publish(author, draft, (lyon.instance.url,), Reach.COUNTRIES, seen))
                    if number % 3 == 1:
                        await its.compose.edit(author, done[-1], f"Case {number} edited", f"New {number}", None, 1)
                    if number % 5 == 2:
                        await its.compose.delete(author.actor, done[-1])
                    await asyncio.sleep(0.01)

            writing = asyncio.create_task(write())
            for _ in range(_KILLS):
                await asyncio.sleep(dice.uniform(0.05, 0.5))
                place, what = dice.choice(places), dice.choice(("web", "worker"))
                place.kill(what)
                await asyncio.sleep(dice.uniform(0, 0.2))
                place.start(what)
            await writing
            for place in places:
                await until(place.ready, 30)

            async def drained() -> bool:
                with suppress(KonsilError):
                    await its.siblings.resume(lyon.instance.url.split("://")[1], "test")
                row = await its.siblings.row(lyon.instance.url.split("://")[1])
                return row.queued == 0

            await until(drained, 60)
    finally:
        for place in places:
            place.stop()
    async with assemble(lyon) as other:
        held = await other.database.read(lambda tx: tx.rows("SELECT * FROM held"))
        assert not held
    sent, arrived = _content(berlin, berlin.instance.url), _content(lyon, berlin.instance.url)
    assert len(sent) == _POSTS
    alive = [row for row in sent if not row[4]]
    assert [row for row in arrived if not row[4]] == alive
    assert all(not row[1] and not row[2] for row in (*sent, *arrived) if row[4])
    connection = sqlite3.connect(Path(berlin.instance.data_dir) / "konsil.db")
    states = dict(connection.execute("SELECT state, count(*) FROM deliveries GROUP BY state"))
    connection.close()
    assert set(states) <= {"acked", "superseded"} and states["acked"] >= len(alive)
