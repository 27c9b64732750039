"""Links to an account that are sent by mail: the first password, and a new one for who has lost hers. Each works once.

The database knows a link by its digest; its secret is made by the key file whenever the mail with it is written.
"""

from __future__ import annotations

from enum import StrEnum

from core.database import Tx
from core.ids import Ids
from core.vault import KeyVault, token_hash

_HOUR_MS = 3_600_000


class Purpose(StrEnum):
    WELCOME = "welcome"
    RESET = "reset"


_LASTS = {Purpose.WELCOME: 14 * 24 * _HOUR_MS, Purpose.RESET: _HOUR_MS}


class Links:
    """Makes links and redeems them, within the transactions of whoever needs one."""

    def __init__(self, vault: KeyVault, ids: Ids) -> None:
        self._vault, self._ids = vault, ids

    def issue(self, tx: Tx, account_id: int, purpose: Purpose, now: int) -> int:
        """A new link to an account, whose older ones of this purpose work no more; its id."""
        number = self._ids.new()
        tx.run("DELETE FROM account_links WHERE account_id = ? AND purpose = ?", (account_id, purpose))
        tx.run("INSERT INTO account_links (id, account_id, purpose, token_hash, created_at, expires_at)"
               " VALUES (?, ?, ?, ?, ?, ?)",
               (number, account_id, purpose, token_hash(self.token(number)), now, now + _LASTS[purpose]))
        return number

    def token(self, link_id: int) -> str:
        """The secret of a link."""
        return self._vault.token_for(f"account link {link_id}")

    def account(self, tx: Tx, token: str, purpose: Purpose, now: int) -> int | None:
        """Whose account a link leads to, as long as it works."""
        row = tx.row("SELECT account_id FROM account_links WHERE token_hash = ? AND purpose = ? AND expires_at > ?",
                     (token_hash(token), purpose, now))
        return row["account_id"] if row is not None else None

    def redeem(self, tx: Tx, token: str, purpose: Purpose, now: int) -> int | None:
        """The same, and it works no more."""
        found = self.account(tx, token, purpose, now)
        tx.run("DELETE FROM account_links WHERE token_hash = ? OR expires_at <= ?", (token_hash(token), now))
        return found
