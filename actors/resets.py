"""A new password for who has lost hers: asked for by anybody, sent by mail to an address that was confirmed long before.

The page only takes down what was typed, sealed, and does the same whoever asks: whether there is such a person is looked up
later, by the worker, and shows in her mailbox alone.
"""

from __future__ import annotations

from typing import NamedTuple

from actors import mails
from actors.devices import Visit
from actors.links import Links, Purpose
from actors.login import end_of
from actors.mails import MailKind, Recipient, WaitingMail
from actors.passwords import Passwords
from actors.postoffice import UNWANTED, Rule
from actors.security import store_password
from actors.signins import MAY_SIGN_IN, Happened, SignIns
from core.clock import Clock
from core.database import Database, Tx
from core.errors import Misconfigured, NotFound, TooMany
from core.ids import Ids
from core.settings import Accounts as AccountSettings
from core.throttle import count, network_of
from core.vault import KeyVault
from core.words import Phrase

_ASKED = 254
_PER_DAY = 5
_DAY_MS = 86_400_000
_PIECE = 20
_CONTEXT = "who asked for a new password"


class Newcomer(NamedTuple):
    """Whose link it is: her handle, her name, and whether it is her first password."""

    account_id: int
    handle: str
    name: str


class Resets:
    """Takes requests, has the links sent, and sets the password for who opens one."""

    def __init__(self, database: Database, vault: KeyVault, clock: Clock, ids: Ids, settings: AccountSettings,
                 passwords: Passwords, links: Links, signins: SignIns, instance: str) -> None:
        self._database, self._vault, self._clock, self._ids, self._settings = database, vault, clock, ids, settings
        self._passwords, self._links, self._signins, self._instance = passwords, links, signins, instance

    async def ask(self, who: str, address: str) -> None:
        """Somebody asks for a link to a handle or a mail address. `TooMany` by where she asks from, never by whom for."""
        sealed, network = self._vault.seal(who.strip().lower()[:_ASKED].encode(errors="replace"), _CONTEXT), network_of(address)

        def write(tx: Tx) -> int | None:
            wait = count(tx, {f"reset:{network}": self._settings.login_attempts}, self._clock.ms(),
                         self._settings.login_window_seconds * 1000)
            if wait is None:
                tx.run("INSERT INTO reset_requests (id, asked) VALUES (?, ?)", (self._ids.new(), sealed))
                tx.wake(mails.TOPIC)
            return wait

        if (wait := await self._database.write(write)) is not None:
            raise TooMany("Too many attempts. Please wait a while and try again.", retry_after=wait)

    async def make_due(self) -> int:
        """Look up who was asked for and have links sent; how many requests that were."""
        if await self._database.read(lambda tx: tx.row("SELECT 1 FROM reset_requests")) is None:
            return 0

        def write(tx: Tx) -> int:
            rows = tx.rows("SELECT id, asked FROM reset_requests ORDER BY id LIMIT ?", (_PIECE,))
            for row in rows:
                tx.run("DELETE FROM reset_requests WHERE id = ?", (row["id"],))
                for account_id in self._meant(tx, row["asked"]):
                    self._send(tx, account_id)
            return len(rows)

        return await self._database.write(write)

    async def whose(self, token: str, purpose: Purpose) -> Newcomer | None:
        """Whose password a link would set, as long as it works."""
        return await self._database.read(lambda tx: self._newcomer(tx, self._links.account(tx, token, purpose, self._clock.ms())))

    async def set(self, token: str, purpose: Purpose, password: str, visit: Visit) -> Newcomer:
        """The password of whoever's link this is, from now on; all her sessions end, her second factors stay. `InvalidInput` for
        one that is not taken, and then the link works on; `NotFound` for a link that does not."""
        found = await self.whose(token, purpose)
        hashed = await self._passwords.made(password, (found.handle, found.name, self._instance)) if found is not None else ""

        def write(tx: Tx) -> Newcomer | None:
            redeemed = self._newcomer(tx, self._links.redeem(tx, token, purpose, self._clock.ms()))
            if redeemed is not None and redeemed == found:
                store_password(tx, redeemed.account_id, hashed)
                end_of(tx, redeemed.account_id)
                if purpose == Purpose.RESET:
                    self._signins.note(tx, redeemed.account_id, Happened.PASSWORD_RESET, visit)
            return redeemed

        done = await self._database.write(write)
        if done is None:
            raise NotFound("This link was used before or has run out. You can ask for another one.", reason="link")
        return done

    def _newcomer(self, tx: Tx, account_id: int | None) -> Newcomer | None:
        row = tx.row("SELECT id, handle, name, state FROM accounts WHERE id = ?", (account_id,))
        return Newcomer(row["id"], row["handle"], row["name"]) if row is not None and row["state"] in MAY_SIGN_IN else None

    def _meant(self, tx: Tx, sealed: bytes) -> list[int]:
        """The accounts that a handle or a confirmed mail address stands for."""
        try:
            who = self._vault.open(sealed, _CONTEXT).decode()
        except Misconfigured:  # asked under another key file, before a restore
            return []
        return [row["id"] for row in tx.rows(
            "SELECT a.id FROM accounts a JOIN mailboxes m ON m.account_id = a.id"
            " WHERE (a.handle = ? OR lower(m.address) = ?) AND m.address <> '' AND a.state IN (?, ?) ORDER BY a.id LIMIT 10",
            (who.removeprefix("@"), who, *MAY_SIGN_IN))]

    def _send(self, tx: Tx, account_id: int) -> None:
        now = self._clock.ms()
        if len(mails.made_since(tx, account_id, MailKind.RESET, now - _DAY_MS)) < _PER_DAY:
            link = self._links.issue(tx, account_id, Purpose.RESET, now)
            mails.enqueue(tx, self._ids, account_id, MailKind.RESET, link, now)


def _recipient(tx: Tx, mail: WaitingMail, now: int) -> Recipient | Phrase:
    """Whose link it is, as long as it works."""
    row = tx.row("SELECT m.address, a.language, a.state FROM account_links l JOIN accounts a ON a.id = l.account_id"
                 " JOIN mailboxes m ON m.account_id = a.id WHERE l.id = ? AND l.expires_at > ?", (mail.about_id, now))
    if row is None or not row["address"] or row["state"] not in MAY_SIGN_IN:
        return UNWANTED
    return Recipient(row["address"], row["language"])


MAILS = {MailKind.RESET: Rule(_recipient)}
