"""Announcing a key on the wire: `Update` of the instance actor with `nextKey`, and the `Accept` or `Reject` that answers it.

An announcement is a signed request like any other, under the key that is pinned. In it the new key signs what is announced,
where it is announced, and the fingerprint of the key before: so nobody can announce a key of somebody else's, and what was
announced once means nothing any more after the key has changed.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from core.errors import InvalidInput
from core.words import N_, Phrase
from federation.addresses import origin_of
from federation.allowlist import Sibling
from federation.documents import dumps
from federation.identity import ACTOR_CONTEXT, CONTEXT, Identity, PublicKey
from federation.lanes import URGENT
from federation.signatures.cavage import digest
from federation.signatures.keys import fingerprint, load_public
from federation.store import Outgoing

_ID_LENGTH, _PEM_LENGTH, _PROOF_LENGTH = 500, 2_000, 800


class Announcement(msgspec.Struct, frozen=True):
    """A key that comes next, and the id of the activity that said so."""

    uri: str
    key: PublicKey


class _NextKey(msgspec.Struct, frozen=True):
    id: str
    owner: str
    publicKeyPem: str
    proof: str


def announcement_uri(key_id: str) -> str:
    """The id of the one activity that announces a key."""
    return f"{key_id}-announced"


def prove(identity: Identity, key: PublicKey, private: RSAPrivateKey) -> str:
    """What our next key signs with its private half, to be announced under the present one; base64."""
    stated = _stated(identity.origin, identity.fingerprint, identity.described(key))
    return base64.b64encode(private.sign(stated, padding.PKCS1v15(), hashes.SHA256())).decode()


def announce(identity: Identity, key: PublicKey, proof: str) -> Outgoing:
    """What is sent to the siblings about our next key."""
    return _update(identity, announcement_uri(key.key_id), {"nextKey": identity.described(key) | {"proof": proof}})


def withdraw(identity: Identity, key: PublicKey) -> Outgoing:
    """What is sent when the key we announced will not come."""
    return _update(identity, f"{key.key_id}-withdrawn", {})


def answer(identity: Identity, kind: str, uri: str, announced: str) -> Outgoing:
    """`Accept` or `Reject` of a sibling's announcement (its id); `uri` is the answer's own."""
    body = dumps({"@context": CONTEXT, "id": uri, "type": kind, "actor": identity.actor_uri, "object": announced})
    return Outgoing(uri, kind, announced, body, digest(body), URGENT)


def read(sibling: Sibling, uri: str, document: Any) -> Announcement | None:
    """What a sibling's `Update` of its instance actor announces: of the whole document only `nextKey` is read. None where it
    announces nothing, or nothing any more. `InvalidInput` for a key that could not be its next one."""
    if not isinstance(document, dict) or document.get("type") != "Application":
        raise _bad(N_("The actor of an instance is an Application."))
    if document.get("nextKey") is None:
        return None
    try:
        found = msgspec.convert(document["nextKey"], _NextKey)
    except msgspec.ValidationError:
        raise _bad(N_("It has id, owner, publicKeyPem and proof.")) from None
    if len(found.id) > _ID_LENGTH or len(found.publicKeyPem) > _PEM_LENGTH or len(found.proof) > _PROOF_LENGTH:
        raise _bad(N_("Something in it is too long."))
    if found.owner != sibling.actor_uri or origin_of(found.id) != sibling.origin:
        raise _bad(N_("It belongs to somebody else."))
    try:
        key, mark = load_public(found.publicKeyPem), fingerprint(found.publicKeyPem)
    except InvalidInput as error:
        raise _bad(Phrase(error.message)) from None
    pinned = {fingerprint(pem) for pem in sibling.keys.values()}
    if found.id in sibling.keys or mark in pinned:
        raise _bad(N_("It is pinned already."))
    described = {"id": found.id, "owner": found.owner, "publicKeyPem": found.publicKeyPem}
    for before in pinned:
        try:
            key.verify(base64.b64decode(found.proof, validate=True), _stated(sibling.origin, before, described),
                       padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            continue
        return Announcement(uri, PublicKey(found.id, found.publicKeyPem, mark))
    raise _bad(N_("Its proof was not made with it, or for another key before it."))


def _update(identity: Identity, uri: str, also: dict[str, Any]) -> Outgoing:
    actor = {name: value for name, value in identity.document().items() if name not in ("@context", "nextKey")} | also
    body = dumps({"@context": ACTOR_CONTEXT, "id": uri, "type": "Update", "actor": identity.actor_uri, "object": actor})
    return Outgoing(uri, "Update", identity.actor_uri, body, digest(body), URGENT)


def _stated(origin: str, before: str, described: dict[str, str]) -> bytes:
    """What the new key signs (RFC 8785): itself, whose it is, and the fingerprint of the key before it."""
    return rfc8785.dumps({"origin": origin, "before": before, **described})


def _bad(why: Phrase) -> InvalidInput:
    return InvalidInput("This key cannot be announced. %(why)s", values={"why": why}, reason="bad-announcement")
