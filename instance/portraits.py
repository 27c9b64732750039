"""Pictures of doctors, for the doctors of this instance and for siblings."""

from __future__ import annotations

from quart import Response, g

from actors.wire import PORTRAIT
from core.access import Access, Route
from core.errors import NotFound
from federation.allowlist import Purpose
from federation.disclosures import Disclosed
from instance.context import services

_KEPT = "private, max-age=86400, immutable"  # another picture has another address


async def portrait(actor_id: str, version: str, size: str) -> Response:
    """The picture of a doctor, here or of a sibling, as it lies here; `size` is large or small."""
    body = await services().portraits.of(actor_id, version, small=size == "small") if size in ("small", "large") else None
    if body is None:
        raise NotFound("There is no such picture.")
    return Response(body, content_type=PORTRAIT, headers={"cache-control": _KEPT})


async def own_portrait(actor_id: str, version: str) -> Response:
    """The picture of a doctor of this instance, for a sibling."""
    found = await services().portraits.own(actor_id, version)
    if found is None:
        raise NotFound("There is no such picture.")
    uri, body = found
    services().disclosures.record(g.sibling.id, Disclosed.PERSON, uri)
    return Response(body, content_type=PORTRAIT)


ROUTES = (
    Route("/portraits/<actor_id>/<version>/<size>", ("GET",), portrait, Access.DOCTOR),
    Route("/media/portraits/<actor_id>/<version>", ("GET",), own_portrait, Access.SIBLING, purpose=Purpose.MEDIA),
)
