"""Joining, seen from outside: what it takes, the link by mail, and behind the link how an application stands.

Nobody learns here whether somebody has an account or an application: whoever asks for a link is told the same.
"""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors.applications import ApplicationState
from actors.joining import APPEAL_LIMIT
from actors.progress import Progress
from actors.statements import ROLES
from core.access import Access, Route
from core.countries import document_title
from core.errors import Conflict, InvalidInput, TooMany
from instance.context import language, offered, services
from instance.guard import check_room

_TYPED_LIMIT = 400


async def join_form() -> ResponseReturnValue:
    """What it takes to join, and where to begin; after the form was sent, what comes next."""
    if request.args.get("sent") and _open():
        return await render_template("join_sent.html")
    return await _form(None, "", request.args.get("invitation", "")[:200])


async def join() -> ResponseReturnValue:
    """Have a link sent."""
    form = await request.form
    address, invitation = form.get("address", "")[:_TYPED_LIMIT], form.get("invitation", "")[:200]
    if not _open():
        return await _form(Conflict("Nobody can apply at the moment."), address, invitation)
    check_room()
    wanted = form.get("language", "")
    try:
        await services().joining.ask(
            address, wanted if wanted in offered() else language(), request.remote_addr or "", invitation)
    except (InvalidInput, TooMany) as error:
        return await _form(error, address, invitation)
    return redirect("/join?sent=1", 303)


def _open() -> bool:
    """Whether anybody can apply: there is no way in without a mail."""
    return services().settings.joining.open and services().mailer.on


async def _form(error: InvalidInput | TooMany | None, address: str, invitation: str) -> ResponseReturnValue:
    its = services()
    page = await render_template(
        "join.html", error=error, address=address, invitation=invitation, open=_open(), roles=ROLES,
        documents={role: [document_title(code, language()) for code in codes] for role, codes in its.pack.documents.items()},
        numbers=[identifier.title_in(language()) for identifier in its.pack.identifiers],
        document_days=its.settings.joining.document_days, imprint=its.settings.imprint)
    response = await make_response(page, error.status if error is not None else 200)
    if error is not None and error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response


async def application(token: str) -> ResponseReturnValue:
    """How an application stands, and what can be done next."""
    return await _page(token, await services().joining.progress(token))


async def _page(token: str, progress: Progress, error: InvalidInput | None = None, appeal: str = "") -> ResponseReturnValue:
    found = progress.application
    if found.state == ApplicationState.DRAFT and found.confirmed_at is None:
        return await render_template("join_confirm.html")
    settings = services().settings.joining
    page = await render_template(
        "join_application.html", token=token, progress=progress, application=found, error=error, appeal=appeal,
        appeal_limit=APPEAL_LIMIT, idle_days=settings.idle_days, document_days=settings.document_days)
    return await make_response(page, error.status if error is not None else 200)


async def confirm_application(token: str) -> ResponseReturnValue:
    """The address is hers: a click says so, because programs that look into mails open links too."""
    await services().joining.confirm(token)
    return redirect(f"/join/{token}/person", 303)


async def appeal_application(token: str) -> ResponseReturnValue:
    """Have a decision looked at once more."""
    check_room()
    said = (await request.form).get("appeal", "")[:2 * APPEAL_LIMIT]
    try:
        await services().joining.appeal(token, said)
    except InvalidInput as error:
        return await _page(token, await services().joining.progress(token), error, said)
    return redirect(f"/join/{token}", 303)


async def withdraw_form(token: str) -> ResponseReturnValue:
    """Ask whether she means it."""
    progress = await services().joining.progress(token)
    if not progress.may_withdraw:
        return redirect(f"/join/{token}", 303)
    return await render_template("join_withdraw.html", token=token)


async def withdraw_application(token: str) -> ResponseReturnValue:
    """Delete what she has said and handed in."""
    await services().joining.withdraw(token)
    return redirect(f"/join/{token}", 303)


ROUTES = (
    Route("/join", ("GET",), join_form, Access.VISITOR),
    Route("/join", ("POST",), join, Access.VISITOR),
    Route("/join/<token>", ("GET",), application, Access.VISITOR),
    Route("/join/<token>", ("POST",), confirm_application, Access.VISITOR),
    Route("/join/<token>/appeal", ("POST",), appeal_application, Access.VISITOR),
    Route("/join/<token>/withdraw", ("GET",), withdraw_form, Access.VISITOR),
    Route("/join/<token>/withdraw", ("POST",), withdraw_application, Access.VISITOR),
)
