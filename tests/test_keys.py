"""Keys and fingerprints: what may be an instance's key, and how operators compare it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput, Misconfigured
from federation.signatures import keys


def _vectors(name: str) -> Any:
    return json.loads((Path(__file__).parent / "vectors" / f"{name}.json").read_text("utf-8"))


CAVAGE = _vectors("cavage12")
PUBLISHED = _vectors("published_keys")
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


def _raw(pem: str) -> Any:
    return serialization.load_pem_public_key(pem.encode())


def test_a_new_key_is_rsa_2048_and_its_fingerprint_is_of_the_spki(pair: tuple[str, str], public: RSAPublicKey) -> None:
    assert public.key_size == 2048 and public.public_numbers().e == 65537
    der = base64.b64decode("".join(pair[1].splitlines()[1:-1]))
    assert keys.fingerprint(pair[1]) == hashlib.sha256(der).hexdigest()
    assert keys.fingerprint(pair[1].replace("\n", "\r\n")) == keys.fingerprint(pair[1])
    assert keys.load_private(pair[0]).public_key() == public
    assert keys.load_public(pair[1]) is public, "loading again is a look-up"
    assert keys.generate_rsa()[1] != pair[1]


def _pem(key: Any) -> str:
    made = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return bytes(made).decode()


def test_a_short_or_long_key_or_one_that_is_not_rsa_is_refused(pair: tuple[str, str]) -> None:
    modulus = keys.load_public(pair[1]).public_numbers().n
    short, long = (rsa.RSAPublicNumbers(65537, number).public_key() for number in (modulus >> 1 | 1, modulus**3))
    assert (short.key_size, long.key_size > 4096) == (2047, True)
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    for pem in (_pem(short), _pem(long), _pem(curve), CAVAGE["public_key_pem"], *PUBLISHED["not_rsa"].values(), pair[0], "", "x",
                "\ud800", pair[1][:200], pair[1].replace("PUBLIC", "PRIVATE")):
        with pytest.raises(InvalidInput) as caught:
            keys.load_public(pem)
        assert caught.value.reason == "bad-key"


@pytest.mark.parametrize("name", PUBLISHED["rsa"])
def test_a_published_key_is_refused_however_it_is_written(name: str) -> None:
    pem = PUBLISHED["rsa"][name]
    key = _raw(pem)
    assert key.key_size >= 2048
    plain = _pem(key.public_numbers().public_key())
    for written in (pem, _pem(key), plain):
        with pytest.raises(InvalidInput, match="published"):
            keys.load_public(written)


def test_the_key_of_another_servers_tests_is_refused() -> None:
    with pytest.raises(InvalidInput, match="published"):
        keys.load_public(REQUESTS["verifies"]["public_key_pem"])


def test_a_private_key_that_cannot_be_used_says_so(pair: tuple[str, str], private: RSAPrivateKey) -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    locked = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")).decode()
    for pem in ("", "x", pair[1], curve, locked):
        with pytest.raises(Misconfigured):
            keys.load_private(pem)


@given(st.binary(min_size=32, max_size=32))
def test_a_fingerprint_is_read_back_however_it_was_written(raw: bytes) -> None:
    plain = raw.hex()
    words = keys.fingerprint_words(plain)
    colons = ":".join(plain[place : place + 2] for place in range(0, 64, 2))
    assert len(words.split()) == 24
    assert keys.grouped(plain).split(" ") == [plain[place : place + 4] for place in range(0, 64, 4)]
    for written in (plain, plain.upper(), keys.grouped(plain), colons, f"  {plain}\n", words, words.upper(),
                    "\n".join(words.split()), f" {words} "):
        assert keys.read_fingerprint(written) == plain


def test_the_words_are_those_of_bip_39() -> None:
    assert keys.fingerprint_words("00" * 32) == "abandon " * 23 + "art"
    assert keys.fingerprint_words("ff" * 32) == "zoo " * 23 + "vote"


@pytest.mark.parametrize("text", [
    "", "x", "00" * 31, "00" * 33, "0" * 63, "g" * 64, "00" * 31 + "0\u0660", "abandon " * 24, "abandon " * 12,
    "abandon " * 11 + "about", "abandon " * 23 + "artt", "abandon " * 23 + "ärt", "zoo " * 24,
])
def test_what_is_not_a_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        keys.read_fingerprint(text)
    assert caught.value.reason == "fingerprint"


@given(st.text(max_size=70))
def test_whatever_is_typed_is_a_fingerprint_or_refused(text: str) -> None:
    try:
        assert re.fullmatch("[0-9a-f]{64}", keys.read_fingerprint(text))
    except InvalidInput as error:
        assert error.reason == "fingerprint"


def test_a_wrong_word_is_noticed_or_gives_another_fingerprint() -> None:
    plain = "0123456789abcdef" * 4
    words = keys.fingerprint_words(plain).split()
    refused = 0
    for place in range(24):
        changed = [*words[:place], "zoo", *words[place + 1:]]
        assert changed != words
        try:
            assert keys.read_fingerprint(" ".join(changed)) != plain
        except InvalidInput:
            refused += 1
    assert refused >= 20, "eight bits of checksum let one in 256 pass"
