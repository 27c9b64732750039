"""Signing in, in one step or two, and out; and showing who is there after a while in which nothing was done."""

from __future__ import annotations

from urllib.parse import quote

from quart import Response, make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors.login import Opened
from core.access import Access, Route
from core.errors import KonsilError, NotSignedIn, TooMany
from instance import guard, locking
from instance.context import services, session, viewer, visit
from instance.cookies import (
    clear_session,
    device_cookie,
    session_cookie,
    set_device,
    set_session,
    set_step,
    step_cookie,
)


async def login_form() -> ResponseReturnValue:
    """The door for people."""
    if viewer() is not None:
        return redirect("/", 303)
    if session() is not None:
        return redirect("/unlock", 303)
    return await _door(None, "", guard.inside(request.args.get("next", "")))


async def login() -> ResponseReturnValue:
    """Check the password and open a session, or the second step."""
    form = await request.form
    handle, onward = form.get("handle", "")[:120], guard.inside(form.get("next", ""))
    try:
        opened = await services().sessions.login(
            handle, form.get("password", "")[:1024], request.remote_addr or "", _cookie(session_cookie(services())), visit(),
            _cookie(device_cookie(services())))
    except (NotSignedIn, TooMany) as error:
        return await _door(error, handle, onward)
    return entered(opened, onward)


async def login_with_passkey() -> ResponseReturnValue:
    """A passkey opens the door alone."""
    form = await request.form
    onward = guard.inside(form.get("next", ""))
    try:
        opened = await services().sessions.passkey(
            form.get("passkey", ""), request.remote_addr or "", _cookie(session_cookie(services())), visit(),
            _cookie(device_cookie(services())))
    except (NotSignedIn, TooMany) as error:
        return await _door(error, "", onward)
    return entered(opened, onward)


async def second_form() -> ResponseReturnValue:
    """The second step, for whose password was right."""
    return await _second(None, guard.inside(request.args.get("next", "")))


async def second() -> ResponseReturnValue:
    """Check the code, or the passkey, and open the session."""
    form = await request.form
    onward, step, sessions = guard.inside(form.get("next", "")), _cookie(step_cookie(services())), services().sessions
    replacing, known = _cookie(session_cookie(services())), _cookie(device_cookie(services()))
    try:
        if form.get("passkey"):
            opened = await sessions.passkey(form["passkey"], request.remote_addr or "", replacing, visit(), known, half=step)
        else:
            opened = await sessions.second(step, form.get("code", "")[:64], replacing, visit(), known)
    except (NotSignedIn, TooMany) as error:
        if error.reason == "half":
            return await _door(error, "", onward)
        return await _second(error, onward)
    return entered(opened, onward)


async def logout() -> ResponseReturnValue:
    """End the session here and in the browser."""
    await services().sessions.logout(_cookie(session_cookie(services())))
    response = await make_response(redirect("/login", 303))
    clear_session(services(), response)  # type: ignore[arg-type]
    return response


async def unlock_form() -> ResponseReturnValue:
    """Who is there? Then on to where she wanted to go."""
    found, onward = session(), guard.inside(request.args.get("next", "")) or "/"
    return redirect("/login", 303) if found is None else await locking.page(found, onward=onward)


async def locked() -> ResponseReturnValue:
    """Whether this session is locked by now or has ended, and else in how many seconds it would be locked: for a page that covers
    itself."""
    found = session()
    if found is None:
        return {"locked": True, "ended": True}
    return {"locked": found.idle, "ended": False, "seconds": services().sessions.seconds_left(found)}


async def unlock() -> ResponseReturnValue:
    """Check who is there, and on."""
    found, onward = session(), guard.inside((await request.form).get("next", "")) or "/"
    if found is None:
        return redirect("/login", 303)
    for_page = "text/html" in request.headers.get("accept", "")
    try:
        shown = await locking.shown(found)
    except (NotSignedIn, TooMany) as error:
        if for_page:
            return await locking.page(found, error, onward)
        raise
    if not for_page:
        return {"locked": not shown}
    return redirect(onward, 303) if shown else await locking.page(found, onward=onward)


async def _door(error: KonsilError | None, handle: str, onward: str) -> ResponseReturnValue:
    keys = services().signing.passkeys
    page = await render_template("login.html", error=error, handle=handle, next=onward, provider=services().identities.provider,
                                 question=keys.question() if keys.possible else "")
    return await _answered(page, error)


async def _second(error: KonsilError | None, onward: str) -> ResponseReturnValue:
    half = await services().sessions.half(_cookie(step_cookie(services())))
    if half is None:
        return redirect(f"/login{_carried(onward)}", 303)
    keys = services().signing.passkeys
    page = await render_template("login_second.html", error=error, half=half, next=onward,
                                 question=keys.question() if keys.possible and half.passkeys else "")
    return await _answered(page, error)


async def _answered(page: str, error: KonsilError | None) -> ResponseReturnValue:
    response = await make_response(page, error.status if error is not None else 200)
    if error is not None and error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response


def entered(opened: Opened, onward: str) -> Response:
    """In, with the session in its cookie; or on to the second step, where one is wanted."""
    if opened.wanted:
        response = Response("", 303, {"location": f"/login/second{_carried(onward)}"})
        set_step(services(), response, opened.token)
        return response
    response = Response("", 303, {"location": onward or "/"})
    set_session(services(), response, opened.token)
    set_device(services(), response, opened.device)
    if _cookie(step_cookie(services())):
        set_step(services(), response, "")
    return response


def _carried(onward: str) -> str:
    return f"?next={quote(onward)}" if onward else ""


def _cookie(name: str) -> str:
    return request.cookies.get(name, "")


ROUTES = (
    Route("/login", ("GET",), login_form, Access.VISITOR),
    Route("/login", ("POST",), login, Access.VISITOR),
    Route("/login/second", ("GET",), second_form, Access.VISITOR),
    Route("/login/second", ("POST",), second, Access.VISITOR),
    Route("/login/passkey", ("POST",), login_with_passkey, Access.VISITOR),
    Route("/logout", ("POST",), logout, Access.VISITOR),  # a locked session is ended without a password
    Route("/unlock", ("GET",), unlock_form, Access.VISITOR),
    Route("/unlock", ("POST",), unlock, Access.VISITOR),
    Route("/locked", ("GET",), locked, Access.VISITOR, by_itself=True),
)
