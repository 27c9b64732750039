"""Secrets: passwords as argon2id, private keys sealed with a key file that lives outside the database, random tokens.

Nothing here writes a secret to a log, and no error quotes one. Hashing a password costs some 30 ms and 19 MiB, so
callers on the event loop use a thread.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
import unicodedata
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Self

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.disk import sync, unfinished
from core.errors import InvalidInput, Misconfigured

_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's first choice for argon2id
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$5KMprB/dtQtC+sMvwqMkVg$YAB/lw21XPanc/U/ca1Utnaf9byWvasYA/i75MUSbyQ"
_PASSWORD_LIMIT = 1024
_KEY_BYTES = 32
_NONCE_BYTES = 12
_FORM = b"\x01"


def hash_password(password: str) -> str:
    """The argon2id hash (RFC 9106) in its usual text form; `InvalidInput` when the password cannot be used."""
    typed = _typed(password)
    if typed is None:
        raise InvalidInput("A password has 1 to %(most)s bytes.", values={"most": _PASSWORD_LIMIT},
                           reason="password", field="password")
    return _HASHER.hash(typed)


def verify_password(hashed: str, password: str) -> bool:
    """Whether the password made this hash; a hash nobody can read is answered False."""
    typed = _typed(password)
    try:
        return typed is not None and _HASHER.verify(hashed, typed)
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(hashed: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(hashed)


def verify_nobody(password: str) -> None:
    """Spend the time of `verify_password` on an account that does not exist, so that the clock names no accounts."""
    verify_password(_NOBODY, password)


def token() -> str:
    """A fresh secret of 256 bits, safe in URLs and cookies."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What is stored in place of a token: SHA-256, enough for 256 random bits."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


class KeyVault:
    """Seals private keys with AES-256-GCM under the key file; the context names what is sealed and must match."""

    def __init__(self, key_file: Path) -> None:
        self._use(_read(key_file))

    @classmethod
    def holding(cls, key: bytes) -> Self:
        """A vault for what a key file held that is not in its place."""
        vault = cls.__new__(cls)
        vault._use(key)
        return vault

    def _use(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise Misconfigured("A key file does not hold exactly %(count)s bytes.", values={"count": _KEY_BYTES})
        self._cipher = AESGCM(key)
        self._tokens = HKDF(SHA256(), 32, None, b"konsil tokens").derive(key)

    @classmethod
    def create(cls, key_file: Path) -> Self:
        """Write a new key file only its owner can read; `Misconfigured` when anything stands there already."""
        try:
            with unfinished(key_file) as (file, finish):  # half a key would be worse than none
                file.write(secrets.token_bytes(_KEY_BYTES))
                sync(file)
                finish()
        except FileExistsError:
            raise Misconfigured("There is a key file at %(path)s already; it is never overwritten.",
                                values={"path": key_file}) from None
        except OSError as error:
            raise Misconfigured("The key file %(path)s cannot be made: %(error)s.",
                                values={"path": key_file, "error": error.strerror}) from None
        return cls(key_file)

    def token_for(self, purpose: str) -> str:
        """A secret of 256 bits that only the key file can make, the same for the same purpose each time; safe in URLs.

        For links that have to be written more than once although the database knows them by their digest alone.
        """
        return urlsafe_b64encode(hmac.digest(self._tokens, purpose.encode(), "sha256")).rstrip(b"=").decode()

    def mac(self, purpose: str, message: bytes) -> bytes:
        """HMAC-SHA-256 that only the key file can make, over a message of this purpose."""
        return hmac.digest(self._tokens, purpose.encode() + b"\0" + message, "sha256")

    def seal(self, plain: bytes, context: str) -> bytes:
        """One byte naming the form, twelve of nonce, then the ciphertext with its tag."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _FORM + nonce + self._cipher.encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """What was sealed; `Misconfigured` when key, context or bytes are not those of the sealing."""
        nonce, box = sealed[1:1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES:]
        try:
            if sealed[:1] != _FORM or len(nonce) != _NONCE_BYTES:
                raise InvalidTag
            return self._cipher.decrypt(nonce, box, context.encode())
        except InvalidTag:
            raise Misconfigured("The sealed %(context)s does not open with this key file: it belongs to another database"
                                " or was changed.", values={"context": context}) from None


def _typed(password: str) -> bytes | None:
    """The password as bytes, the same for every way of typing an umlaut (NFKC); None when it is empty or too long."""
    try:
        typed = unicodedata.normalize("NFKC", password[:_PASSWORD_LIMIT + 1]).encode()
    except UnicodeEncodeError:
        return None
    return typed if 0 < len(typed) <= _PASSWORD_LIMIT else None


def _read(key_file: Path) -> bytes:
    """The key, if the file is a plain one of the right size that nobody but its owner can touch."""
    try:
        with key_file.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            key = file.read(_KEY_BYTES + 1)
    except OSError as error:
        raise Misconfigured("The key file %(path)s cannot be read: %(error)s.",
                            values={"path": key_file, "error": error.strerror}) from None
    if stat.S_IMODE(mode) & 0o077:
        raise Misconfigured("The key file %(path)s is open to others; `chmod 600` it.", values={"path": key_file})
    if len(key) != _KEY_BYTES:
        raise Misconfigured("The key file %(path)s does not hold exactly %(count)s bytes.",
                            values={"path": key_file, "count": _KEY_BYTES})
    return key
