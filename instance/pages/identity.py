"""Proving an identity at the provider that the settings name: to sign in, to link it to an account, to apply with it.

The way there is a page with a link, so that nobody leaves this site without seeing where to; the way back is the one address that
the provider knows, and is believed only in the browser that went.
"""

from __future__ import annotations

import hmac

from quart import Response, make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors.applications import ApplicationState
from actors.identities import Purpose, Way
from core.access import Access, Route
from core.errors import InvalidInput, NotFound, Refused
from instance import guard
from instance.context import me, services, visit
from instance.cookies import device_cookie, identity_cookie, session_cookie, set_identity
from instance.pages.session import entered

_OPEN = (ApplicationState.DRAFT, ApplicationState.ASKED)


async def sign_in_there() -> ResponseReturnValue:
    """On to the provider, to sign in."""
    onward = guard.inside((await request.form).get("next", ""))
    return await _go(await _begin(Purpose.LOGIN, onward=onward), "/login")


async def link_there() -> ResponseReturnValue:
    """On to the provider, to link an identity to one's account."""
    return await _go(await _begin(Purpose.LINK, account_id=me().account.id), "/settings/security#identity")


async def show_there(token: str) -> ResponseReturnValue:
    """On to the provider, to show with an application who one is."""
    progress = await services().joining.progress(token)
    if progress.application.confirmed_at is None or progress.application.state not in _OPEN:
        return redirect(f"/join/{token}", 303)
    return await _go(await _begin(Purpose.APPLICATION, application_id=progress.application.id), f"/join/{token}/documents")


async def come_back() -> ResponseReturnValue:
    """Back from the provider, with a proof or without."""
    its, given = services(), request.args
    state = given.get("state", "")[:200]
    known = request.cookies.get(identity_cookie(its), "")
    if not state or not hmac.compare_digest(state.encode(), known.encode()):
        raise InvalidInput("This way to %(name)s was not begun in this browser, or has run out. Please begin again.",
                           values={"name": its.identities.provider}, reason="identity-state")
    if given.get("error"):
        raise Refused("%(name)s did not confirm who you are. Nothing was done; you can begin again.",
                      values={"name": its.identities.provider}, reason="identity", cause=given["error"][:200])
    back = await its.identities.finish(state, given.get("code", "")[:2048], given.get("iss", "")[:500])
    if back.purpose == Purpose.LOGIN:
        assert back.account_id is not None
        opened = await its.sessions.identified(
            back.account_id, two_factors=its.settings.identity.two_factors, visit=visit(),
            replacing=request.cookies.get(session_cookie(its), ""), known=request.cookies.get(device_cookie(its), ""))
        answer = entered(opened, back.onward)
    elif back.purpose == Purpose.LINK:
        answer = Response("", 303, {"location": "/settings/security?saved=identity#identity"})
    else:
        assert back.application_id is not None
        answer = Response("", 303, {"location": f"/join/{its.joining.token(back.application_id)}/documents?proven=1#identity"})
    set_identity(its, answer, "")
    return answer


async def unlink() -> ResponseReturnValue:
    """An identity signs in no more."""
    await services().identities.unlink(me().account.id, (await request.form).get("key", "")[:100])
    return redirect("/settings/security?saved=identity#identity", 303)


async def _begin(purpose: Purpose, *, account_id: int | None = None, application_id: int | None = None,
                 onward: str = "") -> Way:
    if not services().identities.provider:
        raise NotFound("There is no such page.")
    return await services().identities.begin(purpose, account_id=account_id, application_id=application_id, onward=onward)


async def _go(way: Way, back: str) -> ResponseReturnValue:
    page = await render_template("identity.html", way=way, provider=services().identities.provider, back=back)
    response = await make_response(page)
    set_identity(services(), response, way.state)  # type: ignore[arg-type]
    return response


ROUTES = (
    Route("/login/identity", ("POST",), sign_in_there, Access.VISITOR),
    Route("/login/identity/callback", ("GET",), come_back, Access.VISITOR),
    Route("/join/<token>/identity", ("POST",), show_there, Access.VISITOR),
    Route("/settings/identity", ("POST",), link_there, Access.MEMBER, fresh=True, enrolling=True),
    Route("/settings/identity/remove", ("POST",), unlink, Access.MEMBER, fresh=True, frees=True),
)
