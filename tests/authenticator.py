"""A passkey in software, under the test's control: it makes keys and signs what it is told to."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

_PRESENT, _VERIFIED, _ATTESTED = 1, 4, 64


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """One passkey. `verifies`: it has looked at who holds it; `count`: how often it says that it was used."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(16)
        self.user = b""
        self.verifies = True
        self.count = 0

    def make(self, options: str, origin: str) -> str:
        """What a browser answers to an invitation to make a passkey."""
        wanted = json.loads(options)
        self.user = _bytes(wanted["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + public
        attestation = cbor2.dumps({
            "fmt": "none", "attStmt": {}, "authData": self._data(wanted["rp"]["id"], _ATTESTED) + attested})
        return self._answer({"attestationObject": _text(attestation),
                             "clientDataJSON": _text(self._client("webauthn.create", wanted["challenge"], origin))})

    def sign(self, options: str, origin: str, **changes: Any) -> str:
        """What a browser answers to the question who is there; `changes` of the answer's fields make it a wrong one."""
        wanted = json.loads(options)
        data, client = self._data(wanted["rpId"], 0), self._client("webauthn.get", wanted["challenge"], origin)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer({"authenticatorData": _text(data), "clientDataJSON": _text(client), "signature": _text(signature),
                             "userHandle": _text(self.user)} | changes)

    def _data(self, host: str, flags: int) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        return hashlib.sha256(host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    @staticmethod
    def _client(kind: str, challenge: str, origin: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}).encode()

    def _answer(self, response: dict[str, Any]) -> str:
        return json.dumps({"id": _text(self.id), "rawId": _text(self.id), "type": "public-key", "response": response})
