"""What the author of a case says about what became of it: which answers were helpful, and how it ended."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, NotFound
from instance.context import doctor, me, services
from instance.pages.sheets import fresh_sheet, sheet_of, written_of
from posts.drafts import Sheet, What, Written
from posts.models import Kind


async def mark(post_id: str) -> ResponseReturnValue:
    """Mark an answer to one's own case as helpful, or take that back; the button says which."""
    author = await services().credentials.author(me().account, "reply")
    await services().cases.mark(author, post_id, helpful=(await request.form).get("wish") == "do")
    return redirect(f"/p/{post_id}#p-{post_id}", 303)


async def outcome_form(post_id: str) -> ResponseReturnValue:
    """How a case of one's own ended, to be written; what was begun before goes on."""
    kept = await services().drafts.of(doctor(), What.OUTCOME, post_id)
    return await outcome_page(post_id, kept.written if kept is not None else None, fresh_sheet(What.OUTCOME, post_id, kept),
                              at=kept.at if kept is not None else None)


async def outcome_page(post_id: str, written: Written | None, sheet: Sheet, error: InvalidInput | None = None, *,
                       at: int | None = None) -> ResponseReturnValue:
    """The form, with what stands there where nothing was written yet."""
    post, _ = await services().threads.source(doctor(), post_id)
    if post.kind != Kind.CASE:
        raise NotFound("There is no such case here.")
    if written is None:
        written = Written(text=post.parts.outcome.source if post.parts.outcome is not None else "")
    page = await render_template("outcome.html", post=post, written=written, sheet=sheet, error=error, at=at)
    return await make_response(page, error.status if error is not None else 200)


async def tell_outcome(post_id: str) -> ResponseReturnValue:
    """Save it: everybody who can read the case can read it, and whom it concerns is told."""
    form = await request.form
    author = await services().credentials.author(me().account, "reply")
    sheet = sheet_of(form, What.OUTCOME, post_id)
    try:
        await services().cases.tell_outcome(author, post_id, form.get("text", ""), sheet)
    except InvalidInput as error:
        return await outcome_page(post_id, written_of(form), sheet, error)
    return redirect(f"/p/{post_id}#outcome", 303)


ROUTES = (
    Route("/p/<post_id>/helpful", ("POST",), mark, Access.DOCTOR),
    Route("/p/<post_id>/outcome", ("GET",), outcome_form, Access.DOCTOR),
    Route("/p/<post_id>/outcome", ("POST",), tell_outcome, Access.DOCTOR),
)
