"""Applicants' documents, for operators' eyes: page by page, with who looks at it and when across each."""

from __future__ import annotations

from quart import make_response
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import NotFound
from core.ids import number
from core.numbers import whole
from instance.context import me, services

_MOST_PAGES = 1_000


async def document_page(document_id: str, page: str) -> ResponseReturnValue:
    """One page as a picture. Each look is written down."""
    one, which = number(document_id), whole(page, _MOST_PAGES)
    if one is None or which is None:
        raise NotFound("This document is not kept any more.")
    response = await make_response(await services().papers.page(one, which, me().account.handle))
    response.headers["content-type"] = "image/jpeg"
    response.headers["content-disposition"] = "inline"
    return response


ROUTES = (
    Route("/admin/documents/<document_id>/<page>", ("GET",), document_page, Access.OPERATOR),
)
