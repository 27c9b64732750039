"""A document key counts when the RSA key of the same `/actor` vouches for exactly it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import InvalidInput
from core.settings import Settings
from federation import descriptor
from federation.contexts import check_context
from federation.descriptor import Descriptor
from federation.identity import ACTOR_CONTEXT, CONTEXT
from federation.vouchers import described, vouched_for
from instance.assembly import Assembly, assemble
from tests.servers import AP, FakeSibling, countries, get
from tests.test_announcements import pair

FAKE = FakeSibling("fr")
OTHER = FakeSibling("fr", pair=pair())
ACTOR = f"{FAKE.origin}/actor"
DOCUMENT = {"id": ACTOR, "type": "Application", "name": "Fake", "country": "fr", "inbox": f"{FAKE.origin}/inbox",
            "publicKey": {"id": FAKE.key_id, "owner": ACTOR, "publicKeyPem": FAKE.public_pem},
            "endpoints": {"bundleInbox": f"{FAKE.origin}/inbox/bundle"}} | FAKE.vouched()
METHOD, VOUCHER = DOCUMENT["assertionMethod"][0], DOCUMENT["voucher"]


def read(document: dict[str, Any]) -> Descriptor:
    return descriptor.from_actor(document, FAKE.origin)


async def test_what_an_instance_serves_is_vouched_for_and_read_by_another(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        status, document = await get(f"{de.url}/actor", {"accept": AP})
        assert status == 200
        assert document["endpoints"] == {"sharedInbox": f"{de.url}/inbox", "bundleInbox": f"{de.url}/inbox/bundle"}
        assert document["assertionMethod"] == [{
            "id": f"{de.url}/actor#document-key", "type": "Multikey", "controller": f"{de.url}/actor",
            "publicKeyMultibase": de.its.identity.documents.multibase}]
        assert document["voucher"]["creator"] == document["publicKey"]["id"] == de.its.identity.key_id
        found = descriptor.from_actor(document, de.url)
        assert (found.document_key, found.bundle_inbox) == (de.its.identity.documents.multibase, f"{de.url}/inbox/bundle")
        filed = descriptor.read(descriptor.export(de.its.identity))
        assert (filed.document_key, filed.bundle_inbox) == (found.document_key, found.bundle_inbox)
        for context in (CONTEXT, ACTOR_CONTEXT, document["@context"]):
            check_context({"@context": context})


def test_a_voucher_that_holds_is_taken() -> None:
    assert (read(DOCUMENT).document_key, read(DOCUMENT).bundle_inbox) == (
        FAKE.document_key.multibase, f"{FAKE.origin}/inbox/bundle")
    also = [{"id": f"{ACTOR}#another", "type": "Multikey"}, f"{ACTOR}#somewhere", METHOD]
    assert read(DOCUMENT | {"assertionMethod": also}).document_key == FAKE.document_key.multibase
    assert read(DOCUMENT | {"assertionMethod": METHOD}).document_key == FAKE.document_key.multibase


@pytest.mark.parametrize("missing", ["assertionMethod", "voucher", "endpoints"])
def test_what_is_missing_is_empty_and_no_alarm(missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = read({name: value for name, value in DOCUMENT.items() if name != missing})
    assert (found.document_key == "", found.bundle_inbox == "") == (missing != "endpoints", missing == "endpoints")
    assert found.fingerprint == FAKE.described().fingerprint and capsys.readouterr().out == ""


WRONG: dict[str, Callable[[], dict[str, Any]]] = {
    "another document key": lambda: {"assertionMethod": [METHOD | {"publicKeyMultibase": OTHER.document_key.multibase}]},
    "for another key": lambda: {"voucher": FAKE.vouched(OTHER.document_key.multibase)["voucher"]},
    "by another key": lambda: {"voucher": OTHER.vouched(FAKE.document_key.multibase)["voucher"]},
    "by another key under its own name": lambda: {"voucher": VOUCHER | {"creator": f"{ACTOR}#key-2"}},
    "for somebody else": lambda: {"assertionMethod": [METHOD | {"controller": "https://it.example/actor"}]},
    "another type": lambda: {"assertionMethod": [METHOD | {"type": "JsonWebKey"}]},
    "something more": lambda: {"assertionMethod": [METHOD | {"expires": "2099-01-01T00:00:00Z"}]},
    "no key in it": lambda: {"assertionMethod": [{"id": METHOD["id"], "type": "Multikey"}]},
    "a key that is none": lambda: {"assertionMethod": [METHOD | {"publicKeyMultibase": "z6Mk"}]},
    "a published key": lambda: FAKE.vouched("z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"),
    "two of one name": lambda: {"assertionMethod": [METHOD, METHOD]},
    "a text": lambda: {"voucher": VOUCHER["signatureValue"]},
    "a list": lambda: {"voucher": [VOUCHER]},
    "no signature": lambda: {"voucher": {"creator": FAKE.key_id}},
    "an empty signature": lambda: {"voucher": VOUCHER | {"signatureValue": ""}},
    "a changed signature": lambda: {"voucher": VOUCHER | {"signatureValue": base64.b64encode(bytes(256)).decode()}},
    "no base64": lambda: {"voucher": VOUCHER | {"signatureValue": "%"}},
    "a number": lambda: {"voucher": VOUCHER | {"signatureValue": 1}},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_voucher_that_does_not_hold_is_logged_and_the_rest_is_read(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    changed = DOCUMENT | WRONG[name]()
    found = read(changed)
    assert (found.document_key, found.fingerprint) == ("", FAKE.described().fingerprint)
    assert capsys.readouterr().out.count("nobody vouches for") == 1
    with pytest.raises(InvalidInput):
        vouched_for(changed, FAKE.key_id, FAKE.public_pem)


def test_an_inbox_for_bundles_lies_on_its_own_origin() -> None:
    for address in ("https://elsewhere.example/inbox/bundle", "no address"):
        with pytest.raises(InvalidInput):
            read(DOCUMENT | {"endpoints": {"bundleInbox": address}})
    with pytest.raises(InvalidInput, match="not a Konsil instance"):
        read(DOCUMENT | {"endpoints": {"bundleInbox": 7}})


def test_what_is_described_is_signed_in_this_form() -> None:
    assert described("https://de.example/actor", "z6Mk") == {
        "id": "https://de.example/actor#document-key", "type": "Multikey", "controller": "https://de.example/actor",
        "publicKeyMultibase": "z6Mk"}


async def test_a_process_that_begins_in_that_moment_shows_none_and_nobody_minds(
        its: Assembly, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    await its.keyring.switch((await its.keyring.rotate("olga")).id, "olga")
    capsys.readouterr()
    async with assemble(settings) as other:
        await other.keyring.refresh()
        moment = other.identity.document()
        assert moment["publicKey"] == its.identity.document()["publicKey"] and "voucher" not in moment
        assert descriptor.from_actor(moment, other.identity.origin).document_key == ""
        assert "nobody vouches for" not in capsys.readouterr().out
        other.clock.offset += 3600
        await other.keyring.refresh()
        assert descriptor.from_actor(other.identity.document(), other.identity.origin).document_key
        assert other.identity.documents.multibase == its.identity.documents.multibase


async def test_while_the_old_key_is_still_named_its_own_voucher_stands(its: Assembly) -> None:
    before = its.identity.document()
    key = await its.keyring.rotate("olga")
    await its.keyring.switch(key.id, "olga")
    moment = its.identity.document()
    assert its.identity.key_id == key.key_id != moment["publicKey"]["id"]
    assert moment["voucher"] == before["voucher"] and moment["publicKey"] == before["publicKey"]
    its.clock.offset += 3600
    await its.keyring.refresh()
    after = its.identity.document()
    assert after["voucher"]["creator"] == after["publicKey"]["id"] == key.key_id
    for document in (before, moment, after):
        found = descriptor.from_actor(document, its.identity.origin)
        assert found.document_key == its.identity.documents.multibase
