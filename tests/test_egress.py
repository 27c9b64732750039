"""The guard at the exit: in a running server nothing connects but the client and mail, and those only where they may."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from actors.accounts import NewDoctor
from actors.models import Role
from core import egress
from core.settings import Settings
from federation.client import ACTIVITY_JSON
from instance.assembly import Assembly, assemble
from instance.demo_check import Person
from instance.setup import create_instance
from tests.mailserver import certificate, mailserver
from tests.scripted import Scripted, scripted
from tests.servers import PASSWORD, get, until

_ROOT = Path(__file__).parent.parent


class Trap:
    """A port of TCP and UDP and a unix socket where nobody must arrive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listening = [socket.socket(), socket.socket(socket.AF_UNIX)]
        self.listening[0].bind(("127.0.0.1", 0))
        self.port: int = self.listening[0].getsockname()[1]
        self.listening[1].bind(str(path))
        for one in self.listening:
            one.listen()
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind(("127.0.0.1", self.port))
        for one in (*self.listening, self.datagrams):
            one.setblocking(False)

    def visits(self) -> int:
        """How many have come since the last time."""
        found = 0
        for one in self.listening:
            while True:
                try:
                    one.accept()[0].close()
                except BlockingIOError:
                    break
                found += 1
        try:
            while self.datagrams.recv(100):
                found += 1
        except BlockingIOError:
            return found
        return found

    def close(self) -> None:
        for one in (*self.listening, self.datagrams):
            one.close()


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Trap]:
    made = Trap(tmp_path / "trap.sock")
    yield made
    made.close()


def document(_: Any) -> web.Response:
    return web.Response(status=200, body=b'{"id": "x"}', headers={"content-type": ACTIVITY_JSON})


@pytest.fixture
async def fr() -> AsyncIterator[Scripted]:
    async with scripted() as sibling:
        sibling.script = document
        yield sibling


async def on_ipv6() -> tuple[web.AppRunner, str]:
    """A server at [::1] that hands out a document; returns its origin."""
    async def answer(_: web.Request) -> web.Response:
        return document(None)

    application = web.Application()
    application.router.add_get("/actor", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "::1", 0).start()
    return runner, f"http://[::1]:{runner.addresses[0][1]}"


@pytest.mark.parametrize("tls", ["none", "starttls", "tls"])
async def test_nothing_gets_out_but_the_client_and_mail(
        tls: str, its: Assembly, place: Path, tmp_path: Path, fr: Scripted, trap: Trap) -> None:
    await fr.befriend(its)
    runner, ipv6 = await on_ipv6()
    context: ssl.SSLContext | None = None
    if tls != "none":
        context, authority = certificate(tmp_path, "127.0.0.1")
    async with mailserver(context, implicit=tls == "tls") as server:
        mail = msgspec.to_builtins(server.settings) | {"tls": tls}
        environment = os.environ | {f"KONSIL_MAIL__{name.upper()}": str(value) for name, value in mail.items() if value} | (
            {"SSL_CERT_FILE": str(authority)} if context else {})
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.ways_out", str(place / "config.toml"), str(trap.port), str(trap.path), fr.origin, ipv6,
            cwd=_ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = await asyncio.wait_for(process.communicate(), 60)
        taken = [(one.to, one.encrypted) for one in server.taken]
    await runner.cleanup()
    assert process.returncode == 0, err.decode()
    before, refused, after = (json.loads(line) for line in out.splitlines())
    works = {"post": 200, "get": {"id": "x"}, "name": {"id": "x"}, "ipv6": {"id": "x"}, "text": "<p><em>yes</em></p>",
             "pair": "hello", "number": "127.0.0.1"}
    assert before == {"before": works, "told": []} and after == {"after": works}
    assert taken == [("ada@klinik.example", tls != "none")] * 2
    ways = refused["refused"]
    assert len(ways) > 80 and {name: how for name, how in ways.items() if how != "EgressRefused"} == {}
    assert trap.visits() == 0
    assert [one.target for one in fr.received] == ["/inbox", "/posts/1", "/actor"] * 2
    logged = [json.loads(line) for line in err.splitlines() if b"egress refused" in line]
    assert len(logged) == len(refused["told"]) == len(ways)
    assert {one["level"] for one in logged} == {"error"}
    assert [[one["address"], one["where"]] for one in logged] == refused["told"]
    nameless = [one for one in logged if not one["where"].startswith("tests/ways_out.py:")]
    assert len(nameless) == 2 and all("(getaddrinfo)" in one["where"] or "(_WorkItem.run)" in one["where"] for one in nameless)
    assert {f"127.0.0.1:{trap.port}", str(trap.path), "konsil.invalid"} <= {one["address"] for one in logged}


def test_the_trap_would_notice(trap: Trap) -> None:
    """The same ways without a guard do arrive."""
    with socket.create_connection(("127.0.0.1", trap.port)), socket.socket(socket.AF_UNIX) as other, socket.socket(
            socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        other.connect(str(trap.path))
        datagrams.sendto(b"x", ("127.0.0.1", trap.port))
        assert trap.visits() == 3
    assert trap.visits() == 0


async def test_the_first_address_that_answers_is_connected_to(trap: Trap) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        silent = await egress.look_up(*closed.getsockname())
        found = [*silent, *await egress.look_up("127.0.0.1", trap.port)]
        connected = await egress.connect(found)
        assert connected.getpeername() == ("127.0.0.1", trap.port)
        connected.close()
        assert trap.visits() == 1
        with pytest.raises(ConnectionRefusedError):
            await egress.connect(silent)
    with pytest.raises(OSError, match="no address"):
        await egress.connect([])
    with pytest.raises(OSError):
        await egress.look_up("konsil.invalid", 25)


_OPENERS = {"socket", "ssl", "http.client", "urllib.request", "smtplib", "ftplib", "poplib", "imaplib", "telnetlib",
            "xmlrpc.client", "socketserver", "requests", "httpx", "uvloop", "aiohttp", "aiosmtplib"}
_OPENING = {
    "core/egress.py": {"socket", "uvloop"}, "federation/client.py": {"socket", "ssl", "aiohttp"},
    "core/mail.py": {"ssl", "aiosmtplib"},
    "instance/demo.py": {"urllib.request"},  # the demo's parent is a process of its own
    "instance/demo_check.py": {"urllib.request", "http.client", "socket"}}


def test_what_opens_connections_is_imported_where_it_is_known_and_nowhere_else() -> None:
    found: dict[str, set[str]] = {}
    for package in ("core", "federation", "actors", "posts", "inbox", "instance"):
        for path in (_ROOT / package).rglob("*.py"):
            names: set[str] = set()
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    names |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    names |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
            named = {opener for opener in _OPENERS for name in names if f"{name}.".startswith(f"{opener}.")}
            if named:
                found[str(path.relative_to(_ROOT))] = named
    assert found == _OPENING


async def _instance(directory: Path, sibling: Scripted) -> Settings:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = await create_instance(directory, country="de", domain="127.0.0.1", port=port)
    async with assemble(settings) as its:
        await sibling.befriend(its)
        await its.accounts.add_doctor(
            NewDoctor("ada", "Dr Ada", PASSWORD, Role.DOCTOR, ("cardiology",), "register", "seen"), "test")
    return settings


@contextmanager
def running(log: Path, *words: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as file:
        process = subprocess.Popen([sys.executable, *words], stdout=file, stderr=file, cwd=_ROOT, env=os.environ | environment)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(20) in (0, -15), log.read_text("utf-8")


async def test_a_page_of_the_running_server_that_opens_a_socket_fails_while_federation_works(
        tmp_path: Path, trap: Trap, fr: Scripted) -> None:
    settings = await _instance(tmp_path / "de", fr)
    url, config, log = settings.instance.url, str(tmp_path / "de" / "config.toml"), tmp_path / "server.log"

    async def up() -> bool:
        try:
            return (await get(f"{url}/readyz"))[0] == 200
        except OSError:
            return False

    with running(log, "-m", "tests.leaky", "--config", config, "serve", KONSIL_TEST_TRAP=str(trap.port)):
        await until(up, 30)
        for way in ("urllib", "thread", "loop"):
            status, _ = await get(f"{url}/leak?way={way}")
            assert status == 500, way
        doctor = Person(url, "de", "ada", PASSWORD)
        await asyncio.to_thread(doctor.login)
        await asyncio.to_thread(doctor.publish, {"kind": "case", "question": "Is it out?", "text": "Text", "language": "en",
                                                 "specialties": "cardiology"})
        await until(lambda: any(one.target == "/inbox" for one in fr.received), 20)
    assert trap.visits() == 0
    where = [line["where"] for line in map(json.loads, log.read_text("utf-8").splitlines()) if line["event"] == "egress refused"]
    assert len(where) == 3 and all(one.startswith("tests/leaky.py:") for one in (where[0], where[2]))
    async with assemble(settings) as its:
        row, = [one for one in await its.refusals.list() if one.reason == "egress"]
        assert (row.direction, row.origin, row.times) == ("out", f"127.0.0.1:{trap.port}", 3)
        assert "tests/leaky.py" in row.path and "line of code" in row.sentence


_PROBE = """
import runpy, sys, threading, time, urllib.request

def leak():
    while True:
        time.sleep(2)
        try:
            urllib.request.urlopen("http://127.0.0.1:9/")
        except Exception:
            pass

sys.argv = ["konsil", "--config", sys.argv[1], "worker"]
threading.Thread(target=leak, daemon=True).start()
runpy.run_module("instance", run_name="__main__")
"""


async def test_a_worker_of_its_own_delivers_behind_the_same_guard(tmp_path: Path, fr: Scripted) -> None:
    settings = await _instance(tmp_path / "de", fr)
    async with assemble(settings) as its:
        await its.accounts.suspend("ada", "left")  # which her siblings are told
    config = str(tmp_path / "de" / "config.toml")
    with running(tmp_path / "worker.log", "-c", _PROBE, config):
        await until(lambda: any(one.target == "/inbox" for one in fr.received), 30)
        await until(lambda: "egress refused" in (tmp_path / "worker.log").read_text("utf-8"), 30)
