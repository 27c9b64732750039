"""A push service of the tests' own on loopback, and a browser that is told through it."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from core.webpush import encoded, public_bytes
from tests.test_webpush import decrypt, decrypt_draft, raw


class PushService:
    """Takes messages as RFC 8030 says, or as its draft did, checks who sends them, and answers what the test wants."""

    def __init__(self) -> None:
        self.browser, self.secret = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16)
        self.host = ""
        self.status, self.retry_after = 201, ""
        self.taken: list[dict[str, Any]] = []
        self.asked = 0
        self.headers: dict[str, str] = {}

    def subscription(self, name: str = "one") -> dict[str, str]:
        """What a browser's script hands in."""
        return {"endpoint": f"http://{self.host}/push/{name}", "key": encoded(public_bytes(self.browser)),
                "secret": encoded(self.secret)}

    async def take(self, request: web.Request) -> web.Response:
        self.asked += 1
        scheme, _, said = request.headers["authorization"].partition(" ")
        draft = dict(part.split("=", 1) for name in ("crypto-key", "encryption")
                     for part in request.headers.get(name, "").split(";") if part)
        token, public = (said, draft["p256ecdsa"]) if scheme == "WebPush" else (
            part.partition("=")[2] for part in said.split(", "))
        ours = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw(public))
        jwt.decode(token, ours, algorithms=["ES256"], audience=f"http://{self.host}")
        body = await request.read()
        assert request.headers["content-encoding"] == ("aesgcm" if draft else "aes128gcm") and len(body) <= 4096
        self.headers = dict(request.headers) | {"size": str(len(body))}
        if self.status < 300:
            self.taken.append(json.loads(
                decrypt_draft(body, draft["salt"], draft["dh"], self.browser, self.secret) if draft
                else decrypt(body, self.browser, self.secret)))
        return web.Response(status=self.status, headers={"retry-after": self.retry_after} if self.retry_after else {})


@asynccontextmanager
async def push_service() -> AsyncIterator[PushService]:
    """One that is up."""
    service = PushService()
    app = web.Application()
    app.router.add_post("/push/{name}", service.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.host = f"127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    try:
        yield service
    finally:
        await runner.cleanup()
