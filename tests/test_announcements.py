"""Announcements of keys, true ones and such that lie: what is refused leaves nothing, and nothing is pinned by any of them."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from core.errors import InvalidInput
from federation.signatures.keys import fingerprint, generate_rsa, load_private
from tests.servers import FakeSibling, Running, countries

_VECTORS = json.loads((Path(__file__).parent / "vectors" / "published_keys.json").read_text("utf-8"))
PUBLISHED: str = _VECTORS["rsa"]["test-key-rsa-pss"]


def pair(number: int = 0) -> tuple[str, str]:
    """A new key, the same for the same number."""
    return _pair(number)


@lru_cache(maxsize=4)
def _pair(number: int) -> tuple[str, str]:
    return generate_rsa()


def proof(fake: FakeSibling, private_pem: str, key: dict[str, Any], **changes: Any) -> str:
    stated = {"origin": fake.origin, "before": fingerprint(fake.public_pem),
              **{name: key[name] for name in ("id", "owner", "publicKeyPem")}} | changes
    return base64.b64encode(load_private(private_pem).sign(rfc8785.dumps(stated), padding.PKCS1v15(), hashes.SHA256())).decode()


def next_key(fake: FakeSibling, number: int = 0, **changes: Any) -> dict[str, Any]:
    private, public = pair(number)
    key = {"id": f"{fake.origin}/actor#key-{number}", "owner": f"{fake.origin}/actor", "publicKeyPem": public} | changes
    return key | ({} if "proof" in changes else {"proof": proof(fake, private, key)})


def announcement(fake: FakeSibling, key: Any, name: str = "k1", **changes: Any) -> dict[str, Any]:
    actor = f"{fake.origin}/actor"
    made = {"id": actor, "type": "Application", "nextKey": key} | changes.pop("object", {})
    return fake.activity("Update", made, name, actor=actor) | changes


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False, friends=False) as (one,):
        yield one


@pytest.fixture
async def fake(de: Running) -> FakeSibling:
    return await FakeSibling("fr").listed(de, "active")


async def standing(de: Running) -> tuple[Any, ...]:
    """All that an announcement could change."""
    return await de.its.database.read(lambda tx: tuple(
        tuple(tuple(row) for row in tx.rows(sql)) for sql in (
            "SELECT id, state, key_id, public_pem, fingerprint, next_key_id, next_public_pem FROM siblings",
            "SELECT * FROM announced_keys", "SELECT * FROM actors", "SELECT seq FROM audit", "SELECT uri_key FROM ledger")))


async def refused(de: Running, fake: FakeSibling, document: Any, status: int, reason: str) -> None:
    before = await standing(de)
    got, problem = await fake.send(de, document)
    assert (got, problem["type"]) == (status, f"urn:konsil:problem:{reason}"), problem
    assert await standing(de) == before


async def test_an_announcement_waits_for_operators_and_pins_nothing(de: Running, fake: FakeSibling) -> None:
    before = (await standing(de))[0]
    assert (await fake.send(de, announcement(fake, next_key(fake))))[0] == 202
    after = await standing(de)
    assert after[0] == before
    row = await de.its.siblings.row(fake.origin.split("://")[1])
    assert row.announced == fingerprint(pair()[1]) and row.succession.announced_at and not row.next_pem
    [entry] = await de.its.audit.list(1)
    assert (entry.action, entry.target, entry.detail) == ("sibling.key-announced", fake.origin, f"{fake.origin}/actor#key-0")
    new = FakeSibling("fr", pair=pair())
    new.key_id = f"{fake.origin}/actor#key-0"
    assert (await new.get(f"{de.url}/members"))[0] == 401
    assert (await fake.send(de, announcement(fake, next_key(fake))))[0] == 202  # the same again is a duplicate
    assert await standing(de) == after
    assert (await fake.send(de, announcement(fake, None, "k2")))[0] == 202
    assert (await standing(de))[1] == ()


async def test_keys_that_cannot_come_next_are_refused(de: Running, fake: FakeSibling) -> None:
    other, actor = "http://127.0.0.1:2", f"{fake.origin}/actor"
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    pems = [key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
            for key in (small, curve)]
    lies: list[Any] = [
        next_key(fake, owner=f"{other}/actor"), next_key(fake, owner=fake.actor), next_key(fake, id=f"{other}/actor#key-0"),
        next_key(fake, id=fake.key_id), next_key(fake, id="x" * 600), next_key(fake, proof=""), next_key(fake, proof="#"),
        next_key(fake, proof=proof(fake, fake.private_pem, next_key(fake))),  # signed by the old key
        next_key(fake, proof=proof(fake, pair()[0], next_key(fake), origin=other)),
        next_key(fake, proof=proof(fake, pair()[0], next_key(fake), before=fingerprint(pair(1)[1]))),  # of another time
        next_key(fake, proof=proof(fake, pair()[0], next_key(fake), id=f"{actor}#key-9")),
        next_key(fake, publicKeyPem=fake.public_pem),  # the pinned key again
        next_key(fake, publicKeyPem="x" * 3000), next_key(fake, publicKeyPem="x"), next_key(fake, publicKeyPem=1),
        *(next_key(fake, publicKeyPem=pem) for pem in pems), "key", [], {}, {"id": 1}, True,
        {name: value for name, value in next_key(fake).items() if name != "proof"}]
    for number, lie in enumerate(lies):
        await refused(de, fake, announcement(fake, lie, f"l{number}"), 400, "bad-announcement")


async def test_a_published_key_is_refused_where_it_is_announced(de: Running, fake: FakeSibling) -> None:
    lie = announcement(fake, next_key(fake, publicKeyPem=PUBLISHED))
    await refused(de, fake, lie, 400, "bad-announcement")
    assert "published example" in (await fake.send(de, lie))[1]["title"]


async def test_only_the_instance_itself_announces_and_only_as_what_it_is(de: Running, fake: FakeSibling) -> None:
    key, actor = next_key(fake), f"{fake.origin}/actor"
    await refused(de, fake, announcement(fake, key, "d1", actor=fake.actor), 403, "foreign-author")  # a doctor
    await refused(de, fake, announcement(fake, key, "d2", actor=fake.actor, object={"id": fake.actor}), 403, "foreign-author")
    await refused(de, fake, announcement(fake, key, "d3", object={"id": f"{fake.origin}/other"}), 403, "foreign-author")
    for number, kind in enumerate(("Person", "Service", "Note", None, ["Application"])):
        await refused(de, fake, announcement(fake, key, f"t{number}", object={"type": kind}), 400,
                      "bad-announcement" if kind != "Note" else "bad-object")
    await refused(de, fake, announcement(fake, key, "s") | {"object": actor}, 400, "bad-announcement")
    other = await FakeSibling("it", port=2).listed(de, "active")
    await refused(de, other, announcement(fake, key, "o"), 403, "foreign-actor")
    await refused(de, other, announcement(fake, key, "o") | {"id": f"{other.origin}/a", "actor": f"{other.origin}/actor"}, 403,
                  "foreign-object")


async def test_what_was_announced_under_the_key_before_last_means_nothing(de: Running, fake: FakeSibling) -> None:
    old = announcement(fake, next_key(fake), "old")
    domain, (private, public) = fake.origin.split("://")[1], pair(1)
    await fake.send(de, announcement(fake, next_key(fake, 1), "new"))
    await de.its.sibling_keys.confirm(domain, "olga", fingerprint(public))
    await refused(de, fake, announcement(fake, next_key(fake, 1), "again"), 400, "bad-announcement")  # it is pinned
    new = FakeSibling("fr", pair=(private, public))
    new.key_id = f"{fake.origin}/actor#key-1"
    assert [(await one.get(f"{de.url}/members"))[0] for one in (fake, new)] == [200, 200]
    await de.its.database.write(lambda tx: de.its.sibling_keys.seen(tx, _id(tx), new.described()))
    assert [(await one.get(f"{de.url}/members"))[0] for one in (fake, new)] == [401, 200]
    await refused(de, new, old, 400, "bad-announcement")
    assert (await new.send(de, announcement(new, next_key(new), "next")))[0] == 202


def _id(tx: Any) -> int:
    return int(tx.row("SELECT id FROM siblings")["id"])


async def test_only_the_fingerprint_that_was_read_out_pins_it(de: Running, fake: FakeSibling) -> None:
    domain = fake.origin.split("://")[1]
    await fake.send(de, announcement(fake, next_key(fake)))
    before = await standing(de)
    for wrong in (fake.public_pem, pair(1)[1]):
        with pytest.raises(InvalidInput, match="Nothing was changed"):
            await de.its.sibling_keys.confirm(domain, "olga", fingerprint(wrong))
    with pytest.raises(InvalidInput):
        await de.its.sibling_keys.confirm(domain, "olga", "a fingerprint")
    assert await standing(de) == before
    row = await de.its.sibling_keys.confirm(domain, "olga", fingerprint(pair()[1]))
    assert row.succession.next_fingerprint == fingerprint(pair()[1]) and row.succession.next_by == "olga"
    assert row.fingerprint == fingerprint(fake.public_pem) and row.announced == ""
    await de.its.siblings.revoke(domain, "olga", "test")
    assert not (await de.its.siblings.row(domain)).next_pem


async def test_answers_come_from_instances_and_to_what_was_announced(de: Running, fake: FakeSibling) -> None:
    key = await de.its.keyring.rotate("olga")
    actor, uri = f"{fake.origin}/actor", f"{key.key_id}-announced"
    for kind in ("Accept", "Reject"):
        await refused(de, fake, fake.activity(kind, f"{uri}x", f"{kind}1", actor=actor), 400, "no-such-announcement")
        await refused(de, fake, fake.activity(kind, uri, f"{kind}2"), 400, "no-such-follow")  # a doctor
    domain = fake.origin.split("://")[1]
    assert (await de.its.keyring.keys())[0].unconfirmed == (domain,)
    assert (await fake.send(de, fake.activity("Accept", {"id": uri, "type": "Update"}, "yes", actor=actor)))[0] == 202
    assert (await de.its.keyring.keys())[0].unconfirmed == ()
    assert (await fake.send(de, fake.activity("Reject", uri, "no", actor=actor)))[0] == 202
    assert (await de.its.keyring.keys())[0].unconfirmed == (domain,)
    await de.its.keyring.cancel("olga")
    await refused(de, fake, fake.activity("Accept", uri, "late", actor=actor), 400, "no-such-announcement")
