"""The guard in front of every route: who may call what, where a form may come from, and the headers of every answer."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from quart import Response, g, make_response, redirect, request, url_for
from quart.typing import ResponseReturnValue

from actors.login import Session
from core.access import Access, Route
from core.errors import KonsilError, NotFound, NotSignedIn, Refused, TooMany, Unavailable
from federation.allowlist import Purpose, Sibling
from federation.door import Request, gather
from federation.rates import Client
from instance import locking
from instance.context import Viewer, services, viewer_of
from instance.cookies import session_cookie, set_language
from instance.limits import WAITS

_SAFE = frozenset({"GET", "HEAD"})
_WRITE = frozenset({Access.DOCTOR, Access.MEMBER})
_ROOM_SECONDS = 300
CSP = ("default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'; connect-src 'self'; manifest-src 'self'")


def guarded(route: Route) -> Callable[..., Awaitable[ResponseReturnValue]]:
    """The route's function behind its declared access; `ValueError` for a purpose the gate does not know."""
    purpose = Purpose(route.purpose) if route.access == Access.SIBLING else None

    async def call(**arguments: Any) -> ResponseReturnValue:
        if purpose is not None:
            g.sibling = None  # the door counts what it refuses itself
            g.sibling = _sibling(purpose)
            return await route.endpoint(**arguments)  # type: ignore[no-any-return]
        if request.method not in _SAFE and not route.from_anywhere:
            _check_origin()
        session = g.session = await _session()
        if session is not None and not session.idle:
            g.viewer = viewer_of(session)
            if not route.by_itself:
                await _seen(session)
        if route.access != Access.VISITOR:
            if session is None:
                if request.method in _SAFE:
                    return redirect(url_for("login_form", next=request.full_path.rstrip("?")), 303)
                raise NotSignedIn("Your session has ended.")
            if session.idle or (route.fresh and not session.fresh):
                if (answer := await locking.ask(session)) is not None:
                    return answer
                g.viewer = viewer_of(session)
            if session.account.kind == "operator" and not session.enrolled and not route.enrolling:
                return _to_enrolment()
            await _check_role(route.access, viewer_of(session))
            if request.method not in _SAFE and route.access in _WRITE and not route.frees:
                check_room()
        return await route.endpoint(**arguments)  # type: ignore[no-any-return]

    call.__name__ = route.endpoint.__name__
    call.access = route.access  # type: ignore[attr-defined]
    return call


async def let_members_pass() -> None:
    """From an address where so much was refused that it has to wait, only who is signed in comes through."""
    waits: TooMany | None = request.scope.get(WAITS)  # type: ignore[assignment]
    if waits is not None and await _session() is None:
        raise waits


def _to_enrolment() -> ResponseReturnValue:
    """An operator without a second factor gets one first, and nowhere else."""
    if request.method in _SAFE:
        return redirect("/settings/security", 303)
    raise Refused("Operators sign in with a second factor. Please set one up first.", reason="second-factor")


def check_room() -> None:
    """Nothing new is begun on a disk that is almost full; operators go on, and whatever takes away."""
    if services().space.low:
        raise Unavailable("The disk of this instance is almost full: nothing new can be stored at the moment. Deleting goes on.",
                          reason="disk-low", retry_after=_ROOM_SECONDS)


def _client() -> Client:
    found: Client = request.scope.get("client")
    return found


async def _session() -> Session | None:
    return await services().sessions.find(request.cookies.get(session_cookie(services()), ""))


async def _seen(session: Session) -> None:
    """Keep a session awake; where that cannot be written, as on a full disk, it is read all the same."""
    with contextlib.suppress(KonsilError):
        await services().sessions.seen(session)


async def _check_role(access: Access, viewer: Viewer) -> None:
    """Raise unless the viewer is what the route asks for. To a doctor, operators' pages are not there, and the reverse."""
    kind = viewer.account.kind
    if access == Access.OPERATOR and kind != "operator":
        raise NotFound("There is no such page.")
    if access == Access.DOCTOR:
        if kind != "doctor":
            raise Refused("Operators have no timeline: this page is for doctors.", reason="operator")
        await services().credentials.require_verified(viewer.account)


def _sibling(purpose: Purpose) -> Sibling:
    target = request.scope["raw_path"].decode("latin-1")
    if request.query_string:
        target += "?" + request.query_string.decode("latin-1")
    raw, client = request.scope["headers"], _client()
    try:
        headers = gather(raw)
    except KonsilError as error:
        services().door.turned_away(raw, purpose, error, target, client)
        raise
    return services().door.identify(Request(request.method, target, headers, client=client), purpose).sibling


def _check_origin() -> None:
    """A form comes from our own pages: by Sec-Fetch-Site, else by Origin, compared with what we are called and not with
    what a proxy made of the Host; a request that says neither, and `Origin: null`, is refused."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site == "same-origin":
            return
    else:
        if request.headers.get("origin") == services().identity.origin:
            return
    raise Refused("This form was not sent from this site; nothing was done.", reason="cross-site")


def inside(path: str) -> str:
    """A path of this site to go on to or back to, or nothing."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else ""


async def finish(response: Response) -> Response:
    """Headers of every answer."""
    headers = response.headers
    headers.setdefault("content-security-policy", CSP)
    headers["x-content-type-options"] = "nosniff"
    headers["referrer-policy"] = "same-origin"  # with no-referrer browsers send `Origin: null` with our own forms
    headers["cross-origin-opener-policy"] = "same-origin"
    headers.setdefault("cross-origin-resource-policy", "same-origin")
    headers["permissions-policy"] = "camera=(), microphone=(), geolocation=()"
    headers.setdefault("cache-control", "no-store")
    if (chosen := g.get("chosen_language")) is not None:
        set_language(services(), response, chosen)
    return response


async def explain(error: KonsilError, render: Callable[[KonsilError], Awaitable[str]]) -> Response:
    """An expected error as a page for people and as a problem document for programs. It counts against the address it came
    from, unless somebody who is signed in was at fault; what a sibling was refused, the door has counted."""
    if 400 <= error.status < 500 and error.status != TooMany.status and "sibling" not in g and await _session() is None:
        services().rates.refused(_client())
    wants_page = "text/html" in request.headers.get("accept", "")
    if wants_page:
        response = await make_response(await render(error), error.status)
    else:
        response = await make_response(error.problem(), error.status)
        response.headers["content-type"] = "application/problem+json"
    if error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response  # type: ignore[return-value]
