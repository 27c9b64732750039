"""The instance's own document key: one, sealed, made where there is none, and the same for every process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from actors.keys import create_identity
from core.database import Row, Tx
from core.errors import InvalidInput, Misconfigured
from core.settings import Settings
from core.vault import KeyVault
from federation.signatures import multikey, proofs
from instance.assembly import Assembly, assemble
from instance.backups import make
from tests.test_allowlist import elsewhere

_KEPT = "SELECT * FROM instance_keys WHERE purpose = 'document-signature'"


async def kept(its: Assembly) -> list[Row]:
    return await its.database.read(lambda tx: tx.rows(_KEPT))


async def forgotten(settings: Settings) -> None:
    """The database as an older release has left it, without a document key."""
    async with assemble(settings) as its:
        elsewhere(its, "DELETE FROM instance_keys WHERE purpose = 'document-signature'")


async def test_a_new_instance_has_one_and_it_is_sealed(its: Assembly, place: Path) -> None:
    [row] = await kept(its)
    key = its.identity.documents
    assert (row["key_id"], row["state"], key.id) == ("document-key", "current", f"{its.identity.actor_uri}#document-key")
    assert multikey.decode(key.multibase) == key.private.public_key()
    secret = key.private.private_bytes_raw()
    assert not any(secret in file.read_bytes() for file in place.glob("konsil.db*"))
    assert KeyVault(place / "secret.key").open(row["sealed_private"], "document-signature") == secret
    with pytest.raises(Misconfigured):
        KeyVault(place / "secret.key").open(row["sealed_private"], "http-signature")


async def test_it_stays_the_same_after_a_new_start_and_a_change_of_the_other_key(settings: Settings) -> None:
    found = []
    for _ in range(2):
        async with assemble(settings) as its:
            await its.keyring.switch((await its.keyring.rotate("olga")).id, "olga")
            found.append(its.identity.documents.multibase)
            assert len(await kept(its)) == 1
    assert found[0] == found[1]


async def test_processes_that_start_together_end_with_one(settings: Settings) -> None:
    await forgotten(settings)
    ready = asyncio.Barrier(4)

    async def process() -> str:
        async with assemble(settings) as its:
            await ready.wait()
            signed = proofs.sign({"type": "Receipt"}, its.identity.documents, its.clock.ms())
            proofs.check(signed, multikey.encode(its.identity.documents.private.public_key()), its.identity.documents.id)
            assert len(await kept(its)) == 1
            return its.identity.documents.multibase

    assert len({*await asyncio.gather(*(process() for _ in range(4)))}) == 1


async def test_an_older_database_gets_one_and_keeps_its_other_keys(settings: Settings) -> None:
    async with assemble(settings) as its:
        fingerprint = its.identity.fingerprint
    await forgotten(settings)
    async with assemble(settings) as its:
        assert its.identity.fingerprint == fingerprint and len(await kept(its)) == 1
        assert [key.fingerprint for key in await its.keyring.keys()] == [fingerprint]  # it is none of those that change


async def test_a_second_identity_is_refused_and_only_the_key_for_requests_counts(its: Assembly, place: Path) -> None:
    vault = KeyVault(place / "secret.key")
    before = await its.database.read(lambda tx: [tuple(row) for row in tx.rows("SELECT * FROM instance_keys")])
    with pytest.raises(Misconfigured, match="has a key already"):
        await create_identity(its.database, vault, its.clock, its.ids)
    assert await its.database.read(lambda tx: [tuple(row) for row in tx.rows("SELECT * FROM instance_keys")]) == before

    def without(tx: Tx) -> None:
        tx.run("DELETE FROM instance_keys WHERE purpose = 'http-signature'")

    await its.database.write(without)
    await create_identity(its.database, vault, its.clock, its.ids)
    assert [tuple(row) for row in await kept(its)] == [row for row in before if row[1] == "document-signature"]


async def test_one_that_does_not_open_stops_the_start(settings: Settings) -> None:
    async with assemble(settings) as its:
        elsewhere(its, "UPDATE instance_keys SET sealed_private = x'0102' WHERE purpose = 'document-signature'")
    with pytest.raises(Misconfigured, match="document-signature"):
        async with assemble(settings):
            pass


@pytest.mark.parametrize("change", [
    "UPDATE instance_keys SET sealed_private = x'0102' WHERE purpose = 'document-signature'",
    "DELETE FROM instance_keys WHERE purpose = 'http-signature'"])
async def test_a_backup_needs_both_keys_to_open(its: Assembly, place: Path, tmp_path: Path, change: str) -> None:
    await make(its, place / "config.toml", tmp_path / "whole", "olga")
    elsewhere(its, change)
    with pytest.raises(InvalidInput, match="do not open"):
        await make(its, place / "config.toml", tmp_path / "broken", "olga")
    assert not (tmp_path / "broken").exists()
