"""An application, step by step: each step is a form of its own that is stored when it is sent, so that whoever has the link can
go on later. Documents have pages of their own."""

from __future__ import annotations

from typing import Any

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from actors.progress import Progress
from actors.statements import (
    ANSWER_LIMIT,
    CONSENTS,
    NAME_LIMIT,
    NO_NUMBER,
    ROLES,
    SPECIALTIES_LIMIT,
    Entry,
    Person,
)
from core.access import Access, Route
from core.errors import Conflict, InvalidInput
from core.registers import NUMBER_LIMIT, Verdict, how_written, verdict
from instance.context import language, services
from instance.guard import check_room


async def person_form(token: str) -> ResponseReturnValue:
    """Who she is."""
    progress = await services().joining.progress(token)
    found = progress.application
    return await _step("person", token, progress, said=Person(found.name, found.birth_name, found.role, found.specialties))


async def say_person(token: str) -> ResponseReturnValue:
    """Store it and go on."""
    form = await _form()
    said = Person(form.get("name", "")[:400], form.get("birth_name", "")[:400], form.get("role", "")[:20],
                  tuple(form.getlist("specialties"))[:20])
    try:
        await services().joining.say_who(token, said, language())
    except InvalidInput as error:
        return await _step("person", token, await services().joining.progress(token), error, said=said)
    return await _next(token)


async def register_form(token: str) -> ResponseReturnValue:
    """Where she is registered, and what is said about the number that is stored."""
    progress = await services().joining.progress(token)
    found = progress.application
    return await _step("register", token, progress, said=Entry(found.register, found.chamber, found.number, found.answers),
                       told=_told(found.register, found.number))


async def say_register(token: str) -> ResponseReturnValue:
    """Store it. A number that does not fit is stored too, and she is told at once."""
    form = await _form()
    said = Entry(form.get("register", "")[:40], form.get("chamber", "")[:20], form.get("number", "")[:200],
                 {name.removeprefix("answer-"): value[:400] for name, value in form.items() if name.startswith("answer-")})
    try:
        await services().joining.say_number(token, said, language())
    except InvalidInput as error:
        return await _step("register", token, await services().joining.progress(token), error, said=said, told=None)
    told = _told(said.register, said.number)
    return redirect(f"/join/{token}/register?told=1", 303) if told is not None and not told.passes else await _next(token)


def _told(register: str, number: str) -> Verdict | None:
    return verdict(register, number) if number and register != NO_NUMBER else None


async def consents_form(token: str) -> ResponseReturnValue:
    """What everybody agrees to and promises."""
    progress = await services().joining.progress(token)
    return await _step("consents", token, progress, given=set(CONSENTS) if "consents" in progress.done else set(), invitation="")


async def give_consents(token: str) -> ResponseReturnValue:
    """Store them, with the moment."""
    form = await _form()
    given, invitation = frozenset(form.getlist("consents")), form.get("invitation", "")[:400]
    try:
        await services().joining.consent(token, given, invitation, language())
    except InvalidInput as error:
        return await _step("consents", token, await services().joining.progress(token), error, given=given, invitation=invitation)
    return await _next(token)


async def check_form(token: str) -> ResponseReturnValue:
    """All of it once more, before it is handed in."""
    return await _check(token, await services().joining.progress(token))


async def _check(token: str, progress: Progress, error: InvalidInput | None = None) -> ResponseReturnValue:
    found = progress.application
    return await _step("check", token, progress, error, told=_told(found.register, found.number))


async def hand_in(token: str) -> ResponseReturnValue:
    """From now on operators look at it."""
    check_room()
    try:
        await services().joining.hand_in(token)
    except InvalidInput as error:
        return await _check(token, await services().joining.progress(token), error)
    return redirect(f"/join/{token}", 303)


async def _form() -> MultiDict[str, str]:
    check_room()
    return await request.form


async def _next(token: str) -> ResponseReturnValue:
    """On to what is still to do."""
    progress = await services().joining.progress(token)
    return redirect(f"/join/{token}/{progress.missing or 'check'}", 303)


async def _step(step: str, token: str, progress: Progress, error: InvalidInput | None = None,
                **shown: Any) -> ResponseReturnValue:
    """A step's page, as long as she may change what she has said; else the page that says how it stands."""
    found, pack, statements = progress.application, services().pack, services().joining.statements
    if found.confirmed_at is None or not progress.edited:
        if isinstance(error, Conflict):
            raise error
        return redirect(f"/join/{token}", 303)
    page = await render_template(
        f"join_{step}.html", token=token, progress=progress, application=found, error=error, step=step, **shown,
        roles=ROLES, name_limit=NAME_LIMIT, answer_limit=ANSWER_LIMIT, number_limit=NUMBER_LIMIT,
        specialties_limit=SPECIALTIES_LIMIT, consents=CONSENTS, none=NO_NUMBER,
        registers=[(one.id, one.title_in(language()), how_written(one.id), home) for numbers, home in (
            (pack.identifiers, True), (pack.abroad, False)) for one in numbers],
        chambers=pack.chambers if statements.asks_chamber(found.role) else (), chamber_title=pack.chamber_title_in(language()),
        fields=[(one, one.title_in(language())) for one in statements.fields(found.role)])
    return await make_response(page, error.status if error is not None else 200)


ROUTES = (
    Route("/join/<token>/person", ("GET",), person_form, Access.VISITOR),
    Route("/join/<token>/person", ("POST",), say_person, Access.VISITOR),
    Route("/join/<token>/register", ("GET",), register_form, Access.VISITOR),
    Route("/join/<token>/register", ("POST",), say_register, Access.VISITOR),
    Route("/join/<token>/consents", ("GET",), consents_form, Access.VISITOR),
    Route("/join/<token>/consents", ("POST",), give_consents, Access.VISITOR),
    Route("/join/<token>/check", ("GET",), check_form, Access.VISITOR),
    Route("/join/<token>/check", ("POST",), hand_in, Access.VISITOR),
)
