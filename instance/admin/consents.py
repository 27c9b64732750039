"""For operators: pictures of posts they have to look at, and consents that patients have taken back."""

from __future__ import annotations

from quart import Response, make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, NotFound
from core.numbers import whole
from instance.context import me, services
from instance.media import picture as answered
from posts.consents import REASON_LIMIT


async def opened_picture(post_id: str, number: str) -> Response:
    """A picture of a post that was reported, or that she has opened."""
    at = whole(number, 99)
    if at is None:
        raise NotFound("There is no such picture.")
    return answered(await services().gallery.opened(post_id, at, me().account.handle))


async def withdraw_for_patient(post_id: str) -> ResponseReturnValue:
    """Delete a post everywhere, because the patient has taken the consent back."""
    reason = (await request.form).get("reason", "")[:2 * REASON_LIMIT]
    try:
        await services().consents.withdraw_for_patient(post_id, reason, me().account.handle)
    except InvalidInput as error:
        page = await render_template("admin_withdraw.html", post_id=await services().opening.find(post_id), withdrawing=error)
        return await make_response(page, error.status)
    return redirect("/admin/deletions", 303)


ROUTES = (
    Route("/admin/posts/<post_id>/pictures/<number>", ("GET",), opened_picture, Access.OPERATOR),
    Route("/admin/posts/<post_id>/withdraw", ("POST",), withdraw_for_patient, Access.OPERATOR),
)
