"""A new password by a link from a mail, and the first one of somebody who was accepted. Who asks for a link is told the same
whoever she names."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors.links import Purpose
from core.access import Access, Route
from core.errors import InvalidInput, NotFound, TooMany
from instance.context import services, visit
from instance.cookies import device_cookie, session_cookie, set_device, set_session


async def reset_form() -> ResponseReturnValue:
    """Who has lost her password says who she is."""
    return await render_template("reset.html", asked=False, error=None, on=services().mailer.on)


async def ask_reset() -> ResponseReturnValue:
    """The same answer to everybody."""
    if not services().mailer.on:
        raise NotFound("This instance sends no mail.")
    error = None
    try:
        await services().signing.resets.ask((await request.form).get("who", "")[:254], request.remote_addr or "")
    except TooMany as found:
        error = found
    page = await render_template("reset.html", asked=error is None, error=error, on=True)
    response = await make_response(page, error.status if error is not None else 200)
    if error is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response


async def new_password_form(token: str) -> ResponseReturnValue:
    """Where the new password is typed."""
    return await _form(token, Purpose.RESET)


async def set_new_password(token: str) -> ResponseReturnValue:
    """It counts from now on; all sessions have ended, and the door asks for it."""
    password = (await request.form).get("password", "")[:1025]
    try:
        await services().signing.resets.set(token, Purpose.RESET, password, visit())
    except NotFound:
        return await _form(token, Purpose.RESET)
    except InvalidInput as error:
        return await _form(token, Purpose.RESET, error)
    return await render_template("reset_done.html")


async def welcome_form(token: str) -> ResponseReturnValue:
    """Where somebody who was accepted chooses her first password."""
    return await _form(token, Purpose.WELCOME)


async def set_first_password(token: str) -> ResponseReturnValue:
    """Her first password is set, and she is in: the next page offers her a second factor."""
    password = (await request.form).get("password", "")[:1025]
    try:
        found = await services().signing.resets.set(token, Purpose.WELCOME, password, visit())
    except NotFound:
        return await _form(token, Purpose.WELCOME)
    except InvalidInput as error:
        return await _form(token, Purpose.WELCOME, error)
    opened = await services().sessions.login(
        found.handle, password, request.remote_addr or "", request.cookies.get(session_cookie(services()), ""), visit(),
        request.cookies.get(device_cookie(services()), ""))
    if opened.wanted:  # she has been here before
        return redirect("/login", 303)
    response = await make_response(redirect("/settings/security?welcome=1", 303))
    set_session(services(), response, opened.token)  # type: ignore[arg-type]
    set_device(services(), response, opened.device)  # type: ignore[arg-type]
    return response


async def _form(token: str, purpose: Purpose, error: InvalidInput | None = None) -> ResponseReturnValue:
    found = await services().signing.resets.whose(token, purpose)
    page = await render_template("reset_set.html", found=found, first=purpose == Purpose.WELCOME, error=error,
                                 on=services().mailer.on, shortest=services().settings.accounts.password_min_length)
    return await make_response(page, 404 if found is None else error.status if error is not None else 200)


ROUTES = (
    Route("/reset", ("GET",), reset_form, Access.VISITOR),
    Route("/reset", ("POST",), ask_reset, Access.VISITOR),
    Route("/reset/<token>", ("GET",), new_password_form, Access.VISITOR),
    Route("/reset/<token>", ("POST",), set_new_password, Access.VISITOR),
    Route("/welcome/<token>", ("GET",), welcome_form, Access.VISITOR),
    Route("/welcome/<token>", ("POST",), set_first_password, Access.VISITOR),
)
