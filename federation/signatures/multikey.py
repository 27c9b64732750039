"""Ed25519 public keys as text (Multikey, FEP-521a): base58btc, behind a `z`, of two bytes that name the kind and the key's 32."""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from core.errors import InvalidInput

_DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]
_LONGEST = 128
_ED25519 = b"\xed\x01"
_KEY_BYTES = 32
# keys that are printed in FEP-8b32, FEP-521a and the W3C's examples
_PUBLISHED = frozenset({
    "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"})


def multibase(raw: bytes) -> str:
    """Bytes in base58btc (Multibase)."""
    number, pairs = int.from_bytes(raw), list[str]()
    while number:  # two digits at a time: each division goes through the whole number
        number, pair = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[pair])
    return "z" + "1" * (len(raw) - len(raw.lstrip(b"\0"))) + "".join(reversed(pairs)).lstrip("1")


def read_multibase(text: str) -> bytes:
    """What `multibase` has written; `ValueError` for anything else. There is one way to write each value."""
    if not text.startswith("z") or len(text) > _LONGEST:
        raise ValueError("not base58btc of this size")
    digits, number = text[1:], 0
    for character in digits:
        number = number * 58 + _DIGITS.index(character)
    return b"\0" * (len(digits) - len(digits.lstrip("1"))) + number.to_bytes((number.bit_length() + 7) // 8)


def encode(key: Ed25519PublicKey) -> str:
    """A key as it stands in `publicKeyMultibase`: `z6Mk…`."""
    return multibase(_ED25519 + key.public_bytes_raw())


@lru_cache(maxsize=256)
def decode(text: str) -> Ed25519PublicKey:
    """The key that is written so; `InvalidInput` for another kind of key, and for what is none."""
    try:
        raw = read_multibase(text)
        if raw[:2] != _ED25519 or len(raw) != 2 + _KEY_BYTES:
            raise ValueError("not an Ed25519 key")
        return Ed25519PublicKey.from_public_bytes(raw[2:])
    except ValueError:
        raise InvalidInput("A document key is an Ed25519 key, written as a Multikey.", reason="bad-key") from None


def check_own(text: str) -> None:
    """`InvalidInput` unless this can be the document key of an instance: one that is printed somewhere cannot."""
    decode(text)
    if text in _PUBLISHED:
        raise InvalidInput("This key is a published example; its private half is no secret.", reason="bad-key")
