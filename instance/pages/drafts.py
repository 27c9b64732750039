"""What a doctor has begun to write: saved by a button, and by the page itself where scripts run; listed and discarded."""

from __future__ import annotations

from quart import jsonify, make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, NotFound
from core.i18n import format_time
from instance.context import doctor, language, me, owner, services, verified
from instance.pages.cases import outcome_page
from instance.pages.compose import write_page
from instance.pages.sheets import caught_up, check_hers, sheet_of, written_of
from instance.pages.thread import edit_page, thread_page
from posts.drafts import Kept, Sheet, What, Written


async def drafts() -> ResponseReturnValue:
    """One's drafts. Like what was sent they can be read and discarded by whoever's verification has run out."""
    page = await services().drafts.page(owner(), request.args.get("before"))
    return await render_template("drafts.html", page=page, verified=await verified())


async def continue_draft(what: str, about: str) -> ResponseReturnValue:
    """On to where its writing goes on."""
    kept = await services().drafts.of(owner(), _what(what), about)
    if kept is None:
        raise NotFound("This draft was sent or discarded.")
    return redirect("/drafts" if kept.gone else address(kept.what, about), 303)


async def save_draft(what: str, about: str) -> ResponseReturnValue:
    """Save what a form holds. A person is led back to the form; a script hears what came of it and when that was:
    `{"state": "saved" | "empty" | "elsewhere" | "gone" | "too-long" | "too-many", "at": "12:04", "version": "..."}`."""
    form = await request.form
    sheet = sheet_of(form, _what(what), about)
    await services().credentials.author(me().account, "post" if sheet.what == What.NEW else "reply")
    check_hers(form)
    written = written_of(form)
    for_people = "text/html" in request.headers.get("accept", "")
    try:
        kept = await services().drafts.keep(doctor(), sheet, written)
    except InvalidInput as error:
        return await _not_kept(sheet, written, error) if for_people else await _said(sheet, error)
    if for_people:
        pictures = f"/drafts/{sheet.what}/{about}/pictures"
        return redirect(pictures if form.get("then") == "pictures" else address(sheet.what, about), 303)
    return jsonify(state="empty" if kept is None else "saved", **_moment(kept))


async def discard_draft(what: str, about: str) -> ResponseReturnValue:
    """Erase a draft."""
    await services().drafts.discard(owner(), _what(what), about)
    return redirect("/drafts", 303)


def address(what: What, about: str) -> str:
    """Where the writing of a draft goes on."""
    if what == What.NEW:
        return f"/compose?draft={about}"
    return f"/p/{about}/{what}" if what in (What.EDIT, What.OUTCOME) else f"/p/{about}?answer={about}#answer"


async def _not_kept(sheet: Sheet, written: Written, error: InvalidInput) -> ResponseReturnValue:
    """The form again, with everything typed; what was refused because the draft has moved on replaces it the next time."""
    sheet = await caught_up(sheet)
    if sheet.what == What.NEW:
        return await write_page(written, sheet, error)
    if sheet.what == What.EDIT:
        return await edit_page(sheet.about, written, sheet, error)
    if sheet.what == What.OUTCOME:
        return await outcome_page(sheet.about, written, sheet, error)
    return await thread_page(sheet.about, error=error, answering=sheet.about, written=written, sheet=sheet)


async def _said(sheet: Sheet, error: InvalidInput) -> ResponseReturnValue:
    kept = await services().drafts.of(doctor(), sheet.what, sheet.about)
    return await make_response(jsonify(state=error.reason, **_moment(kept)), error.status)


def _moment(kept: Kept | None) -> dict[str, str]:
    if kept is None:
        return {"at": "", "version": ""}
    return {"at": format_time(kept.at, language(), services().pack.zone), "version": kept.version}


def _what(text: str) -> What:
    if text not in tuple(What):
        raise NotFound("There is no such draft here.")
    return What(text)


ROUTES = (
    Route("/drafts", ("GET",), drafts, Access.MEMBER),
    Route("/drafts/<what>/<about>", ("GET",), continue_draft, Access.MEMBER),
    Route("/drafts/<what>/<about>", ("POST",), save_draft, Access.DOCTOR),
    Route("/drafts/<what>/<about>/discard", ("POST",), discard_draft, Access.MEMBER, frees=True),
)
