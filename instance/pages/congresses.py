"""Congresses: what comes next, and each of them as a file for a calendar."""

from __future__ import annotations

from datetime import datetime

from quart import Response, render_template
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import NotFound
from instance.calendars import CALENDAR, calendar
from instance.context import doctor, services


async def congresses() -> ResponseReturnValue:
    """All that are not over, the next one first."""
    return await render_template("congresses.html", posts_shown=await services().timelines.congresses(doctor(), today()))


async def calendar_file(post_id: str) -> ResponseReturnValue:
    """One of them, for a calendar."""
    post = await services().threads.one(doctor(), post_id)
    congress = post.parts.congress
    if congress is None:
        raise NotFound("There is no such congress here.")
    made = calendar(post, congress, f"{services().identity.origin}/p/{post.id}")
    return Response(made, content_type=f"{CALENDAR}; charset=utf-8",
                    headers={"content-disposition": f'attachment; filename="congress-{post.id}.ics"'})


def today() -> str:
    """The day it is in this country."""
    return datetime.fromtimestamp(services().clock.now(), services().pack.zone).date().isoformat()


ROUTES = (
    Route("/congresses", ("GET",), congresses, Access.DOCTOR),
    Route("/p/<post_id>/congress.ics", ("GET",), calendar_file, Access.DOCTOR),
)
