"""In front of everything: whoever was refused too often is told to wait before anything of the request is looked at."""

from __future__ import annotations

from collections.abc import Callable

from core.errors import TooMany
from core.words import N_
from federation.allowlist import Direction
from federation.rates import Rates
from federation.refusals import RefusalLog
from inbox.routes import ROUTES, App, Receive, Scope, Send, refuse

WAITS = "konsil.waits"
"""Where the scope holds the `TooMany` of an address that has to wait, for a request that may be somebody's who is signed in:
the guard lets her pass and nobody else (`instance.guard.let_members_pass`)."""
_PURPOSES = {route.rule: route.purpose for route in ROUTES}
"""Of what siblings POST, by its address: nobody has a session there."""
_PLACE, _PAGE = "(many refusals)", N_("page")


class Limited:
    """Hands a request to `inner`, unless too much from its address was refused.

    One address may be a whole hospital's, so a request with our session's cookie, or an app's token, is looked at that far.
    `speak` puts the error into the words of an Accept-Language header.
    """

    def __init__(self, rates: Rates, refusals: RefusalLog, inner: App, *, cookie: str,
                 speak: Callable[[TooMany, str], str]) -> None:
        self._rates, self._refusals, self._inner = rates, refusals, inner
        self._cookie, self._speak = cookie.encode() + b"=", speak

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._rates.check(scope.get("client"))
        except TooMany as error:
            purpose = _PURPOSES.get(scope["path"], "")
            self._refusals.record(direction=Direction.IN, origin=_PLACE, purpose=purpose or _PAGE, reason=error.reason,
                                  path=scope["path"], detail=error.cause)
            if purpose or not any((name == b"cookie" and self._cookie in value)
                                  or (name == b"authorization" and value[:7].lower() == b"bearer ")
                                  for name, value in scope["headers"]):
                await self._turn_away(scope, send, error)
                return
            scope[WAITS] = error
        await self._inner(scope, receive, send)

    async def _turn_away(self, scope: Scope, send: Send, error: TooMany) -> None:
        """A problem document for programs; for people the sentence, which costs next to nothing."""
        wants = {name: value.decode("latin-1") for name, value in scope["headers"] if name in (b"accept", b"accept-language")}
        if "text/html" not in wants.get(b"accept", ""):
            await refuse(send, error)
            return
        body = self._speak(error, wants.get(b"accept-language", "")).encode()
        await send({"type": "http.response.start", "status": error.status, "headers": [
            (b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"), (b"retry-after", str(error.retry_after).encode())]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
