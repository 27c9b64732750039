"""Handles of those who have left: kept as keyed hashes, so that nobody gets one and is taken for her."""

from __future__ import annotations

from core.database import Tx
from core.ids import uri_key
from core.vault import KeyVault


def key_of(vault: KeyVault, handle: str) -> bytes:
    """A keyed hash of a handle: whoever reads the database cannot try names."""
    return vault.mac("reserved handle", handle.encode())


def reserve(tx: Tx, key: bytes, actor_uri: str, now: int) -> None:
    """Nobody else gets this handle."""
    tx.run("INSERT INTO reserved_handles (handle_key, actor_key, at) VALUES (?, ?, ?) ON CONFLICT (handle_key) DO NOTHING",
           (key, uri_key(actor_uri), now))


def reserved_for(tx: Tx, actor_uri: str) -> bytes | None:
    """The keyed hash of the handle that somebody who has left had."""
    row = tx.row("SELECT handle_key FROM reserved_handles WHERE actor_key = ?", (uri_key(actor_uri),))
    return row["handle_key"] if row is not None else None


def is_reserved(tx: Tx, vault: KeyVault, handle: str) -> bool:
    """Whether somebody who has left had this handle."""
    return tx.row("SELECT 1 FROM reserved_handles WHERE handle_key = ?", (key_of(vault, handle),)) is not None
