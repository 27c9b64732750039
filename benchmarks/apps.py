"""Apps that doctors have let in, without the pages on which they do."""

from __future__ import annotations

from collections.abc import Sequence

from core.database import Tx
from core.vault import token, token_hash
from instance.assembly import Assembly


def let_in(assembly: Assembly, tx: Tx, accounts: Sequence[int]) -> list[str]:
    """A new app that each of these accounts has let read; their tokens, in the same order."""
    app_id, now = assembly.ids.new(), assembly.clock.ms()
    tx.run("INSERT INTO apps (id, client_id, secret_hash, name, redirects, scopes, created_at)"
           " VALUES (?, ?, x'00', 'Benchmark', '[]', 'read', ?)", (app_id, f"benchmark-{app_id}", now))
    made = [token() for _ in accounts]
    for one, account_id in zip(made, accounts, strict=True):
        tx.run("INSERT INTO app_tokens (id, token_hash, app_id, account_id, scopes, created_at, seen_at)"
               " VALUES (?, ?, ?, ?, 'read', ?, ?)", (assembly.ids.new(), token_hash(one), app_id, account_id, now, now))
    return made
