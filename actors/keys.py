"""The instance's first keys, sealed in the database, and its identity with those that sign now. `federation.keyring` changes the
one that signs requests."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import Misconfigured
from core.ids import Ids
from core.settings import Instance
from core.vault import KeyVault
from federation import documentkey
from federation.addresses import domain_of, origin_of
from federation.identity import Identity
from federation.keyring import PURPOSE, load_ring
from federation.signatures.keys import generate_rsa


async def create_identity(database: Database, vault: KeyVault, clock: Clock, ids: Ids) -> None:
    """Make the instance's keys, RSA for requests and Ed25519 for documents; refuses when there is one already."""
    private_pem, public_pem = generate_rsa()
    sealed, documents = vault.seal(private_pem.encode(), PURPOSE), documentkey.fresh(vault)

    def store(tx: Tx) -> None:
        if tx.row("SELECT 1 FROM instance_keys WHERE state = 'current' AND purpose = ?", (PURPOSE,)):
            raise Misconfigured("This instance has a key already.")
        tx.run("INSERT INTO instance_keys (id, purpose, public_pem, sealed_private, created_at) VALUES (?, ?, ?, ?, ?)",
               (ids.new(), PURPOSE, public_pem, sealed, clock.ms()))
        documentkey.keep(tx, ids.new(), documents, clock.ms())

    await database.write(store)


async def load_identity(database: Database, vault: KeyVault, settings: Instance, clock: Clock, ids: Ids) -> Identity:
    """The identity of this instance, its private keys opened with the vault. A database of an older release, which has no
    document key, gets one."""
    origin = origin_of(settings.url)
    documents = await documentkey.load(database, vault, f"{origin}/actor", clock, ids)
    return Identity(origin, domain_of(origin), settings.country, settings.name,
                    await load_ring(database, vault, documents, origin), partial(vault.mac, "post-seal"))


SEALED = "SELECT purpose, public_pem, sealed_private FROM instance_keys WHERE retired_at IS NULL"


def check_opened(rows: Iterable[Row], vault: KeyVault) -> None:
    """`Misconfigured` unless the vault opens these keys, the rows of `SEALED`, and the one that signs requests is among
    them."""
    keys = list(rows)
    if all(row["purpose"] != PURPOSE for row in keys):
        raise Misconfigured("This instance has no key; `konsil init` makes one.")
    for row in keys:
        vault.open(row["sealed_private"], row["purpose"])
