"""Signing in and out."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import NotSignedIn, TooMany
from instance import guard
from instance.context import services, viewer
from instance.cookies import clear_session, session_cookie, set_session


async def login_form() -> ResponseReturnValue:
    """The door for people."""
    if viewer() is not None:
        return redirect("/", 303)
    return await render_template("login.html", error=None, handle="", next=guard.inside(request.args.get("next", "")))


async def login() -> ResponseReturnValue:
    """Check the password and open a session."""
    form = await request.form
    handle, onward = form.get("handle", "")[:120], guard.inside(form.get("next", ""))
    try:
        token = await services().sessions.login(handle, form.get("password", "")[:1024], request.remote_addr or "",
                                                replacing=request.cookies.get(session_cookie(services()), ""))
    except (NotSignedIn, TooMany) as error:
        page = await render_template("login.html", error=error, handle=handle, next=onward)
        response = await make_response(page, error.status)
        if error.retry_after is not None:
            response.headers["retry-after"] = str(error.retry_after)
        return response
    response = await make_response(redirect(onward or "/", 303))
    set_session(services(), response, token)  # type: ignore[arg-type]
    return response


async def logout() -> ResponseReturnValue:
    """End the session here and in the browser."""
    await services().sessions.logout(request.cookies.get(session_cookie(services()), ""))
    response = await make_response(redirect("/login", 303))
    clear_session(services(), response)  # type: ignore[arg-type]
    return response


ROUTES = (
    Route("/login", ("GET",), login_form, Access.VISITOR),
    Route("/login", ("POST",), login, Access.VISITOR),
    Route("/logout", ("POST",), logout, Access.MEMBER, frees=True),
)
