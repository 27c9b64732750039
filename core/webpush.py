"""Web Push: a message only one browser can read (RFC 8291 over RFC 8188), and who says that it comes from us (RFC 8292).

Two libraries do this. One brings a second HTTP client that opens connections of its own, the other is published as source only,
and both wrap what `cryptography` and PyJWT, which are here already, do in the lines below; the standard's own example is a test.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.errors import InvalidInput

_CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the curve (SEC 2, section 2.4.2)
_POINT, _SECRET, _SALT = 65, 16, 16  # bytes
_RECORD = 4096
PLAIN_LIMIT = _RECORD - 17 - 86  # the tag and the delimiter; and the head, because push services take 4096 bytes in all
"""The most bytes a message has."""


def key_from(seed: bytes) -> ec.EllipticCurvePrivateKey:
    """The key that belongs to a seed of 48 bytes or more (FIPS 186-5, appendix A.2.1)."""
    return ec.derive_private_key(int.from_bytes(seed, "big") % (_ORDER - 1) + 1, _CURVE)


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key as an uncompressed point."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def encoded(raw: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_keys(public_key: str, secret: str) -> tuple[bytes, bytes]:
    """A browser's public key and its secret, as a page hands them in; `InvalidInput` where they are none."""
    try:
        point, auth = (urlsafe_b64decode(f"{text[:200]}===".encode("ascii")) for text in (public_key, secret))
        _point(point)
    except (ValueError, Base64Error):
        raise InvalidInput("This browser's keys could not be read.", reason="push-keys") from None
    if len(auth) != _SECRET:
        raise InvalidInput("This browser's keys could not be read.", reason="push-keys")
    return point, auth


def encrypt(plain: bytes, public_key: bytes, secret: bytes, *, padded: int = 0, key: ec.EllipticCurvePrivateKey | None = None,
            salt: bytes | None = None) -> bytes:
    """A message for the browser with this key and secret, filled up with zeros to `padded` bytes; one record. A fresh key and
    salt each time, unless given. `ValueError` for more than `PLAIN_LIMIT`."""
    if max(len(plain), padded) > PLAIN_LIMIT:
        raise ValueError("the message is too long")
    key, salt = key or ec.generate_private_key(_CURVE), salt or os.urandom(_SALT)
    own = public_bytes(key)
    shared = key.exchange(ec.ECDH(), _point(public_key))
    material = _derive(secret, shared, b"WebPush: info\0" + public_key + own, 32)  # RFC 8291, section 3.4
    cipher = AESGCM(_derive(salt, material, b"Content-Encoding: aes128gcm\0", 16))  # RFC 8188, section 2.2
    nonce = _derive(salt, material, b"Content-Encoding: nonce\0", 12)
    box = cipher.encrypt(nonce, plain + b"\2" + bytes(max(0, padded - len(plain))), None)
    return salt + _RECORD.to_bytes(4, "big") + bytes([len(own)]) + own + box


class Draft(NamedTuple):
    """A message as the draft before the standard has it: the text alone, and what its headers say beside it."""

    body: bytes
    salt: str
    key: str


def encrypt_as_draft(plain: bytes, public_key: bytes, secret: bytes, *, padded: int = 0,
                     key: ec.EllipticCurvePrivateKey | None = None, salt: bytes | None = None) -> Draft:
    """The same by draft-ietf-webpush-encryption-04 (aesgcm), which apps on telephones and the services that wake them still
    speak. Here the padding stands before the text, with its length."""
    if max(len(plain), padded) > PLAIN_LIMIT:
        raise ValueError("the message is too long")
    key, salt = key or ec.generate_private_key(_CURVE), salt or os.urandom(_SALT)
    own = public_bytes(key)
    material = _derive(secret, key.exchange(ec.ECDH(), _point(public_key)), b"Content-Encoding: auth\0", 32)
    context = b"P-256\0" + b"".join(len(one).to_bytes(2, "big") + one for one in (public_key, own))
    cipher = AESGCM(_derive(salt, material, b"Content-Encoding: aesgcm\0" + context, 16))
    nonce = _derive(salt, material, b"Content-Encoding: nonce\0" + context, 12)
    filling = max(0, padded - len(plain))
    box = cipher.encrypt(nonce, filling.to_bytes(2, "big") + bytes(filling) + plain, None)
    return Draft(box, encoded(salt), encoded(own))


def authorization(key: ec.EllipticCurvePrivateKey, origin: str, contact: str, until: int) -> str:
    """The Authorization header for a push service at an origin, good until `until` (s), at most a day ahead."""
    return f"vapid t={_signed(key, origin, contact, until)}, k={encoded(public_bytes(key))}"


def authorization_as_draft(key: ec.EllipticCurvePrivateKey, origin: str, contact: str, until: int,
                           message: Draft) -> dict[str, str]:
    """The headers that go with a message by the draft."""
    return {"authorization": f"WebPush {_signed(key, origin, contact, until)}", "encryption": f"salt={message.salt}",
            "crypto-key": f"dh={message.key};p256ecdsa={encoded(public_bytes(key))}"}


def _signed(key: ec.EllipticCurvePrivateKey, origin: str, contact: str, until: int) -> str:
    import jwt  # few instances push, and it is large

    return jwt.encode({"aud": origin, "exp": until, "sub": contact}, key, algorithm="ES256")


def _point(raw: bytes) -> ec.EllipticCurvePublicKey:
    if len(raw) != _POINT:
        raise ValueError("a point of P-256 has 65 bytes")
    return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, raw)


def _derive(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(material)
