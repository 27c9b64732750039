"""Hostile heads over good activities: signatures, dates, digests, hosts, content types."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from email.utils import formatdate

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from federation.documents import dumps
from federation.signatures import cavage
from tests.promises.hostile.place import Make, Place, Raw, Row, raw, vectors
from tests.servers import FakeSibling

# Signatures


def signature_rows() -> Iterator[Row]:
    def only(header: str) -> Make:
        return raw(lambda p, body: p.signed(body) | {"signature": header})

    signatures = vectors("signature_headers")
    for entry in [
        *signatures["refused"],
        *({"why": r["why"], "header": r["signature"]} for r in vectors("signed_requests")["refused"]),
    ]:
        # what cannot stand in a header at all is HTTP's to refuse; a space in front is not part of the value
        why, header = entry["why"], entry["header"]
        broken = any(mark in header for mark in "\r\n\x00")
        status, reason = (
            (400, "") if broken else (403, "not-admitted") if header != header.lstrip() else (401, "signature-malformed")
        )
        if not (why.startswith("line break") and broken and header.endswith("\n")):
            yield Row(f"signature: {why}", status, reason, only(header))
    for names in signatures["uncovered_post"]:
        yield Row(
            f"signature over no more than {names}",
            401,
            "signature-malformed",
            lambda p, names=names: _covering(p, tuple(names.split(" "))),
        )
    yield Row(
        "no signature",
        401,
        "signature-missing",
        raw(lambda p, body: {name: value for name, value in p.signed(body).items() if name != "signature"}),
    )
    yield Row("HMAC with the public key", 401, "signature-wrong", raw(_hmac))
    yield Row("another key", 401, "signature-wrong", raw(lambda p, body: _as(FakeSibling(), p.fake.key_id, p, body)))
    yield Row("the key of another sibling", 401, "signature-wrong", raw(lambda p, body: _as(p.other, p.fake.key_id, p, body)))
    for name in ("date", "signature", "digest", "host", "content-type"):
        yield Row(
            f"two {name} lines",
            401,
            "signature-malformed",
            raw(lambda p, body, name=name: [*p.signed(body).items(), (name, p.signed(body)[name])]),
        )
    yield Row("digest of wrong length", 401, "digest", lambda p: _resigned(p, digest="SHA-256=AAAA"))
    yield Row("digest of another kind", 401, "digest", lambda p: _resigned(p, digest="MD5=AAAA"))
    yield Row("digest of another body", 401, "digest", raw(lambda p, body: p.signed(body + b" ")))
    yield Row(
        "the same signature, other activity",
        401,
        "digest",
        lambda p: Raw(list(p.signed(dumps(p.create())).items()), dumps(p.create(id=f"{p.fake.origin}/activities/other"))),
    )
    yield Row(
        "pieces, with a digest of the first",
        401,
        "digest",
        lambda p: Raw(list(p.signed(dumps(p.create())).items()), b"", (dumps(p.create()), b" ")),
    )
    for key_id in ("#main-key", "acct:doc@de.example", "did:key:z6Mk", "/actor#main-key", "main-key"):
        yield Row(f"keyId {key_id}", 401, "signature-malformed", raw(lambda p, body, key_id=key_id: _as(p.fake, key_id, p, body)))
    for path in (
        "/other#main-key",
        "/actor#other",
        "/actor",
        "/actors/doc#main-key",
        "/actor?x#main-key",
        "/ACTOR#main-key",
        "/actor/#main-key",
        "/actor#main-key#main-key",
        "/%61ctor#main-key",
    ):
        yield Row(
            f"keyId on the same host: {path}",
            401,
            "signature-wrong",
            raw(lambda p, body, path=path: _as(p.fake, p.fake.origin + path, p, body)),
        )
    for why, date, reason in (
        ("61 minutes ago", formatdate(time.time() - 3660, usegmt=True), "clock"),
        ("in 6 minutes", formatdate(time.time() + 360, usegmt=True), "clock"),
        ("not in GMT", "Tue, 05 Mar 2024 07:49:44 +0200", "clock"),
        ("a leap second", "Sat, 31 Dec 2016 23:59:60 GMT", "clock"),
        ("no date", "yesterday", "clock"),
        ("a number", "1402170695", "clock"),
        ("the 31st of February", "Sat, 31 Feb 2026 00:00:00 GMT", "clock"),
    ):
        yield Row(f"date {why}", 401, reason, lambda p, date=date: _resigned(p, date=date))
    yield Row(
        "date with another weekday, which is not compared",
        202,
        "",
        lambda p: _resigned(
            p,
            dumps(p.does("Arrive", "x")),
            date="Mon" + formatdate(usegmt=True)[3:]
            if not formatdate().startswith("Mon")
            else "Tue" + formatdate(usegmt=True)[3:],
        ),
    )
    for host in ("fr.example", "127.0.0.1", "localhost", "de.example.", ""):
        yield Row(f"signed for host {host or 'nothing'}", 401, "wrong-host", lambda p, host=host: _resigned(p, host=host))
    for kind in (
        "text/html",
        "application/json",
        "text/plain; application/activity+json",
        "",
        "multipart/form-data",
        "application/activity+json-seq",
        "application/octet-stream",
    ):
        yield Row(
            f"content type {kind or 'nothing'}", 415, "content-type", lambda p, kind=kind: _resigned(p, **{"content-type": kind})
        )
    for encoding in ("gzip", "br", "deflate", "identity"):
        yield Row(
            f"content encoding {encoding}",
            415,
            "content-encoding",
            raw(lambda p, body, encoding=encoding: p.signed(body) | {"content-encoding": encoding}),
        )
    yield Row(
        "signed for another path", 401, "signature-wrong", raw(lambda p, body: p.fake.headers("POST", f"{p.de.url}/other", body))
    )
    yield Row(
        "signed for another query", 401, "signature-wrong", raw(lambda p, body: p.fake.headers("POST", f"{p.inbox}?x=1", body))
    )
    yield Row(
        "signed for a GET",
        401,
        "signature-malformed",
        raw(lambda p, body: p.signed(body) | {"signature": p.fake.headers("GET", p.inbox)["signature"]}),
    )


def _covering(place: Place, names: tuple[str, ...]) -> Raw:
    body = dumps(place.create())
    headers = place.signed(body)
    made = place.fake.key.sign(cavage.signing_string(names, "POST", "/inbox", headers), padding.PKCS1v15(), hashes.SHA256())
    headers["signature"] = (
        f'keyId="{place.fake.key_id}",headers="{" ".join(names)}",signature="{base64.b64encode(made).decode()}"'
    )
    return Raw(list(headers.items()), body)


def _resigned(place: Place, body: bytes | None = None, **changes: str) -> Raw:
    """With other values of headers, rightly signed."""
    body = body or dumps(place.create())
    headers = place.signed(body) | changes
    headers["signature"] = cavage.sign(place.fake.key, place.fake.key_id, "POST", "/inbox", headers)
    return Raw(list(headers.items()), body)


def _as(signer: FakeSibling, key_id: str, place: Place, body: bytes) -> dict[str, str]:
    headers = place.signed(body)
    return headers | {"signature": cavage.sign(signer.key, key_id, "POST", "/inbox", headers)}


def _hmac(place: Place, body: bytes) -> dict[str, str]:
    headers = place.signed(body)
    text = cavage.signing_string(cavage.POST_HEADERS, "POST", "/inbox", headers)
    forged = base64.b64encode(hmac.new(place.fake.public_pem.encode(), text, hashlib.sha256).digest()).decode()
    return headers | {
        "signature": f'keyId="{place.fake.key_id}",algorithm="rsa-sha256",'
        f'headers="{" ".join(cavage.POST_HEADERS)}",signature="{forged}"'
    }
