"""Vouching for the document key: the RSA key that operators have pinned says on `/actor` which key signs documents.

So nothing has to be compared a second time, and a document key changes without a call (docs/decisions/0025-document-keys.md).
"""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from core.errors import InvalidInput
from core.words import N_, Phrase
from federation.signatures import multikey
from federation.signatures.keys import load_public
from federation.signatures.proofs import document_key_id


class Voucher(NamedTuple):
    """What a pinned key says of a document key: its own id, and its RSASSA-PKCS1-v1_5 signature with SHA-256 in base64."""

    creator: str
    signature: str

    def document(self) -> dict[str, str]:
        """As it stands on `/actor`."""
        return {"creator": self.creator, "signatureValue": self.signature}


def described(actor_uri: str, multibase: str) -> dict[str, str]:
    """The document key of an instance as it stands on `/actor` (FEP-521a)."""
    return {"id": document_key_id(actor_uri), "type": "Multikey", "controller": actor_uri, "publicKeyMultibase": multibase}


def vouch(private: RSAPrivateKey, creator: str, actor_uri: str, multibase: str) -> Voucher:
    """Have the key that signs requests, `creator` being its id, vouch for the one that signs documents; a millisecond of work."""
    signature = private.sign(rfc8785.dumps(described(actor_uri, multibase)), padding.PKCS1v15(), hashes.SHA256())
    return Voucher(creator, base64.b64encode(signature).decode())


def vouched_for(document: dict[str, Any], key_id: str, public_pem: str) -> str:
    """The document key (Multikey) on somebody's `/actor` that its RSA key vouches for; '' where none is there, or nobody
    vouches for it. `InvalidInput` (`bad-voucher`) where the voucher does not hold."""
    actor_uri, voucher = document["id"], document.get("voucher")
    method = document.get("assertionMethod")
    named = [one for one in (method if isinstance(method, list) else [method])
             if isinstance(one, dict) and one.get("id") == document_key_id(actor_uri)]
    if not named or voucher is None:
        return ""
    try:
        [found] = named
        text = found["publicKeyMultibase"]
        multikey.check_own(text)
        if found != described(actor_uri, text) or voucher["creator"] != key_id:
            raise _bad(N_("It is about something else, or made by another key."))
        load_public(public_pem).verify(base64.b64decode(voucher["signatureValue"], validate=True), rfc8785.dumps(found),
                                       padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise _bad(N_("The key of this instance has not signed it.")) from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _bad(N_("It cannot be read.")) from None
    return str(text)


def _bad(why: Phrase) -> InvalidInput:
    return InvalidInput("The voucher for a document key does not hold. %(why)s", values={"why": why}, reason="bad-voucher")
