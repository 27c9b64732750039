"""Pictures in work: added on a page of their own, one after the other, looked at in full size, and described there."""

from __future__ import annotations

from quart import Response, make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, KonsilError, NotFound
from core.papers import BYTES
from core.pictures import refused
from core.plates import BYTES as DICOM_BYTES
from instance.context import doctor, me, services
from instance.guard import check_room
from instance.media import picture as answered
from instance.pages.drafts import address
from instance.pages.linting import in_place, looked_over
from posts.drafts import Sheet, What
from posts.linter.looking import NOTHING, Look
from posts.models import ALT_LENGTH, SORTS, WARNINGS
from posts.shelves import Upload


async def pictures_page(what: str, about: str) -> ResponseReturnValue:
    """What is there so far, and the form that takes one more."""
    return await _page(await sheet_of_path(what, about))


async def pictures_add(what: str, about: str) -> ResponseReturnValue:
    """Take one picture in, and lead on to it in its full size."""
    sheet = await sheet_of_path(what, about)
    try:
        check_room()
        await services().media.begin(doctor())
        with services().uploads.place() as place:
            with refused():
                received = await place.receive(request)
            made = await services().workbench.add(doctor(), sheet, received.file)
    except KonsilError as error:
        return await _page(sheet, error)
    return redirect(f"/drafts/{sheet.what}/{about}/pictures/{made.name}", 303)


async def picture_page(what: str, about: str, picture_name: str) -> ResponseReturnValue:
    """One picture in its full size, and the form that describes it."""
    sheet = await sheet_of_path(what, about)
    return await _one(sheet, await services().media.one(doctor(), sheet, picture_name))


async def picture_describe(what: str, about: str, picture_name: str) -> ResponseReturnValue:
    """Say what it shows, and that one has looked at it; what in that could identify the patient is shown first."""
    sheet = await sheet_of_path(what, about)
    form = await request.form
    one = await services().media.one(doctor(), sheet, picture_name)
    alt, sort, warning = form.get("alt", "")[:ALT_LENGTH + 1], form.get("sort", "")[:20], form.get("warning", "")[:20]
    typed = (alt, sort, warning)
    language = await _language(sheet)
    if "apply" in form:
        alt = (await in_place({"alt": alt}, language, form["apply"]))["alt"]
        return await _one(sheet, one, None, (alt, sort, warning), await looked_over({"alt": alt}, language), replaced=True)
    look, looked = await looked_over({"alt": alt}, language), form.get("looked", "")
    if not look.blocks and not look.settled(looked):
        return await _one(sheet, one, None, typed, look)
    try:
        await services().media.describe(doctor(), sheet, picture_name, alt=alt, sort=sort, warning=warning,
                                        seen=form.get("seen") == one.digest, clean=form.get("clean") == one.digest)
    except InvalidInput as error:
        return await _one(sheet, one, error, typed, look if error.reason == "identifies" else NOTHING, looked=looked)
    return redirect(f"/drafts/{sheet.what}/{about}/pictures", 303)


async def picture_remove(what: str, about: str, picture_name: str) -> ResponseReturnValue:
    """Take one away."""
    await services().media.remove(doctor(), await sheet_of_path(what, about), picture_name)
    return redirect(f"/drafts/{what}/{about}/pictures", 303)


async def picture_pixels(what: str, about: str, picture_name: str, size: str) -> Response:
    """One as it would be seen: `size` is whole or small."""
    if size not in ("whole", "small"):
        raise NotFound("There is no such picture.")
    sheet = await sheet_of_path(what, about)
    return answered(await services().media.pixels(doctor(), sheet, picture_name, small=size == "small"))


async def sheet_of_path(what: str, about: str) -> Sheet:
    """The form whose pictures an address is about; `NotFound` where there is none, and whoever may not write is told so."""
    if what not in tuple(What):
        raise NotFound("There is no such draft here.")
    await services().credentials.author(me().account, "post" if what == What.NEW else "reply")
    return Sheet(What(what), about[:13])


async def _page(sheet: Sheet, error: KonsilError | None = None) -> ResponseReturnValue:
    page = await render_template(
        "pictures.html", sheet=sheet, error=error, uploads=await services().media.in_work(doctor(), sheet),
        back=address(sheet.what, sheet.about), most=services().settings.media.per_post, most_mb=BYTES >> 20,
        most_dicom_mb=DICOM_BYTES >> 20)
    return await _said(page, error)


async def _one(sheet: Sheet, one: Upload, error: KonsilError | None = None,
               typed: tuple[str, str, str] | None = None, look: Look = NOTHING, *, replaced: bool = False,
               looked: str = "") -> ResponseReturnValue:
    alt, sort, warning = typed if typed is not None else (one.alt, one.sort, one.warning)
    return await _said(await render_template(
        "picture.html", sheet=sheet, one=one, error=error, alt=alt, sort=sort, warning=warning, sorts=SORTS, warnings=WARNINGS,
        look=look, replaced=replaced, looked=looked, language=await _language(sheet)), error)


async def _language(sheet: Sheet) -> str:
    """What the draft is written in that a picture goes along with."""
    kept = await services().drafts.of(doctor(), sheet.what, sheet.about)
    return (kept.written.language if kept is not None else "") or services().pack.languages[0]


async def _said(page: str, error: KonsilError | None) -> ResponseReturnValue:
    response = await make_response(page, error.status if error is not None else 200)
    if error is not None and error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response


PATH = "/drafts/<what>/<about>/pictures"
ROUTES = (
    Route(PATH, ("GET",), pictures_page, Access.DOCTOR),
    Route(PATH, ("POST",), pictures_add, Access.DOCTOR, body_limit=DICOM_BYTES + (64 << 10)),
    Route(f"{PATH}/<picture_name>", ("GET",), picture_page, Access.DOCTOR),
    Route(f"{PATH}/<picture_name>", ("POST",), picture_describe, Access.DOCTOR),
    Route(f"{PATH}/<picture_name>/remove", ("POST",), picture_remove, Access.DOCTOR, frees=True),
    Route(f"{PATH}/<picture_name>/pixels/<size>", ("GET",), picture_pixels, Access.DOCTOR),
)
