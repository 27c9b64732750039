"""Asking colleagues, in three steps without a script: write, choose who may read, look once more and send."""

from __future__ import annotations

from typing import Any

import msgspec
from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.countries import specialties
from core.errors import InvalidInput
from core.numbers import whole
from core.vault import token
from instance.context import me, services
from posts.models import Audience, CaseFacts, Destination, Draft, Kind, PollDraft, Reach

_HOUR_MS = 3_600_000
_KINDS = {"case": Kind.CASE, "poll": Kind.POLL, "note": Kind.NOTE}


class Written(msgspec.Struct, frozen=True):
    """The first step's fields, as they were typed; they travel through the steps as hidden fields."""

    kind: str = "case"
    question: str = ""
    text: str = ""
    language: str = ""
    specialties: tuple[str, ...] = ()
    age_band: str = ""
    sex: str = ""
    aim: str = ""
    options: str = ""
    multiple: str = ""
    hours: str = "72"


async def write_form() -> ResponseReturnValue:
    """Step one, empty."""
    await services().credentials.author(me().account, "post")
    kind, code = request.args.get("kind", "case"), request.args.get("specialty")
    return await _write(Written(kind=kind if kind in _KINDS else "case", language=services().pack.languages[0],
                                specialties=(code,) if code in specialties() else ()))


async def write_step() -> ResponseReturnValue:
    """From any step to the next, or back; nothing is stored before the last one."""
    author = await services().credentials.author(me().account, "post")
    form = await request.form
    written = _written(form)
    step = form.get("step", "write")
    if form.get("turn") in _KINDS:  # another kind with what has been typed so far
        return await _write(msgspec.structs.replace(written, kind=form["turn"]), form=form)
    if step == "write":
        return await _write(written, form=form)
    try:
        draft = _draft(written, services().clock.ms())
        html = await services().compose.preview(draft)
    except InvalidInput as error:
        return await _write(written, error, form)
    places = await services().compose.destinations()
    reach, origins = _audience(form, places)
    if step == "audience":
        return await _choose(written, places, None, form)
    try:
        if reach is None or (reach == Reach.COUNTRIES and not origins):
            raise InvalidInput("Choose who may read this.", field="audience")
        if reach == Reach.HOME and form.get("was") == "home" and form.getlist("origin"):
            raise InvalidInput("Countries are ticked, but home only is chosen. Choose one of the two.", field="audience")
        if step == "publish":
            made = await services().compose.publish(author, draft, origins, reach, form.get("seen", ""), form.get("form", ""))
            return redirect(f"/p/{made}", 303)
        html = await services().compose.preview(draft, Audience(reach, (services().identity.origin, *origins)))
    except InvalidInput as error:
        return await _choose(written, await services().compose.destinations(), error, form)
    chosen = tuple(place for place in places if place.origin in origins)
    return await render_template("compose_confirm.html", written=written, draft=draft, html=html, reach=reach, chosen=chosen,
                                 seen=services().compose.network_digest(places), author=author, form=token())


async def _write(written: Written, error: InvalidInput | None = None, form: Any = None) -> ResponseReturnValue:
    """Step one; readers chosen before wait in it for the way forward."""
    reach, origins = (form.get("reach", ""), form.getlist("origin")) if form is not None else ("", [])
    page = await render_template("compose_write.html", written=written, error=error, reach=reach, origins=origins)
    return await make_response(page, error.status if error is not None else 200)


async def _choose(written: Written, places: tuple[Destination, ...], error: InvalidInput | None,
                  form: Any) -> ResponseReturnValue:
    page = await render_template("compose_audience.html", written=written, places=places, error=error,
                                 reach=form.get("reach") or "home", origins=form.getlist("origin"))
    return await make_response(page, error.status if error is not None else 200)


def _written(form: Any) -> Written:
    limits = {"text": services().settings.posts.text_limit + 1, "options": 8_000}
    values = {name: form.get(name, "")[: limits.get(name, 1000)] for name in Written.__struct_fields__ if name != "specialties"}
    if values["kind"] not in _KINDS:
        values["kind"] = "case"
    return Written(specialties=tuple(dict.fromkeys(code for code in form.getlist("specialties") if code))[:8], **values)


def _draft(written: Written, now: int) -> Draft:
    kind = _KINDS[written.kind]
    poll = None
    if kind == Kind.POLL:
        hours = whole(written.hours, 24 * 90)
        if not hours:
            raise InvalidInput("A poll is open for 1 hour to 90 days.", field="hours")
        options = tuple(line.strip() for line in written.options.splitlines() if line.strip())
        poll = PollDraft(options, bool(written.multiple), now + hours * _HOUR_MS)
    facts = CaseFacts(written.specialties)
    if kind == Kind.CASE:
        facts = CaseFacts(written.specialties, written.age_band, written.sex, written.aim)
    return Draft(kind, written.question, written.text, written.language, facts, poll)


def _audience(form: Any, places: tuple[Destination, ...]) -> tuple[Reach | None, tuple[str, ...]]:
    """Home, the whole network, or the countries ticked."""
    reach = form.get("reach", "")
    if reach == "home":
        return Reach.HOME, ()
    if reach == "network":
        return Reach.NETWORK, tuple(form.getlist("origin")) if form.get("step") == "publish" else tuple(
            place.origin for place in places)
    return (Reach.COUNTRIES, tuple(form.getlist("origin"))) if reach == "countries" else (None, ())


ROUTES = (
    Route("/compose", ("GET",), write_form, Access.DOCTOR),
    Route("/compose", ("POST",), write_step, Access.DOCTOR),
)
