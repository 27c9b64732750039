"""Home: what one follows, what was asked here and abroad, and what waits; and what one has written oneself."""

from __future__ import annotations

from quart import jsonify, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.ids import number
from instance.context import doctor, me, owner, services, verified
from instance.pages.looking import is_looked_at
from posts.timelines import TABS

_DELETIONS = ("waiting", "ended", "all")


async def home() -> ResponseReturnValue:
    """A page of posts; operators have no timeline and go to their own."""
    if me().account.kind == "operator":
        return redirect("/admin/siblings", 303)
    await services().credentials.require_verified(me().account)
    tab = request.args.get("tab", "")
    tab = tab if tab in TABS else TABS[0]
    page = await services().timelines.home(doctor(), tab, request.args.get("before"))
    if is_looked_at() and page.newest and "before" not in request.args:
        services().readings.note_list(doctor(), tab, number(page.newest) or 0, page.line)
    return await render_template("home.html", page=page, tab=tab)


async def new_posts() -> ResponseReturnValue:
    """How many posts have come into a tab since the page was drawn, for its script: `{"count": 3}`."""
    asked = request.args
    tab = asked.get("tab", "")
    return jsonify(count=await services().timelines.newer(doctor(), tab if tab in TABS else TABS[0],
                                                          asked.get("since", "")))


async def mine() -> ResponseReturnValue:
    """One's own posts. Reading and deleting them needs no badge that holds."""
    page = await services().timelines.mine(owner(), request.args.get("before"))
    return await render_template("mine.html", page=page, deletions=await services().timelines.deletions_waiting(owner()),
                                 verified=await verified())


async def deletions() -> ResponseReturnValue:
    """Where one's own deletions have arrived; `?show=` those on their way, those that were not confirmed, or all."""
    show = request.args.get("show", "")
    show = show if show in _DELETIONS else _DELETIONS[0]
    page = await services().timelines.deletions(owner(), show, request.args.get("before"))
    return await render_template("deletions.html", page=page, show=show, verified=await verified())


ROUTES = (
    Route("/", ("GET",), home, Access.MEMBER),
    Route("/new", ("GET",), new_posts, Access.DOCTOR, by_itself=True),
    Route("/mine", ("GET",), mine, Access.MEMBER),
    Route("/mine/deletions", ("GET",), deletions, Access.MEMBER),
)
