"""Reports in operators' hands: what waits, one with its text and the decision, and reading a post without a report."""

from __future__ import annotations

from typing import Any

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, KonsilError, NotFound, Refused
from instance.context import language, me, services
from posts.matters import CATEGORIES, STATES, TEXT_LIMIT
from posts.opening import REASON_LIMIT

_WORDS: dict[str, Any] = {"categories": CATEGORIES, "states": STATES}


async def waiting_reports() -> ResponseReturnValue:
    """What is to be decided here, what others decide, and what was decided."""
    tab = request.args.get("tab", "")
    tab = tab if tab in ("elsewhere", "decided") else "decide"
    page = await services().judging.page(tab, request.args.get("before"))
    return await render_template("admin_reports.html", page=page, tab=tab, **_WORDS)


async def case_page(matter_id: str) -> ResponseReturnValue:
    """One of them, with the text of the post. That it was opened is in the audit log."""
    return await _case(matter_id, None, {})


async def _case(matter_id: str, error: KonsilError | None, typed: dict[str, str]) -> ResponseReturnValue:
    found = await services().judging.case(matter_id, me().account.handle)
    page = await render_template(
        "admin_report.html", case=found, post=found.post, row=found.row, error=error, typed=typed, text_limit=TEXT_LIMIT,
        written_in=typed.get("language") or language(), appeal_days=services().settings.reports.appeal_days, **_WORDS)
    return await make_response(page, error.status if error is not None else 200)


async def decide(matter_id: str) -> ResponseReturnValue:
    """Decide, with a reason."""
    form = await request.form
    typed = {name: form.get(name, "")[:2 * TEXT_LIMIT + 2] for name in ("result", "reason", "language")}
    try:
        await services().judging.decide(matter_id, typed["result"], typed["reason"], typed["language"][:20], me().account.handle)
    except (InvalidInput, Refused) as error:
        return await _case(matter_id, error, typed)
    return redirect(f"/admin/reports/{matter_id}", 303)


async def hide_post(matter_id: str) -> ResponseReturnValue:
    """Hide a reported post from the doctors here, or let it be seen again."""
    wish = (await request.form).get("wish", "")
    if wish not in ("hide", "show"):
        raise InvalidInput("Say whether it is to be hidden.", field="wish")
    try:
        await services().judging.hide(matter_id, me().account.handle, hidden=wish == "hide")
    except (InvalidInput, Refused) as error:
        return await _case(matter_id, error, {})
    return redirect(f"/admin/reports/{matter_id}", 303)


async def opened_posts() -> ResponseReturnValue:
    """Every time a post was read without a report; and where one is to be, which."""
    sought, missing = request.args.get("post", "").strip()[:1024], None
    if sought:
        try:
            return redirect(f"/admin/posts/{await services().opening.find(sought)}/open", 303)
        except NotFound as error:
            missing = error
    page = await services().opening.page(request.args.get("before"))
    shown = await render_template("admin_opened.html", page=page, sought=sought, error=missing)
    return await make_response(shown, missing.status if missing is not None else 200)


async def open_form(post_id: str) -> ResponseReturnValue:
    """Ask for the reason first; nothing of the post is on this page."""
    return await _open_form(await services().opening.find(post_id), None, "")


async def _open_form(post_id: str, error: InvalidInput | None, reason: str) -> ResponseReturnValue:
    page = await render_template("admin_open.html", post_id=post_id, error=error, reason=reason, reason_limit=REASON_LIMIT,
                                 tell_days=services().settings.reports.tell_days, post=None, typed=None)
    return await make_response(page, error.status if error is not None else 200)


async def open_post(post_id: str) -> ResponseReturnValue:
    """Read a post, for a reason that its author will read too. The text is in this answer and at no address."""
    reason = (await request.form).get("reason", "")[:2 * REASON_LIMIT + 2]
    try:
        post = await services().opening.open(post_id, reason, me().account.handle)
    except InvalidInput as error:
        return await _open_form(await services().opening.find(post_id), error, reason)
    return await render_template("admin_open.html", post_id=post_id, post=post, error=None, typed={}, text_limit=TEXT_LIMIT,
                                 written_in=language(), **_WORDS)


async def report_post(post_id: str) -> ResponseReturnValue:
    """Report a post that was just read for another reason; then it is decided about like any other."""
    form = await request.form
    typed = {name: form.get(name, "")[:2 * TEXT_LIMIT + 2] for name in ("category", "text", "language", "share")}
    try:
        made = await services().judging.report(post_id, typed["category"], typed["text"], typed["language"][:20],
                                               me().account.handle, share=typed["share"] == "1")
    except InvalidInput as error:
        page = await render_template(
            "admin_open.html", post_id=await services().opening.find(post_id), post=None, error=error, typed=typed,
            text_limit=TEXT_LIMIT, written_in=typed["language"] or language(), **_WORDS)
        return await make_response(page, error.status)
    return redirect(f"/admin/reports/{made}", 303)


ROUTES = (
    Route("/admin/reports", ("GET",), waiting_reports, Access.OPERATOR),
    Route("/admin/reports/<matter_id>", ("GET",), case_page, Access.OPERATOR),
    Route("/admin/reports/<matter_id>/decide", ("POST",), decide, Access.OPERATOR),
    Route("/admin/reports/<matter_id>/hide", ("POST",), hide_post, Access.OPERATOR),
    Route("/admin/opened", ("GET",), opened_posts, Access.OPERATOR),
    Route("/admin/posts/<post_id>/open", ("GET",), open_form, Access.OPERATOR),
    Route("/admin/posts/<post_id>/open", ("POST",), open_post, Access.OPERATOR),
    Route("/admin/posts/<post_id>/report", ("POST",), report_post, Access.OPERATOR),
)
