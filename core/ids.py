"""Identifiers: sortable 63-bit integers inside, thirteen opaque letters outside."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from functools import lru_cache

from core.clock import Clock

_EPOCH_MS = 1_704_067_200_000  # 2024-01-01
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(one + two for one in _ALPHABET for two in _ALPHABET)
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}


class Ids:
    """Hands out integers that grow with time: 41 bits of milliseconds, 8 of process, 14 of counter.

    Inside one process they are strictly increasing, also when the clock steps back; two processes differ in
    their tag, and a clash would be refused by the primary key, never overwritten.
    """

    def __init__(self, clock: Clock, tag: int | None = None) -> None:
        self._clock = clock
        self._tag = (secrets.randbelow(256) ^ os.getpid()) % 256 if tag is None else tag
        self._ms = 0
        self._count = 0
        self._lock = threading.Lock()

    def new(self) -> int:
        """The next identifier."""
        with self._lock:
            now = self._clock.ms() - _EPOCH_MS
            if now > self._ms:
                self._ms, self._count = now, 0
            else:
                self._count += 1
                if self._count >= 1 << 14:
                    self._ms, self._count = self._ms + 1, 0
            return (self._ms << 22) | (self._tag << 14) | self._count


def public(number: int) -> str:
    """The outside form: thirteen letters of Crockford's base 32, sortable like the number."""
    return (f"{_ALPHABET[number >> 60 & 31]}{_PAIRS[number >> 50 & 1023]}{_PAIRS[number >> 40 & 1023]}"
            f"{_PAIRS[number >> 30 & 1023]}{_PAIRS[number >> 20 & 1023]}{_PAIRS[number >> 10 & 1023]}{_PAIRS[number & 1023]}")


def number(text: str) -> int | None:
    """The inside form of `text`, or None when nobody here can have written it."""
    if len(text) != 13:
        return None
    value = 0
    for letter in text:
        digit = _VALUES.get(letter)
        if digit is None:
            return None
        value = value << 5 | digit
    return value if value < 1 << 63 else None


def made_at(number: int) -> int:
    """When an identifier was handed out (ms)."""
    return (number >> 22) + _EPOCH_MS


def least_at(ms: int) -> int:
    """The least identifier that can have been handed out at a moment."""
    return max(0, ms - _EPOCH_MS) << 22


@lru_cache(maxsize=4096)
def uri_key(uri: str) -> bytes:
    """Twenty-four bytes that stand for a URI in unique indexes: where it lies, about when it was made, and which it is.

    Four bytes are a digest of everything up to the last slash and eight are the first letters of what follows it, which in
    our own ids (`public`) is the time: so the URIs one instance makes one after the other lie side by side in an index,
    and a batch of them touches one page of it instead of one page each. The last twelve are a digest of the whole
    (BLAKE2b, 96 bits); the origin is in both digests, so an instance that looks for collisions can find only its own.
    """
    path, _, name = uri.rpartition("/")
    return _place(path) + name[:8].encode()[:8].ljust(8, b"\0") + hashlib.blake2b(uri.encode(), digest_size=12).digest()


def keys_below(path: str) -> tuple[bytes, bytes]:
    """What the keys of all URIs lie between that have a name behind this path and its slash. Others may lie there too: four
    bytes are no proof."""
    return _place(path) + bytes(20), _place(path) + b"\xff" * 20


@lru_cache(maxsize=256)
def _place(path: str) -> bytes:
    return hashlib.blake2b(path.encode(), digest_size=4).digest()
