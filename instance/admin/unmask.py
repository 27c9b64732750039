"""Finding out who has signed by role only, in operators' hands: two of them."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors.models import Actor
from core.access import Access, Route
from core.errors import InvalidInput, KonsilError
from instance.context import me, services
from posts.unmasking import REASON

_LENGTH = 1000


async def unmask_page() -> ResponseReturnValue:
    """What was proposed, newest first, and the form for it."""
    return await _list(None, "", "")


async def _list(error: KonsilError | None, post: str, reason: str) -> ResponseReturnValue:
    page = await services().unmaskings.page(request.args.get("before"))
    shown = await render_template("admin_unmask.html", page=page, error=error, post=post, reason=reason, most=REASON)
    return await make_response(shown, error.status if error is not None else 200)


async def unmask_propose() -> ResponseReturnValue:
    """Propose it; another operator decides."""
    form = await request.form
    post, reason = form.get("post", "")[:_LENGTH], form.get("reason", "")[:2 * REASON]
    try:
        made = await services().unmaskings.propose(post, reason, me().account.handle)
    except KonsilError as error:
        return await _list(error, post, reason)
    return redirect(f"/admin/unmask/{made.id}", 303)


async def unmasking_page(unmasking_id: str) -> ResponseReturnValue:
    """One proposal, and what its reader can do about it."""
    return await _one(unmasking_id, None, None)


async def _one(unmasking_id: str, error: KonsilError | None, doctor: Actor | None) -> ResponseReturnValue:
    found = await services().unmaskings.one(unmasking_id)
    by = me().account.handle
    shown = await render_template("admin_unmasking.html", found=found, error=error, doctor=doctor,
                                  proposed=by == found.proposed_by, decided=by in (found.proposed_by, found.decided_by))
    return await make_response(shown, error.status if error is not None else 200)


async def unmasking_decided(unmasking_id: str) -> ResponseReturnValue:
    """Agree, refuse, or look at the name. That is a form too, because each look stands in the audit log."""
    act, by, its = (await request.form).get("act", ""), me().account.handle, services().unmaskings
    try:
        match act:
            case "confirm":
                await its.confirm(unmasking_id, by)
            case "refuse":
                await its.refuse(unmasking_id, by)
            case "show":
                return await _one(unmasking_id, None, await its.name(unmasking_id, by))
            case _:
                raise InvalidInput("This button is not known here. Nothing was done.")
    except KonsilError as error:
        return await _one(unmasking_id, error, None)
    return redirect(f"/admin/unmask/{unmasking_id}", 303)


ROUTES = (
    Route("/admin/unmask", ("GET",), unmask_page, Access.OPERATOR),
    Route("/admin/unmask", ("POST",), unmask_propose, Access.OPERATOR),
    Route("/admin/unmask/<unmasking_id>", ("GET",), unmasking_page, Access.OPERATOR),
    Route("/admin/unmask/<unmasking_id>", ("POST",), unmasking_decided, Access.OPERATOR),
)
