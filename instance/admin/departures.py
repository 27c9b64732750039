"""Who leaves and who has left, for operators: when, and which countries have confirmed that everything is erased."""

from __future__ import annotations

from quart import render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from instance.context import services
from posts.departed import PAGE


async def departures_page() -> ResponseReturnValue:
    """Those who can still stay by name, those who have left without one."""
    found = await services().departing.departed(request.args.get("before", "")[:20] or None)
    return await render_template("admin_departures.html", waiting=await services().departures.waiting(), found=found[:PAGE],
                                 more=len(found) > PAGE)


ROUTES = (Route("/admin/departures", ("GET",), departures_page, Access.OPERATOR),)
