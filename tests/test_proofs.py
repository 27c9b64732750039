"""A document with a proof is believed exactly as it was signed, by exactly the key it was signed with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import parse_rfc3339
from core.errors import InvalidInput
from federation.documents import dumps, parse
from federation.signatures import proofs
from federation.signatures.multikey import multibase, read_multibase

VECTORS = json.loads((Path(__file__).parent / "vectors" / "integrity_proofs.json").read_text("utf-8"))["proofs"]
ACTOR = "https://de.example/actor"
KEY = proofs.document_key(ACTOR, Ed25519PrivateKey.generate())
AT = 1_795_000_000_000
RECEIPT = {"@context": ["https://www.w3.org/ns/activitystreams"], "type": "Receipt", "actor": ACTOR, "epoch": 3,
           "results": [{"sequence": 7, "result": "stored"}, {"sequence": 8, "result": "refused", "reason": "größer"}]}
SIGNED = proofs.sign(RECEIPT, KEY, AT)
BODY = dumps(SIGNED)


def refused(document: dict[str, Any], key: proofs.DocumentKey = KEY) -> None:
    with pytest.raises(InvalidInput) as caught:
        proofs.check(document, key.multibase, key.id)
    assert caught.value.reason == "bad-proof"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_published_documents_hold_and_are_made_the_same_way(vector: Any) -> None:
    signed = vector["signed"]
    key = proofs.DocumentKey(signed["proof"]["verificationMethod"],
                             Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["seed"])), vector["multibase"])
    proofs.check(signed, key.multibase, key.id)
    bare = {name: value for name, value in signed.items() if name != "proof"}
    assert proofs.sign(bare, key, parse_rfc3339(signed["proof"]["created"])) == signed
    for name in bare:
        refused(signed | {name: "changed"}, key)
        refused({other: value for other, value in signed.items() if other != name}, key)
    refused(signed | {"more": 1}, key)


def test_a_document_is_signed_as_a_copy_and_can_be_signed_again() -> None:
    assert "proof" not in RECEIPT and {**SIGNED, "proof": None} == {**RECEIPT, "proof": None}
    again = proofs.sign(SIGNED, KEY, AT + 1000)
    proofs.check(again, KEY.multibase, KEY.id)
    assert again["proof"]["created"] != SIGNED["proof"]["created"]
    assert proofs.sign(RECEIPT, KEY, AT) == SIGNED
    proofs.check(parse(json.dumps(SIGNED, indent=3, sort_keys=True).encode()), KEY.multibase, KEY.id)  # written otherwise


def test_a_document_without_a_context_has_a_proof_without_one() -> None:
    signed = proofs.sign({"type": "Tally", "counts": [1, 2]}, KEY, AT)
    assert "@context" not in signed["proof"]
    proofs.check(signed, KEY.multibase, KEY.id)
    refused(signed | {"@context": "https://www.w3.org/ns/activitystreams"})


PROOFS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "none": lambda proof: None,
    "a list of one": lambda proof: [proof],
    "two": lambda proof: [proof, proof],
    "a text": lambda proof: "proof",
    "empty": lambda proof: {},
    "another type": lambda proof: proof | {"type": "RsaSignature2017"},
    "types in a list": lambda proof: proof | {"type": ["DataIntegrityProof"]},
    "another suite": lambda proof: proof | {"cryptosuite": "eddsa-rdfc-2022"},
    "another purpose": lambda proof: proof | {"proofPurpose": "authentication"},
    "another key": lambda proof: proof | {"verificationMethod": "https://fr.example/actor#document-key"},
    "another key of the same actor": lambda proof: proof | {"verificationMethod": f"{ACTOR}#main-key"},
    "another time": lambda proof: proof | {"created": "2026-11-17T00:00:00Z"},
    "no time": lambda proof: {name: value for name, value in proof.items() if name != "created"},
    "a time that is none": lambda proof: proof | {"created": "yesterday"},
    "a time without an offset": lambda proof: proof | {"created": "2026-11-17T00:00:00"},
    "a number for a time": lambda proof: proof | {"created": AT},
    "an end": lambda proof: proof | {"expires": "2099-01-01T00:00:00Z"},
    "a chain": lambda proof: proof | {"previousProof": "urn:x"},
    "no context": lambda proof: {name: value for name, value in proof.items() if name != "@context"},
    "part of the context": lambda proof: proof | {"@context": []},
    "no value": lambda proof: proof | {"proofValue": ""},
    "a value in base64": lambda proof: proof | {"proofValue": "u" + "A" * 86},
    "a value that is none": lambda proof: proof | {"proofValue": "z0OIl"},
    "a number for a value": lambda proof: proof | {"proofValue": 1},
    "a very long value": lambda proof: proof | {"proofValue": "z" + "2" * 100_000},
    "a byte less": lambda proof: proof | {"proofValue": multibase(read_multibase(proof["proofValue"])[:-1])},
    "a byte more": lambda proof: proof | {"proofValue": multibase(read_multibase(proof["proofValue"]) + b"\0")},
    "a byte more in front": lambda proof: proof | {"proofValue": "z1" + proof["proofValue"][1:]},
}


@pytest.mark.parametrize("name", PROOFS)
def test_any_other_proof_is_refused(name: str) -> None:
    proof = PROOFS[name](SIGNED["proof"])
    refused(SIGNED | {"proof": proof} if proof is not None else RECEIPT)


def test_what_another_key_has_signed_is_refused_under_this_ones_name() -> None:
    other = proofs.document_key(ACTOR, Ed25519PrivateKey.generate())
    refused(proofs.sign(RECEIPT, other, AT))
    elsewhere = proofs.document_key("https://fr.example/actor", KEY.private)
    refused(proofs.sign(RECEIPT, elsewhere, AT))
    refused(SIGNED, KEY._replace(multibase="z4MXj1wBzi9j"))


def test_what_has_no_canonical_form_is_refused() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    for value in (float("nan"), 1 << 60, "\ud800", {1: 2}, deep):
        refused(SIGNED | {"epoch": value})


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
@settings(deadline=None)
def test_no_byte_can_be_changed(place: int, change: int) -> None:
    changed = bytearray(BODY)
    changed[place] ^= change
    try:
        document = parse(bytes(changed))
    except InvalidInput:
        return
    refused(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.floats(allow_nan=False) | st.text(),
    lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(max_size=4), some, max_size=4), max_leaves=12)


@given(JSON)
def test_what_is_signed_is_the_canonical_form_however_it_is_made(document: Any) -> None:
    try:
        wanted = rfc8785.dumps(document)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            proofs.canonical(document)
    else:
        assert proofs.canonical(document) == wanted


def test_every_letter_is_written_as_the_canonical_form_has_it() -> None:
    for code in (*range(0x300), 0x2028, 0x2029, 0xD7FF, 0xE000, 0xFFFD, 0xFFFF, 0x10000, 0x10FFFF):
        assert proofs.canonical([chr(code)]) == rfc8785.dumps([chr(code)])
    for half in ("\ud800", "\udfff"):
        with pytest.raises(ValueError, match="surrogate"):
            proofs.canonical([half])
