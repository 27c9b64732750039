"""Reports on a doctor's side: report a post, see what became of it, appeal; and what operators have read of one's own."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, TooMany
from instance.context import doctor, language, owner, services, verified
from instance.pages.looking import is_looked_at, settle
from posts.matters import CATEGORIES, STATES, TEXT_LIMIT
from posts.reports import MatterView


async def report_form(post_id: str) -> ResponseReturnValue:
    """The form to report a post."""
    return await _form(post_id, None, {})


async def _form(post_id: str, error: InvalidInput | TooMany | None, typed: dict[str, str]) -> ResponseReturnValue:
    page = await render_template(
        "report.html", post=await services().reports.post(doctor(), post_id), categories=CATEGORIES, error=error, typed=typed,
        text_limit=TEXT_LIMIT, written_in=typed.get("language") or language())
    return await make_response(page, error.status if error is not None else 200)


async def report(post_id: str) -> ResponseReturnValue:
    """Report it, and show what happens now."""
    form = await request.form
    typed = {name: form.get(name, "")[:2 * TEXT_LIMIT + 2] for name in ("category", "text", "language", "share")}
    try:
        made = await services().reports.report(doctor(), post_id, typed["category"], typed["text"], typed["language"][:20],
                                               share=typed["share"] == "1")
    except (InvalidInput, TooMany) as error:
        return await _form(post_id, error, typed)
    return redirect(f"/reports/{made}", 303)


async def reports_page() -> ResponseReturnValue:
    """What the viewer has reported, and what was decided about posts of hers."""
    page = await services().reports.mine(owner(), request.args.get("before"))
    return await render_template("reports.html", page=page, categories=CATEGORIES, states=STATES)


async def report_page(matter_id: str) -> ResponseReturnValue:
    """One of these. Whoever looks at it has read that something was decided."""
    seen = await services().notifications.decided(owner(), matter_id)
    matter = await services().reports.one(owner(), matter_id)
    if is_looked_at():
        await settle(seen)
    return await _one(matter, None, "")


async def _one(matter: MatterView, error: InvalidInput | None, appeal: str) -> ResponseReturnValue:
    page = await render_template(
        "matter.html", matter=matter, categories=CATEGORIES, states=STATES, error=error, appeal=appeal, text_limit=TEXT_LIMIT,
        verified=await verified())
    return await make_response(page, error.status if error is not None else 200)


async def appeal(matter_id: str) -> ResponseReturnValue:
    """Appeal, once. Like deleting it takes no badge that holds: it is about what she wrote when she had one."""
    text = (await request.form).get("appeal", "")[:2 * TEXT_LIMIT + 2]
    try:
        await services().reports.appeal(owner(), matter_id, text)
    except InvalidInput as error:
        return await _one(await services().reports.one(owner(), matter_id), error, text)
    return redirect(f"/reports/{matter_id}", 303)


async def opened_page() -> ResponseReturnValue:
    """What operators have read of the viewer's without a report."""
    seen = await services().notifications.opened(owner())
    page = await services().opening.of(owner(), request.args.get("before"))
    if is_looked_at():
        await settle(seen)
    return await render_template("opened.html", page=page, verified=await verified())


ROUTES = (
    Route("/p/<post_id>/report", ("GET",), report_form, Access.DOCTOR),
    Route("/p/<post_id>/report", ("POST",), report, Access.DOCTOR, frees=True),
    Route("/reports", ("GET",), reports_page, Access.MEMBER),
    Route("/reports/opened", ("GET",), opened_page, Access.MEMBER),
    Route("/reports/<matter_id>", ("GET",), report_page, Access.MEMBER),
    Route("/reports/<matter_id>/appeal", ("POST",), appeal, Access.MEMBER),
)
