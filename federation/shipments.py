"""What goes over the wire at once: one activity, or a bundle of them; and what came back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.errors import InvalidInput, KonsilError
from core.telemetry import get_logger
from federation import bundles
from federation.allowlist import CLOSED, Allowlist, Direction, Purpose, Sibling
from federation.bundles import Head, Receipt
from federation.client import Client
from federation.identity import Identity
from federation.sequences import Outline
from federation.signatures import cavage, proofs
from federation.store import Parcel
from federation.troubles import reason
from federation.verdicts import Fate, Verdict, is_no_place, judge, judge_bundle, judge_error, judge_receipt

log = get_logger("delivery")
_BYTES = 1 << 20
_NOTHING = Parcel(0, "", b"", b"", "", 0, 0)
_ANEW = "urn:konsil:problem:new-epoch"


class Shipment(NamedTuple):
    """One request: a single activity, or what `outline` says a bundle of them is; a bundle may be empty."""

    parcels: tuple[Parcel, ...]
    outline: Outline | None


class Returned(NamedTuple):
    """What became of a shipment: a verdict for each of its parcels (none where the gate has closed, or where it goes another
    way); the receipt and its bytes; the epoch that a new one has to be later than; whether nobody takes bundles there."""

    shipment: Shipment
    verdicts: Sequence[Verdict]
    receipt: Receipt | None = None
    body: bytes = b""
    anew_after: int | None = None
    no_place: bool = False


def shipments(parcels: Sequence[Parcel], outline: Outline | None, most: int, *, asking: bool = False) -> list[Shipment]:
    """Parcels as they go: one by one, or in bundles of at most `most`. What has been put off goes alone, so that it takes nothing
    with it when it fails again. Where there are none, an empty bundle says or asks what there is to say or ask."""
    if outline is None:
        return [Shipment((parcel,), None) for parcel in parcels]
    made, room = list[list[Parcel]](), 0
    for parcel in sorted(parcels, key=lambda one: (one.tries > 0, one.sequence)):
        if parcel.tries or not made or len(made[-1]) == most or len(parcel.body) > room:
            made.append([])
            room = _BYTES
        made[-1].append(parcel)
        room -= len(parcel.body)
    return [Shipment(tuple(some), outline) for some in made] or ([Shipment((), outline)] if asking else [])


class Shipping:
    """Sends shipments."""

    def __init__(self, identity: Identity, allowlist: Allowlist, client: Client) -> None:
        self._identity, self._allowlist, self._client = identity, allowlist, client

    async def send(self, origin: str, shipment: Shipment) -> Returned:
        """Send one; there is always something to say of what came of it, and never an exception."""
        parcels = shipment.parcels
        named = parcels[0].uri if parcels else ""
        try:
            sibling = self._allowlist.admit(origin, Direction.OUT, Purpose.DELIVERY, path=named)
            if shipment.outline is not None:
                return await self._bundle(sibling, shipment, shipment.outline)
            [parcel] = parcels
            return Returned(shipment, (judge(parcel, await self._client.post(sibling, parcel.body, parcel.digest)),))
        except Exception as error:
            if isinstance(error, KonsilError) and error.reason in CLOSED:
                log.info("line closed", sibling=origin, reason=error.reason)
                return Returned(shipment, ())
            if not isinstance(error, KonsilError):
                log.exception("sending failed", sibling=origin, activity=named)
            return Returned(shipment, _line_alone(parcels, [judge_error(parcel, error) for parcel in parcels or (_NOTHING,)]))

    async def _bundle(self, sibling: Sibling, shipment: Shipment, outline: Outline) -> Returned:
        parcels = shipment.parcels
        if not sibling.bundle_inbox:  # it was there a moment ago
            return Returned(shipment, ())
        head = Head("Bundle", self._identity.actor_uri, outline.epoch, outline.start,
                    tuple(parcel.sequence for parcel in parcels), outline.skipped, outline.heard, outline.received)
        body = bundles.pack(head, [parcel.body for parcel in parcels])
        digest = cavage.digest(body)
        answer = await self._client.post_bundle(sibling, body, digest)
        if answer.status == 200:
            try:
                if answer.document is None:
                    raise InvalidInput("There is no receipt.", reason="bad-bundle")
                proofs.check(answer.document, sibling.document_key, proofs.document_key_id(sibling.actor_uri))
                made = bundles.receipt(answer.document, sibling.actor_uri, digest, head.sequences)
            except InvalidInput as error:
                log.warning("no receipt", sibling=sibling.origin, reason=error.reason, cause=error.cause)
            else:
                return Returned(shipment, judge_receipt(parcels, made), made, bundles.kept(answer.document))
        problem = answer.problem or {}
        if answer.status == 409 and problem.get("type") == _ANEW:
            theirs = problem.get("epoch")
            return Returned(shipment, (Verdict(_NOTHING, Fate.HELD, reason("new-epoch")),),
                            anew_after=theirs if isinstance(theirs, int) and 0 <= theirs < 1 << 53 else 0)
        if is_no_place(answer):
            return Returned(shipment, (), no_place=True)
        return Returned(shipment, _line_alone(parcels, judge_bundle(parcels or (_NOTHING,), answer)))


def _line_alone(parcels: Sequence[Parcel], verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    """What befell an empty bundle is the line's trouble: there is nothing else that could wait."""
    return verdicts if parcels else [
        one._replace(fate=Fate.HELD) if one.fate == Fate.PUT_OFF else one for one in verdicts]
