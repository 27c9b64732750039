"""The instance's own document key: Ed25519, one for its lifetime, sealed in the database beside the key that signs requests."""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import Misconfigured
from core.ids import Ids
from core.vault import KeyVault
from federation.signatures.proofs import DocumentKey, document_key, document_key_id

_PURPOSE = "document-signature"


class Fresh(NamedTuple):
    """A new document key, its private half sealed."""

    public_pem: str
    sealed: bytes


def fresh(vault: KeyVault) -> Fresh:
    """Make a document key."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Fresh(public.decode(), vault.seal(key.private_bytes_raw(), _PURPOSE))


def keep(tx: Tx, number: int, made: Fresh, now: int) -> None:
    """Keep a new document key, unless the instance has one: of two processes that start together, one makes it."""
    tx.run("INSERT INTO instance_keys (id, purpose, public_pem, sealed_private, created_at, key_id)"
           " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (purpose) WHERE state = 'current' DO NOTHING",
           (number, _PURPOSE, made.public_pem, made.sealed, now, document_key_id("").lstrip("#")))


async def load(database: Database, vault: KeyVault, actor_uri: str, clock: Clock, ids: Ids) -> DocumentKey:
    """The document key, opened; it is made where a database of an older release has none."""
    row = await database.read(_kept)
    if row is None:
        made = fresh(vault)
        await database.write(lambda tx: keep(tx, ids.new(), made, clock.ms()))
        row = await database.read(_kept)
    assert row is not None
    try:
        return document_key(actor_uri, Ed25519PrivateKey.from_private_bytes(vault.open(row["sealed_private"], _PURPOSE)))
    except ValueError:
        raise Misconfigured("The instance's document key cannot be read.") from None


def _kept(tx: Tx) -> Row | None:
    return tx.row("SELECT sealed_private FROM instance_keys WHERE purpose = ? AND state = 'current'", (_PURPOSE,))
