"""The descriptor: what one operator gives another so that two instances can get to know each other.

It is signed with the instance's RSA key over its RFC 8785 canonical form, and the fingerprint operators compare over
another channel is that key's; so comparing the fingerprint vouches for every field.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from core.errors import InvalidInput
from core.telemetry import get_logger
from federation.addresses import origin_of
from federation.identity import Identity, members_of
from federation.signatures import multikey
from federation.signatures.keys import fingerprint, load_public
from federation.vouchers import vouched_for

log = get_logger("descriptor")
_TEXT = 300


class Contacts(msgspec.Struct, frozen=True):
    """Who runs an instance, and whom to ask there; not people it serves."""

    operator: str = ""
    medical_contact: str = ""
    technical_contact: str = ""
    dpo: str = ""


class Descriptor(msgspec.Struct, frozen=True):
    """One instance as its operator describes it; the people are empty where it came from its `/actor`.

    `document_key` (a Multikey) and `bundle_inbox` are empty where an older release wrote it, or nobody vouches for the key."""

    origin: str
    country: str
    name: str
    actor: str
    key_id: str
    public_pem: str
    inbox: str
    members: str
    operator: str = ""
    medical_contact: str = ""
    technical_contact: str = ""
    dpo: str = ""
    document_key: str = ""
    bundle_inbox: str = ""

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.public_pem)


def export(identity: Identity, contacts: Contacts | None = None) -> dict[str, Any]:
    """The signed descriptor of this instance."""
    people, pair = contacts or Contacts(), identity.ring.pair
    described = msgspec.to_builtins(Descriptor(
        identity.origin, identity.country, identity.name, identity.actor_uri, pair.public.key_id, pair.public.public_pem,
        identity.inbox, identity.members, people.operator, people.medical_contact, people.technical_contact, people.dpo,
        identity.documents.multibase, identity.bundle_inbox))
    signature = pair.private.sign(rfc8785.dumps(described), padding.PKCS1v15(), hashes.SHA256())
    return {"descriptor": described, "signature": base64.b64encode(signature).decode()}


def read(document: dict[str, Any]) -> Descriptor:
    """A descriptor file's content, its signature checked; `InvalidInput` for anything else."""
    try:
        descriptor = msgspec.convert(document["descriptor"], Descriptor)
        signature = base64.b64decode(document["signature"], validate=True)
        load_public(descriptor.public_pem).verify(
            signature, rfc8785.dumps(document["descriptor"]), padding.PKCS1v15(), hashes.SHA256())
    except (KeyError, TypeError, ValueError, msgspec.ValidationError):
        raise InvalidInput("This is not a descriptor of a Konsil instance.", reason="descriptor") from None
    except InvalidSignature:
        raise InvalidInput("The descriptor was changed after it was signed.", reason="descriptor") from None
    return _same_origin(descriptor)


def from_actor(document: dict[str, Any], origin: str) -> Descriptor:
    """The same facts out of a fetched `/actor`; nothing of it counts before the fingerprint has been compared."""
    try:
        key = document["publicKey"]
        if document["type"] != "Application" or key["owner"] != document["id"]:
            raise InvalidInput("This actor is not an instance.", reason="descriptor")
        descriptor = msgspec.convert(
            {"origin": origin, "country": document["country"], "name": document["name"], "actor": document["id"],
             "key_id": key["id"], "public_pem": key["publicKeyPem"], "inbox": document["inbox"],
             "members": members_of(origin), "bundle_inbox": _bundle_inbox(document)}, Descriptor)
    except (KeyError, TypeError, msgspec.ValidationError):
        raise InvalidInput("This actor is not a Konsil instance.", reason="descriptor") from None
    descriptor = _same_origin(descriptor)
    try:
        found = vouched_for(document, descriptor.key_id, descriptor.public_pem)
    except InvalidInput as error:
        log.warning("a document key that nobody vouches for is not taken", sibling=origin, cause=error.message)
        found = ""
    return msgspec.structs.replace(descriptor, document_key=found)


def _bundle_inbox(document: dict[str, Any]) -> Any:
    endpoints = document.get("endpoints")
    return endpoints.get("bundleInbox", "") if isinstance(endpoints, dict) else ""


def _same_origin(descriptor: Descriptor) -> Descriptor:
    origin = origin_of(descriptor.origin)
    named = [descriptor.actor, descriptor.key_id, descriptor.inbox, descriptor.members]
    named += [descriptor.bundle_inbox] if descriptor.bundle_inbox else []
    if origin != descriptor.origin or any(origin_of(uri) != origin for uri in named):
        raise InvalidInput("A descriptor names addresses of its own origin only.", reason="descriptor")
    if any(len(text) > _TEXT for text in (descriptor.name, *msgspec.structs.astuple(descriptor)[8:])):
        raise InvalidInput("A text in the descriptor is longer than %(most)s characters.", values={"most": _TEXT},
                           reason="descriptor")
    load_public(descriptor.public_pem)
    if descriptor.document_key:
        multikey.check_own(descriptor.document_key)
    return descriptor
