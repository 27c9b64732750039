"""What is pushed only its browser can read, and the push service can tell that it comes from us."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode

import jwt
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.webpush import (
    PLAIN_LIMIT,
    authorization,
    encoded,
    encrypt,
    encrypt_as_draft,
    key_from,
    public_bytes,
    read_keys,
)


def raw(text: str) -> bytes:
    return urlsafe_b64decode(text + "===")


def key(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(raw(text), "big"), ec.SECP256R1())


# RFC 8291, section 5 and appendix A
_PLAIN = b"When I grow up, I want to be a watermelon"
_SERVER = key("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
_BROWSER = key("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")
_BROWSER_PUBLIC = raw("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4")
_SALT, _SECRET = raw("DGv6ra1nlYgDCS1FRnbzlw"), raw("BTBZMqHH6r4Tts7J_aSIgg")
_MESSAGE = raw("DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6"
               "PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN")


def decrypt(message: bytes, browser: ec.EllipticCurvePrivateKey, secret: bytes) -> bytes:
    """As a browser does it, written down from the standard once more."""
    salt, size, length = message[:16], int.from_bytes(message[16:20], "big"), message[20]
    sender, box = message[21:21 + length], message[21 + length:]
    assert length == 65 and size >= 18 and len(box) <= size
    shared = browser.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))

    def derive(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
        return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(material)

    material = derive(secret, shared, b"WebPush: info\x00" + public_bytes(browser) + sender, 32)
    plain = AESGCM(derive(salt, material, b"Content-Encoding: aes128gcm\x00", 16)).decrypt(
        derive(salt, material, b"Content-Encoding: nonce\x00", 12), box, None)
    text = plain.rstrip(b"\0")
    assert text.endswith(b"\x02")  # the last record
    return text[:-1]


def decrypt_draft(box: bytes, salt: str, sender: str, browser: ec.EllipticCurvePrivateKey, secret: bytes) -> bytes:
    """The same as apps do it that know the draft alone."""
    other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw(sender))

    def derive(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
        return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(material)

    material = derive(secret, browser.exchange(ec.ECDH(), other), b"Content-Encoding: auth\x00", 32)
    ends = b"P-256\x00\x00\x41" + public_bytes(browser) + b"\x00\x41" + raw(sender)
    plain = AESGCM(derive(raw(salt), material, b"Content-Encoding: aesgcm\x00" + ends, 16)).decrypt(
        derive(raw(salt), material, b"Content-Encoding: nonce\x00" + ends, 12), box, None)
    return plain[2 + int.from_bytes(plain[:2], "big"):]


def test_the_drafts_own_example_comes_out() -> None:
    """draft-ietf-webpush-encryption-04, section 5."""
    phone, server = key("9FWl15_QUQAWDaD3k3l50ZBZQJ4au27F1V4F0uLSD_M"), key("nCScek-QpEjmOOlT-rQ38nZzvdPlqa00Zy0i6m2OJvY")
    made = encrypt_as_draft(b"I am the walrus", public_bytes(phone), b"Goo goo g' joob!", key=server,
                            salt=raw("lngarbyKfMoi9Z75xYXmkg"))
    assert encoded(made.body) == "6nqAQUME8hNqw5J3kl8cpVVJylXKYqZOeseZG8UueKpA"
    assert decrypt_draft(made.body, made.salt, made.key, phone, b"Goo goo g' joob!") == b"I am the walrus"
    long = encrypt_as_draft(b"text", public_bytes(phone), b"Goo goo g' joob!", padded=2048)
    assert len(long.body) == 2048 + 2 + 16
    assert decrypt_draft(long.body, long.salt, long.key, phone, b"Goo goo g' joob!") == b"text"
    with pytest.raises(ValueError, match="too long"):
        encrypt_as_draft(bytes(PLAIN_LIMIT + 1), public_bytes(phone), bytes(16))


def test_the_standards_own_example_comes_out() -> None:
    assert public_bytes(_BROWSER) == _BROWSER_PUBLIC
    assert encrypt(_PLAIN, _BROWSER_PUBLIC, _SECRET, key=_SERVER, salt=_SALT) == _MESSAGE
    assert decrypt(_MESSAGE, _BROWSER, _SECRET) == _PLAIN


@given(st.binary(max_size=PLAIN_LIMIT), st.integers(0, PLAIN_LIMIT))
@example(b"", 0)
@example(b"x" * PLAIN_LIMIT, 0)
@settings(max_examples=30)
def test_a_browser_reads_what_was_meant_for_it_and_its_length_says_nothing(plain: bytes, padded: int) -> None:
    message = encrypt(plain, _BROWSER_PUBLIC, _SECRET, padded=padded)
    assert decrypt(message, _BROWSER, _SECRET) == plain.rstrip(b"\0") or plain.endswith((b"\0", b"\x02"))
    assert len(message) == 86 + max(len(plain), padded) + 17 <= 4096
    assert message != encrypt(plain, _BROWSER_PUBLIC, _SECRET, padded=padded)


def test_nobody_else_reads_it_and_too_much_is_not_sent() -> None:
    message = encrypt(_PLAIN, _BROWSER_PUBLIC, _SECRET)
    for browser, secret in ((_SERVER, _SECRET), (_BROWSER, bytes(16))):
        with pytest.raises(InvalidTag):
            decrypt(message, browser, secret)
    for plain, padded in ((bytes(PLAIN_LIMIT + 1), 0), (b"", PLAIN_LIMIT + 1)):
        with pytest.raises(ValueError, match="too long"):
            encrypt(plain, _BROWSER_PUBLIC, _SECRET, padded=padded)


def test_a_push_service_can_tell_who_sends() -> None:
    ours, until = key_from(b"a" * 64), int(time.time()) + 3600
    scheme, _, rest = authorization(ours, "https://push.example", "mailto:op@de.example", until).partition(" ")
    token, public = (part.partition("=")[2] for part in rest.split(", "))
    assert scheme == "vapid" and raw(public) == public_bytes(ours)
    assert jwt.decode(token, ours.public_key(), algorithms=["ES256"], audience="https://push.example") == {
        "aud": "https://push.example", "exp": until, "sub": "mailto:op@de.example"}
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, key_from(b"b" * 64).public_key(), algorithms=["ES256"], audience="https://push.example")


def test_a_key_belongs_to_its_seed() -> None:
    assert public_bytes(key_from(b"a" * 64)) == public_bytes(key_from(b"a" * 64)) != public_bytes(key_from(b"b" * 64))
    assert public_bytes(key_from(bytes(64))) and public_bytes(key_from(b"\xff" * 64))


_GOOD = (encoded(_BROWSER_PUBLIC), encoded(_SECRET))


@given(st.text(), st.text())
@example(_GOOD[0], "")
@example("", _GOOD[1])
@example(encoded(bytes(65)), _GOOD[1])
@example(encoded(b"\x04" + bytes(64)), _GOOD[1])
@example(encoded(public_bytes(_BROWSER)[:33]), _GOOD[1])
@example(_GOOD[0], encoded(bytes(15)))
@example("ä" * 65, _GOOD[1])
def test_keys_that_are_none_are_refused(public: str, secret: str) -> None:
    with pytest.raises(InvalidInput):
        read_keys(public, secret)


def test_keys_are_read_as_browsers_write_them() -> None:
    assert read_keys(*_GOOD) == (_BROWSER_PUBLIC, _SECRET)
    assert read_keys(*(text + "=" * (-len(text) % 4) for text in _GOOD)) == (_BROWSER_PUBLIC, _SECRET)
