"""Who is asking: the order of checks every signed request passes, incoming GETs and POSTs alike.

Parse the signature, ask the gate about the key's origin, then host, digest, window, and at last the signature itself
with the pinned key. Nothing is fetched, and a failed signature changes nothing but the refusal log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.clock import Clock
from core.errors import InvalidInput, KonsilError, NotSignedIn, Refused
from federation.addresses import origin_of
from federation.allowlist import Allowlist, Direction, Purpose, Sibling
from federation.refusals import RefusalLog
from federation.signatures import cavage
from federation.signatures.keys import load_public

SINGLE = frozenset({"host", "date", "digest", "content-type", "signature", "content-length", "content-encoding"})


class Door:
    """Turns a signed request into the `Sibling` it comes from."""

    def __init__(self, allowlist: Allowlist, refusals: RefusalLog, clock: Clock, *, authority: str, window: int) -> None:
        self._allowlist, self._refusals, self._clock = allowlist, refusals, clock
        self._authority, self._window = authority, window

    def identify(self, method: str, target: str, headers: Mapping[str, str], body: bytes,
                 purpose: Purpose) -> tuple[Sibling, float]:
        """The sibling and its clock's skew in seconds; raises 401, 403 or 503, logged with its reason.

        `headers` have lower-case names; `target` is the request target with the query exactly as it was received.
        """
        origin = ""
        try:
            params = cavage.parse(headers.get("signature", ""))
            origin = _origin(params.key_id)
            sibling = self._allowlist.admit(origin, Direction.IN, purpose, path=target)
        except (Refused, NotSignedIn) as error:
            if isinstance(error, NotSignedIn):
                self._log(origin or "(unsigned)", purpose, error, target)
            raise
        try:
            if params.key_id != sibling.key_id:
                raise NotSignedIn("The key is not the pinned one.", reason="signature-wrong")
            cavage.check_covered(params, method)
            if headers.get("host", "").lower() != self._authority:
                raise NotSignedIn("The request is for another host.", reason="wrong-host")
            skew = cavage.check_window(headers.get("date", ""), self._clock.now(), self._window)
            if method == "POST":
                cavage.check_digest(headers.get("digest", ""), body)
            cavage.verify(load_public(sibling.public_pem), params, method, target, headers)
        except KonsilError as error:
            self._log(origin, purpose, error, target)
            raise
        return sibling, skew

    def _log(self, origin: str, purpose: Purpose, error: KonsilError, target: str) -> None:
        self._refusals.record(direction=Direction.IN, origin=origin, purpose=purpose, reason=error.reason, path=target,
                              detail=error.cause)


def gather(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers as text; what must be single and is not, or is not ASCII, is `NotSignedIn` (malformed)."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        if key in headers and key in SINGLE:
            raise NotSignedIn("A header came twice.", reason="signature-malformed")
        headers[key] = value.decode("latin-1")
    return headers


def _origin(key_id: str) -> str:
    try:
        return origin_of(key_id)
    except InvalidInput as error:
        raise NotSignedIn("The key id is not an address.", reason="signature-malformed", cause=error.message) from None
