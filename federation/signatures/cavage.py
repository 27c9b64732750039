"""HTTP signatures as the fediverse writes them (draft-cavage-http-signatures-12).

httpsig supplies the signing string and nothing else. The key, and with it the algorithm, is the pinned one; what the
sender says about the algorithm is only compared with the labels that mean RSA with SHA-256.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from core.errors import NotSignedIn

with warnings.catch_warnings():  # httpsig asks pkg_resources for its own version, which warns that it is going away
    warnings.simplefilter("ignore")
    from httpsig.utils import generate_message

GET_HEADERS = ("(request-target)", "host", "date")
POST_HEADERS = (*GET_HEADERS, "digest", "content-type")
_GET, _POST = frozenset(GET_HEADERS), frozenset(POST_HEADERS)
_HEADER = re.compile(r"""(?!,)(?:(?:\A|,[ ]*)(?:
    keyId="([^"\\]{1,2048})" | algorithm="([^"\\]{1,64})" | headers="([^"\\]{1,1024})" | signature="([^"\\]{1,2048})"
    ))+""", re.VERBOSE)
_LABELS = frozenset({None, "rsa-sha256", "hs2019"})
_NAMES = re.compile(r"(?:\(request-target\)|[a-z0-9-]+)(?: (?:\(request-target\)|[a-z0-9-]+))*")
_DATE = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{4})"
                   r" (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PLACE = "\x1f"  # no header and no target of HTTP can hold it
_BODILESS = frozenset({"GET", "HEAD"})
_PADDING, _SHA256 = padding.PKCS1v15(), hashes.SHA256()


class SignatureParams(NamedTuple):
    """What a Signature header says."""

    key_id: str
    headers: tuple[str, ...]
    signature: bytes
    algorithm: str | None


def _malformed(why: str) -> NotSignedIn:
    return NotSignedIn("The signature header cannot be read.", reason="signature-malformed", cause=why)


def parse(header: str) -> SignatureParams:
    """Read a Signature header strictly: ASCII, known parameters, each at most once; `NotSignedIn` otherwise.

    All that differs between two requests of one sender is the signature itself; the rest is read once and remembered.
    """
    if not header:
        raise NotSignedIn("The request is not signed.", reason="signature-missing")
    if len(header) > 8192 or not header.isascii():
        raise _malformed("length or alphabet")
    before, name, rest = header.partition('signature="')
    value, quote, after = rest.partition('"')
    if not name or not quote or not 0 < len(value) <= 2048:
        raise _malformed("a parameter is missing")
    key_id, headers, algorithm = _frame(before, after)
    return SignatureParams(key_id, headers, _octets(value), algorithm)


@lru_cache(maxsize=128)
def _frame(before: str, after: str) -> tuple[str, tuple[str, ...], str | None]:
    """Key id, names of headers and algorithm, from what stands before and after the value of `signature`."""
    header = f'{before}signature="AAAA"{after}'
    if not header.isprintable():
        raise _malformed("length or alphabet")
    found = _HEADER.fullmatch(header)
    if found is None:
        raise _malformed("a parameter that is unknown, empty, not quoted or not set off by a comma")
    key_id, algorithm, names, signature = found.groups()
    if not key_id or not names or not signature:
        raise _malformed("a parameter is missing")
    if header.count('"') != (6 if algorithm is None else 8):  # a value holds no quotes, so each parameter has two
        raise _malformed("a parameter comes twice")
    if algorithm not in _LABELS:
        raise _malformed("the algorithm")
    return key_id, _names(names), algorithm


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(" "))
    if not _NAMES.fullmatch(text) or len(set(names)) != len(names):
        raise _malformed("the list of headers")
    return names


def _octets(text: str) -> bytes:
    """Base64 in its one canonical spelling, padding and all."""
    try:
        octets = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise _malformed("the signature is not base64") from None
    if binascii.b2a_base64(octets, newline=False) != text.encode():
        raise _malformed("the signature is not canonical base64")
    return octets


def check_covered(params: SignatureParams, method: str) -> None:
    """Everything that matters is signed; `NotSignedIn` otherwise. Only GET and HEAD have no body to cover."""
    if not (_GET if method in _BODILESS else _POST).issubset(params.headers):
        raise _malformed("not everything that has to be is signed")


def signing_string(names: tuple[str, ...], method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """The string that is signed (section 2.3), by httpsig: one line of ASCII for each name, or `NotSignedIn`."""
    if not names or not method or not target or _PLACE in target:
        raise _malformed("nothing to sign")
    try:
        lines, covered = _lines(names, method, target)
        made = (lines % tuple([headers[name] for name in covered])).encode("ascii")
    except (KeyError, UnicodeEncodeError):
        raise _malformed("a signed header is missing or not ASCII") from None
    if made.count(b"\n") != len(names) - 1 or b"\r" in made:
        raise _malformed("a line break in what is signed")
    return made


@lru_cache(maxsize=128)
def _lines(names: tuple[str, ...], method: str, target: str) -> tuple[str, tuple[str, ...]]:
    """What httpsig makes of these names, with a place for each header's value, and the headers in order. Requests of one
    kind differ in the values only, so it is asked once for each kind."""
    covered = tuple(name for name in names if name != "(request-target)")
    made = bytes(generate_message(names, dict.fromkeys(covered, _PLACE), None, method, target)).decode()
    return made.replace("%", "%%").replace(_PLACE, "%s"), covered


def sign(key: RSAPrivateKey, key_id: str, method: str, target: str, headers: Mapping[str, str]) -> str:
    """The Signature header of a request; `headers` have lower-case names."""
    names = GET_HEADERS if method in _BODILESS else POST_HEADERS
    signature = base64.b64encode(key.sign(signing_string(names, method, target, headers), _PADDING, _SHA256)).decode()
    return f'keyId="{key_id}",algorithm="rsa-sha256",headers="{" ".join(names)}",signature="{signature}"'


def verify(key: RSAPublicKey, params: SignatureParams, method: str, target: str, headers: Mapping[str, str]) -> None:
    """Check the signature with the pinned key; `NotSignedIn` when it is not that key's."""
    try:
        key.verify(params.signature, signing_string(params.headers, method, target, headers), _PADDING, _SHA256)
    except InvalidSignature:
        raise NotSignedIn("The signature does not fit the request.", reason="signature-wrong") from None


def digest(body: bytes) -> str:
    """The Digest header of a body (RFC 3230)."""
    return "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()


def check_digest(header: str, body: bytes) -> bytes:
    """Compare the signed digest with the raw bytes and return it (32 bytes); `NotSignedIn` when they differ."""
    made = hashlib.sha256(body).digest()
    name, _, value = header.partition("=")
    if name.lower() != "sha-256" or not hmac.compare_digest(value.encode("latin-1", "replace"), base64.b64encode(made)):
        raise NotSignedIn("The body is not the one that was signed.", reason="digest")
    return made


def check_window(header: str, now: float, window: int) -> float:
    """How far the sender's clock is ahead, in seconds; `NotSignedIn` outside the window."""
    skew = _seconds(header) - now
    if abs(skew) > window:
        raise NotSignedIn("The date is too far from ours.", reason="clock")
    return skew


@lru_cache(maxsize=64)
def _seconds(header: str) -> float:
    """An IMF-fixdate (RFC 9110, section 5.6.7) in seconds since the epoch; its weekday is not compared with the date."""
    found = _DATE.fullmatch(header)
    try:
        if found is None:
            raise ValueError
        day, month, year, hour, minute, second = found.groups()
        leap = second == "60"  # Python's datetime knows none
        moment = datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), 59 if leap else int(second),
                          tzinfo=UTC)
        return moment.timestamp() + leap
    except ValueError:
        raise NotSignedIn("The date cannot be read.", reason="clock") from None
