"""Pausing and revoking a sibling: what it means first, then the reason, then the deed."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import KonsilError
from federation.allowlist import SIBLING_STATES, SiblingState
from instance.context import me, services

_REASON = 400


async def pause_page(domain: str) -> ResponseReturnValue:
    """What pausing this sibling means, and the form."""
    return await _page(domain, "pause")


async def pause_sibling(domain: str) -> ResponseReturnValue:
    """Stop both directions, keep everything."""
    reason = (await request.form).get("reason", "").strip()[:_REASON]
    try:
        row = await services().siblings.pause(domain, me().account.handle, reason)
    except KonsilError as error:
        return await _page(domain, "pause", error, reason)
    return redirect(f"/admin/siblings/{row.domain}", 303)


async def revoke_page(domain: str) -> ResponseReturnValue:
    """What revoking this sibling means, and the form."""
    return await _page(domain, "revoke")


async def revoke_sibling(domain: str) -> ResponseReturnValue:
    """Revoke it; where that is ticked, order it first to erase what it has from us. Comes back to what became of that."""
    form = await request.form
    reason, erase = form.get("reason", "").strip()[:_REASON], form.get("erase") == "1"
    try:
        row = await services().leaving.revoke(domain, me().account.handle, reason, erase=erase)
    except KonsilError as error:
        return await _page(domain, "revoke", error, reason, erase=erase)
    return redirect(f"/admin/siblings/{row.domain}/revoke" if erase else f"/admin/siblings/{row.domain}", 303)


async def _page(domain: str, act: str, error: KonsilError | None = None, reason: str = "", *,
                erase: bool = False) -> ResponseReturnValue:
    row = await services().siblings.row(domain)
    wanted = SiblingState.PAUSED if act == "pause" else SiblingState.REVOKED
    page = await render_template(
        "sibling_leave.html", row=row, act=act, error=error, reason=reason, erase=erase,
        possible=SIBLING_STATES.allows(row.state, wanted), ties=await services().ties.of(row.id),
        orders=await services().leaving.orders(row.id), erasure=(await services().ordered_erasures.newest()).get(row.id))
    return await make_response(page, error.status if error is not None else 200)


ROUTES = (
    Route("/admin/siblings/<domain>/pause", ("GET",), pause_page, Access.OPERATOR),
    Route("/admin/siblings/<domain>/pause", ("POST",), pause_sibling, Access.OPERATOR),
    Route("/admin/siblings/<domain>/revoke", ("GET",), revoke_page, Access.OPERATOR),
    Route("/admin/siblings/<domain>/revoke", ("POST",), revoke_sibling, Access.OPERATOR),
)
