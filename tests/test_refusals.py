"""The refusal log: everything that is turned away leaves a row with a sentence, and nobody can fill the disk with it."""

from __future__ import annotations

import ast
import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import core.errors
from core.errors import KonsilError, Refused, Unavailable
from core.words import Phrase
from federation import client as client_module
from federation.allowlist import Direction, Purpose
from federation.client import Candidate, Client
from federation.documents import dumps
from federation.refusals import SENTENCES
from tests.servers import AP, FakeSibling, Running, countries, get, post

ROOT = Path(__file__).parent.parent


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[tuple[Running, FakeSibling]]:
    async with countries(tmp_path, "de", worker=False) as (de,):
        yield de, await FakeSibling().listed(de, "active")


async def rows(at: Running) -> list[tuple[str, str, str, str, int]]:
    await at.its.refusals.flush()
    found = await at.its.refusals.list(5000)
    assert all(row.sentence != row.reason for row in found)
    return [(row.direction, row.origin, row.purpose, row.reason, row.times) for row in found]


async def test_made_up_origins_fill_an_hour_and_no_more(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    log = de.its.refusals
    for round_ in range(8):  # as many as come in between eight flushes
        for number in range(400):
            log.record(direction="in", origin=f"https://{round_}-{number}.example", purpose=Purpose.INBOX, reason="unlisted")
        await log.flush()
    log.record(direction="in", origin=fake.origin, purpose=Purpose.INBOX, reason="signature-wrong")
    log.record(direction="in", origin="https://0-1.example", purpose=Purpose.INBOX, reason="unlisted")
    seen = await rows(de)
    assert len(seen) == 1002 and await de.count("refusals") == 1002
    assert sum(times for *_, times in seen) == 3202
    assert ("in", "(many others)", "inbox", "unlisted", 2200) in seen
    assert ("in", fake.origin, "inbox", "signature-wrong", 1) in seen  # a sibling keeps its name
    assert ("in", "https://0-1.example", "inbox", "unlisted", 2) in seen
    de.its.clock.offset = 3600.0
    log.record(direction="in", origin="https://next-hour.example", purpose=Purpose.INBOX, reason="unlisted")
    assert ("in", "https://next-hour.example", "inbox", "unlisted", 1) in await rows(de)


async def test_made_up_origins_between_two_flushes_are_bounded_too(door: tuple[Running, FakeSibling]) -> None:
    de, _ = door
    for number in range(5000):
        de.its.refusals.record(direction="in", origin=f"https://{number}.example", purpose=Purpose.INBOX, reason="unlisted")
    seen = await rows(de)
    assert len(seen) == 513 and sum(times for *_, times in seen) == 5000


Head = Callable[[dict[str, str]], dict[str, str]]
_HEADS: dict[str, tuple[int, str, Head]] = {
    "a content type of its own": (415, "content-type", lambda h: h | {"content-type": "text/html"}),
    "an encoded body": (415, "content-encoding", lambda h: h | {"content-encoding": "gzip"}),
}


@pytest.mark.parametrize("name", _HEADS)
async def test_what_is_refused_by_its_head_leaves_a_row(door: tuple[Running, FakeSibling], name: str) -> None:
    de, fake = door
    status, reason, change = _HEADS[name]
    body = dumps(fake.activity("Create", fake.note(de)))
    headers = change(fake.headers("POST", f"{de.url}/inbox", body))
    assert (await post(f"{de.url}/inbox", body, headers))[0] == status
    del headers["signature"]
    assert (await post(f"{de.url}/inbox", body, headers))[0] == status
    assert sorted(await rows(de)) == [("in", "(unsigned)", "inbox", reason, 1), ("in", fake.origin, "inbox", reason, 1)]


async def test_what_is_too_large_leaves_a_row_whether_it_says_so_or_not(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    body = b"x" * 300 * 1024
    assert (await post(f"{de.url}/inbox", body, fake.headers("POST", f"{de.url}/inbox", body)))[0] == 413
    head = "".join(f"{name}: {value}\r\n" for name, value in fake.headers("POST", f"{de.url}/inbox", body).items())
    chunked = f"POST /inbox HTTP/1.1\r\n{head}transfer-encoding: chunked\r\nconnection: close\r\n\r\n".encode()
    assert b" 413 " in await raw(de, chunked + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert await rows(de) == [("in", fake.origin, "inbox", "too-large", 2)]


async def test_a_header_that_comes_twice_leaves_a_row(door: tuple[Running, FakeSibling]) -> None:
    de, fake = door
    for method, path, purpose in (("POST", "/inbox", "inbox"), ("GET", "/members", "collection")):
        head = "".join(f"{name}: {value}\r\n" for name, value in fake.headers(method, de.url + path).items())
        twice = f"{method} {path} HTTP/1.1\r\n{head}date: now\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        assert b" 401 " in await raw(de, twice.encode())
        assert ("in", fake.origin, purpose, "signature-malformed", 1) in await rows(de)


async def test_an_overload_leaves_a_row(door: tuple[Running, FakeSibling], monkeypatch: pytest.MonkeyPatch) -> None:
    de, fake = door
    monkeypatch.setattr(type(de.its.database), "pending", property(lambda self: 5000))
    assert (await fake.send(de, fake.activity("Create", fake.note(de))))[0] == 503
    monkeypatch.undo()
    assert await rows(de) == [("in", fake.origin, "inbox", "overloaded", 1)]


async def raw(at: Running, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(at.domain.split(":")[1]))
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


async def test_strangers_learn_nothing_of_the_list(door: tuple[Running, FakeSibling]) -> None:
    """Anybody can name any origin as her key's; what state that origin has is said in the log and nowhere else."""
    de, _ = door
    answers = []
    for port, state in ((2, "proposed"), (3, "revoked"), (4, "unlisted")):
        fake = FakeSibling(port=port)
        if state != "unlisted":
            await fake.listed(de, state)
        forger = FakeSibling(port=port)
        answers += [await forger.send(de, forger.activity("Create", forger.note(de))), await forger.get(f"{de.url}/members"),
                    await fake.send(de, fake.activity("Create", fake.note(de))), await fake.get(f"{de.url}/members")]
        assert {(origin, reason, times) for _, origin, _, reason, times in await rows(de) if origin == fake.origin} == {
            (fake.origin, state, 2)}
    assert all(answer == answers[0] for answer in answers)
    assert answers[0] == (403, {"type": "urn:konsil:problem:not-admitted", "status": 403,
                                "title": "This instance does not exchange anything with you."})


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """A server that gives everybody the same bytes."""
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def http(body: bytes, head: str = f"content-type: {AP}", status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body


_ANSWERS: dict[str, tuple[bytes, str | None]] = {
    "a document": (http(b'{"id": "x"}'), None),
    "a web page": (http(b"<p>", "content-type: text/html"), "content-type"),
    "an encoded one": (http(b"{}", f"content-type: {AP}\r\ncontent-encoding: gzip"), "content-type"),
    "too much": (http(b'{"x": "' + b"x" * 300 * 1024 + b'"}'), "too-large"),
    "no JSON": (http(b"{"), "bad-json"),
    "a key twice": (http(b'{"a": 1, "a": 2}'), "duplicate-key"),
    "elsewhere": (http(b"", "location: http://elsewhere.example/", "302 Found"), "redirect"),
    "nothing there": (http(b"", status="404 Not Found"), "gone"),
    "trouble": (http(b"", status="500 Trouble"), "http-status"),
}


@pytest.mark.parametrize("name", _ANSWERS)
async def test_an_answer_that_is_refused_leaves_a_row_outwards(door: tuple[Running, FakeSibling], name: str) -> None:
    de, _ = door
    answer, reason = _ANSWERS[name]
    async with answering(answer) as port:
        fake = await FakeSibling(port=port).listed(de, "active")
        sibling = de.its.allowlist.admit(fake.origin, Direction.OUT, Purpose.FETCH)
        for ask in (lambda: de.its.client.get(sibling, f"{fake.origin}/posts/1"),
                    lambda: de.its.client.fetch_descriptor(Candidate(fake.origin))):
            if reason is None:
                assert await ask() == {"id": "x"}
            else:
                with pytest.raises(KonsilError) as caught:
                    await ask()
                assert caught.value.reason == reason
        refused = reason not in (None, "gone", "http-status")
        assert await rows(de) == ([("out", fake.origin, "fetch", reason, 2)] if refused else [])


async def test_another_origin_and_a_special_address_leave_a_row_outwards(
        door: tuple[Running, FakeSibling], monkeypatch: pytest.MonkeyPatch) -> None:
    de, fake = door
    sibling = de.its.allowlist.admit(fake.origin, Direction.OUT, Purpose.FETCH)
    with pytest.raises(Refused):
        await de.its.client.get(sibling, "http://127.0.0.1:9/posts/1")
    assert await rows(de) == [("out", fake.origin, "fetch", "own-origin-only", 1)]
    # an instance that is not on loopback, and a sibling whose name leads to one
    monkeypatch.setattr(client_module, "is_loopback", lambda origin: False)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))])
    outside = FakeSibling()
    outside.origin = "https://fr.example"
    outside.key_id = f"{outside.origin}/actor#main-key"
    await outside.listed(de, "active")
    receiver, source = [de.its.allowlist.admit(outside.origin, Direction.OUT, purpose)
                        for purpose in (Purpose.DELIVERY, Purpose.FETCH)]
    client = Client(de.its.identity, de.its.refusals, de.its.clock, timeout=5, body_limit=1000)
    try:
        for ask in (lambda: client.post(receiver, b"{}", "SHA-256=x"), lambda: client.get(source, f"{outside.origin}/posts/1")):
            with pytest.raises(Unavailable) as caught:
                await ask()
            assert caught.value.reason == "special-address"
    finally:
        await client.close()
    assert {row[2:] for row in await rows(de) if row[:2] == ("out", outside.origin)} == {
        ("delivery", "special-address", 1), ("fetch", "special-address", 1)}


# Modules whose refusals can reach the log. Those of operators' actions (federation.siblings, federation.descriptor, reading
# a typed fingerprint) are answered to the operator who is at it.
_SPEAKING = ("federation", "inbox", "posts/attachments.py", "posts/wire.py", "posts/counts.py", "actors/wire.py",
             "core/database.py")
_OPERATORS = {"federation/siblings.py", "federation/descriptor.py", "federation/overview.py", "federation/admission.py",
              "federation/checks.py", "federation/selftest.py", "federation/siblingkeys.py", "federation/keyring.py",
              "federation/disclosures.py", "federation/leaving.py", "federation/keywatch.py",
              "federation/queue.py", "inbox/reconciliations.py"}
_NEVER_LOGGED = {"lost", "fingerprint", "bad-voucher", "not-admitted", "misconfigured", "alt", "internal",
                 *client_module._NO_REFUSALS}
_CLASSES = {name: found for name, found in vars(core.errors).items()
            if isinstance(found, type) and issubclass(found, KonsilError)}


def reasons() -> dict[str, str]:
    """Every reason an error is made with in those modules, and where."""
    found: dict[str, str] = {}
    for place in _SPEAKING:
        for path in [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py")):
            where = str(path.relative_to(ROOT))
            if where in _OPERATORS:
                continue
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CLASSES:
                    given = next((keyword.value for keyword in node.keywords if keyword.arg == "reason"), None)
                    assert given is None or isinstance(given, ast.Constant), f"{where}:{node.lineno}"
                    found[given.value if given is not None else _CLASSES[node.func.id].reason] = f"{where}:{node.lineno}"
                if isinstance(node, ast.ClassDef) and any(ast.unparse(base) in _CLASSES for base in node.bases):
                    found |= {one.value.value: f"{where}:{one.lineno}" for one in node.body
                              if isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant)
                              and ast.unparse(one.targets[0]) == "reason"}
    return found


def test_every_reason_that_can_reach_the_log_has_a_sentence() -> None:
    found = reasons()
    assert len(found) > 35
    assert {reason: where for reason, where in found.items() if reason not in SENTENCES and reason not in _NEVER_LOGGED} == {}
    assert all(isinstance(sentence, Phrase) for sentence in SENTENCES.values())
    states = {"unlisted", "damaged", "proposed", "confirmed", "revoked", "paused"}
    found["picture-changed"] = "posts.borrowed"  # what a sibling hands out instead: it is noted there by itself
    found["egress"] = "instance.serving"  # the guard at the exit is no gate: nobody is answered, so it raises no error of ours
    assert set(SENTENCES) - set(found) <= states, "a sentence for a reason that nobody gives"
    assert states <= set(SENTENCES)


async def test_an_unsigned_get_leaves_a_row(door: tuple[Running, FakeSibling]) -> None:
    de, _ = door
    assert (await get(f"{de.url}/members"))[0] == 401
    assert await rows(de) == [("in", "(unsigned)", "collection", "signature-missing", 1)]

