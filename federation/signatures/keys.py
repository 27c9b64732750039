"""RSA keys and their fingerprints. The only place that turns PEM into keys."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from mnemonic import Mnemonic

from core.errors import InvalidInput, Misconfigured

_BITS = 2048
# SHA-256 of the SubjectPublicKeyInfo of keys that are printed in standards and in the public tests of other servers
_PUBLISHED: frozenset[str] = frozenset({
    "019b6c545adbc7b3544074e99f142260543af3337a7bb6a5298ad9a6f5f1733e",
    "2f3a13de10e164a2c03979a6eb3c2bacff286ada6750c581609ba9f34a527579",
    "32578a2c712826ceb007523bac30ab47c019b99178da6c36ee07e6484505bd91",
    "34571606cb7a0d71be377e671ddcccae2a169ed7733598214129231cd30c4a3c",
    "35e9bfba715a6233dfb86ba77a910a222c2b58650625cae7a17e10781c6fc13a",
    "55f96361b78cbb84f1fc604b0718e82bd91abb46d8fc25ae871b35fbbf8b7974",
    "6abc29c310d9c042fd93e21828b8178161400a3b78adf0f09d62ac13712eb5fe",
    "72859cbaf21a0b398b1f25712bbed148b1d85a0c6b824176eb306405caa6f0b2",
    "7fe1558bef86d917c60c530dcc35e04601472fee447254a8a0c9f78625482ea4",
    "a35067eb88d937c0831e780b2882ea52a7ee1f8dfd57213c2116ca74600530e4",
    "b1eb27c647c4fd811f32ee3084f2c83a99a2b0d42cabf733f73add23a72df567",
    "c45e79ba17101d35ac7581b1d57763ff555641e78b9a45a23f10b4e60f0d2b1f",
    "c73eecd318bd3813f2402a660d8a90010ca35d609d19377d5ee7af200713229f",
    "e26a805d2b53ba8336310e4ded58447bd14b4aac6cf3f8ec63bc72a1457c7760",
    "ee565c4f4c35eb26373881fd44ce5d60798727353da89c01d8bdfd756714d3bf",
    "f1dfb241a2f38dfd463f78f527a6e813a1e6f3c98d524e0ebf87570e43a076da",
})


def generate_rsa() -> tuple[str, str]:
    """A new RSA-2048 key: (private PEM, PKCS #8; public PEM, SubjectPublicKeyInfo)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@lru_cache(maxsize=256)
def load_public(pem: str) -> rsa.RSAPublicKey:
    """An RSA public key of 2048 to 4096 bits; anything else, and published example keys, is `InvalidInput`."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput("This is not a public key.", reason="bad-key") from None
    if not isinstance(key, rsa.RSAPublicKey) or not _BITS <= key.key_size <= 2 * _BITS:
        raise InvalidInput("The key of an instance is RSA with 2048 to 4096 bits.", reason="bad-key")
    if _spki(key) in _PUBLISHED:
        raise InvalidInput("This key is a published example; its private half is no secret.", reason="bad-key")
    return key


def load_private(pem: str) -> rsa.RSAPrivateKey:
    """Our own private key (checked while loading, some 40 ms); `Misconfigured` when it is none or locked."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Misconfigured("The instance's private key cannot be read.") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Misconfigured("The instance's key is not RSA.")
    return key


def fingerprint(public_pem: str) -> str:
    """SHA-256 of the key's SubjectPublicKeyInfo, 64 hexadecimal digits."""
    return _spki(load_public(public_pem))


def fingerprint_words(hexadecimal: str) -> str:
    """The fingerprint as 24 words (BIP 39, English), the last carrying a checksum."""
    return _words().to_mnemonic(bytes.fromhex(hexadecimal))


def scannable(domain: str, hexadecimal: str) -> str:
    """What a fingerprint's QR code says; where a fingerprint is typed, this may be typed as well."""
    return f"konsil:{domain}#{hexadecimal}"


def read_fingerprint(text: str) -> str:
    """A fingerprint as somebody typed it: hexadecimal with any spaces or colons, the 24 words, or what its QR code says."""
    if text.strip().startswith("konsil:"):
        text = text.rpartition("#")[2]
    plain = re.sub(r"[\s:-]", "", text).lower()
    if re.fullmatch(r"[0-9a-f]{64}", plain):
        return plain
    words = text.lower().split()
    if len(words) == 24:
        try:
            return bytes(_words().to_entropy(words)).hex()
        except (ValueError, LookupError):
            raise InvalidInput("A word of the fingerprint is wrong.", reason="fingerprint") from None
    raise InvalidInput("A fingerprint is 64 hexadecimal digits or 24 words.", reason="fingerprint")


def grouped(hexadecimal: str) -> str:
    """In groups of four, for reading aloud."""
    return " ".join(hexadecimal[start : start + 4] for start in range(0, len(hexadecimal), 4))


@lru_cache(maxsize=1)
def _words() -> Mnemonic:
    return Mnemonic("english")


def _spki(key: rsa.RSAPublicKey) -> str:
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()
