"""What a sibling compares with what it has: what there is between it and us, and its own posts as they lie here."""

from __future__ import annotations

from typing import Any

from quart import Response, g, request

from core.access import Access, Route
from core.errors import NotFound
from federation.allowlist import Purpose
from federation.client import ACTIVITY_JSON
from federation.disclosures import Disclosed
from federation.documents import dumps
from federation.reconciliation import FIRST, LAST, Kind, asked_key, items_document, ranges_document
from instance.context import services
from posts import holdings
from posts.holdings import Between


async def ranges(kind: str) -> Response:
    """How much of a kind lies in some ranges, and digests of it."""
    database, found, two = services().database, _kind(kind), await _two()
    return _answer(ranges_document(found, await holdings.ranges(
        database, found, two, asked_key(request.args.get("after"), FIRST))))


async def items(kind: str) -> Response:
    """What lies in a range."""
    database, found, two = services().database, _kind(kind), await _two()
    after, upto = asked_key(request.args.get("after"), FIRST), asked_key(request.args.get("upto"), LAST)
    services().disclosures.record(g.sibling.id, Disclosed.LIST, f"{services().identity.origin}{request.path}")
    return _answer(items_document(found, await holdings.items(database, found, two, after, upto)))


async def copy(post_id: str) -> Response:
    """A post of the sibling's own that lies here."""
    return _answer(await services().objects.copy(g.sibling, post_id))


async def _two() -> Between:
    home, sibling_id = services().identity.origin, g.sibling.id
    return await services().database.read(lambda tx: holdings.between(tx, home, sibling_id))


def _kind(kind: str) -> Kind:
    try:
        return Kind(kind)
    except ValueError:
        raise NotFound("There is nothing of that kind to compare.") from None


def _answer(document: dict[str, Any]) -> Response:
    return Response(dumps(document), content_type=ACTIVITY_JSON)


ROUTES = (
    Route("/reconciliation/<kind>", ("GET",), ranges, Access.SIBLING, purpose=Purpose.RECONCILIATION),
    Route("/reconciliation/<kind>/items", ("GET",), items, Access.SIBLING, purpose=Purpose.RECONCILIATION),
    Route("/reconciliation/copies/<post_id>", ("GET",), copy, Access.SIBLING, purpose=Purpose.RECONCILIATION),
)
