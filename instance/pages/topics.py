"""Topics: all specialties, and a page for each of them and for each hashtag."""

from __future__ import annotations

from urllib.parse import quote

from quart import redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from instance.context import doctor, services
from instance.pages.congresses import today
from posts.models import Page, Shelf
from posts.store import on_shelf
from posts.topics import hashtag_topic, specialty_topic

_SHELVES = tuple(Shelf)


async def all_specialties() -> ResponseReturnValue:
    """Every specialty, with what waits in it, and the hashtags one follows."""
    return await render_template("specialties.html")


async def specialty(code: str) -> ResponseReturnValue:
    """What concerns a specialty: all of it, the cases nobody has answered, or a shelf; congresses by when they are. `listed`
    is the list it shows, where what is new comes on top."""
    topic, tab = specialty_topic(code), request.args.get("tab", "")
    listed = ""
    if tab == Shelf.CONGRESSES:
        coming = await services().timelines.congresses(doctor(), today(), topic)
        page = Page(coming, None)
    elif tab in _SHELVES:
        listed = on_shelf(topic, Shelf(tab))
        page = await services().timelines.topic(doctor(), listed, request.args.get("before"))
    else:
        tab = tab if tab == "waiting" else ""
        listed = "" if tab else topic
        page = await services().timelines.topic(doctor(), topic, request.args.get("before"), waiting=tab == "waiting")
    return await render_template("topic.html", page=page, topic=topic, path=_place(topic), tab=tab, listed=listed)


async def tagged(tag: str) -> ResponseReturnValue:
    """What carries a hashtag."""
    topic = hashtag_topic(tag)
    page = await services().timelines.topic(doctor(), topic, request.args.get("before"))
    return await render_template("topic.html", page=page, topic=topic, path=_place(topic), tab="", listed=topic)


async def follow_specialty(code: str) -> ResponseReturnValue:
    return await _follow(specialty_topic(code))


async def follow_hashtag(tag: str) -> ResponseReturnValue:
    return await _follow(hashtag_topic(tag))


async def _follow(topic: str) -> ResponseReturnValue:
    """Follow or, with `stop`, follow no longer; then back to where the button was."""
    form = await request.form
    if form.get("stop"):
        await services().topics.unfollow(doctor(), topic)
    else:
        await services().topics.follow(doctor(), topic)
    return redirect(f"/specialties#t-{quote(topic)}" if form.get("list") else _place(topic), 303)


def _place(topic: str) -> str:
    return f"/tags/{quote(topic[1:])}" if topic.startswith("#") else f"/specialties/{topic}"


ROUTES = (
    Route("/specialties", ("GET",), all_specialties, Access.DOCTOR),
    Route("/specialties/<code>", ("GET",), specialty, Access.DOCTOR),
    Route("/specialties/<code>/follow", ("POST",), follow_specialty, Access.DOCTOR),
    Route("/tags/<tag>", ("GET",), tagged, Access.DOCTOR),
    Route("/tags/<tag>/follow", ("POST",), follow_hashtag, Access.DOCTOR),
)
