"""Identity providers for tests: canaille, a real one, as a process of its own; and one that lies as a test wants."""

from __future__ import annotations

import asyncio
import html
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from core.settings import Identity
from tests.servers import until

_CANAILLE = Path(__file__).parent.parent / ".venv" / "provider" / "bin" / "canaille"
CLIENT, SECRET = "konsil", "a secret of both"
_PASSWORD = "correct horse battery staple"
_FORM, _FIELD = re.compile(r"<form.*?</form>", re.S), re.compile(r"<(?:input|button)[^>]*>")


def settings(issuer: str, **more: Any) -> Identity:
    """What an instance's settings say of a provider."""
    return Identity(issuer=issuer, name="Provider", client_id=CLIENT, client_secret=SECRET, **more)


@dataclass
class Canaille:
    """The running provider. Its people are called by their handles, and all have one password."""

    url: str
    directory: Path

    async def add_client(self, redirect_uri: str) -> None:
        """Tell it of an instance."""
        await self._run("create", "client", "--client-id", CLIENT, "--client-secret", SECRET, "--client-name", "Konsil",
                        "--redirect-uris", redirect_uri, "--grant-types", "authorization_code", "--response-types", "code",
                        "--scope", "openid", "--scope", "profile", "--token-endpoint-auth-method", "client_secret_basic")
        await self._run("set", "client", CLIENT, "--audience", CLIENT)

    async def add_person(self, handle: str, name: str, profession: str) -> None:
        """Somebody who can prove who she is."""
        await self._run("create", "user", "--user-name", handle, "--password", _PASSWORD, "--emails", f"{handle}@klinik.example",
                        "--formatted-name", name, "--family-name", name.rpartition(" ")[2], "--display-name", profession)

    async def _run(self, *words: str) -> None:
        process = await asyncio.create_subprocess_exec(
            _CANAILLE, *words, cwd=self.directory, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()

    async def walk(self, address: str, handle: str) -> str:
        """Go where a browser is sent, sign in there as somebody and agree; the address it is sent back to."""
        await asyncio.sleep(1.0)  # two access tokens of one person in one second would be the same, which it does not store
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
            response = await browser.get(address, allow_redirects=False)
            for _ in range(12):
                here, said = str(response.url), await response.text()
                if response.status in (302, 303):
                    onward = urljoin(here, response.headers["location"])
                    if not onward.startswith(self.url):
                        return onward
                    response = await browser.get(onward, allow_redirects=False)
                    continue
                form = next((one for one in _FORM.findall(said) if "password" in one or "login" in one or "answer" in one), "")
                assert form, f"{response.status} {here}: {said[:500]}"
                fields = dict(_field(one) for one in _FIELD.findall(form) if 'name="' in one)
                typed = {"login": handle, "password": _PASSWORD, "answer": "accept"}
                response = await browser.post(here, data={name: typed.get(name, value) for name, value in fields.items()},
                                              allow_redirects=False)
        raise AssertionError("the provider did not send the browser back")


def _field(tag: str) -> tuple[str, str]:
    name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
    return name[1] if name else "", html.unescape(value[1]) if value else ""


def _environment() -> dict[str, str]:
    return os.environ | {"CANAILLE_CONFIG": "canaille.toml"}


@asynccontextmanager
async def canaille(directory: Path) -> AsyncIterator[Canaille]:
    """It runs for one block, on a free port of this machine."""
    directory.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key = jwt.algorithms.RSAAlgorithm.to_jwk(generate_private_key(65537, 2048), as_dict=True) | {"kid": "one", "use": "sig"}
    inline = ", ".join(f"{name} = {json.dumps(value)}" for name, value in key.items() if isinstance(value, str))
    (directory / "canaille.toml").write_text(
        f'SECRET_KEY = "{os.urandom(16).hex()}"\nSERVER_NAME = "127.0.0.1:{port}"\nPREFERRED_URL_SCHEME = "http"\n'
        f'[CANAILLE]\nDATABASE = "sql"\nJAVASCRIPT = false\nHTMX = false\n'
        f'[CANAILLE_SQL]\nDATABASE_URI = "sqlite:///{directory}/canaille.db"\n[CANAILLE_OIDC]\nACTIVE_JWKS = [{{{inline}}}]\n',
        "utf-8")
    made = Canaille(f"http://127.0.0.1:{port}", directory)
    await made._run("install")
    with (directory / "canaille.log").open("wb") as log:
        process = subprocess.Popen([_CANAILLE, "run", "--bind", f"127.0.0.1:{port}"], cwd=directory, env=_environment(),
                                   stdout=log, stderr=log, start_new_session=True)
    try:
        async def answers() -> bool:
            assert process.poll() is None, (directory / "canaille.log").read_text("utf-8")
            try:
                async with aiohttp.ClientSession() as session, session.get(
                        f"{made.url}/.well-known/openid-configuration") as response:
                    return response.status == 200
            except aiohttp.ClientError:
                return False

        await until(answers, 60)
        yield made
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # its workers are processes of its own
        await asyncio.to_thread(process.wait)


@dataclass
class Liar:
    """A provider that hands out whatever the test puts here: `claims` are laid over those of a right token, `sign` makes the
    token, `answers` take the place of what an address answers (status, document)."""

    url: str = ""
    key: RSAPrivateKey = field(default_factory=lambda: generate_private_key(65537, 2048))
    claims: dict[str, Any] = field(default_factory=dict)
    head: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)
    token: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    now: int = 0
    nonce: str = ""

    def jwks(self) -> dict[str, Any]:
        return {"keys": [jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True) | {
            "kid": "one", "use": "sig", "alg": "RS256"}]}

    def configuration(self) -> dict[str, Any]:
        return {"issuer": self.url, "authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys", "userinfo_endpoint": f"{self.url}/userinfo"}

    def right(self) -> dict[str, Any]:
        """The claims of a token that is to be believed."""
        return {"iss": self.url, "aud": CLIENT, "sub": "s1", "iat": self.now, "exp": self.now + 300, "nonce": self.nonce,
                "name": "Ada Arzt"}

    def made(self) -> str:
        claims = {name: value for name, value in (self.right() | self.claims).items() if value is not None}
        return self.token or jwt.encode(claims, self.key, "RS256", headers={"kid": "one"} | self.head)

    def read(self, address: str) -> dict[str, str]:
        """What an address asks of it; the nonce goes into its next token."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        self.nonce = asked["nonce"]
        return asked


@asynccontextmanager
async def liar() -> AsyncIterator[Liar]:
    """It runs for one block, on a free port of this machine."""
    made = Liar()

    async def answer(request: web.Request) -> web.StreamResponse:
        made.asked.append((request.method, request.path))
        usual = {"/.well-known/openid-configuration": made.configuration, "/keys": made.jwks,
                 "/token": lambda: {"id_token": made.made(), "access_token": "t", "token_type": "Bearer"},
                 "/userinfo": lambda: {"sub": "s1"} | made.said}
        status, document = made.answers.get(request.path) or (200, usual[request.path]())
        if isinstance(document, bytes):
            return web.Response(status=status, body=document, content_type="application/json")
        if status in (302, 303):
            return web.Response(status=status, headers={"location": document})
        return web.json_response(document, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()
