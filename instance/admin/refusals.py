"""The refusal log, in sentences."""

from __future__ import annotations

from quart import render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from instance.context import services

_PAGE = 50


async def refusals_page() -> ResponseReturnValue:
    """Who was turned away, newest first."""
    before = request.args.get("before", "")
    await services().refusals.flush()
    rows = await services().refusals.list(_PAGE, int(before) if before.isdigit() and len(before) < 19 else None)
    return await render_template("admin_refusals.html", rows=rows, more=rows[-1].id if len(rows) == _PAGE else None)


ROUTES = (Route("/admin/refusals", ("GET",), refusals_page, Access.OPERATOR),)
