"""Instances as processes of their own, to be killed, starved and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from actors.accounts import NewDoctor
from actors.models import Role
from core.settings import Settings
from federation import descriptor
from instance.assembly import assemble
from instance.setup import create_instance
from tests.servers import PASSWORD

SOAK = bool(os.environ.get("SOAK"))
"""Whether there is time for the long run (`make soak`)."""
WORDS = {"web": ["serve", "--no-worker"], "worker": ["worker"], "both": ["serve"]}


class Processes:
    """A web server and a worker of one instance, each its own process, or both in one."""

    def __init__(self, settings: Settings) -> None:
        self.directory = Path(settings.instance.data_dir)
        self.url = settings.instance.url
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {"KONSIL_FEDERATION__RETRY_LIMIT_SECONDS": "2"}

    def start(self, what: str) -> None:
        with (self.directory.parent / f"{self.directory.name}-{what}.log").open("ab") as log:
            self.running[what] = subprocess.Popen(
                [sys.executable, "-m", "instance", "--config", str(self.directory / "config.toml"), *WORDS[what]],
                stdout=log, stderr=log, cwd=Path(__file__).parents[2], env=os.environ | self.environment)

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

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.directory / "konsil.db", timeout=30)) as connection:
            return connection.execute(sql, parameters).fetchall()


async def two(directory: Path) -> list[Settings]:
    """A German and a French instance, each with `ada` and `ben`, on each other's lists."""
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
            for handle in ("ada", "ben"):
                await its.accounts.add_doctor(
                    NewDoctor(handle, f"Dr {handle}", PASSWORD, Role.DOCTOR, ("cardiology",), "register", "seen"))
    for settings, other in zip(made, reversed(described), strict=True):
        async with assemble(settings) as its:
            domain = other.origin.split("://")[1]
            await its.siblings.add(domain, other.country, other.fingerprint, descriptor=other)
            await its.siblings.approve(domain, "test")
    return made


def settled(place: Processes) -> bool:
    """Nothing is on its way, nothing waits."""
    [(waiting,)] = place.rows(
        "SELECT (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'held')) + (SELECT count(*) FROM held)"
        " + (SELECT count(*) FROM polls WHERE stale_since IS NOT NULL) + (SELECT count(*) FROM journal_due)"
        " + (SELECT count(*) FROM kept_polls WHERE stale_since IS NOT NULL)")
    return waiting == 0
