"""The self-test: every line against a sibling that does it right, and against one that does just that wrong."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from core.errors import Conflict, NotFound, NotSignedIn
from core.words import Sentence
from federation import checks
from federation.checks import KEPT, SENTENCES, Check, Line, Subject, Verdict
from federation.client import ACTIVITY_JSON
from federation.signatures import cavage
from tests.scripted import Received, Scripted, refusal, scripted, slowly
from tests.servers import FakeSibling, Running, countries
from tests.test_allowlist import propose
from tests.test_client import resolve_to
from tests.test_handshake import ping, send


class Peer:
    """A sibling under a script that does everything right, but for what a test makes it do wrong."""

    def __init__(self, fr: Scripted, de: Running) -> None:
        self.fr, self.de = fr, de
        self.state = "confirmed"
        self.pings = True
        self.wrong: dict[str, Callable[[Received], Any]] = {}
        fr.script = self.answer

    def document(self, pem: str = "") -> dict[str, Any]:
        described = self.fr.fake.described()
        return {"id": described.actor, "type": "Application", "country": described.country, "name": described.name,
                "inbox": described.inbox, "publicKey": {"id": described.key_id, "owner": described.actor,
                                                        "publicKeyPem": pem or described.public_pem}}

    def answer(self, one: Received) -> Any:
        kind = self.kind(one)
        if kind in self.wrong:
            return self.wrong[kind](one)
        match kind:
            case "actor":
                return web.Response(body=json.dumps(self.document()), content_type=ACTIVITY_JSON)
            case "type":
                return refusal(415, None)
            case "ping":
                return self.shake(one)
            case _:
                return refusal(401, None)

    def kind(self, one: Received) -> str:
        if one.target == "/actor":
            return "actor"
        if "signature" not in one.headers:
            return "unsigned"
        try:
            params = cavage.parse(one.headers["signature"])
            cavage.verify(self.de.its.identity.key.public_key(), params, one.method, one.target, one.headers)
        except NotSignedIn:
            return f"wrong key {one.method}"
        return "ping" if one.target == "/handshake" else "type"

    async def shake(self, one: Received) -> web.Response:
        nonce = json.loads(one.body)["nonce"]
        arrived = self.pings and (await send(
            self.fr.fake, self.de, ping(self.fr.fake, self.de, nonce, inReplyTo=f"{self.de.url}/handshake/{nonce}")))[0] == 200
        return self.said(nonce, arrived=arrived)

    def said(self, nonce: str, **changes: Any) -> web.Response:
        return web.json_response({"nonce": nonce, "state": self.state, "software": "konsil/9.9.9", "time": "",
                                  "arrived": True, "reason": ""} | changes)

    async def test(self) -> dict[str, Line]:
        check = await self.de.its.selftest.run(self.fr.domain, "olga")
        assert [line.name for line in check.lines] == [*Subject]
        assert check.passed == all(line.verdict in ("ok", "warn") for line in check.lines)
        for line in check.lines:
            assert str(line.seen) and str(line.todo)
            assert (line.todo == checks.NOTHING) == (line.verdict == Verdict.OK), "a line that is not in order says what to do"
        return {line.name.value: line for line in check.lines}


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (de,):
        yield de


@pytest.fixture
async def peer(de: Running) -> AsyncIterator[Peer]:
    async with scripted() as fr:
        await fr.fake.listed(de, "confirmed")
        yield Peer(fr, de)


def codes(lines: dict[str, Line]) -> dict[str, str]:
    """What is not in order, by its line."""
    return {name: line.code for name, line in lines.items() if line.verdict != Verdict.OK}


async def test_two_instances_that_are_in_order_find_everything_in_order(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", worker=False) as (de, fr):
        check = await de.its.selftest.run(fr.domain, "olga")
        assert check.passed and {line.verdict for line in check.lines} == {Verdict.OK}
        row = await de.its.siblings.row(fr.domain)
        assert row.software.startswith("konsil/") and (row.checked, row.check_passed) == (check.at, True)
        assert await de.its.selftest.kept(row.id) == (check,) and await de.its.selftest.one(row.id, check.id) == check
        entry, = await de.its.audit.list(1)
        assert (entry.by, entry.action, entry.target, entry.detail) == ("olga", "sibling.checked", fr.url, "passed")
        await fr.its.refusals.flush()
        refused = await fr.its.database.read(lambda tx: {row["reason"] for row in tx.rows("SELECT reason FROM refusals")})
        assert refused == {"signature-missing", "signature-wrong", "content-type"}
        assert await fr.count("ledger") == 0 and await fr.count("pings") == 0


async def test_a_scripted_sibling_passes_and_is_asked_nothing_but_the_tries(peer: Peer) -> None:
    assert codes(await peer.test()) == {}
    assert [(one.method, one.target) for one in peer.fr.received] == [
        ("GET", "/actor"), ("GET", "/members"), ("GET", "/members"), ("POST", "/handshake"), ("POST", "/inbox"),
        ("POST", "/handshake")]
    assert all(one.headers.get("content-type") == "text/plain" for one in peer.fr.received if one.target == "/inbox")


REST = dict.fromkeys([name.value for name in Subject][4:], "not-tried")


@pytest.mark.parametrize(("kind", "answer", "found"), [
    ("unsigned", lambda _: web.json_response({}), {"unsigned-refused": "lets-in"}),
    ("unsigned", lambda _: web.Response(status=302, headers={"location": "/login"}), {"unsigned-refused": "refuses-oddly"}),
    ("unsigned", lambda _: web.Response(status=500), {"unsigned-refused": "refuses-oddly"}),
    ("wrong key GET", lambda _: web.json_response({}), {"wrong-key-refused": "lets-in"}),
    ("wrong key POST", lambda _: web.json_response({}), {"wrong-key-refused": "lets-in"}),
    ("wrong key POST", lambda _: refusal(400, None), {"wrong-key-refused": "lets-in"}),
    ("wrong key GET", lambda _: web.Response(status=404), {"wrong-key-refused": "refuses-oddly"}),
    ("type", lambda _: web.Response(status=202), {"wrong-type-refused": "lets-in"}),
    ("ping", lambda _: refusal(403, None), {"ping-out": "ping-unlisted", "ping-back": "not-tried", "listed": "not-listed"}),
    ("ping", lambda _: refusal(401, None, type="urn:konsil:problem:clock"),
     {"ping-out": "ping-unsigned", "ping-back": "not-tried", "listed": "not-tried"}),
    ("ping", lambda _: refusal(503, None, type="urn:konsil:problem:paused"),
     {"ping-out": "ping-paused", "ping-back": "not-tried", "listed": "listed-shut"}),
    ("ping", lambda _: refusal(429, None), {"ping-out": "ping-busy", "ping-back": "not-tried", "listed": "not-tried"}),
    ("ping", lambda _: web.Response(status=404), {"ping-out": "ping-lost", "ping-back": "not-tried", "listed": "not-tried"}),
    ("ping", lambda _: web.Response(status=301, headers={"location": "/x"}),
     {"ping-out": "ping-lost", "ping-back": "not-tried", "listed": "not-tried"}),
    ("ping", lambda _: web.Response(body=b"\xff{" * 60_000, content_type="application/json"),
     {"ping-out": "ping-lost", "ping-back": "not-tried", "listed": "not-tried"}),
    ("ping", lambda _: web.json_response({"nonce": "another", "state": "active", "software": "", "time": ""}),
     {"ping-out": "ping-lost", "ping-back": "not-tried", "listed": "not-tried"}),
    ("actor", lambda _: web.Response(status=302, headers={"location": "/elsewhere"}), {"actor": "no-actor", **REST}),
    ("actor", lambda _: web.Response(text="<html>"), {"actor": "no-actor", **REST}),
    ("actor", lambda _: web.Response(body=b"{" * 9_000, content_type=ACTIVITY_JSON), {"actor": "no-actor", **REST}),
    ("actor", lambda _: web.Response(status=500), {"actor": "no-actor", **REST}),
])
async def test_what_a_sibling_does_wrong_is_seen_in_its_line_and_the_others_are_tried_all_the_same(
        peer: Peer, kind: str, answer: Callable[[Received], Any], found: dict[str, str]) -> None:
    peer.wrong[kind] = answer
    lines = await peer.test()
    assert codes(lines) == found
    assert {name: line.verdict for name, line in lines.items() if line.code == "not-tried"} == {
        name: Verdict.SKIPPED for name, code in found.items() if code == "not-tried"}
    assert (await peer.de.its.siblings.row(peer.fr.domain)).check_passed is False


async def test_another_key_in_its_actor_ends_the_test_at_once_and_says_so_loudly(peer: Peer) -> None:
    other = FakeSibling().public_pem
    peer.wrong["actor"] = lambda _: web.Response(body=json.dumps(peer.document(other)), content_type=ACTIVITY_JSON)
    lines = await peer.test()
    assert codes(lines) == {"actor": "other-key", **REST}
    assert "another key" in lines["actor"].seen and "Do not activate it" in lines["actor"].todo
    assert [one.target for one in peer.fr.received] == ["/actor"], "nothing more is sent to whoever answers there"


@pytest.mark.parametrize(("ahead", "code", "verdict"), [
    (0, "clock-right", "ok"), (-60, "clock-off", "warn"), (60, "clock-off", "warn"), (3600, "clock-wrong", "failed"),
    (-3600, "clock-wrong", "failed"), (None, "no-date", "warn")])
async def test_its_clock_is_compared_with_ours(peer: Peer, ahead: int | None, code: str, verdict: str) -> None:
    when = "yesterday" if ahead is None else (datetime.now(UTC) + timedelta(seconds=ahead)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    peer.wrong["actor"] = lambda _: web.Response(
        body=json.dumps(peer.document()), content_type=ACTIVITY_JSON, headers={"date": when})
    lines = await peer.test()
    assert (lines["clock"].code, lines["clock"].verdict) == (code, verdict)
    assert codes(lines) == ({} if verdict == "ok" else {"clock": code})


@pytest.mark.parametrize(("said", "code"), [
    ({"arrived": False, "reason": "unreachable"}, "back-unreachable"),
    ({"arrived": False, "reason": "no-answer"}, "back-no-answer"),
    ({"arrived": False, "reason": "special-address"}, "back-special"), ({"arrived": False, "reason": "refused"}, "back-refused"),
    ({"arrived": False, "reason": "<b>because</b>"}, "back-unsaid"), ({"arrived": True}, "back-elsewhere")])
async def test_a_ping_that_does_not_come_back_is_seen_here_whatever_the_other_side_says(
        peer: Peer, said: dict[str, Any], code: str) -> None:
    peer.wrong["ping"] = lambda one: peer.said(json.loads(one.body)["nonce"], **said)
    assert codes(await peer.test()) == {"ping-back": code}


async def test_a_state_in_which_it_lets_nobody_through_is_not_on_its_list(peer: Peer) -> None:
    peer.state = "paused"
    assert codes(await peer.test()) == {"listed": "listed-shut"}


async def test_software_that_is_no_name_is_not_noted(peer: Peer) -> None:
    peer.wrong["ping"] = lambda one: peer.said(json.loads(one.body)["nonce"], software="x" * 61)
    await peer.test()
    assert (await peer.de.its.siblings.row(peer.fr.domain)).software == ""


async def test_who_cannot_be_reached_is_tried_no_further(de: Running) -> None:
    fake = await FakeSibling(port=1).listed(de, "confirmed")
    check = await de.its.selftest.run("127.0.0.1:1", "olga")
    lines = {line.name.value: line for line in check.lines}
    assert codes(lines) == {"clock": "unreachable", "actor": "not-tried", **REST} and not check.passed
    assert fake.origin.startswith("http://127")


async def test_who_is_slow_is_waited_for_a_little(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, slow = peer.de.its.selftest._steps, (Subject.CLOCK, Subject.UNSIGNED, Subject.WRONG_TYPE)
    assert sum(step.seconds for step in steps) <= 30, "all of them together"
    monkeypatch.setattr(peer.de.its.selftest, "_steps", tuple(
        step._replace(seconds=0.5) if step.name in slow else step for step in steps))
    peer.wrong["unsigned"] = peer.wrong["type"] = lambda _: slowly(3, web.json_response({}))
    assert codes(await peer.test()) == {"unsigned-refused": "no-answer", "wrong-type-refused": "no-answer"}
    peer.wrong = {"actor": lambda _: slowly(3, web.json_response({}))}
    assert codes(await peer.test()) == {"clock": "no-answer", "actor": "not-tried", **REST}


async def test_who_hangs_up_is_a_line_and_no_error(peer: Peer) -> None:
    def hang_up(_: Received) -> web.Response:
        assert peer.fr.request.transport is not None
        peer.fr.request.transport.abort()
        return web.Response()

    peer.wrong["unsigned"] = hang_up
    assert codes(await peer.test()) == {"unsigned-refused": "no-answer"}


@pytest.mark.parametrize(("state", "saying"), [("proposed", "Compare its fingerprint"), ("paused", "Let it go on"),
                                               ("revoked", "Propose it anew")])
async def test_behind_a_shut_gate_nothing_is_tried_and_the_sentence_says_what_to_do(de: Running, state: str, saying: str) -> None:
    async with scripted() as fr:
        await fr.fake.listed(de, state)
        with pytest.raises(Conflict, match=saying):
            await de.its.selftest.run(fr.domain, "olga")
        assert fr.received == [] and await de.count("sibling_checks") == 0 and await de.count("pings") == 0
    with pytest.raises(NotFound):
        await de.its.selftest.run("127.0.0.1:9", "olga")


async def test_one_that_is_revoked_meanwhile_is_asked_nothing_more(peer: Peer) -> None:
    async def revoke(_: Received) -> web.Response:
        await peer.de.its.siblings.revoke(peer.fr.domain, "omar", "now")
        return refusal(401, None)

    peer.wrong["unsigned"] = revoke
    with pytest.raises(Conflict, match="revoked"):
        await peer.test()
    assert len(peer.fr.received) == 2 and await peer.de.count("sibling_checks") == 0


async def test_only_so_many_are_kept_of_each_sibling(peer: Peer) -> None:
    row = await peer.de.its.siblings.row(peer.fr.domain)
    other = await FakeSibling(port=1).listed(peer.de, "confirmed")
    mine = Check(1, 1, "olga", True, (checks.line(Subject.DNS, Verdict.OK, "addresses", addresses="x" * 500),))
    theirs = (await peer.de.its.siblings.row(other.origin.split("://")[1])).id
    await peer.de.its.database.write(lambda tx: checks.store(tx, theirs, mine))

    def fill(tx: Any) -> None:
        for number in range(2, KEPT + 7):
            checks.store(tx, row.id, mine._replace(id=number))

    await peer.de.its.database.write(fill)
    kept = await peer.de.its.selftest.kept(row.id)
    assert [check.id for check in kept] == [*range(KEPT + 6, 6, -1)]
    assert len(kept[0].lines[0].values["addresses"]) == 200
    assert len(await peer.de.its.selftest.kept(theirs)) == 1
    for number in (2, 1, None):
        with pytest.raises(NotFound):
            await peer.de.its.selftest.one(row.id, number)


def test_a_finding_of_another_version_is_shown_as_it_is() -> None:
    line = Line(Subject.DNS, Verdict.FAILED, "unheard-of", {"x": "y"})
    assert line.seen == "unheard-of" and isinstance(line.seen, Sentence)
    german = checks.line(Subject.LISTED, Verdict.OK, "listed", state="paused").seen.said(
        lambda text: {"paused": "angehalten"}.get(text, text))
    assert "“angehalten”" in german
    assert all(seen and todo for seen, todo in SENTENCES.values())


@asynccontextmanager
async def tls_server(directory: Path, days: float, name: str = "fr.example") -> AsyncIterator[int]:
    """A server with a certificate of this name that is valid so long; its port. `directory/ca.pem` is who issued it."""
    keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)]) for text in ("Test Authority", "Konsil")]
    now = datetime.now(UTC)
    issued = []
    for subject, key in zip(names, keys, strict=True):
        is_ca = subject is names[0]
        builder = x509.CertificateBuilder(
            issuer_name=names[0], subject_name=subject, public_key=key.public_key(),
            serial_number=x509.random_serial_number(), not_valid_before=now - timedelta(days=90),
            not_valid_after=now + timedelta(days=365 if is_ca else days))
        for extension, critical in (
                (x509.BasicConstraints(ca=is_ca, path_length=None), True),
                (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
                (x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), False)):
            builder = builder.add_extension(extension, critical)
        if is_ca:
            builder = builder.add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False), True)
        else:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        issued.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (directory / "ca.pem").write_bytes(issued[0])
    (directory / "own.pem").write_bytes(issued[1] + keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "own.pem")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(("days", "name", "trusted", "verdict", "saying"), [
    (90.5, "fr.example", True, "ok", "Test Authority has issued it; it is valid for 90 more days."),
    (13.5, "fr.example", True, "warn", "only 13 more days"), (-1, "fr.example", True, "failed", "expired"),
    (90, "it.example", True, "failed", "not valid for 'fr.example'"), (90, "fr.example", False, "failed", "unable to get")])
async def test_the_certificate_is_looked_at_as_a_connection_would(
        its: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: float, name: str, trusted: bool, verdict: str,
        saying: str) -> None:
    await propose(its, "fr.example")
    await its.siblings.confirm("fr.example", "olga")
    async with tls_server(tmp_path, days, name) as port:
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        resolve_to(monkeypatch, port, "127.0.0.1")
        line = (await its.selftest.run("fr.example", "olga")).lines[1]
    assert line.verdict == verdict and saying in line.seen, line


async def test_a_server_without_tls_or_none_at_all_has_no_certificate(its: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await propose(its, "fr.example")
    await its.siblings.confirm("fr.example", "olga")
    async with scripted() as plain:
        resolve_to(monkeypatch, int(plain.origin.rpartition(":")[2]), "127.0.0.1")
        check = await its.selftest.run("fr.example", "olga")
        assert check.lines[1].code == "no-certificate" and {line.verdict for line in check.lines[2:]} == {Verdict.SKIPPED}
        assert plain.received == []
    resolve_to(monkeypatch, 1, "127.0.0.1")
    assert (await its.selftest.run("fr.example", "olga")).lines[1].code == "unreachable"


async def test_a_name_that_leads_nowhere_or_to_a_special_address_ends_the_test(
        its: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await propose(its, "fr.example")
    await its.siblings.confirm("fr.example", "olga")
    for addresses, code in ((("10.0.0.1",), "special-address"), (("203.0.113.1", "127.0.0.53"), "special-address")):
        resolve_to(monkeypatch, 443, *addresses)
        check = await its.selftest.run("fr.example", "olga")
        assert check.lines[0].code == code and {line.verdict for line in check.lines[1:]} == {Verdict.SKIPPED}

    def nowhere(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    check = await its.selftest.run("fr.example", "olga")
    assert check.lines[0].code == "no-address" and "not known" in check.lines[0].seen
