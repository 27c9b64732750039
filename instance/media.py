"""Pictures of posts as answers: for siblings by a signed request, and what every answer with a picture says of itself."""

from __future__ import annotations

from quart import Response, g

from core.access import Access, Route
from federation.allowlist import Purpose
from federation.disclosures import Disclosed
from instance.context import services
from posts.attachments import JPEG

_SEALED_OFF = "default-src 'none'; style-src 'unsafe-inline'; sandbox"  # browsers set a picture that is a page of its own


def picture(body: bytes) -> Response:
    """A picture as a browser or a sibling gets it: kept by nobody, and nothing but a picture."""
    return Response(body, content_type=JPEG, headers={
        "cache-control": "private, no-store", "content-security-policy": _SEALED_OFF, "content-disposition": "inline"})


async def for_sibling(picture_name: str) -> Response:
    """A picture of a post, for an instance in its audience."""
    sent = await services().media.for_sibling(g.sibling, picture_name)
    services().disclosures.record(g.sibling.id, Disclosed.PICTURE, sent.post_uri)
    return picture(sent.body)


ROUTES = (
    Route("/media/<picture_name>", ("GET",), for_sibling, Access.SIBLING, purpose=Purpose.MEDIA),
)
