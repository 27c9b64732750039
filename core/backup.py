"""The file of a backup: members in one encrypted stream, written and read piece by piece, whatever their size.

The key is a file of its own that is in no backup. A file begins with a header: what it is, which key opens it, salt, the
first bytes of the nonces, how long the stream is. Then come pieces of 64 KiB under AES-256-GCM with a key derived for this
file (HKDF-SHA-256, RFC 5869) and the header as associated data; a piece's nonce holds its number and whether it is the last
(STREAM; Hoang, Reyhanitabar, Rogaway, Vizar: "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance").
So a change, a cut, an exchange of pieces, or pieces of another backup are found at the piece. In the stream the
manifest comes first, with its length before it, then the members one after the other.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import struct
from base64 import b32decode, b32encode
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.disk import whole
from core.errors import InvalidInput, Misconfigured

PIECE = 65_536
_MAGIC = b"konsil backup 1\n"
_HEADER = struct.Struct(">16s8s32s7sQ")
_LENGTH = struct.Struct(">I")
_TAG = 16
_MANIFEST_LIMIT = 1 << 20
_KEY_BYTES, _CHECK_BYTES, _GROUP = 32, 3, 4


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file in a backup: its size in bytes and its SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is in a backup: which release made it, of which instance, when (ms), how far its database is migrated, its members in
    their order and how many rows some tables have."""

    release: str
    domain: str
    created: int
    migration: int
    members: tuple[Member, ...]
    rows: dict[str, int]


class BackupKey:
    """The key that backups are made and opened with; it lies in a file that only its owner can read."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.mark = hashlib.sha256(b"konsil backup key" + secret).digest()[:8]

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a key file; `Misconfigured` when anything stands there."""
        made = cls(secrets.token_bytes(_KEY_BYTES))
        try:
            with whole(path) as file:
                file.write(f"{made.written()}\n")
        except OSError as error:
            raise Misconfigured("The backup key %(path)s cannot be made: %(error)s.",
                                values={"path": path, "error": error.strerror}) from None
        return made

    @classmethod
    def load(cls, path: Path) -> Self:
        """The key in a file; `Misconfigured` when it is not there, not readable, open to others, or mistyped."""
        try:
            with path.open("rb") as file:
                mode, text = os.fstat(file.fileno()).st_mode, file.read(1024)
        except OSError as error:
            raise Misconfigured("The backup key %(path)s cannot be read: %(error)s.",
                                values={"path": path, "error": error.strerror}) from None
        if stat.S_IMODE(mode) & 0o077:
            raise Misconfigured("The backup key %(path)s is open to others; `chmod 600` it.", values={"path": path})
        try:
            found = b32decode("".join(text.decode("ascii").upper().replace("-", "").split()))
        except ValueError:
            found = b""
        secret, check = found[:_KEY_BYTES], found[_KEY_BYTES:]
        if len(secret) != _KEY_BYTES or check != hashlib.sha256(secret).digest()[:_CHECK_BYTES]:
            raise Misconfigured("%(path)s does not hold a backup key as it was written; compare it with your copy.",
                                values={"path": path})
        return cls(secret)

    def written(self) -> str:
        """Fourteen groups of four letters and digits, the last ones a check: it can be copied by hand."""
        text = b32encode(self._secret + hashlib.sha256(self._secret).digest()[:_CHECK_BYTES]).decode().lower()
        return "-".join(text[start:start + _GROUP] for start in range(0, len(text), _GROUP))

    def cipher(self, salt: bytes) -> AESGCM:
        """The cipher of one file."""
        return AESGCM(HKDF(SHA256(), 32, salt, b"konsil backup 1").derive(self._secret))


def member(name: str, file: BinaryIO) -> Member:
    """Measure an open file from its beginning."""
    file.seek(0)
    digest, size = hashlib.sha256(), 0
    while piece := file.read(PIECE):
        digest.update(piece)
        size += len(piece)
    return Member(name, size, digest.hexdigest())


def write(into: BinaryIO, key: BackupKey, manifest: Manifest, files: Mapping[str, BinaryIO]) -> None:
    """Write a backup with the manifest's members out of open files; `OSError` when the disk takes no more."""
    described = msgspec.json.encode(manifest)
    start = _LENGTH.pack(len(described)) + described
    salt, first = secrets.token_bytes(32), secrets.token_bytes(7)
    header = _HEADER.pack(_MAGIC, key.mark, salt, first, len(start) + sum(one.size for one in manifest.members))
    cipher = key.cipher(salt)
    into.write(header)
    number, waiting = 0, bytearray(start)
    for one in manifest.members:
        files[one.name].seek(0)
        while piece := files[one.name].read(PIECE):
            waiting += piece
            while len(waiting) > PIECE:
                into.write(cipher.encrypt(_nonce(first, number, last=False), bytes(waiting[:PIECE]), header))
                del waiting[:PIECE]
                number += 1
    into.write(cipher.encrypt(_nonce(first, number, last=True), bytes(waiting), header))


class Reader:
    """A backup that is being read: the manifest at once, then the members in their order."""

    def __init__(self, path: Path, file: BinaryIO, key: BackupKey) -> None:
        self._path, self._file = path, file
        self._header = file.read(_HEADER.size)
        if self._header[:len(_MAGIC)] != _MAGIC:
            raise InvalidInput("%(path)s is not a backup of Konsil, or one that this release cannot read.", values={"path": path},
                               reason="no-backup")
        if len(self._header) < _HEADER.size:
            raise self._too_short()
        _, mark, salt, self._first, self._length = _HEADER.unpack(self._header)
        if mark != key.mark:
            raise InvalidInput("%(path)s was made with another backup key than this one.", values={"path": path},
                               reason="wrong-key")
        self._cipher = key.cipher(salt)
        self._number, self._read, self._waiting = 0, 0, bytearray()
        size = os.fstat(file.fileno()).st_size
        pieces = max(1, -(-self._length // PIECE))
        whole = _HEADER.size + self._length + pieces * _TAG
        if size < whole:
            raise self._too_short()
        if size > whole:
            raise self._changed()
        self.manifest = self._described()

    def copy(self, one: Member, into: BinaryIO) -> None:
        """Write the next member into a file, which is where it ends to be read from its beginning. `InvalidInput` if anything
        is not as it was written."""
        digest, left = hashlib.sha256(), one.size
        while left > 0:
            piece = self._take(min(left, PIECE))
            digest.update(piece)
            into.write(piece)
            left -= len(piece)
        into.flush()
        into.seek(0)
        if digest.hexdigest() != one.sha256:
            raise self._changed()

    def _described(self) -> Manifest:
        (length,) = _LENGTH.unpack(self._take(_LENGTH.size))
        if length > _MANIFEST_LIMIT:
            raise self._changed()
        try:
            manifest = msgspec.json.decode(self._take(length), type=Manifest)
        except msgspec.DecodeError as error:
            raise InvalidInput("%(path)s is not a backup of Konsil, or one that this release cannot read.",
                               values={"path": self._path}, reason="no-backup", cause=str(error)) from None
        if _LENGTH.size + length + sum(one.size for one in manifest.members) != self._length:
            raise self._changed()
        return manifest

    def _take(self, count: int) -> bytes:
        """Exactly so many bytes of the stream."""
        while len(self._waiting) < count:
            left = self._length - self._read
            size = min(PIECE, left)
            sealed = self._file.read(size + _TAG)
            try:
                self._waiting += self._cipher.decrypt(
                    _nonce(self._first, self._number, last=left == size), sealed, self._header)
            except (InvalidTag, ValueError):
                raise self._changed() from None
            self._number += 1
            self._read += size
            if size == 0:
                raise self._changed()
        taken = bytes(self._waiting[:count])
        del self._waiting[:count]
        return taken

    def _too_short(self) -> InvalidInput:
        return InvalidInput("%(path)s is cut short: its end is missing.", values={"path": self._path}, reason="cut-short")

    def _changed(self) -> InvalidInput:
        return InvalidInput("%(path)s is not as it was written: something in it was changed.", values={"path": self._path},
                            reason="changed")


def _nonce(first: bytes, number: int, *, last: bool) -> bytes:
    return first + number.to_bytes(4, "big") + bytes([last])


__all__ = ["PIECE", "BackupKey", "Manifest", "Member", "Reader", "member", "write"]
