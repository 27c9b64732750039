"""Whole instances for tests: real databases, real HTTP on loopback, real signatures."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import msgspec
import pyotp
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from actors.accounts import NewDoctor
from actors.models import Account, Author, Role
from core.settings import Settings
from federation import descriptor
from federation.documents import dumps
from federation.identity import CONTEXT, members_of
from federation.signatures import cavage, keys, proofs
from federation.vouchers import described, vouch
from instance.api.sockets import MESSAGE_LIMIT, Sockets
from instance.app import Server, create_app
from instance.assembly import Assembly
from instance.heads import BoundedHeads
from instance.setup import create_instance

PASSWORD = "correct horse battery"
AP = "application/activity+json"


@dataclass
class Running:
    """One instance that is up."""

    country: str
    url: str
    server: Server
    doctors: dict[str, Account]
    keys: dict[str, str] = field(default_factory=dict)
    """Of the apps that make operators' codes, by handle."""

    @property
    def its(self) -> Assembly:
        assert self.server.assembly is not None
        return self.server.assembly

    @property
    def domain(self) -> str:
        return self.url.split("://")[1]

    async def author(self, handle: str, action: str = "post") -> Author:
        return await self.its.credentials.author(self.doctors[handle], action)

    async def count(self, table: str, where: str = "1=1") -> int:
        row = await self.its.database.read(lambda tx: tx.row(f"SELECT count(*) FROM {table} WHERE {where}"))
        assert row is not None
        return int(row[0])

    async def add_doctor(self, handle: str, role: Role = Role.DOCTOR, *, proven: bool = True) -> Account:
        proof = ("register", "seen") if proven else ("", "")
        await self.its.accounts.add_doctor(
            NewDoctor(handle, f"Dr {handle.title()}", PASSWORD, role, ("cardiology",), *proof), "test")
        account = await self.its.accounts.by_handle(handle)
        assert account is not None
        self.doctors[handle] = account
        return account

    async def code(self, handle: str) -> str:
        """The code that an operator's app shows now; she is given an app where she has none. Tests do not wait for the next one,
        so what was used before counts again."""
        if handle not in self.keys:
            account = await self.its.accounts.by_handle(handle)
            assert account is not None
            self.keys[handle] = (await self.its.signing.factors.hand_out(account, "test")).secret
        await self.its.database.write(lambda tx: tx.run("UPDATE code_keys SET last_step = 0"))
        return pyotp.TOTP(self.keys[handle]).at(int(self.its.clock.now()))

    async def is_operator(self, handle: str) -> bool:
        account = await self.its.accounts.by_handle(handle)
        return account is not None and account.kind == "operator"

    async def befriend(self, other: descriptor.Descriptor) -> None:
        domain = other.origin.split("://")[1]
        await self.its.siblings.add(domain, other.country, other.fingerprint, descriptor=other)
        await self.its.siblings.approve(domain, "test")


@asynccontextmanager
async def countries(directory: Path, *codes: str, worker: bool = True, friends: bool = True,
                    settled: Callable[[Settings], Settings] = lambda settings: settings, domain: str = "127.0.0.1",
                    before: Mapping[str, Callable[[int], Awaitable[int]]] = MappingProxyType({}),
                    ) -> AsyncIterator[list[Running]]:
    """Instances of these countries on free ports, each with doctors `ada` and `ben`, all on each other's lists; `settled`
    may change their settings. `domain` is where they listen: passkeys need a name. What is `before` one by its country is told
    the port it listens at, and says the one that everybody else is to know."""
    running: list[Running] = []
    servers: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []
    try:
        for code in codes:
            listening = socket.socket(proto=socket.IPPROTO_TCP)  # only there asyncio sets TCP_NODELAY, as uvloop does anywhere
            listening.bind(("127.0.0.1", 0))
            listening.listen(256)
            port = listening.getsockname()[1]
            settings = await create_instance(directory / code, country=code, domain=domain,
                                             port=await before[code](port) if code in before else port)
            app = create_app(settled(_awake(settings)), worker=worker)
            server = uvicorn.Server(uvicorn.Config(
                app, http=BoundedHeads, ws=Sockets, ws_max_size=MESSAGE_LIMIT, ws_per_message_deflate=False, lifespan="on",
                log_config=None, access_log=False, timeout_graceful_shutdown=10))  # as the real one
            servers.append((server, asyncio.create_task(server.serve(sockets=[listening]))))
            await until(lambda server=server: server.started)  # type: ignore[misc]
            running.append(Running(code, settings.instance.url, app, {}))
        for one in running:
            for handle in ("ada", "ben"):
                await one.add_doctor(handle)
            for other in running if friends else ():
                if other is not one:
                    await one.befriend(descriptor.read(descriptor.export(other.its.identity)))
        yield running
    finally:
        for server, task in servers:
            server.should_exit = True
            await task


def _awake(settings: Settings) -> Settings:
    """Nobody is locked out where a test moves the clock; those about that set their own minutes."""
    return msgspec.structs.replace(settings, accounts=msgspec.structs.replace(settings.accounts, idle_minutes=0))


async def until(holds: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait until something holds; an AssertionError says that it never did."""
    limit = asyncio.get_running_loop().time() + seconds
    while True:
        found = holds()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert asyncio.get_running_loop().time() < limit, "it never became true"
        await asyncio.sleep(0.02)


class FakeSibling:
    """A server under the test's control: it has valid keys and says whatever the test wants."""

    def __init__(self, country: str = "fr", port: int = 1, pair: tuple[str, str] | None = None) -> None:
        self.private_pem, self.public_pem = pair or keys.generate_rsa()
        self.key: RSAPrivateKey = keys.load_private(self.private_pem)
        self.origin = f"http://127.0.0.1:{port}"
        self.country = country
        self.actor = f"{self.origin}/actors/doc"
        self.key_id = f"{self.origin}/actor#main-key"
        self.document_key = proofs.document_key(f"{self.origin}/actor", Ed25519PrivateKey.generate())

    def described(self) -> descriptor.Descriptor:
        return descriptor.Descriptor(self.origin, self.country, "Fake", f"{self.origin}/actor", self.key_id, self.public_pem,
                                     f"{self.origin}/inbox", members_of(self.origin), document_key=self.document_key.multibase)

    def vouched(self, document_key: str | None = None) -> dict[str, Any]:
        """What its `/actor` says of its document key, or of another one, and its RSA key with it."""
        actor, multibase = f"{self.origin}/actor", document_key or self.document_key.multibase
        return {"assertionMethod": [described(actor, multibase)],
                "voucher": vouch(self.key, self.key_id, actor, multibase).document()}

    def person(self, uri: str | None = None) -> dict[str, Any]:
        return {"@context": CONTEXT, "id": uri or self.actor, "type": "Person", "preferredUsername": (uri or self.actor)[-3:],
                "name": "Dr Doc", "badge": {"role": "doctor", "specialties": ["cardiology"], "country": self.country,
                                            "verifiedBy": "Fake", "verifiedOn": "2026-01-01T00:00:00Z"}}

    def note(self, receiver: Running, name: str = "n1", **changes: Any) -> dict[str, Any]:
        made = {"id": f"{self.origin}/posts/{name}", "type": "Note", "attributedTo": self.actor, "content": "<p>text</p>",
                "contentMap": {"fr": "<p>text</p>"}, "to": [members_of(receiver.url)],
                "published": "2026-01-02T00:00:00Z", "revision": 1}
        return {key: value for key, value in (made | changes).items() if value is not None}

    def question(self, receiver: Running, name: str = "q1", **changes: Any) -> dict[str, Any]:
        options = [{"type": "Note", "name": text, "replies": {"type": "Collection", "totalItems": 0}} for text in ("yes", "no")]
        return self.note(receiver, name, **({"type": "Question", "oneOf": options, "endTime": "2099-01-01T00:00:00Z"} | changes))

    def activity(self, kind: str, made: Any, name: str = "a1", **changes: Any) -> dict[str, Any]:
        return {"@context": CONTEXT, "id": f"{self.origin}/activities/{name}", "type": kind, "actor": self.actor,
                "object": made} | changes

    def headers(self, method: str, url: str, body: bytes = b"", *, at: float | None = None,
                host: str | None = None, kind: str = AP) -> dict[str, str]:
        _, _, rest = url.partition("://")
        authority, slash, path = rest.partition("/")
        made = {"host": host or authority, "date": formatdate(at, usegmt=True), "digest": cavage.digest(body),
                "content-type": kind}
        if method in ("GET", "HEAD"):
            made = {"host": made["host"], "date": made["date"], "accept": AP}
        made["signature"] = cavage.sign(self.key, self.key_id, method, slash + path, made)
        return made

    async def send(self, to: Running, document: Any, *, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """POST to an inbox; returns the status and the problem document."""
        body = document if isinstance(document, bytes) else dumps(document)
        return await post(f"{to.url}/inbox", body, headers or self.headers("POST", f"{to.url}/inbox", body))

    async def get(self, url: str) -> tuple[int, Any]:
        return await get(url, self.headers("GET", url))

    async def listed(self, at: Running, state: str) -> FakeSibling:
        """Put it on an instance's list and bring it into a state."""
        domain = self.origin.split("://")[1]
        siblings = at.its.siblings
        await siblings.add(domain, self.country, self.described().fingerprint, descriptor=self.described())
        if state == "confirmed":
            await siblings.confirm(domain, "test")
        elif state != "proposed":
            await siblings.approve(domain, "test")
        if state == "paused":
            await siblings.pause(domain, "test", "test")
        if state == "revoked":
            await siblings.revoke(domain, "test", "test")
        return self


async def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    async with aiohttp.ClientSession(auto_decompress=False) as session, session.post(
            url, data=body, headers=headers, allow_redirects=False) as response:
        return response.status, await _json(response)


async def get(url: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, allow_redirects=False) as response:
        return response.status, await _json(response)


async def _json(response: aiohttp.ClientResponse) -> Any:
    return await response.json(content_type=None) if "json" in response.content_type else await response.text()


async def know(receiver: Running, fake: FakeSibling) -> None:
    """Put the fake sibling on the list and make its doctor known, so that nothing has to be fetched."""
    from actors.store import save
    from actors.wire import actor_of

    await receiver.befriend(fake.described())
    row = await receiver.its.siblings.row(fake.origin.split("://")[1])
    actor = actor_of(fake.person(), expected=fake.actor, sibling_id=row.id, country=fake.country, actor_id=receiver.its.ids.new())
    await receiver.its.database.write(lambda tx: save(tx, actor, receiver.its.clock.ms()))
