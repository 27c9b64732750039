"""Applications in operators' hands: the queue, one application with everything beside it, and the decision."""

from __future__ import annotations

from typing import Any

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors.applications import Application, ApplicationKind, ApplicationState
from actors.decisions import REASONS, TEXT_LIMIT, WANTED, Acceptance, Rejection
from actors.models import Role
from actors.names import stands_in
from actors.reviews import Review, Tab
from actors.verifications import Method, end_of_day, term
from core.access import Access, Route
from core.countries import specialties_in
from core.errors import InvalidInput, KonsilError
from core.registers import Outcome, verdict
from instance.context import language, me, services

ROLES = (Role.DOCTOR, Role.RESIDENT, Role.STUDENT)
_TYPED = ("role", "another", "until", "method", "evidence", "register_text", "handle", "note", "reason", "seen")


async def applications_page() -> ResponseReturnValue:
    """The queue."""
    tab = request.args.get("tab", "")
    shown = Tab(tab) if tab in frozenset(map(str, Tab)) else Tab.WAITING
    queue = await services().reviews.queue(shown, me().account.handle, cursor(request.args.get("after", "")))
    return await render_template(
        "admin_applications.html", queue=queue, tab=str(shown), tabs=tuple(map(str, Tab)), verdict=_verdict, outcomes=Outcome,
        pack_of=services().pack, paged="after" in request.args)


async def statistics_page() -> ResponseReturnValue:
    """How long decisions take and how many are rejections, month by month."""
    return await render_template("admin_statistics.html", months=await services().standings.months(services().pack.zone))


async def application_page(application: str) -> ResponseReturnValue:
    """One application."""
    return await _page(application, None, {}, ())


async def _page(reference: str, error: KonsilError | None, typed: dict[str, str], chosen: tuple[str, ...]) -> ResponseReturnValue:
    found = await services().reviews.one(reference, me().account.handle)
    one, pack = found.application, services().pack
    now, settings = services().clock.ms(), services().settings.joining
    page = await render_template(
        "admin_application.html", review=found, one=one, error=error, typed=typed, chosen=chosen, wanted=WANTED, reasons=REASONS,
        verdict=_verdict(one), identifier=pack.identifier(one.register), chamber=pack.chamber(one.chamber),
        fields=pack.fields.get(one.role, ()), limit=TEXT_LIMIT, methods=tuple(Method), roles_offered=ROLES,
        terms={role: term(role, settings, now) for role in ROLES}, all_specialties=specialties_in(language()),
        open=one.state in (ApplicationState.SUBMITTED, ApplicationState.ASKED), own=me().account.handle,
        stands=_stands(found), proven=await services().identities.said_of(one.id))
    return await make_response(page, error.status if error is not None else 200)


def _stands(found: Review) -> bool | None:
    """Whether her name stands in what somebody has copied out of the register; None where nobody has."""
    decision = found.proposal.decision if found.proposal is not None else None
    text = decision.register_text if isinstance(decision, Acceptance) else ""
    text = text or next((line.register_text for line in found.history if line.register_text), "")
    names = [name for name in (found.application.name, found.application.birth_name) if name]
    return any(stands_in(name, text) for name in names) if text and names else None


def _verdict(one: Application) -> Any:
    """What form and check digit say about the number she has given."""
    return verdict(one.register, one.number) if one.register and one.number else None


async def application_decide(application: str) -> ResponseReturnValue:
    """Verify, ask for more, reject; or confirm or refuse what another operator has proposed."""
    reference = application.strip().upper()[:20]
    form = await request.form
    act, by = form.get("act", ""), me().account.handle
    typed = {name: form.get(name, "")[:2 * TEXT_LIMIT + 2] for name in _TYPED} | {"act": act}
    chosen = tuple(form.getlist("wanted" if act == "ask" else "specialty"))[:60]
    seen = int(typed["seen"]) if typed["seen"].isascii() and typed["seen"].isdigit() and len(typed["seen"]) < 16 else None
    decisions = services().decisions
    try:
        if act == "verify":
            await decisions.decide(reference, await _acceptance(reference, typed, chosen), by, seen)
        elif act == "reject":
            rejected = Rejection(typed["reason"], typed["note"], _method(typed), typed["evidence"])
            await decisions.decide(reference, rejected, by, seen)
        elif act == "ask":
            await decisions.ask(reference, chosen, typed["note"], by, seen)
        elif act == "confirm":
            await decisions.confirm(reference, by)
        elif act == "decline":
            await decisions.decline(reference, typed["reason"], by)
        else:
            raise InvalidInput("Choose what to do.")
    except KonsilError as error:
        if error.status == 404:
            raise
        return await _page(reference, error, typed, chosen)
    return redirect(f"/admin/applications/{reference}", 303)


async def _acceptance(reference: str, typed: dict[str, str], chosen: tuple[str, ...]) -> Acceptance:
    """What the form says; a day that is left out is the usual one for the role."""
    one = (await services().reviews.one(reference, me().account.handle)).application
    if typed["role"] not in ROLES:
        raise InvalidInput("Choose doctor, resident or student.", field="role")
    role = Role(typed["role"])
    zone, now = services().pack.zone, services().clock.ms()
    until = end_of_day(typed["until"], zone) if typed["until"].strip() else term(role, services().settings.joining, now)
    codes = tuple(dict.fromkeys((*chosen, *((typed["another"],) if typed["another"] else ()))))
    handle = typed["handle"].strip().lower().removeprefix("@") if one.kind == ApplicationKind.JOINING else ""
    return Acceptance(role, codes, until, _method(typed, required=True), typed["evidence"].strip(),
                      typed["register_text"].strip(), handle)


def _method(typed: dict[str, str], *, required: bool = False) -> Method:
    if typed["method"] in frozenset(map(str, Method)):
        return Method(typed["method"])
    if required:
        raise InvalidInput("Choose how you have seen it.", field="method")
    return Method.OTHER


def cursor(text: str) -> tuple[int, int] | None:
    """Where a page goes on: a moment (ms) and an id, as `AT-ID`; None for anything else."""
    at, dash, number = text.partition("-")
    if not dash or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in (at, number)):
        return None
    return int(at), int(number)


ROUTES = (
    Route("/admin/applications", ("GET",), applications_page, Access.OPERATOR),
    Route("/admin/statistics", ("GET",), statistics_page, Access.OPERATOR),
    Route("/admin/applications/<application>", ("GET",), application_page, Access.OPERATOR),
    Route("/admin/applications/<application>", ("POST",), application_decide, Access.OPERATOR),
)
