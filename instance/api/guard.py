"""The API's own guard: tokens and nothing else, scopes as each route declares them, quotas, and browsers of other origins.

A session's cookie opens nothing here, so no page of another site can have a doctor's browser ask for anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from quart import Response, g, request
from quart.typing import ResponseReturnValue

from actors.grants import Bearer
from actors.models import Author, VerifiedDoctor
from actors.scopes import WORDS, covers
from core.access import Access, Route
from core.clock import rfc3339
from core.errors import KonsilError, NotSignedIn, Refused, TooMany
from core.throttle import network_of
from instance import guard
from instance.api.answers import INSUFFICIENT, INVALID, answer
from instance.context import Viewer, language_of, services
from instance.limits import WAITS
from instance.quotas import Standing
from instance.static import BAND, SIGN

_SAFE = frozenset({"GET", "HEAD"})
_AREAS = ("/api/", "/oauth/token", "/oauth/revoke", "/.well-known/oauth-authorization-server")
_STREAMS = "/api/v1/streaming/"
_PICTURES = ("/api/konsil/", SIGN, BAND)
_EXPOSED = "Link, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After"
_TAKEN = "Authorization, Content-Type, Idempotency-Key"
_METHODS = "GET, POST, PUT, PATCH, DELETE"
_CSP = "default-src 'none'; frame-ancestors 'none'"


def serves(path: str) -> bool:
    """Whether an address belongs to the API, be there something or not."""
    return path.startswith(_AREAS)


def guarded(route: Route) -> Callable[..., Awaitable[ResponseReturnValue]]:
    """The route's function behind its declared access; `ValueError` for an access that is none of apps', or a scope that there
    is not. A function answers with a `Response` or with what becomes JSON."""
    if route.access not in (Access.VISITOR, Access.APP, Access.CLIENT) or not set(route.scopes) <= WORDS.keys():
        raise ValueError(f"{route.rule}: the API's routes are for anybody, for apps, or for scopes that there are")

    async def call(**arguments: Any) -> ResponseReturnValue:
        bearer = await _bearer() if route.access != Access.VISITOR else None
        g.standing = services().quotas.take(_subject(bearer))
        if route.access == Access.CLIENT:
            _check(bearer, route)
            if request.method not in _SAFE and not route.frees:
                guard.check_room()
        if bearer is not None:
            services().signing.grants.seen(bearer)
        found = await route.endpoint(**arguments)
        return found if isinstance(found, Response) else answer(found)

    call.__name__ = route.endpoint.__name__
    call.access = route.access  # type: ignore[attr-defined]
    return call


def doctor() -> VerifiedDoctor:
    """Who the app speaks for, on a route for doctors."""
    bearer: Bearer = g.bearer
    assert bearer.doctor is not None
    return bearer.doctor


def writes_in() -> str:
    """The language that she writes in unless her app says another one: her own, else the country's."""
    return doctor().account.language or services().pack.languages[0]


def bearer() -> Bearer:
    """Who asks, on a route for apps or doctors."""
    found: Bearer = g.bearer
    return found


async def author(action: str) -> Author:
    """The doctor who asks as one who may `post`, `reply` or `vote`."""
    return await services().credentials.author(doctor().account, action)


async def let_apps_pass() -> Response | None:
    """From an address where so much was refused that it has to wait, only an app with a token comes through. A browser that asks
    beforehand whether another origin may speak to this one is answered here."""
    if (origin := _origin()) and request.method == "OPTIONS" and "access-control-request-method" in request.headers:
        return Response("", 204, {"access-control-allow-methods": _METHODS, "access-control-allow-headers": _TAKEN,
                                  "access-control-max-age": "86400", "access-control-allow-origin": origin})
    waits: TooMany | None = request.scope.get(WAITS)  # type: ignore[assignment]
    if waits is not None:
        try:
            await _bearer()
        except KonsilError:
            raise waits from None
    return None


def finish(response: Response) -> Response:
    """Headers of every answer of the API."""
    headers = response.headers
    found: Standing | None = g.get("standing")
    standing = found if found is not None else services().quotas.look(_subject(g.get("bearer")))
    headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"] = str(standing.limit), str(standing.left)
    headers["x-ratelimit-reset"] = rfc3339(standing.until * 1000)
    headers.setdefault("content-security-policy", _CSP)
    return response


def finish_for_browsers(response: Response) -> Response:
    """What an app that runs in a browser has to be told of every answer of the API, and of what stands for pictures that nobody
    has. A page that shows a picture does not say its origin, so where the settings name any, pictures may be shown anywhere:
    their addresses hold a token, which no other page has."""
    headers, path = response.headers, request.path
    if not services().settings.clients.origins or not (serves(path) or path.startswith(_PICTURES)):
        return response
    headers.add("vary", "Origin")
    if path.startswith(_PICTURES):
        headers["cross-origin-resource-policy"] = "cross-origin"
    if origin := _origin():
        headers["access-control-allow-origin"] = origin
        headers["access-control-expose-headers"] = _EXPOSED
        headers["cross-origin-resource-policy"] = "cross-origin"
    return response


async def _bearer() -> Bearer:
    """Who shows a token, looked up once per request; `NotSignedIn` for none that counts."""
    if g.get("bearer") is not None:
        return g.bearer  # type: ignore[no-any-return]
    found = await services().signing.grants.find(shown())
    if found is None:
        raise NotSignedIn("This app is not signed in here, or not any more. Please sign in again.", reason=INVALID)
    g.bearer = found
    if found.doctor is not None:
        account = found.doctor.account
        g.viewer = Viewer(account, found.doctor.actor, language_of(account))
    return found


def shown() -> str:
    """The token that came with this request: in its header, or, where browsers set none (HTML, section 9.2), in its query."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return given.strip()
    return request.args.get("access_token", "") if request.path.startswith(_STREAMS) else ""


def _check(bearer: Bearer | None, route: Route) -> None:
    if bearer is None or bearer.doctor is None:
        raise NotSignedIn("This asks for a doctor, and the app speaks for nobody. Please sign in in the app.",
                          reason=INVALID)
    if not any(covers(bearer.scopes, scope) for scope in route.scopes):
        raise Refused("The app was not allowed to do this (%(scope)s). Sign in again in the app and allow it.",
                      values={"scope": route.scopes[0]}, reason=INSUFFICIENT)


def _subject(bearer: Bearer | None) -> str:
    """Whom a request is counted for: a doctor, an app, or where it came from."""
    if bearer is None:
        return f"network:{network_of(request.remote_addr or '')}"
    return f"doctor:{bearer.doctor.account.id}" if bearer.doctor is not None else f"app:{bearer.app.id}"


def _origin() -> str:
    """The origin a browser says it asks from, if the settings name it."""
    origin = request.headers.get("origin", "")
    return origin if origin in services().settings.clients.origins else ""
