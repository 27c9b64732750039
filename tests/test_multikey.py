"""A key as text: one way to write each, and nothing but Ed25519 is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from federation.signatures import multikey

ED25519, RSA = json.loads((Path(__file__).parent / "vectors" / "integrity_proofs.json").read_text("utf-8"))["multikeys"]


def test_the_published_key_is_written_and_read() -> None:
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(ED25519["key"]))
    assert multikey.encode(key) == ED25519["multibase"]
    assert multikey.decode(ED25519["multibase"]) == key


def test_the_published_rsa_key_is_written_but_is_no_document_key() -> None:
    assert multikey.multibase(bytes.fromhex(RSA["prefix"] + RSA["key"])) == RSA["multibase"]
    with pytest.raises(InvalidInput, match="Ed25519"):
        multikey.decode(RSA["multibase"])


@given(st.binary(max_size=80))
@settings(deadline=None)
def test_any_bytes_come_back(raw: bytes) -> None:
    assert multikey.read_multibase(multikey.multibase(raw)) == raw


@given(st.binary(min_size=32, max_size=32))
@settings(deadline=None)
def test_a_key_is_written_with_its_kind_in_front(seed: bytes) -> None:
    text = multikey.encode(Ed25519PrivateKey.from_private_bytes(seed).public_key())
    assert text.startswith("z6Mk") and len(text) == 48
    assert multikey.encode(multikey.decode(text)) == text


@pytest.mark.parametrize("text", [
    "", "z", "z0", ED25519["multibase"][1:], "m" + ED25519["multibase"][1:], "z1" + ED25519["multibase"][1:],
    ED25519["multibase"] + "1", ED25519["multibase"][:-1], " " + ED25519["multibase"], ED25519["multibase"] + "\n",
    multikey.multibase(b"\xec\x01" + bytes(32)), multikey.multibase(b"\xed\x01" + bytes(31)), "z" + "2" * 10_000])
def test_what_is_no_document_key_is_refused(text: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        multikey.decode(text)
    assert caught.value.reason == "bad-key"
