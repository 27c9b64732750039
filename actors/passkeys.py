"""Passkeys (WebAuthn): a key in a telephone, a computer or a stick that signs a challenge, after whoever holds it has shown that
it is she. One opens the door alone.

Challenges are made by the key file and say until when they count, so that nobody who only looks at the login page makes us store
anything; one that was answered is remembered until then and counts no second time.

The library is loaded where a passkey is first made or checked: it takes 7 MiB, and an instance reached by a number needs none.
"""

from __future__ import annotations

import hmac
import json
import secrets
from base64 import urlsafe_b64decode
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from actors.devices import Visit
from actors.factors import check_left, enrolled
from actors.models import Account
from actors.signins import Happened, SignIns
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import Conflict, InvalidInput, NotFound
from core.ids import Ids
from core.vault import KeyVault, token_hash

_LASTS_MS = 10 * 60_000
_NONCE, _TIME, _MAC = 16, 8, 32
_MOST = 20
_NAME = 60
_ANSWER = 16_384


class Passkey(NamedTuple):
    """One of somebody's passkeys; times in ms."""

    id: int
    name: str
    created_at: int
    used_at: int | None


class Passkeys:
    """Adds, checks and removes. `possible` is false where this instance is reached by a number: passkeys belong to a name."""

    def __init__(self, database: Database, vault: KeyVault, clock: Clock, ids: Ids, signins: SignIns, origin: str,
                 name: str) -> None:
        self._database, self._vault, self._clock, self._ids, self._signins = database, vault, clock, ids, signins
        self._origin, self._name = origin, name
        self._host = urlsplit(origin).hostname or ""
        self.possible = not _is_number(self._host)

    async def invitation(self, account: Account) -> str:
        """What a browser is told to make a passkey, as JSON."""
        from webauthn import generate_registration_options, options_to_json
        from webauthn.helpers.structs import (
            AuthenticatorSelectionCriteria,
            PublicKeyCredentialDescriptor,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT credential_id FROM passkeys WHERE account_id = ?", (account.id,)))
        return options_to_json(generate_registration_options(
            rp_id=self._host, rp_name=self._name, user_name=account.handle, user_display_name=account.name,
            user_id=self._user(account.id), challenge=self._challenge(f"add {account.id}"),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=row["credential_id"]) for row in rows]))

    async def add(self, account: Account, answer: str, name: str, visit: Visit) -> None:
        """The passkey a browser has made; `InvalidInput` for what is none, `Conflict` for too many."""
        from webauthn import verify_registration_response

        given, called = _read(answer), " ".join(name.split())[:_NAME]
        if not called:
            raise InvalidInput("Give the passkey a name, so that you know later which one it is.", field="name")

        def write(tx: Tx) -> None:
            if len(of(tx, account.id)) >= _MOST:
                raise Conflict("You have %(most)s passkeys; remove one first.", values={"most": _MOST})
            challenge = self._answered(tx, given, f"add {account.id}")
            try:
                made = verify_registration_response(
                    credential=given, expected_challenge=challenge, expected_rp_id=self._host, expected_origin=self._origin,
                    require_user_verification=True)
            except Exception as error:  # whatever a stranger's bytes make of a parser
                raise _not_understood(error) from None
            added = tx.run("INSERT INTO passkeys (id, account_id, credential_id, public_key, sign_count, name, created_at)"
                           " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (credential_id) DO NOTHING",
                           (self._ids.new(), account.id, made.credential_id, made.credential_public_key, made.sign_count, called,
                            self._clock.ms()))
            if not added:
                raise Conflict("This passkey is here already.")
            self._signins.note(tx, account.id, Happened.PASSKEY_ADDED, visit)

        await self._database.write(write)

    async def remove(self, account: Account, passkey_id: int, visit: Visit) -> None:
        """It opens nothing any more; `Conflict` for the last factor of an operator."""
        def write(tx: Tx) -> None:
            if not tx.run("DELETE FROM passkeys WHERE id = ? AND account_id = ?", (passkey_id, account.id)):
                raise NotFound("There is no such passkey.")
            check_left(tx, account)
            if not enrolled(tx, account.id):
                tx.run("DELETE FROM recovery_codes WHERE account_id = ?", (account.id,))
            self._signins.note(tx, account.id, Happened.PASSKEY_REMOVED, visit)

        await self._database.write(write)

    def question(self) -> str:
        """What a browser is asked to sign with any passkey it has for this place, as JSON; the same whoever asks."""
        from webauthn import generate_authentication_options, options_to_json
        from webauthn.helpers.structs import UserVerificationRequirement

        return options_to_json(generate_authentication_options(
            rp_id=self._host, challenge=self._challenge("sign in"), user_verification=UserVerificationRequirement.REQUIRED))

    def check(self, tx: Tx, answer: str) -> int | None:
        """Whose passkey has signed: the account's id, or None. It counts no second time."""
        try:
            given = _read(answer)
            challenge = self._answered(tx, given, "sign in")
        except InvalidInput:
            return None
        row = tx.row("SELECT * FROM passkeys WHERE credential_id = ?", (_decoded(given["rawId"]),))
        counted = self._signed(given, challenge, row) if row is not None else None
        if row is None or counted is None:
            return None
        tx.run("UPDATE passkeys SET sign_count = ?, used_at = ? WHERE id = ?", (counted, self._clock.ms(), row["id"]))
        return int(row["account_id"])

    def _signed(self, given: dict[str, Any], challenge: bytes, row: Row) -> int | None:
        """The passkey's own count if it has signed the challenge, after looking at who holds it, for the account it belongs
        to."""
        from webauthn import verify_authentication_response

        try:
            seen = verify_authentication_response(
                credential=given, expected_challenge=challenge, expected_rp_id=self._host, expected_origin=self._origin,
                credential_public_key=row["public_key"], credential_current_sign_count=row["sign_count"],
                require_user_verification=True)
            claimed = given["response"].get("userHandle")
            if claimed and not hmac.compare_digest(_decoded(claimed), self._user(row["account_id"])):
                return None
        except Exception:  # whatever a stranger's bytes make of a parser: it is no proof
            return None
        return seen.new_sign_count

    def _challenge(self, purpose: str) -> bytes:
        head = secrets.token_bytes(_NONCE) + (self._clock.ms() + _LASTS_MS).to_bytes(_TIME, "big")
        return head + self._mac(purpose, head)

    def _answered(self, tx: Tx, given: dict[str, Any], purpose: str) -> bytes:
        """The challenge that an answer names, if it is one of ours that counts now for this purpose and was not answered
        before."""
        challenge = _decoded(json.loads(_decoded(given["response"]["clientDataJSON"]))["challenge"])
        head, mac = challenge[:_NONCE + _TIME], challenge[_NONCE + _TIME:]
        until = int.from_bytes(head[_NONCE:], "big")
        if len(mac) != _MAC or not hmac.compare_digest(mac, self._mac(purpose, head)) or until < self._clock.ms():
            raise InvalidInput("This took too long. Please try again.", reason="passkey", field="passkey")
        if not tx.run("INSERT INTO answered_challenges (digest, expires_at) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING",
                      (token_hash(challenge.hex()), until)):
            raise InvalidInput("This was sent before. Please try again.", reason="passkey", field="passkey")
        return challenge

    def _mac(self, purpose: str, head: bytes) -> bytes:
        return self._vault.mac("passkey challenge", purpose.encode() + b"\0" + head)

    def _user(self, account_id: int) -> bytes:
        """What an authenticator calls somebody: says nothing, and is the same for all her passkeys."""
        return self._vault.mac("passkey user", str(account_id).encode())


def of(tx: Tx, account_id: int) -> tuple[Passkey, ...]:
    """Somebody's passkeys, oldest first."""
    return tuple(Passkey(*row) for row in tx.rows(
        "SELECT id, name, created_at, used_at FROM passkeys WHERE account_id = ? ORDER BY id", (account_id,)))


def _read(answer: str) -> dict[str, Any]:
    try:
        if len(answer) > _ANSWER:
            raise ValueError("longer than any")
        given = json.loads(answer)
        _decoded(json.loads(_decoded(given["response"]["clientDataJSON"]))["challenge"])
        _decoded(given["rawId"])
    except Exception as error:  # whatever a stranger's bytes make of a parser
        raise _not_understood(error) from None
    return dict(given)


def _decoded(text: str) -> bytes:
    """Base64 as URLs have it, without its padding (RFC 4648, section 5)."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _not_understood(error: Exception) -> InvalidInput:
    return InvalidInput("Your browser's answer could not be understood; nothing was changed. Please try again.", reason="passkey",
                        field="passkey", cause=f"{type(error).__name__}: {error}")


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
