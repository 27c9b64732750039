"""Signatures: the published examples, the forgeries, and nothing in between."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from httpsig.utils import parse_signature_header
from httpsig.verify import HeaderVerifier
from hypothesis import given
from hypothesis import strategies as st

from core.errors import NotSignedIn
from federation.signatures import cavage, keys

ROOT = Path(__file__).parent.parent
KEY_ID = "https://de.example/actor#main-key"
DATE = "Tue, 24 Nov 2026 09:12:00 GMT"
NOW = datetime(2026, 11, 24, 9, 12, tzinfo=UTC).timestamp()
BODY = b'{"type":"Create"}'


def _vectors(name: str) -> Any:
    return json.loads((Path(__file__).parent / "vectors" / f"{name}.json").read_text("utf-8"))


CAVAGE = _vectors("cavage12")
HEADERS = _vectors("signature_headers")
REQUESTS = _vectors("signed_requests")


@pytest.fixture(scope="module")
def pair() -> tuple[str, str]:
    return keys.generate_rsa()


@pytest.fixture(scope="module")
def private(pair: tuple[str, str]) -> RSAPrivateKey:
    return keys.load_private(pair[0])


@pytest.fixture(scope="module")
def public(pair: tuple[str, str]) -> RSAPublicKey:
    return keys.load_public(pair[1])


def _post() -> dict[str, str]:
    return {"host": "fr.example", "date": DATE, "digest": cavage.digest(BODY), "content-type": "application/activity+json"}


def _raw(pem: str) -> Any:
    return serialization.load_pem_public_key(pem.encode())


def _reason(error: pytest.ExceptionInfo[NotSignedIn]) -> str:
    assert error.value.status == 401
    return error.value.reason


def _params(signature: bytes, names: tuple[str, ...] = cavage.POST_HEADERS) -> cavage.SignatureParams:
    return cavage.SignatureParams(KEY_ID, names, signature, None)


# --- the published examples


@pytest.mark.parametrize("case", CAVAGE["cases"], ids=lambda case: case["id"])
def test_the_examples_of_the_draft(case: dict[str, Any]) -> None:
    request = CAVAGE["request"]
    headers = {name.lower(): value for name, value in request["headers"].items()} | {"date": case["date"]}
    names = tuple(case["signed_headers"])
    made = cavage.signing_string(names, request["method"], request["target"], headers)
    assert made == case["signing_string"].encode()
    key = _raw(CAVAGE["public_key_pem"])
    params = _params(base64.b64decode(case["signature_b64"]), names)
    cavage.verify(key, params, request["method"], request["target"], headers)
    for method, target, changed in (
        (request["method"], request["target"], headers | {"date": DATE}),
        ("PUT", request["target"], headers), ("POST", "/foo?param=value", headers), ("POST", "/foo", headers),
    ):
        if "(request-target)" not in names and changed == headers:
            continue
        with pytest.raises(NotSignedIn) as caught:
            cavage.verify(key, params, method, target, changed)
        assert _reason(caught) == "signature-wrong"


def test_what_we_sign_is_what_the_draft_s_key_signs() -> None:
    request = CAVAGE["request"]
    assert cavage.digest(request["body"].encode()) == request["headers"]["Digest"]
    key = serialization.load_pem_private_key(CAVAGE["private_key_pem"].encode(), None)
    assert isinstance(key, RSAPrivateKey)
    for case in CAVAGE["cases"]:
        headers = {name.lower(): value for name, value in request["headers"].items()} | {"date": case["date"]}
        made = cavage.signing_string(tuple(case["signed_headers"]), "POST", request["target"], headers)
        assert base64.b64encode(key.sign(made, cavage._PADDING, cavage._SHA256)).decode() == case["signature_b64"]
    header = cavage.sign(key, "Test", "POST", request["target"], headers)
    params = cavage.parse(header)
    assert (params.key_id, params.headers, params.algorithm) == ("Test", cavage.POST_HEADERS, "rsa-sha256")
    cavage.verify(_raw(CAVAGE["public_key_pem"]), params, "POST", request["target"], headers)


def test_a_request_of_another_server_verifies() -> None:
    request = REQUESTS["verifies"]
    headers = request["headers"]
    params = cavage.parse(headers["signature"])
    assert params.algorithm is None
    assert cavage.signing_string(params.headers, "POST", "/", headers) == request["signing_string"].encode()
    cavage.check_covered(params, "POST")
    cavage.check_digest(headers["digest"], request["body"].encode())
    at = datetime.fromisoformat(request["valid_at"]).timestamp()
    assert cavage.check_window(headers["date"], at, 300) == 0
    cavage.verify(_raw(request["public_key_pem"]), params, "POST", "/", headers)
    with pytest.raises(NotSignedIn) as caught:
        cavage.verify(_raw(request["public_key_pem"]), params, "POST", "/", headers | {"accept": "text/html"})
    assert _reason(caught) == "signature-wrong"


@pytest.mark.parametrize("case", REQUESTS["refused"], ids=lambda case: case["why"])
def test_other_profiles_are_malformed(case: dict[str, str]) -> None:
    with pytest.raises(NotSignedIn) as caught:
        cavage.parse(case["signature"])
    assert _reason(caught) == "signature-malformed"


# --- the header


def test_the_smallest_header_is_read_and_the_order_is_free() -> None:
    params = cavage.parse(HEADERS["required"])
    assert params == cavage.SignatureParams(KEY_ID, params.headers, b"\0", None)
    assert params.headers == ("(request-target)", "host", "date", "digest", "content-type")
    parts = HEADERS["required"].split(",")
    assert cavage.parse(", ".join(reversed(parts))) == params
    for label in ("rsa-sha256", "hs2019"):
        assert cavage.parse(f'algorithm="{label}",{HEADERS["required"]}') == params._replace(algorithm=label)


@pytest.mark.parametrize("case", HEADERS["refused"], ids=lambda case: case["why"])
def test_a_hostile_header_is_malformed(case: dict[str, str]) -> None:
    with pytest.raises(NotSignedIn) as caught:
        cavage.parse(case["header"])
    assert _reason(caught) == "signature-malformed"


def test_no_header_is_no_signature() -> None:
    with pytest.raises(NotSignedIn) as caught:
        cavage.parse("")
    assert _reason(caught) == "signature-missing"


@pytest.mark.parametrize(("method", "kind"), [
    ("POST", "post"), ("PUT", "post"), ("DELETE", "post"), ("post", "post"), ("GET", "get"), ("HEAD", "get"),
])
def test_what_has_to_be_signed(method: str, kind: str) -> None:
    complete = cavage.POST_HEADERS if kind == "post" else cavage.GET_HEADERS
    for names in (complete, tuple(reversed(complete)), (*complete, "accept")):
        cavage.check_covered(_params(b"", names), method)
    missing = [tuple(text.split(" ")) for text in HEADERS[f"uncovered_{kind}"]]
    missing += [tuple(name for name in complete if name != left) for left in complete]
    for names in missing:
        with pytest.raises(NotSignedIn) as caught:
            cavage.check_covered(_params(b"", names), method)
        assert _reason(caught) == "signature-malformed"


_VALUE = st.text("abcXYZ019:/.#-_,=() ", min_size=1, max_size=40)
_NAMES = st.lists(st.sampled_from(["(request-target)", "host", "date", "digest", "content-type", "x-1"]), min_size=1, unique=True)


_LABELS = st.sampled_from([None, "rsa-sha256", "hs2019"])


@given(_VALUE, _NAMES, st.binary(min_size=1, max_size=300), _LABELS, st.permutations(range(4)))
def test_what_is_written_is_read(
    key_id: str, names: list[str], signature: bytes, algorithm: str | None, order: list[int]
) -> None:
    parts = [f'keyId="{key_id}"', f'headers="{" ".join(names)}"', f'signature="{base64.b64encode(signature).decode()}"',
             f'algorithm="{algorithm}"']
    header = ",".join(parts[place] for place in order if algorithm or place != 3)
    assert cavage.parse(header) == (key_id, tuple(names), signature, algorithm)
    # httpsig's parser, which takes much more, reads the same out of what ours takes
    theirs = parse_signature_header(header)
    assert (theirs["keyid"], theirs["headers"].split(" "), theirs.get("algorithm")) == (key_id, names, algorithm)
    assert base64.b64decode(theirs["signature"]) == signature


_PIECES = st.lists(st.sampled_from([
    'keyId="x"', 'headers="host"', 'signature="AA=="', 'keyId="', 'headers="', 'signature="', 'algorithm="', '"', ",", ", ", "=",
    "host", "date", "AA==", " ", "rsa-sha256", "\\", "\n", "é", "x", "created=1",
]), max_size=20).map("".join)


@given(st.text(max_size=80) | _PIECES)
def test_whatever_comes_is_refused_or_read_as_httpsig_reads_it(header: str) -> None:
    try:
        params = cavage.parse(header)
    except NotSignedIn:
        return
    theirs = parse_signature_header(header)
    assert (theirs["keyid"], tuple(theirs["headers"].split(" "))) == (params.key_id, params.headers)
    assert set(theirs) <= {"keyid", "headers", "signature", "algorithm"}


# --- signing and verifying


@pytest.mark.parametrize(("method", "names"), [("POST", cavage.POST_HEADERS), ("GET", cavage.GET_HEADERS)])
def test_what_we_sign_we_verify(private: RSAPrivateKey, public: RSAPublicKey, method: str, names: tuple[str, ...]) -> None:
    header = cavage.sign(private, KEY_ID, method, "/inbox?a=1&b=%2F", _post())
    params = cavage.parse(header)
    assert (params.key_id, params.headers, params.algorithm) == (KEY_ID, names, "rsa-sha256")
    cavage.check_covered(params, method)
    cavage.verify(public, params, method, "/inbox?a=1&b=%2F", _post())
    cavage.verify(public, params, method, "/inbox?a=1&b=%2F", _post() | {"accept": "anything unsigned"})


def test_every_signed_thing_matters(private: RSAPrivateKey, public: RSAPublicKey) -> None:
    params = cavage.parse(cavage.sign(private, KEY_ID, "POST", "/inbox", _post()))
    other = keys.load_private(keys.generate_rsa()[0]).public_key()
    flipped = bytes([params.signature[0] ^ 1]) + params.signature[1:]
    changed: list[tuple[RSAPublicKey, cavage.SignatureParams, str, str, dict[str, str]]] = [
        (public, params, "GET", "/inbox", _post()), (public, params, "POST", "/inbox?", _post()),
        (public, params, "POST", "/INBOX", _post()), (other, params, "POST", "/inbox", _post()),
        (public, params._replace(headers=tuple(reversed(params.headers))), "POST", "/inbox", _post()),
        (public, params._replace(headers=params.headers[:-1]), "POST", "/inbox", _post()),
    ]
    changed += [(public, params, "POST", "/inbox", _post() | {name: _post()[name] + "x"}) for name in _post()]
    changed += [(public, params._replace(signature=signature), "POST", "/inbox", _post())
                for signature in (flipped, b"", b"\0", params.signature[:-1], params.signature + b"\0",
                                  b"\0" + params.signature, b"\0" * 256)]
    for key, params_, method, target, headers in changed:
        with pytest.raises(NotSignedIn) as caught:
            cavage.verify(key, params_, method, target, headers)
        assert _reason(caught) == "signature-wrong"


@pytest.mark.parametrize("broken", [{"content-type": "ä"}, {"date": DATE + "\ndigest: x"}, {"date": DATE + "\r"}])
def test_what_cannot_be_a_signing_string_is_malformed(public: RSAPublicKey, broken: dict[str, str]) -> None:
    with pytest.raises(NotSignedIn) as caught:
        cavage.verify(public, _params(b"x"), "POST", "/inbox", _post() | broken)
    assert _reason(caught) == "signature-malformed"


@pytest.mark.parametrize(("names", "method", "target"), [
    ((*cavage.POST_HEADERS, "x-missing"), "POST", "/inbox"), (cavage.POST_HEADERS, "POST", ""), (cavage.POST_HEADERS, "", "/"),
    (cavage.POST_HEADERS, "POST", "/ä"), (cavage.POST_HEADERS, "POST", "/a\nhost: de.example"), ((), "POST", "/inbox"),
])
def test_a_signing_string_has_a_line_for_every_name(names: tuple[str, ...], method: str, target: str) -> None:
    with pytest.raises(NotSignedIn) as caught:
        cavage.signing_string(names, method, target, _post())
    assert _reason(caught) == "signature-malformed"


@given(st.integers(0, 255), st.integers(1, 255))
def test_no_other_byte_anywhere_verifies(place: int, change: int) -> None:
    basic = next(case for case in CAVAGE["cases"] if case["id"] == "C.1")
    signature = bytearray(base64.b64decode(basic["signature_b64"]))
    signature[place % len(signature)] ^= change
    with pytest.raises(NotSignedIn):
        cavage.verify(_raw(CAVAGE["public_key_pem"]), _params(bytes(signature), ("date",)), "GET", "/", {"date": basic["date"]})


# --- the forgery that httpsig's own verifier takes for a signature


def test_an_hmac_keyed_with_the_public_key_is_no_signature(pair: tuple[str, str], public: RSAPublicKey) -> None:
    headers, names = _post(), " ".join(cavage.POST_HEADERS)
    message = cavage.signing_string(cavage.POST_HEADERS, "POST", "/inbox", headers)
    forged = hmac.new(pair[1].encode(), message, hashlib.sha256).digest()
    template = f'keyId="{KEY_ID}",algorithm="%s",headers="{names}",signature="{base64.b64encode(forged).decode()}"'

    stock = HeaderVerifier(
        headers | {"authorization": "Signature " + template % "hmac-sha256"}, pair[1], method="POST", path="/inbox")
    assert stock.verify(), "the forgery has to be one, or this test shows nothing"

    with pytest.raises(NotSignedIn) as caught:
        cavage.parse(template % "hmac-sha256")
    assert _reason(caught) == "signature-malformed"
    for label in ("rsa-sha256", "hs2019"):
        with pytest.raises(NotSignedIn) as caught:
            cavage.verify(public, cavage.parse(template % label), "POST", "/inbox", headers)
        assert _reason(caught) == "signature-wrong"
    unlabelled = cavage.parse((template % "x").replace('algorithm="x",', ""))
    for signature in (forged, forged.rjust(256, b"\0"), forged.ljust(256, b"\0")):
        with pytest.raises(NotSignedIn) as caught:
            cavage.verify(public, unlabelled._replace(signature=signature), "POST", "/inbox", headers)
        assert _reason(caught) == "signature-wrong"


def test_httpsig_gives_the_grammar_and_nothing_else() -> None:
    importers = []
    for package in ("core", "federation", "actors", "posts", "inbox", "instance"):
        sources = list((ROOT / package).rglob("*.py"))
        assert sources
        for source in sources:
            text = source.read_text("utf-8")
            assert not re.search(r"Header(Verifier|Signer)", text), source
            found = re.findall(r"^\s*(?:from|import) httpsig", text, re.MULTILINE)
            importers += [source.relative_to(ROOT).as_posix()] * len(found)
    assert importers == ["federation/signatures/cavage.py"]


# --- digest and clock


def test_the_digest_is_of_exactly_these_bytes() -> None:
    right = cavage.digest(BODY)
    assert right == "SHA-256=" + base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    for header in (right, "sha-256=" + right[8:]):
        cavage.check_digest(header, BODY)
    prefix = cavage.digest(BODY[:-1])
    for header in ("", "SHA-256", "SHA-256=", "SHA-256=AAAA", right[:-1], right + "=", right + " ", " " + right, prefix,
                   f"{right},{right}", f"SHA-512=x,{right}", f"{right},SHA-512=x", right.replace("SHA-256", "SHA-512"),
                   right.replace("SHA-256", "MD5"), f"SHA-256=:{right[8:]}:", right[8:], right.swapcase(), "SHA-256=é",
                   "SHA-256=\u20ac"):
        with pytest.raises(NotSignedIn) as caught:
            cavage.check_digest(header, BODY)
        assert _reason(caught) == "digest", header


@pytest.mark.parametrize("ahead", [-300, -1, 0, 0.5, 30, 300])
def test_the_skew_is_measured_inside_the_window(ahead: float) -> None:
    assert cavage.check_window(DATE, NOW - ahead, 300) == pytest.approx(ahead)


@pytest.mark.parametrize("ahead", [-3660, -301, 300.5, 3600])
def test_outside_the_window_it_is_refused(ahead: float) -> None:
    with pytest.raises(NotSignedIn) as caught:
        cavage.check_window(DATE, NOW - ahead, 300)
    assert _reason(caught) == "clock"


@pytest.mark.parametrize("date", [
    "", "now", "1764000000", "Tue, 24 Nov 2026 09:12:00 +0000", "Tue, 24 Nov 2026 09:12:00 +0200",
    "Tue, 24 Nov 2026 09:12:00 UTC", "Tue, 24 Nov 2026 09:12:00 gmt", "Tue, 24 Nov 2026 09:12:00",
    "24 Nov 2026 09:12:00 GMT", "Tuesday, 24-Nov-26 09:12:00 GMT", "Tue Nov 24 09:12:00 2026",
    "Tue, 24 nov 2026 09:12:00 GMT", "tue, 24 Nov 2026 09:12:00 GMT", "Tue, 4 Nov 2026 09:12:00 GMT",
    "Tue, 24 Nov 26 09:12:00 GMT", "Tue, 31 Nov 2026 09:12:00 GMT", "Tue, 00 Nov 2026 09:12:00 GMT",
    "Tue, 24 Nov 2026 24:00:00 GMT", "Tue, 24 Nov 2026 09:60:00 GMT", "Tue, 24 Nov 2026 09:12:61 GMT",
    "Tue, 24 Nov 0000 09:12:00 GMT", " Tue, 24 Nov 2026 09:12:00 GMT", "Tue, 24 Nov 2026 09:12:00 GMT ",
    "Tue, 24 Nov 2026 09:12:00 GMT\n", "Tue,  24 Nov 2026 09:12:00 GMT", "Tue, 2\u0664 Nov 2026 09:12:00 GMT",
    "2026-11-24T09:12:00Z",
])
def test_any_other_spelling_of_a_date_is_refused(date: str) -> None:
    with pytest.raises(NotSignedIn) as caught:
        cavage.check_window(date, NOW, 10**12)
    assert _reason(caught) == "clock"


def test_a_wrong_weekday_and_a_leap_second_are_read() -> None:
    assert cavage.check_window(DATE.replace("Tue", "Sun"), NOW, 0) == 0
    before = datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    assert cavage.check_window("Sat, 31 Dec 2016 23:59:60 GMT", before, 1) == 1


@given(st.integers(0, 253_402_300_799))
def test_every_second_is_read(second: int) -> None:
    assert cavage.check_window(formatdate(second, usegmt=True), second, 0) == 0
