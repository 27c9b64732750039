"""The refusal log, in sentences."""

from __future__ import annotations

from quart import render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.numbers import whole
from instance.context import services

_PAGE = 50
_NEWEST = (1 << 63) - 1


async def refusals_page() -> ResponseReturnValue:
    """Who was turned away, newest first."""
    await services().refusals.flush()
    rows = await services().refusals.list(_PAGE, whole(request.args.get("before"), _NEWEST))
    return await render_template("admin_refusals.html", rows=rows, more=rows[-1].id if len(rows) == _PAGE else None)


ROUTES = (Route("/admin/refusals", ("GET",), refusals_page, Access.OPERATOR),)
