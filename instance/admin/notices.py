"""Notices from outside, in operators' hands."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, NotFound
from core.numbers import whole
from instance.context import me, services
from posts.outside import CONCERNS, NOTE_LIMIT

_NEWEST = (1 << 63) - 1


async def notices_page() -> ResponseReturnValue:
    """Those that wait, or those that were handled; or the one whose reference somebody has told."""
    handled, sought = request.args.get("tab") == "handled", request.args.get("reference", "").strip()[:20]
    missing = None
    if sought:
        try:
            return redirect(f"/admin/notices/{(await services().outside.one(sought)).reference}", 303)
        except NotFound as error:
            missing = error
    before = whole(request.args.get("before"), _NEWEST)
    page = await services().outside.page(handled=handled, before=_NEWEST if before is None else before)
    shown = await render_template(
        "admin_notices.html", page=page, handled=handled, concerns=CONCERNS, sought=sought, error=missing)
    return await make_response(shown, missing.status if missing is not None else 200)


async def notice_page(reference: str) -> ResponseReturnValue:
    """One notice, in full."""
    return await _one(reference, None, "")


async def _one(reference: str, error: InvalidInput | None, note: str) -> ResponseReturnValue:
    page = await render_template(
        "admin_notice.html", notice=await services().outside.one(reference), concerns=CONCERNS, error=error, note=note,
        note_limit=NOTE_LIMIT, notice_days=services().settings.retention.notice_days)
    return await make_response(page, error.status if error is not None else 200)


async def notice_handled(reference: str) -> ResponseReturnValue:
    """Mark it as handled, with a note of what was done."""
    note = (await request.form).get("note", "")[:2 * NOTE_LIMIT + 2]
    try:
        await services().outside.handle(reference, note, me().account.handle)
    except InvalidInput as error:
        return await _one(reference, error, note)
    return redirect(f"/admin/notices/{reference}", 303)


ROUTES = (
    Route("/admin/notices", ("GET",), notices_page, Access.OPERATOR),
    Route("/admin/notices/<reference>", ("GET",), notice_page, Access.OPERATOR),
    Route("/admin/notices/<reference>", ("POST",), notice_handled, Access.OPERATOR),
)
