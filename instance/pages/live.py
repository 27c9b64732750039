"""News for an open page, as they come: `instance.live` writes them, this lets her in."""

from __future__ import annotations

from typing import Any, cast

from quart import Response, request

from core.access import Access, Route
from core.errors import InvalidInput
from core.ids import number
from instance.context import doctor, services, session
from instance.following import EVENTS, STREAM
from instance.live import PATH, Page
from posts.timelines import TABS
from posts.watching import Watched


async def live() -> Response:
    """Counts, for as long as the session lives: of a tab (`?tab=`), a topic (`?topic=`) or a conversation (`?thread=`) what has
    come since the page was drawn (`&since=`), and of what concerns her. Only a script asks for that."""
    asked, here = request.args, session()
    if request.method != "GET" or EVENTS not in request.headers.get("accept", "") or here is None:
        raise InvalidInput("Nothing can be seen here: pages ask this address for news by themselves.", reason="event-stream")
    tab, thread = asked.get("tab", ""), asked.get("thread", "")
    watched = Watched(tab if tab in TABS else "", asked.get("topic", "")[:200],
                      await services().threads.root(doctor(), thread) if thread else 0, number(asked.get("since", "")) or 0)
    live = services().live
    cast(Any, request.scope)[STREAM] = Page(live, await live.open(here, doctor(), watched))
    return Response("", content_type=EVENTS, headers={"x-accel-buffering": "no"})


ROUTES = (Route(PATH, ("GET",), live, Access.DOCTOR, by_itself=True),)
