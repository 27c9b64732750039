"""Who would see this: of a post, or of an audience somebody thinks of."""

from __future__ import annotations

from quart import make_response, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import KonsilError
from instance.context import services

_TYPED = 1024


async def audience_page() -> ResponseReturnValue:
    """The two questions, and the answer to the one that was asked."""
    asked = {name: request.args.get(name, "").strip()[:_TYPED] for name in ("post", "draft")}
    found, error = None, None
    try:
        if asked["post"]:
            found = await services().readerships.of_post(asked["post"])
        elif asked["draft"]:
            found = await services().readerships.of_audience(tuple(asked["draft"].replace(",", " ").split()))
    except KonsilError as failed:
        error = failed
    page = await render_template("admin_audience.html", asked=asked, found=found, error=error)
    return await make_response(page, error.status if error is not None else 200)


ROUTES = (Route("/admin/audience", ("GET",), audience_page, Access.OPERATOR),)
