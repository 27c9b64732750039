"""The only way out: signed requests to a `Sibling`, tries that it has to refuse, one look at a `Candidate`'s actor, and what
is asked of a `Service` that the settings name.

Addresses are checked when the connection is made (special-use ranges refused), with a socket that `core.egress` has made
for that address alone; redirects are never followed, cookies and proxies from the environment do not exist, and time and
size are bounded. What is refused here, be it an address or an answer, stands in the refusal log with the direction out.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
from aiohttp.abc import AbstractResolver, AbstractStreamWriter, ResolveResult
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from core import VERSION, egress
from core.clock import Clock
from core.errors import InvalidInput, KonsilError, Refused, Unavailable
from federation.addresses import authority_of, is_loopback, never_contacted, origin_of
from federation.allowlist import CLOSED, Direction, Purpose, Sibling
from federation.bundles import JSON_SEQ
from federation.documents import parse
from federation.identity import Identity
from federation.refusals import RefusalLog
from federation.retryafter import retry_after
from federation.signatures import cavage
from federation.signatures.keys import generate_rsa, load_private
from federation.signing import Signers

ACTIVITY_JSON = "application/activity+json"
JRD_JSON = "application/jrd+json"
_ACCEPT = f'{ACTIVITY_JSON}, application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
_DOCUMENT_TYPES = frozenset({ACTIVITY_JSON, "application/ld+json"})
_JRD_TYPES = frozenset({JRD_JSON, "application/json"})
_PICTURE_TYPES = frozenset({"image/jpeg", "image/png"})
_PICTURE_LIMIT = 1 << 20
_ANSWER_LIMIT = 65_536
_RECEIPT_LIMIT = 262_144
_SERVICE_LIMIT = 262_144
_SERVICE_TYPES = frozenset({"application/json", "application/jwk-set+json"})
_NO_REFUSALS = frozenset({"unreachable", "no-answer", "http-status", "gone", "certificate", *CLOSED})  # nobody's, or noted


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sibling answered: status, the problem document if it sent one, seconds it asks us to wait; and the document that
    came with a 200, for a bundle the receipt."""

    status: int
    problem: dict[str, Any] | None
    retry_after: int | None
    document: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An origin an operator has named, now or when it was proposed; it may be asked for its `/actor` and for nothing else."""

    origin: str


@dataclass(frozen=True, slots=True)
class Service:
    """Somebody outside the federation whom the settings name; asked at these origins and at no others, unsigned, and told
    nothing of the instance but what the question holds. `near`: the settings name it at a loopback address, as a program that
    runs beside the instance; then, and for it alone, loopback is contacted."""

    name: str
    origins: tuple[str, ...]
    near: bool = False


class Told(NamedTuple):
    """What was answered to a handshake: the document with a 200, else the reason that the problem document names."""

    status: int
    document: dict[str, Any] | None
    reason: str


class Look(NamedTuple):
    """What an unsigned look at `/actor` has shown: the status, the Date header, the document if there was one."""

    status: int
    date: str
    document: dict[str, Any] | None


class Certificate(NamedTuple):
    """A certificate that is valid for its host: who issued it, when it ends (seconds since the epoch)."""

    issuer: str
    ends: float


class Probe(StrEnum):
    """What a sibling has to refuse: the try of a self-test."""

    UNSIGNED = "unsigned"
    WRONG_KEY = "wrong key"
    FORGED = "wrong key, with a body"
    WRONG_TYPE = "wrong content type"


class _SpecialAddress(OSError):
    """A name led to an address that is never contacted."""


class _Addresses(AbstractResolver):
    """Which addresses are contacted: none that no sibling can live at, and loopback only where we live there too. Asked when
    a name is resolved, and again for each socket just before it connects."""

    def __init__(self, loopback: bool) -> None:
        self._loopback = loopback

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=address[0], port=address[1], family=kind, proto=proto,
                              flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)
                for kind, _, proto, _, address in await self.look_up(host, port, family)]

    async def look_up(self, host: str, port: int, family: int = socket.AF_UNSPEC) -> list[egress.AddressInfo]:
        """The addresses of a host; `OSError` when there are none, or one is never contacted."""
        found = await egress.look_up(host, port, family)
        for info in found:
            self._check(host, info[4][0])
        return found

    def socket(self, info: egress.AddressInfo) -> socket.socket:
        """A socket that may connect to this address."""
        self._check(info[4][0], info[4][0])
        return egress.open_socket(info)

    def _check(self, host: str, address: str) -> None:
        if never_contacted(address, loopback=self._loopback):
            raise _SpecialAddress(f"{host} resolves to an address that is never contacted")

    async def close(self) -> None:
        """There is nothing to close."""


class _LastLook(aiohttp.BytesPayload):
    """A body that asks the gate once more when it is about to be written.

    Between being let through and that lie a signature and, at times, a name to resolve and a connection to make. Head and
    body are written together, so where the gate has closed meanwhile nothing leaves at all.
    """

    def __init__(self, body: bytes, sibling: Sibling) -> None:
        super().__init__(body)
        self._sibling = sibling

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._sibling.ask_again()
        await super().write_with_length(writer, content_length)


class Client:
    """One session with kept connections, shared by delivery and fetching."""

    def __init__(self, identity: Identity, refusals: RefusalLog, clock: Clock, *, timeout: float, body_limit: int) -> None:
        self._identity, self._refusals, self._clock = identity, refusals, clock
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=timeout / 2)
        self._body_limit = body_limit
        self._loopback = is_loopback(identity.origin)
        self._addresses = _Addresses(self._loopback)
        self._signers = Signers(identity)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def post(self, sibling: Sibling, body: bytes, digest: str) -> Answer:
        """POST an activity to the sibling's inbox. `Unavailable` for transport trouble; its reason is `unreachable` when there
        was no connection and `no-answer` when there was one, and the activity itself may be what it choked on. What the gate
        says (`CLOSED`) when it has closed before the first byte is written: nothing has left then."""
        _check_let_through(sibling, Purpose.DELIVERY, Purpose.ERASURE)
        return await self._post(sibling, sibling.inbox, body, digest, ACTIVITY_JSON, 0)

    async def post_bundle(self, sibling: Sibling, body: bytes, digest: str) -> Answer:
        """POST a bundle to where the sibling takes them, as `post` does; its receipt comes as the answer's document."""
        _check_let_through(sibling, Purpose.DELIVERY)
        return await self._post(sibling, sibling.bundle_inbox, body, digest, JSON_SEQ, _RECEIPT_LIMIT)

    async def _post(self, sibling: Sibling, url: str, body: bytes, digest: str, kind: str, limit: int) -> Answer:
        with self._logged(sibling.origin, sibling.purpose, url):
            headers = self._posting(sibling, url, digest, kind)
            headers["signature"] = await self._sign("POST", url, headers)
            try:
                async with self._open().post(url, data=_LastLook(body, sibling), headers=headers,
                                             allow_redirects=False) as response:
                    if response.status == 200 and limit:
                        return Answer(200, None, None, _document(response, await _read(response, limit), _JRD_TYPES))
                    if response.status < 300:
                        return Answer(response.status, None, None)
                    raw = await _read(response, _ANSWER_LIMIT)
                    return Answer(response.status, _problem(response, raw), retry_after(
                        response.headers.get("retry-after"), self._clock.now()))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if isinstance(error.__cause__, KonsilError):
                    raise error.__cause__ from None
                raise _unreached(error) from None

    async def get(self, sibling: Sibling, url: str) -> dict[str, Any]:
        """Fetch a document from the sibling's own origin; `InvalidInput` for an answer that is not one."""
        _check_let_through(sibling, Purpose.FETCH, Purpose.RECONCILIATION)
        with self._logged(sibling.origin, sibling.purpose, url):
            if origin_of(url) != sibling.origin:
                raise Refused("A document is fetched from its own origin only.", reason="own-origin-only")
            return await self._fetch(url, await self._asking(sibling, url, _ACCEPT))

    async def webfinger(self, sibling: Sibling, account: str) -> dict[str, Any]:
        """What the sibling says about `handle@domain` (RFC 7033); `InvalidInput` where it knows nobody of that name."""
        _check_let_through(sibling, Purpose.WEBFINGER)
        url = f"{sibling.origin}/.well-known/webfinger?resource={quote(f'acct:{account}', safe='@:')}"
        with self._logged(sibling.origin, Purpose.WEBFINGER, url):
            return await self._fetch(url, await self._asking(sibling, url, JRD_JSON), _JRD_TYPES)

    async def picture(self, sibling: Sibling, url: str, limit: int = _PICTURE_LIMIT) -> bytes:
        """A picture from the sibling's own origin, as it came: bounded in size, and not looked at."""
        _check_let_through(sibling, Purpose.MEDIA)
        with self._logged(sibling.origin, sibling.purpose, url):
            if origin_of(url) != sibling.origin:
                raise Refused("A picture is fetched from its own origin only.", reason="own-origin-only")
            return await self._body(url, await self._asking(sibling, url, "image/*"), _PICTURE_TYPES, limit)

    async def handshake(self, sibling: Sibling, body: bytes, digest: str) -> Told:
        """POST a ping to where the sibling is pinned. `Unavailable` for transport trouble."""
        _check_let_through(sibling, Purpose.HANDSHAKE)
        url = f"{sibling.origin}/handshake"
        with self._logged(sibling.origin, Purpose.HANDSHAKE, url):
            headers = self._posting(sibling, url, digest, ACTIVITY_JSON)
            headers["signature"] = await self._sign("POST", url, headers)
            try:
                async with self._open().post(url, data=body, headers=headers, allow_redirects=False) as response:
                    raw = await _read(response, _ANSWER_LIMIT)
                    if response.status == 200:
                        return Told(200, _document(response, raw, _JRD_TYPES), "")
                    kind = (_problem(response, raw) or {}).get("type")
                    return Told(response.status, None, kind.rpartition(":")[2][:80] if isinstance(kind, str) else "")
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise _unreached(error) from None

    async def addresses(self, sibling: Sibling) -> tuple[str, ...]:
        """The addresses of the sibling's host; `Unavailable` where it has none, or one that is never contacted."""
        return tuple(str(info[4][0]) for info in await self._looked_up(sibling))

    async def certificate(self, sibling: Sibling) -> Certificate:
        """The certificate the sibling's host shows; `Unavailable` (`certificate`) for one that is not valid."""
        info, *_ = await self._looked_up(sibling)
        made = self._addresses.socket(info)
        try:
            made.setblocking(False)
            await asyncio.get_running_loop().sock_connect(made, info[4])
            _, writer = await asyncio.open_connection(
                sock=made, ssl=ssl.create_default_context(), server_hostname=authority_of(sibling.origin)[0])
        except BaseException as error:
            made.close()
            if isinstance(error, ssl.SSLError):
                raise Unavailable("The sibling's certificate is not valid.", reason="certificate",
                                  cause=getattr(error, "verify_message", "") or str(error.reason)) from None
            if isinstance(error, OSError):
                raise Unavailable("The sibling could not be reached.", reason="unreachable", cause=str(error)) from None
            raise
        shown: dict[str, Any] = writer.get_extra_info("peercert")
        writer.close()
        names = {key: value for part in shown.get("issuer", ()) for key, value in part}
        return Certificate(names.get("organizationName") or names.get("commonName", ""),
                           ssl.cert_time_to_seconds(shown["notAfter"]))

    async def look(self, sibling: Sibling) -> Look:
        """The sibling's `/actor`, unsigned, as everybody sees it."""
        _check_let_through(sibling, Purpose.HANDSHAKE)
        url = f"{sibling.origin}/actor"
        with self._logged(sibling.origin, Purpose.HANDSHAKE, url):
            headers = {"host": self._host(url, sibling.origin), "accept": _ACCEPT}
            try:
                async with self._open().get(url, headers=headers, allow_redirects=False) as response:
                    raw = await _read(response, _ANSWER_LIMIT)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise _unreached(error) from None
            document = _document(response, raw, _DOCUMENT_TYPES) if response.status == 200 else None
            return Look(response.status, response.headers.get("date", ""), document)

    async def probe(self, sibling: Sibling, probe: Probe) -> int:
        """Try what the sibling has to refuse; the status it answers, and nothing else of the answer."""
        _check_let_through(sibling, Purpose.HANDSHAKE)
        method, path, body = {
            Probe.UNSIGNED: ("GET", "/members", None), Probe.WRONG_KEY: ("GET", "/members", None),
            Probe.FORGED: ("POST", "/handshake", b"{}"), Probe.WRONG_TYPE: ("POST", "/inbox", b"self-test")}[probe]
        url = sibling.origin + path
        with self._logged(sibling.origin, Purpose.HANDSHAKE, url):
            if body is None:
                headers = {"host": self._host(url, sibling.origin), "date": self._date(), "accept": _ACCEPT}
            else:
                headers = self._posting(sibling, url, cavage.digest(body),
                                        "text/plain" if probe == Probe.WRONG_TYPE else ACTIVITY_JSON)
            if probe == Probe.WRONG_TYPE:
                headers["signature"] = await self._sign(method, url, headers)
            elif probe != Probe.UNSIGNED:
                headers["signature"] = await asyncio.to_thread(_sign_with_another, self._identity.key_id, method, path, headers)
            try:
                async with self._open().request(method, url, data=body, headers=headers, allow_redirects=False) as response:
                    return response.status
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise _unreached(error) from None

    async def fetch_descriptor(self, candidate: Candidate) -> dict[str, Any]:
        """The `/actor` of an origin that is being proposed, or whose key is looked at: unsigned; nothing else can be asked."""
        url = f"{candidate.origin}/actor"
        with self._logged(candidate.origin, Purpose.FETCH, url):
            return await self._fetch(url, {"host": self._host(url, candidate.origin), "accept": _ACCEPT})

    async def ask(self, service: Service, url: str, form: Mapping[str, str] | None = None,
                  login: tuple[str, str] | None = None, bearer: str = "", *, document: Mapping[str, Any] | None = None,
                  limit: int = _SERVICE_LIMIT, seconds: float | None = None) -> dict[str, Any]:
        """What a service answers as JSON to a GET, or to a form or a JSON document that is sent to it; `login` is a name and a
        password (RFC 7617),
        `bearer` a token (RFC 6750).
        An answer has at most `limit` bytes and takes at most so many `seconds`, else as long as others.
        `Refused` for an address that is not its own, `Unavailable` where it does not answer, `InvalidInput` where what it
        answers is no such document; the status of a refusal stands in the error's cause."""
        if origin_of(url) not in service.origins:
            raise Refused("This address is not one of those that the settings name.", reason="own-origin-only", cause=url)
        headers = {"host": self._host(url, origin_of(url), near=service.near), "accept": "application/json"}
        if bearer:
            headers["authorization"] = f"Bearer {bearer}"
        if login is not None:
            headers["authorization"] = "Basic " + b64encode(
                ":".join(quote(part, safe="") for part in login).encode()).decode()  # RFC 6749, section 2.3.1
        try:
            async with self._open(near=service.near).request(
                    "GET" if form is None and document is None else "POST", url, data=form, json=document, headers=headers,
                    timeout=self._timeout if seconds is None else aiohttp.ClientTimeout(
                        total=seconds, connect=self._timeout.connect), allow_redirects=False) as response:
                raw = await _read(response, limit)
                if response.status != 200:
                    raise Unavailable("%(name)s did not answer what was asked.", values={"name": service.name},
                                      reason="http-status", cause=f"{response.status} {raw[:200]!r}")
                if len(raw) > limit:
                    raise InvalidInput("The document is too large.", reason="too-large")
                answer = _document(response, raw, _SERVICE_TYPES)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable("%(name)s cannot be reached at the moment.", values={"name": service.name}, reason="unreachable",
                              cause=str(error) or repr(error)) from None
        if answer is None:
            raise InvalidInput("The answer is not a document of the kind that was asked for.", reason="content-type")
        return answer

    async def hand_over(self, service: Service, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, int | None]:
        """POST bytes to a service, and nothing is read of what it answers but the status, and the seconds it asks us to wait.
        `Refused` for an address that is not its own, `Unavailable` where it does not answer."""
        if origin_of(url) not in service.origins:
            raise Refused("This address is not one of those that the settings name.", reason="own-origin-only", cause=url)
        try:
            async with self._open().post(url, data=body, headers={"host": self._host(url, origin_of(url)), **headers},
                                         allow_redirects=False) as response:
                return response.status, retry_after(response.headers.get("retry-after"), self._clock.now())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable("%(name)s cannot be reached at the moment.", values={"name": service.name}, reason="unreachable",
                              cause=str(error) or repr(error)) from None

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._signers.close()

    @contextmanager
    def _logged(self, origin: str, purpose: Purpose, url: str) -> Iterator[None]:
        """Note what is refused inside."""
        try:
            yield
        except KonsilError as error:
            if error.reason not in _NO_REFUSALS:
                self._refusals.record(direction=Direction.OUT, origin=origin, purpose=purpose, reason=error.reason, path=url,
                                      detail=error.cause)
            raise

    def _open(self, *, near: bool = False) -> aiohttp.ClientSession:
        """The session; for a service beside the instance one of its own, so that nothing else gets to a loopback address."""
        if near not in self._sessions:
            addresses = _Addresses(True) if near else self._addresses
            connector = aiohttp.TCPConnector(
                resolver=addresses, socket_factory=addresses.socket, limit=256, limit_per_host=32)
            self._sessions[near] = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False,
                auto_decompress=False, skip_auto_headers=("Accept-Encoding",),
                headers={"user-agent": f"Konsil/{VERSION} (+{self._identity.origin}/actor)", "accept-encoding": "identity"})
        return self._sessions[near]

    async def _looked_up(self, sibling: Sibling) -> list[egress.AddressInfo]:
        """Where the sibling's host is, as a connection to it finds it."""
        _check_let_through(sibling, Purpose.HANDSHAKE)
        with self._logged(sibling.origin, Purpose.HANDSHAKE, sibling.origin):
            self._host(sibling.origin, sibling.origin)
            try:
                return await self._addresses.look_up(*authority_of(sibling.origin))
            except OSError as error:
                raise _unreached(error) from None

    def _posting(self, sibling: Sibling, url: str, digest: str, kind: str) -> dict[str, str]:
        """The headers of a POST, still unsigned."""
        return {"host": self._host(url, sibling.origin), "date": self._date(), "digest": digest, "content-type": kind}

    async def _asking(self, sibling: Sibling, url: str, accept: str) -> dict[str, str]:
        """The headers of a signed GET."""
        headers = {"host": self._host(url, sibling.origin), "date": self._date(), "accept": accept}
        headers["signature"] = await self._sign("GET", url, headers)
        sibling.ask_again()
        return headers

    async def _fetch(self, url: str, headers: dict[str, str], types: frozenset[str] = _DOCUMENT_TYPES) -> dict[str, Any]:
        return parse(await self._body(url, headers, types, self._body_limit))

    async def _body(self, url: str, headers: dict[str, str], types: frozenset[str], limit: int) -> bytes:
        """What is answered with 200, of one of these types and at most so many bytes."""
        try:
            async with self._open().get(url, headers=headers, allow_redirects=False) as response:
                if response.status == 404 or response.status == 410:
                    raise InvalidInput("The document is not there.", reason="gone", cause=url)
                if 300 <= response.status < 400:
                    raise Unavailable("The sibling did not hand out the document.", reason="redirect",
                                      cause=response.headers.get("location", ""))
                if response.status != 200:
                    raise Unavailable("The sibling did not hand out the document.", reason="http-status",
                                      cause=str(response.status))
                if response.content_type not in types or response.headers.get("content-encoding"):
                    raise InvalidInput("The answer is not a document of the kind that was asked for.", reason="content-type")
                body = await _read(response, limit)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreached(error) from None
        if len(body) > limit:
            raise InvalidInput("The document is too large.", reason="too-large")
        return body

    async def _sign(self, method: str, url: str, headers: dict[str, str]) -> str:
        return await self._signers.sign(method, url[len(origin_of(url)):] or "/", headers)

    def _host(self, url: str, origin: str, *, near: bool = False) -> str:
        """The Host header; loopback may be contacted only where our own origin is loopback, or a service is `near`."""
        if origin_of(url) != origin or (is_loopback(origin) and not (self._loopback or near)):
            raise Refused("This address is never contacted.", reason="special-address")
        return origin.split("://", 1)[1]

    def _date(self) -> str:
        return _date(int(self._clock.now()))


@lru_cache(maxsize=4)
def _date(seconds: int) -> str:
    """The Date header of a second; requests come many to one."""
    return formatdate(seconds, usegmt=True)


def _check_let_through(sibling: Sibling, *purposes: Purpose) -> None:
    """Only whom the gate has let through is contacted, and only for what it was let through for."""
    if type(sibling) is not Sibling or sibling.purpose not in purposes:
        raise TypeError("only what the gate has let through is contacted")


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, however many pieces it comes in; of one over the limit, one byte more than that."""
    body = b""
    while len(body) <= limit and (piece := await response.content.read(limit + 1 - len(body))):
        body += piece
    return body


def _problem(response: aiohttp.ClientResponse, raw: bytes) -> dict[str, Any] | None:
    return _document(response, raw, frozenset({"application/problem+json"}))


def _document(response: aiohttp.ClientResponse, raw: bytes, types: frozenset[str]) -> dict[str, Any] | None:
    if response.content_type not in types:
        return None
    try:
        return parse(raw)
    except InvalidInput:
        return None


def _sign_with_another(key_id: str, method: str, target: str, headers: dict[str, str]) -> str:
    """The Signature header as somebody would make it who has our key's name but not our key."""
    return cavage.sign(_another_key(), key_id, method, target, headers)


@lru_cache(maxsize=1)
def _another_key() -> RSAPrivateKey:
    """A key that is nobody's, one for the life of the process."""
    return load_private(generate_rsa()[0])


def _unreached(error: Exception) -> Unavailable:
    """What transport trouble is to us; an address we do not contact may be right again when the name has been corrected."""
    refused = getattr(error, "os_error", error)
    if isinstance(refused, _SpecialAddress):
        return Unavailable("The sibling's name leads to an address that is never contacted.", reason="special-address",
                           cause=str(refused))
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, socket.gaierror)):
        return Unavailable("The sibling could not be reached.", reason="unreachable", cause=str(error) or repr(error))
    return Unavailable("The sibling did not answer to the end.", reason="no-answer", cause=str(error) or repr(error))
