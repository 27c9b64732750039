"""The sending side of the benchmark: distinct 2 KB activities as complete, signed HTTP requests.

Signing costs ten times what verifying does, so it happens before a round starts, in two processes, and the load
generator only copies bytes to sockets. Requests are signed per (request-target, host, date, digest, content-type),
which is draft-cavage-12 as the federation profile wants it, with `cryptography` alone: nothing of the code that is
measured takes part in making its input.
"""

from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from email.utils import formatdate
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from core.clock import Clock, rfc3339
from core.ids import Ids, public
from federation.identity import CONTEXT

BODY_BYTES = 2048
_IDS = Ids(Clock(), tag=os.getpid() % 256)  # the signing processes are neighbours: never two with the same tag
CONTENT_TYPE, BUNDLE_TYPE = "application/activity+json", "application/json-seq"
SENTENCES = (
    "A 54-year-old woman presents with three weeks of exertional dyspnoea and intermittent low-grade fever. ",
    "Auscultation reveals a soft diastolic murmur at the left sternal border; there is no peripheral oedema. ",
    "Two of three blood cultures grew <em>Streptococcus gallolyticus</em>, sensitive to penicillin. ",
    "Transthoracic echocardiography was inconclusive; a transoesophageal study is planned for tomorrow. ",
    "Would you start gentamicin before the study, given a creatinine clearance of 48 ml/min? ",
)


class Prepared(NamedTuple):
    """A server that is ready to receive, and the sender it knows."""

    url: str
    key_id: str
    private_key: str
    actor_uri: str
    members_uri: str


def new_key() -> tuple[str, str]:
    """A fresh RSA-2048 key as (private PEM, public PEM)."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return private, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def load_key(pem: str) -> RSAPrivateKey:
    """The RSA key in a private PEM."""
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("the benchmark signs with RSA")
    return key


def activity(to: Prepared) -> bytes:
    """A `Create` of a new `Note` of exactly `BODY_BYTES` bytes, written as a sibling writes; no two are alike, and ids are made
    as a sibling makes them."""
    origin = to.actor_uri.rsplit("/actors/", 1)[0]
    name = public(_IDS.new())
    uri = f"{origin}/posts/{name}"
    note = {
        "id": uri, "type": "Note", "attributedTo": to.actor_uri, "content": "", "to": [to.members_uri],
        "published": rfc3339(Clock().ms()), "revision": 1, "name": f"Endocarditis, question {name}",
    }
    whole = {"@context": CONTEXT, "id": f"{uri}#create", "type": "Create", "actor": to.actor_uri,
             "to": [to.members_uri], "object": note}
    room = BODY_BYTES - len(_written(whole)) - len("<p></p>")
    text = "".join(SENTENCES * (room // sum(map(len, SENTENCES))))
    note["content"] = f"<p>{text}{'.' * (room - len(text))}</p>"
    return _written(whole)


def sign(to: Prepared, count: int) -> list[bytes]:
    """`count` complete requests for the server's inbox, dated now."""
    key, date = load_key(to.private_key), formatdate(usegmt=True)
    return [_request(to, key, date, to.url, CONTENT_TYPE, activity(to)) for _ in range(count)]


def sign_bundles(to: Prepared, count: int, items: int, epoch: int, first: int) -> list[bytes]:
    """`count` complete requests for the inbox for bundles, each with `items` new activities, numbered from `first` on in an
    epoch that begins with 1."""
    key, date = load_key(to.private_key), formatdate(usegmt=True)
    requests = []
    for start in range(first, first + count * items, items):
        head = {"type": "Bundle", "actor": to.key_id.partition("#")[0], "epoch": epoch, "from": 1,
                "sequences": list(range(start, start + items))}
        texts = (_written(head), *(activity(to) for _ in range(items)))
        body = b"".join(b"\x1e" + text + b"\n" for text in texts)
        requests.append(_request(to, key, date, f"{to.url}/bundle", BUNDLE_TYPE, body))
    return requests


def _written(document: dict[str, Any]) -> bytes:
    """Without spaces, as instances write what they send, alone or in a bundle (and so does most software of the fediverse)."""
    return json.dumps(document, separators=(",", ":")).encode()


def _request(to: Prepared, key: RSAPrivateKey, date: str, url: str, kind: str, body: bytes) -> bytes:
    target = urlsplit(url)
    digest = "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()
    base = (f"(request-target): post {target.path}\nhost: {target.netloc}\ndate: {date}\n"
            f"digest: {digest}\ncontent-type: {kind}")
    signature = base64.b64encode(key.sign(base.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    head = (f"POST {target.path} HTTP/1.1\r\nHost: {target.netloc}\r\nDate: {date}\r\nDigest: {digest}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            f'Signature: keyId="{to.key_id}",algorithm="rsa-sha256",'
            f'headers="(request-target) host date digest content-type",signature="{signature}"\r\n\r\n')
    return head.encode() + body


class Signers:
    """Two processes that sign; idle while anything is measured."""

    def __init__(self, processes: int = 2) -> None:
        self._processes = processes
        self._pool = ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))

    def sign(self, to: Prepared, count: int) -> list[bytes]:
        """`count` requests, or a few more."""
        share = -(-count // self._processes)
        made = [self._pool.submit(sign, to, share) for _ in range(self._processes)]
        return [request for part in made for request in part.result()]

    def bundles(self, to: Prepared, count: int, items: int, epoch: int) -> list[bytes]:
        """`count` bundles of `items` activities, or a few more, in their order in a line that begins anew."""
        share = -(-count // self._processes)
        made = [self._pool.submit(sign_bundles, to, share, items, epoch, 1 + number * share * items)
                for number in range(self._processes)]
        return [request for part in made for request in part.result()]

    def close(self) -> None:
        self._pool.shutdown()
