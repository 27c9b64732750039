"""Who is asking: the order of checks every signed request passes, incoming GETs and POSTs alike.

Parse the signature, ask the gate about the key's origin, then host, digest, window, and at last the signature itself
with the pinned key. Nothing is fetched, and a failed signature changes nothing but the refusal log. Whoever is refused too
often, and a sibling that asks too often, is told to wait (`federation.rates`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from core.clock import Clock
from core.errors import InvalidInput, KonsilError, NotSignedIn, Refused, TooLarge, TooMany, UnsupportedMedia
from core.numbers import whole
from federation.addresses import origin_of
from federation.allowlist import Allowlist, Direction, Purpose, Sibling
from federation.rates import Client, Rates
from federation.refusals import RefusalLog
from federation.signatures import cavage
from federation.signatures.keys import load_public

_UNSIGNED = "(unsigned)"
_TYPES = frozenset({"application/activity+json", "application/ld+json"})
SINGLE = frozenset({"host", "date", "digest", "content-type", "signature", "content-length", "content-encoding"})


class Request(NamedTuple):
    """A signed request as it came: `headers` have lower-case names; `target` with the query exactly as it was received;
    `client` is where it came from."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    client: Client = None


class Caller(NamedTuple):
    """Who sent a request: the sibling, its clock's skew in seconds, SHA-256 of the body (empty for a GET)."""

    sibling: Sibling
    skew: float
    digest: bytes


class Door:
    """Turns a signed request into the `Sibling` it comes from."""

    def __init__(self, allowlist: Allowlist, refusals: RefusalLog, rates: Rates, clock: Clock, *, authority: str,
                 window: int) -> None:
        self._allowlist, self._refusals, self._rates, self._clock = allowlist, refusals, rates, clock
        self._authority, self._window = authority, window

    def identify(self, request: Request, purpose: Purpose, admitted: dict[str, Sibling] | None = None) -> Caller:
        """Who is calling; raises 401, 403, 429 or 503, logged with its reason. 401 and 403 count against where it came from.

        `admitted` remembers whom the gate let through for requests that are looked at in one go, without a pause in which
        anything could have changed; it must not live longer than that.
        """
        origin = ""
        try:
            params = cavage.parse(request.headers.get("signature", ""))
            origin = _origin(params.key_id)
            sibling = admitted.get(origin) if admitted is not None else None
            if sibling is None:
                sibling = self._allowlist.admit(origin, Direction.IN, purpose, path=request.target)
                if admitted is not None:
                    admitted[origin] = sibling
        except NotSignedIn as error:
            self._rates.refused(request.client)
            self._log(origin or _UNSIGNED, purpose, error, request.target)
            raise
        except Refused:  # the gate has logged it
            self._rates.refused(request.client)
            raise
        try:
            caller = self._check(request, params, sibling)
        except KonsilError as error:
            self._rates.refused(request.client)
            self._log(origin, purpose, error, request.target)
            raise
        try:
            self._rates.asked(sibling.id)
        except TooMany as error:
            self._log(origin, purpose, error, request.target)
            raise
        return caller

    def turned_away(self, raw: Iterable[tuple[bytes, bytes]], purpose: Purpose, error: KonsilError, target: str,
                    client: Client) -> None:
        """Log a request that was refused before its signature was looked at, under the origin it claims to come from."""
        if error.status < 500:
            self._rates.refused(client)
        self._log(_claimed(raw), purpose, error, target)

    def _check(self, request: Request, params: cavage.SignatureParams, sibling: Sibling) -> Caller:
        method, target, headers, body, _ = request
        pinned = sibling.keys.get(params.key_id)
        if pinned is None:
            raise NotSignedIn("The key is not the pinned one.", reason="signature-wrong")
        cavage.check_covered(params, method)
        if headers.get("host", "").lower() != self._authority:
            raise NotSignedIn("The request is for another host.", reason="wrong-host")
        skew = cavage.check_window(headers.get("date", ""), self._clock.now(), self._window)
        digest = cavage.check_digest(headers.get("digest", ""), body) if method == "POST" else b""
        cavage.verify(load_public(pinned), params, method, target, headers)
        return Caller(sibling, skew, digest)

    def _log(self, origin: str, purpose: Purpose, error: KonsilError, target: str) -> None:
        self._refusals.record(direction=Direction.IN, origin=origin, purpose=purpose, reason=error.reason, path=target,
                              detail=error.cause)


def check_head(headers: Mapping[str, str], limit: int, types: frozenset[str] = _TYPES) -> None:
    """Refuse a POST by its head alone, before a byte of its body is read: 415, 413."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in types:
        raise UnsupportedMedia("The content type here is %(kind)s.", values={"kind": min(types)}, reason="content-type")
    if "content-encoding" in headers:
        raise UnsupportedMedia("An encoded body is not read.", reason="content-encoding")
    length = headers.get("content-length", "")
    if length and whole(length, limit) is None:
        raise TooLarge("An activity has at most %(most)s bytes.", values={"most": limit})


def gather(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers as text; what must be single and is not, or is not ASCII, is `NotSignedIn` (malformed)."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        if key in headers and key in SINGLE:
            raise NotSignedIn("A header came twice.", reason="signature-malformed")
        headers[key] = value.decode("latin-1")
    return headers


def _claimed(raw: Iterable[tuple[bytes, bytes]]) -> str:
    signatures = [value.decode("latin-1") for name, value in raw if name.lower() == b"signature"]
    try:
        return _origin(cavage.parse(signatures[0]).key_id) if len(signatures) == 1 else _UNSIGNED
    except NotSignedIn:
        return _UNSIGNED


def _origin(key_id: str) -> str:
    try:
        return origin_of(key_id)
    except InvalidInput as error:
        raise NotSignedIn("The key id is not an address.", reason="signature-malformed", cause=error.message) from None
