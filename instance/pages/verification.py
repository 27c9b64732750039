"""A member's own verification: what holds and until when, what was decided about her, and the way to renew it."""

from __future__ import annotations

from quart import redirect, render_template
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import Conflict
from instance.context import me, owner, services


async def verification_mine() -> ResponseReturnValue:
    """How she stands."""
    owner()
    return await render_template("verification.html", file=await services().standings.mine(me().account))


async def verification_renew() -> ResponseReturnValue:
    """Begin to renew it, or go on where she was."""
    actor = owner()
    if not actor.badge.verified_on:
        raise Conflict("You are not verified yet, so there is nothing to renew.")
    return redirect(f"/join/{await services().joining.renew(me().account, actor)}", 303)


ROUTES = (
    Route("/settings/verification", ("GET",), verification_mine, Access.MEMBER),
    Route("/settings/verification", ("POST",), verification_renew, Access.MEMBER),
)
