"""The descriptor: every field is vouched for by the fingerprint, and files of older releases are read."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from core.errors import InvalidInput
from federation import descriptor
from federation.descriptor import Descriptor
from instance.assembly import Assembly


def signed(its: Assembly, described: dict[str, Any]) -> dict[str, Any]:
    signature = its.identity.key.sign(rfc8785.dumps(described), padding.PKCS1v15(), hashes.SHA256())
    return {"descriptor": described, "signature": base64.b64encode(signature).decode()}


def changed(its: Assembly, **changes: Any) -> Descriptor:
    return descriptor.read(signed(its, descriptor.export(its.identity)["descriptor"] | changes))


async def test_a_file_of_an_older_release_is_read(its: Assembly) -> None:
    whole = descriptor.export(its.identity)["descriptor"]
    assert whole["document_key"] == its.identity.documents.multibase and whole["bundle_inbox"] == its.identity.bundle_inbox
    older = {name: value for name, value in whole.items() if name not in ("document_key", "bundle_inbox")}
    found = descriptor.read(signed(its, older))
    assert (found.document_key, found.bundle_inbox, found.fingerprint) == ("", "", its.identity.fingerprint)


async def test_a_file_with_more_in_it_is_read_and_its_signature_covers_that_too(its: Assembly) -> None:
    """What lets an older release read ours, and a later one's be read here."""
    assert changed(its, later="x").fingerprint == its.identity.fingerprint
    document = signed(its, descriptor.export(its.identity)["descriptor"] | {"later": "x"})
    document["descriptor"]["later"] = "y"
    with pytest.raises(InvalidInput, match="was changed"):
        descriptor.read(document)


@pytest.mark.parametrize("name", ["document_key", "bundle_inbox"])
async def test_no_new_field_can_be_changed_or_taken_out(its: Assembly, name: str) -> None:
    for change in ("", None):
        document = descriptor.export(its.identity)
        if change is None:
            del document["descriptor"][name]
        else:
            document["descriptor"][name] = change
        with pytest.raises(InvalidInput, match="was changed"):
            descriptor.read(document)


async def test_an_inbox_elsewhere_and_a_key_that_is_none_are_refused(its: Assembly) -> None:
    with pytest.raises(InvalidInput, match="own origin"):
        changed(its, bundle_inbox="https://elsewhere.example/inbox/bundle")
    with pytest.raises(InvalidInput, match="Ed25519"):
        changed(its, document_key="z6Mk")
    with pytest.raises(InvalidInput, match="published example"):
        changed(its, document_key="z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2")
    for name in ("document_key", "bundle_inbox"):
        with pytest.raises(InvalidInput, match="not a descriptor"):
            changed(its, **{name: 7})
