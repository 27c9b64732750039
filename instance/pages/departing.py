"""Leaving: what goes and what stays, asking for it, taking it back."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, TooMany
from instance import locking
from instance.context import me, owner, services, session


async def leave_form() -> ResponseReturnValue:
    """What leaving means and, for who leaves already, until when she can stay."""
    return await _page()


async def _page(error: InvalidInput | TooMany | None = None, typed: str = "") -> ResponseReturnValue:
    leaver = owner()
    departure = await services().departures.of(me().account.id)
    page = await render_template("leave.html", departure=departure, days=services().departures.days, error=error, typed=typed,
                                 mention=leaver.mention)
    return await make_response(page, error.status if error is not None else 200)


async def leave() -> ResponseReturnValue:
    """She has typed her handle and her password: the days begin in which she can stay."""
    owner()
    form = await request.form
    typed = form.get("handle", "")[:80]
    try:
        services().departures.check(me().account, typed)
        await locking.still(session(), form.get("password", ""))
        await services().departures.ask(me().account, typed)
    except (InvalidInput, TooMany) as error:
        return await _page(error, typed)
    return redirect("/settings/leave", 303)


async def stay() -> ResponseReturnValue:
    """She stays."""
    owner()
    await services().departures.stay(me().account)
    return redirect("/settings/leave?saved=stay", 303)


ROUTES = (
    Route("/settings/leave", ("GET",), leave_form, Access.MEMBER),
    Route("/settings/leave", ("POST",), leave, Access.MEMBER, frees=True),
    Route("/settings/leave/stay", ("POST",), stay, Access.MEMBER, frees=True),
)
