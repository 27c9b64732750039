"""Integrity proofs on documents (FEP-8b32, cryptosuite `eddsa-jcs-2022`): who has said this, for whoever reads it later.

A request's signature ends with the request. A document that is kept, or handed on, carries a proof of its own: Ed25519 over the
SHA-256 of the proof without its value and the SHA-256 of the document without its proof, each in its RFC 8785 form.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.clock import parse_rfc3339, rfc3339
from core.errors import InvalidInput
from core.words import N_, Phrase
from federation.signatures import multikey

_FRAGMENT = "document-key"
_SAID = {"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod"}
_MEMBERS = frozenset({*_SAID, "verificationMethod", "created", "proofValue"})
_SIGNATURE_BYTES = 64
_EXACT = (1 << 53) - 1
_written = msgspec.json.Encoder(order="sorted").encode


class DocumentKey(NamedTuple):
    """The key that signs an instance's documents: its id, its private half, and its public half as a Multikey."""

    id: str
    private: Ed25519PrivateKey
    multibase: str


def document_key_id(actor_uri: str) -> str:
    """The id of the document key of an instance, given its actor."""
    return f"{actor_uri}#{_FRAGMENT}"


def document_key(actor_uri: str, private: Ed25519PrivateKey) -> DocumentKey:
    """The document key of an instance, given its actor."""
    return DocumentKey(document_key_id(actor_uri), private, multikey.encode(private.public_key()))


def sign(document: dict[str, Any], key: DocumentKey, created_ms: int) -> dict[str, Any]:
    """A copy of a document with its `proof`, in the place of any it has had."""
    bare = {name: value for name, value in document.items() if name != "proof"}
    said = _SAID | {"verificationMethod": key.id, "created": rfc3339(created_ms)} | _context(bare)
    return bare | {"proof": said | {"proofValue": multikey.multibase(key.private.sign(_digest(said, bare)))}}


def check(document: dict[str, Any], multibase: str, key_id: str) -> None:
    """`InvalidInput` (`bad-proof`) unless the document has one proof, made over all of it with this key under this id."""
    bare, said = dict(document), document.get("proof")
    if not isinstance(said, dict):
        raise _bad(N_("It has none, or more than one."))
    del bare["proof"]
    if said.keys() - {"@context"} != _MEMBERS or any(said[name] != value for name, value in _SAID.items()):
        raise _bad(N_("It is not of the kind that is read here."))
    if said["verificationMethod"] != key_id:
        raise _bad(N_("It was made with another key."))
    config = {name: value for name, value in said.items() if name != "proofValue"}
    if _context(config) != _context(bare):
        raise _bad(N_("Its context is not that of the document."))
    try:
        parse_rfc3339(said["created"])
        signature = multikey.read_multibase(said["proofValue"])
        if len(signature) != _SIGNATURE_BYTES:
            raise ValueError("not the size of a signature")
        multikey.decode(multibase).verify(signature, _digest(config, bare))
    except (AttributeError, TypeError, ValueError, RecursionError, InvalidInput):
        raise _bad(N_("It cannot be read.")) from None
    except InvalidSignature:
        raise _bad(N_("The document was changed, or another key has signed it.")) from None


def _context(document: dict[str, Any]) -> dict[str, Any]:
    """The context of a document, which its proof repeats."""
    return {"@context": document["@context"]} if "@context" in document else {}


def _digest(said: dict[str, Any], bare: dict[str, Any]) -> bytes:
    """What is signed: 64 bytes. `ValueError` for what has no RFC 8785 form."""
    return hashlib.sha256(canonical(said)).digest() + hashlib.sha256(canonical(bare)).digest()


def canonical(document: Any) -> bytes:
    """The RFC 8785 form of a document; `ValueError` for what has none. Where nothing in it is written in another way than JSON
    usually is (no fractions, plain names), it is made ten times as fast."""
    return _written(document) if _is_plain(document) else rfc8785.dumps(document)


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-_EXACT <= value <= _EXACT)
    if kind is dict:
        return all(type(name) is str and name.isascii() and _is_plain(one) for name, one in value.items())
    return (kind is list or kind is tuple) and all(map(_is_plain, value))


def _bad(why: Phrase) -> InvalidInput:
    return InvalidInput("The proof of this document does not hold. %(why)s", values={"why": why}, reason="bad-proof")
