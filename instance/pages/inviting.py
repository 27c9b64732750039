"""A doctor's invitations: links that she hands to colleagues herself."""

from __future__ import annotations

from quart import make_response, redirect, render_template
from quart.typing import ResponseReturnValue

from actors.invitations import may_invite
from core.access import Access, Route
from core.errors import TooMany
from instance.context import doctor, me, services


async def invitations() -> ResponseReturnValue:
    """Hers, and how to make another one."""
    return await _page(None)


async def _page(error: TooMany | None) -> ResponseReturnValue:
    its = services()
    page = await render_template(
        "invite.html", error=error, invitations=await its.invitations.of(me().account.id), origin=its.identity.origin,
        may=may_invite(doctor().badge.role) and its.settings.joining.invitations_per_week > 0,
        most=its.settings.joining.invitations_per_week, days=its.settings.joining.invitation_days)
    response = await make_response(page, error.status if error is not None else 200)
    if error is not None and error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response


async def invite() -> ResponseReturnValue:
    """Make one."""
    try:
        await services().invitations.make(await services().credentials.require_verified(me().account))
    except TooMany as error:
        return await _page(error)
    return redirect("/invite", 303)


async def withdraw_invitation(invitation_id: str) -> ResponseReturnValue:
    """Let nobody use it any more."""
    await services().invitations.withdraw(me().account.id, invitation_id)
    return redirect("/invite", 303)


ROUTES = (
    Route("/invite", ("GET",), invitations, Access.DOCTOR),
    Route("/invite", ("POST",), invite, Access.DOCTOR),
    Route("/invite/<invitation_id>/withdraw", ("POST",), withdraw_invitation, Access.DOCTOR, frees=True),
)
