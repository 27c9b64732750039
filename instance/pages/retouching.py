"""A picture in work is changed: what is to be seen of its values, what is blacked out, drawn or cut off. Each change is one form,
answered with the picture as it is then; a script only fills the same fields."""

from __future__ import annotations

from collections.abc import Mapping

from quart import Response, make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, KonsilError, NotFound
from core.markings import THICKEST, Box, Crop, Mark, typed
from core.numbers import whole
from core.plates import PRESETS, Window, window
from instance.context import doctor, services
from instance.media import picture as answered
from instance.pages.pictures import PATH, sheet_of_path
from posts.drafts import Sheet
from posts.shelves import Upload
from posts.workbench import Bench

_FIELDS = ("tool", "unit", "x", "y", "width", "height", "thickness", "points", "level", "span")
_LONG = 40_000


async def retouch_page(what: str, about: str, picture_name: str) -> ResponseReturnValue:
    """The picture as it is now, and the forms that change it."""
    sheet = await sheet_of_path(what, about)
    return await _page(sheet, await services().workbench.of(doctor(), sheet, picture_name))


async def retouch(what: str, about: str, picture_name: str) -> ResponseReturnValue:
    """Carry one change out. The picture has another name afterwards, so nobody changes one that is not there any more."""
    sheet, form = await sheet_of_path(what, about), await request.form
    bench = await services().workbench.of(doctor(), sheet, picture_name)
    fields = {name: form.get(name, "")[:_LONG] for name in _FIELDS}
    try:
        made = await _changed(sheet, bench, form.get("do", "")[:40], fields, inverted=form.get("inverted") == "1")
    except InvalidInput as error:
        return await _page(sheet, bench, error, fields)
    frame = whole(form.get("frame"), 999)
    kept = f"?tool={fields['tool']}" if fields["tool"] in ("box", "brush", "arrow", "crop") else "?"
    return redirect(f"/drafts/{sheet.what}/{about}/pictures/{made.name}/edit{kept}"
                    + (f"&frame={frame}" if frame is not None else "") + "#picture", 303)


async def _changed(sheet: Sheet, bench: Bench, do: str, fields: Mapping[str, str], *, inverted: bool) -> Upload:
    workbench, owner, name = services().workbench, doctor(), bench.upload.name
    verb, _, number = do.partition("-")
    if verb == "mark":
        return await workbench.mark(owner, sheet, name, typed(fields, bench.size))
    if verb in ("undo", "restart"):
        return await workbench.take_back(owner, sheet, name, all_of_them=verb == "restart")
    if verb in ("strip", "letters") and bench.seen is not None:
        return await workbench.mark(owner, sheet, name, *_proposed(bench.seen.crops, bench.seen.lettered, verb, number))
    if verb == "window":
        return await workbench.show(owner, sheet, name, _window(number, fields), inverted=inverted)
    raise InvalidInput("Choose what to do: black out, brush, arrow or cut.", reason="tool", field="tool")


def _proposed(crops: tuple[Crop, ...], lettered: tuple[Box, ...], verb: str, number: str) -> tuple[Mark, ...]:
    if verb == "letters":
        return lettered
    at = whole(number, len(crops) - 1) if crops else None
    if at is None:
        raise NotFound("This is not proposed any more.")
    return (crops[at],)


def _window(name: str, fields: Mapping[str, str]) -> Window | None:
    """A window by its name, or by its two numbers; None is the one of the file."""
    if name == "own":
        return None
    preset = next((one.window for one in PRESETS if one.name == name), None)
    return preset if preset is not None else window(fields["level"], fields["span"])


async def retouch_frame(what: str, about: str, picture_name: str, number: str) -> Response:
    """One frame of the picture as it is now, from 0."""
    at = whole(number, 999)
    if at is None:
        raise NotFound("There is no such picture.")
    return answered(await services().workbench.frame(doctor(), await sheet_of_path(what, about), picture_name, at))


async def _page(sheet: Sheet, bench: Bench, error: KonsilError | None = None,
                fields: Mapping[str, str] | None = None) -> ResponseReturnValue:
    film = bench.upload.film
    frame = whole(request.args.get("frame"), film.frames - 1) if film is not None else 0
    if frame is None and film is not None:
        frame = film.frames // 2
    shown = bench.order.window or (bench.facts.window if bench.facts is not None else None)
    page = await render_template(
        "retouch.html", sheet=sheet, bench=bench, one=bench.upload, error=error, film=film, frame=frame, presets=PRESETS,
        shown=shown, thickest=THICKEST, tool=request.args.get("tool", ""), size=bench.size, fields=fields or {})
    return await make_response(page, error.status if error is not None else 200)


ROUTES = (
    Route(f"{PATH}/<picture_name>/edit", ("GET",), retouch_page, Access.DOCTOR),
    Route(f"{PATH}/<picture_name>/edit", ("POST",), retouch, Access.DOCTOR),
    Route(f"{PATH}/<picture_name>/frame/<number>", ("GET",), retouch_frame, Access.DOCTOR),
)
