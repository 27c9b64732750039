"""The only way out: where it goes, where it never goes, and what it does not take from anybody."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from core.errors import InvalidInput, KonsilError, Refused, Unavailable
from federation.allowlist import Direction, Purpose, Sibling
from federation.client import ACTIVITY_JSON, Candidate, Client
from federation.identity import Identity, members_of
from federation.signatures import cavage
from instance.assembly import Assembly
from tests.scripted import Received, Script, Scripted, refusal, scripted, slowly

_LIMIT = 10_000


@pytest.fixture
async def fr() -> AsyncIterator[Scripted]:
    async with scripted() as sibling:
        sibling.script = lambda _: document()
        yield sibling


@pytest.fixture
async def client(its: Assembly) -> AsyncIterator[Client]:
    """A client of the instance on loopback."""
    made = Client(its.identity, its.refusals, its.clock, timeout=1.0, body_limit=_LIMIT)
    yield made
    await made.close()


@pytest.fixture
async def outside(its: Assembly) -> AsyncIterator[Client]:
    """A client as an instance with a domain of its own has it."""
    identity: Identity = dataclasses.replace(its.identity, origin="https://de.example", domain="de.example")
    made = Client(identity, its.refusals, its.clock, timeout=1.0, body_limit=_LIMIT)
    yield made
    await made.close()


def document(body: bytes = b'{"id": "x"}', status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=body, headers={"content-type": ACTIVITY_JSON} | (headers or {}))


def resolve_to(monkeypatch: pytest.MonkeyPatch, port: int, *addresses: str) -> list[str]:
    """Let every name resolve to these addresses, whatever port is asked for; returns the names that were asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "",
                 (address, port, 0, 0) if ":" in address else (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


async def fails(work: Any, kind: type[KonsilError], reason: str) -> KonsilError:
    with pytest.raises(kind) as caught:
        await work
    assert caught.value.reason == reason, caught.value
    return caught.value


async def test_a_document_is_fetched_with_a_signature_from_its_own_origin(client: Client, its: Assembly, fr: Scripted) -> None:
    sibling = await fr.befriend(its, Purpose.FETCH)
    assert await client.get(sibling, f"{fr.origin}/posts/1?page=2") == {"id": "x"}
    one, = fr.received
    assert (one.method, one.target, one.headers["host"]) == ("GET", "/posts/1?page=2", fr.domain)
    params = cavage.parse(one.headers["signature"])
    cavage.check_covered(params, "GET")
    cavage.verify(its.identity.key.public_key(), params, "GET", "/posts/1?page=2", one.headers)
    assert params.key_id == its.identity.key_id


@pytest.mark.parametrize("url", ["https://elsewhere.example/posts/1", "http://127.0.0.1:1/posts/1", "{}0/posts/1",
                                 "http://user@{}/posts/1", "file:///etc/passwd", "//{}/posts/1", "/posts/1", ""])
async def test_no_document_is_fetched_from_any_other_origin(client: Client, its: Assembly, fr: Scripted, url: str) -> None:
    sibling = await fr.befriend(its, Purpose.FETCH)
    with pytest.raises((Refused, InvalidInput)) as caught:
        await client.get(sibling, url.format(fr.origin if url.startswith("{") else fr.domain))
    assert caught.value.reason in ("own-origin-only", "bad-address")
    assert fr.received == []


async def test_a_candidate_is_asked_for_its_actor_and_for_nothing_else(client: Client, fr: Scripted) -> None:
    assert await client.fetch_descriptor(Candidate(fr.origin)) == {"id": "x"}
    one, = fr.received
    assert (one.method, one.target) == ("GET", "/actor") and "signature" not in one.headers
    for origin in (f"{fr.origin}/posts/1?", f"{fr.origin}/x", f"{fr.origin}#", "http://10.0.0.1", "de.example", ""):
        with pytest.raises(KonsilError):
            await client.fetch_descriptor(Candidate(origin))
    assert len(fr.received) == 1
    candidate: Any = Candidate(fr.origin)
    with pytest.raises(TypeError):
        await client.get(candidate, f"{fr.origin}/posts/1")
    with pytest.raises(TypeError):
        await client.post(candidate, b"{}", cavage.digest(b"{}"))
    assert len(fr.received) == 1


_SPECIAL = ("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "100.64.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1",
            "198.18.0.1", "224.0.0.1", "255.255.255.255", "::1", "::ffff:127.0.0.1", "fe80::1", "fd00::1", "2001:db8::1")




class Trap:
    """A listening socket that counts who comes."""

    def __init__(self, port: int) -> None:
        self.port, self.visits = port, 0


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    def came(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.visits += 1
        writer.close()

    server = await asyncio.start_server(came, "127.0.0.1", 0)
    made = Trap(server.sockets[0].getsockname()[1])
    yield made
    server.close()
    await server.wait_closed()


async def listed(its: Assembly, fr: Scripted, origin: str) -> Sibling:
    """A sibling at this origin, whoever answers there."""
    described = msgspec.structs.replace(fr.fake.described(), origin=origin, actor=f"{origin}/actor", inbox=f"{origin}/inbox",
                                        key_id=f"{origin}/actor#main-key", members=members_of(origin))
    domain = origin.split("://")[1]
    await its.siblings.add(domain, "fr", described.fingerprint, descriptor=described)
    await its.siblings.approve(domain, "test")
    return its.allowlist.admit(origin, Direction.OUT, Purpose.FETCH)


def ways_out(client: Client, its: Assembly, sibling: Sibling) -> list[Any]:
    receiver = its.allowlist.admit(sibling.origin, Direction.OUT, Purpose.DELIVERY)
    return [client.post(receiver, b"{}", cavage.digest(b"{}")), client.get(sibling, f"{sibling.origin}/posts/1"),
            client.fetch_descriptor(Candidate(sibling.origin))]


async def test_a_name_that_resolves_to_an_address_no_sibling_can_live_at_is_never_contacted(
        outside: Client, client: Client, its: Assembly, fr: Scripted, trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    sibling = await listed(its, fr, "https://fr.example")
    for addresses in [(address,) for address in _SPECIAL] + [("8.8.8.8", "127.0.0.1"), ("127.0.0.1", "8.8.8.8")]:
        asked = resolve_to(monkeypatch, trap.port, *addresses)
        for way in ways_out(outside, its, sibling):
            error = await fails(way, Unavailable, "special-address")
            assert "never contacted" in error.cause, addresses
        assert set(asked) == {"fr.example"}  # the check is made when the connection is, each time anew
    assert trap.visits == 0
    resolve_to(monkeypatch, trap.port, "127.0.0.1")
    for way in ways_out(client, its, sibling):  # our own origin is on loopback: there, and only there, loopback is right
        with pytest.raises(Unavailable):
            await way
    assert trap.visits == 3


async def test_an_instance_on_loopback_contacts_no_other_special_address(
        client: Client, its: Assembly, fr: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    sibling = await listed(its, fr, "https://fr.example")
    for address in _SPECIAL:
        if not address.startswith("127.") and address != "::1":
            resolve_to(monkeypatch, 9, address)
            for way in ways_out(client, its, sibling):
                assert "never contacted" in (await fails(way, Unavailable, "special-address")).cause, address


async def test_loopback_is_refused_where_our_own_origin_is_elsewhere(outside: Client, its: Assembly, fr: Scripted) -> None:
    sibling = await fr.befriend(its, Purpose.FETCH)
    for way in ways_out(outside, its, sibling):
        await fails(way, Refused, "special-address")
    for origin in ("http://localhost:80", "http://fr.localhost", "http://127.0.0.2", "http://[::1]"):
        await fails(outside.fetch_descriptor(Candidate(origin)), Refused, "special-address")
    assert fr.received == []


async def test_a_redirect_is_never_followed(client: Client, its: Assembly, fr: Scripted) -> None:
    async with scripted() as elsewhere:
        sibling = await fr.befriend(its, Purpose.FETCH)
        for status in (301, 302, 303, 307, 308):
            for location in (f"{elsewhere.origin}/posts/1", "/posts/2"):
                fr.received.clear()
                fr.script = lambda _, status=status, location=location: document(status=status, headers={"location": location})  # type: ignore[misc]
                post, get, look = ways_out(client, its, sibling)
                assert (await post).status == status
                await fails(get, Unavailable, "redirect")
                await fails(look, Unavailable, "redirect")
                assert [one.target for one in fr.received] == ["/inbox", "/posts/1", "/actor"]
        assert elsewhere.received == []


async def _endless(fr: Scripted, sent: list[int]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": ACTIVITY_JSON})
    await response.prepare(fr.request)
    for _ in range(100_000):
        await response.write(b" " * 10_000)
        sent.append(10_000)
    return response


async def test_an_answer_over_the_limit_is_refused_and_not_read_to_its_end(client: Client, its: Assembly, fr: Scripted) -> None:
    sibling = await fr.befriend(its, Purpose.FETCH)
    url = f"{fr.origin}/posts/1"
    exact = b'{"a": "' + b"x" * (_LIMIT - 9) + b'"}'
    fr.script = lambda _: document(exact)
    assert len(exact) == _LIMIT and len((await client.get(sibling, url))["a"]) == _LIMIT - 9
    fr.script = lambda _: document(exact + b" ")
    await fails(client.get(sibling, url), InvalidInput, "too-large")
    sent: list[int] = []
    fr.script = lambda _: _endless(fr, sent)
    await fails(client.get(sibling, url), InvalidInput, "too-large")
    assert sum(sent) < 20_000_000
    huge = b'{"activity":"' + b"x" * 3_000_000
    fr.script = lambda _: web.Response(status=400, body=huge, content_type="application/problem+json")
    receiver = its.allowlist.admit(fr.origin, Direction.OUT, Purpose.DELIVERY)
    answer = await client.post(receiver, b"{}", cavage.digest(b"{}"))
    assert (answer.status, answer.problem) == (400, None)


@pytest.mark.parametrize("headers", [
    {"content-type": "text/html"}, {"content-type": "application/json"}, {"content-type": "application/octet-stream"},
    {"content-type": f"text/html, {ACTIVITY_JSON}"}, {"content-type": ""}, {"content-encoding": "gzip"},
    {"content-encoding": "br"}, {"content-encoding": "x"}], ids=str)
async def test_what_is_no_plain_activitypub_document_is_refused(
        client: Client, its: Assembly, fr: Scripted, headers: dict[str, str]) -> None:
    body = gzip.compress(b"{}") if headers.get("content-encoding") == "gzip" else b"{}"
    fr.script = lambda _: document(body, headers=headers)
    sibling = await fr.befriend(its, Purpose.FETCH)
    await fails(client.get(sibling, f"{fr.origin}/posts/1"), InvalidInput, "content-type")
    await fails(client.fetch_descriptor(Candidate(fr.origin)), InvalidInput, "content-type")
    assert all(one.headers.get("accept-encoding") == "identity" for one in fr.received)


@pytest.mark.parametrize(("status", "kind", "reason"), [
    (404, InvalidInput, "gone"), (410, InvalidInput, "gone"), (401, Unavailable, "http-status"),
    (500, Unavailable, "http-status"), (204, Unavailable, "http-status"), (206, Unavailable, "http-status")])
async def test_what_is_not_handed_out_is_told_apart_from_what_is_not_there(
        client: Client, its: Assembly, fr: Scripted, status: int, kind: type[KonsilError], reason: str) -> None:
    sibling = await fr.befriend(its, Purpose.FETCH)
    fr.script = lambda _: document(status=status)
    await fails(client.get(sibling, f"{fr.origin}/posts/1"), kind, reason)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":' + b"[" * 40 + b"]" * 40 + b"}"])
async def test_a_document_is_read_as_strictly_as_what_arrives(
        client: Client, its: Assembly, fr: Scripted, body: bytes) -> None:
    fr.script = lambda _: document(body)
    sibling = await fr.befriend(its, Purpose.FETCH)
    with pytest.raises(InvalidInput):
        await client.get(sibling, f"{fr.origin}/posts/1")


async def _drip(fr: Scripted) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": ACTIVITY_JSON})
    await response.prepare(fr.request)
    for _ in range(100):
        await response.write(b" ")
        await asyncio.sleep(0.05)
    return response


async def test_a_slow_sibling_is_given_up_in_time(its: Assembly, fr: Scripted) -> None:
    client = Client(its.identity, its.refusals, its.clock, timeout=0.4, body_limit=_LIMIT)
    sibling = await fr.befriend(its, Purpose.FETCH)
    loop = asyncio.get_running_loop()
    slow: list[Script] = [lambda _: slowly(5, document()), lambda _: _drip(fr)]  # silent; and a byte at a time
    for script in slow:
        fr.script = script
        for way in (client.get(sibling, f"{fr.origin}/posts/1"), client.fetch_descriptor(Candidate(fr.origin))):
            started = loop.time()
            await fails(way, Unavailable, "no-answer")
            assert loop.time() - started < 3
    await client.close()


async def test_cookies_are_not_kept(client: Client, its: Assembly, fr: Scripted) -> None:
    sibling = await fr.befriend(its, Purpose.FETCH)
    fr.script = lambda _: document(headers={"set-cookie": "session=1; Path=/"})
    for _ in range(2):
        for way in ways_out(client, its, sibling):
            await way
    assert len(fr.received) == 6 and not any("cookie" in one.headers for one in fr.received)


async def test_a_proxy_named_in_the_environment_is_not_used(
        client: Client, its: Assembly, fr: Scripted, trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    sibling = await fr.befriend(its, Purpose.FETCH)
    for way in ways_out(client, its, sibling):
        await way
    assert trap.visits == 0 and len(fr.received) == 3


async def test_a_connection_is_kept_for_the_next_request(client: Client, its: Assembly, fr: Scripted) -> None:
    peers: set[Any] = set()

    def answer(_: Received) -> web.Response:
        assert fr.request.transport is not None
        peers.add(fr.request.transport.get_extra_info("peername"))
        return refusal(400, None) if len(peers) % 2 else document()

    fr.script = answer
    sibling = await fr.befriend(its)
    for _ in range(3):
        await client.post(sibling, b"{}", cavage.digest(b"{}"))
    assert len(peers) == 1
