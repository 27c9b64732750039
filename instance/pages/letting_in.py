"""An app asks to be let in: the page on which a doctor decides (RFC 6749, section 4.1).

It needs a signed-in doctor who has just shown that it is she. It works without a script. Where an app asks for what it cannot
get, the page says so and offers the way back: nobody is sent to a stranger's address without having pressed anything (RFC 9700,
section 4.11.2).
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import msgspec
from quart import Response, make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from actors import scopes
from actors.apps import OUT_OF_BAND, App
from actors.grants import Asked
from core.access import Access, Route
from core.errors import InvalidInput
from instance import guard
from instance.context import me, services, visit
from instance.locking import PREFIX

_NAMES = ("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method")
_LENGTH = 2_000


class _Wish(msgspec.Struct, frozen=True):
    """What an app has sent a doctor here with, as it stands in the address."""

    values: dict[str, str]

    @classmethod
    def of(cls, given: MultiDict[str, str]) -> _Wish:
        """`InvalidInput` where something is said twice (RFC 6749, section 3.1), or too long."""
        for name in _NAMES:
            if len(given.getlist(name)) > 1 or len(given.get(name, "")) > _LENGTH:
                raise InvalidInput("The app has asked in a way that cannot be read. Nothing was given to it.",
                                   reason="invalid_request")
        return cls({name: given[name] for name in _NAMES if given.get(name)})

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    def back(self, **said: str) -> str:
        """Where she comes back to, with what is said there; its own query stays."""
        place = self["redirect_uri"]
        kept = {**said, **({"state": self["state"]} if self["state"] else {}), "iss": services().identity.origin}
        return f"{place}{'&' if '?' in place else '?'}{urlencode(kept)}"


async def let_in_form() -> ResponseReturnValue:
    """Who asks, for what; yes or no."""
    wish = _Wish.of(request.args)
    app = await services().signing.grants.ask(wish["client_id"], wish["redirect_uri"])
    try:
        asked = _asked(app, wish)
    except InvalidInput as error:
        return await _sealed(await render_template(
            "let_in.html", app=app, host=_host(wish["redirect_uri"]), error=error, scopes=(), hidden={},
            back=wish.back(error=error.reason, error_description=error.message) if _is_place(wish) else ""), wish, 400)
    return await _sealed(await render_template(
        "let_in.html", app=app, host=_host(asked.redirect), error=None, scopes=[scopes.WORDS[name] for name in asked.scopes],
        hidden=wish.values, back=""), wish)


async def let_in() -> ResponseReturnValue:
    """She has decided: on to the app, or its code to carry over."""
    form = await request.form
    wish = _Wish.of(form)
    if any(name.startswith(PREFIX) for name in form):  # the page that asked who is there would not let a browser go on to an app
        return redirect(f"/oauth/authorize?{urlencode(wish.values)}", 303)
    app = await services().signing.grants.ask(wish["client_id"], wish["redirect_uri"])
    asked = _asked(app, wish)
    if form.get("do") != "allow":
        return _onward(wish, wish.back(error="access_denied")) if _is_place(wish) else redirect("/", 303)
    doctor = await services().credentials.require_verified(me().account)
    code = await services().signing.grants.allow(doctor, asked, visit())
    if not _is_place(wish):
        return await render_template("let_in_code.html", app=app, code=code)
    return _onward(wish, wish.back(code=code))


def _asked(app: App, wish: _Wish) -> Asked:
    return services().signing.grants.check(app, wish["redirect_uri"], wish["response_type"], scopes.parse(wish["scope"]),
                                           wish["code_challenge"], wish["code_challenge_method"])


def _is_place(wish: _Wish) -> bool:
    return wish["redirect_uri"] != OUT_OF_BAND


def _onward(wish: _Wish, place: str) -> Response:
    return Response("", 303, {"location": place})


def _host(place: str) -> str:
    """What a doctor can recognise of where she comes back to: a host, or an app on this very device."""
    parts = urlsplit(place)
    return parts.netloc if parts.scheme in ("https", "http") else ""


async def _sealed(page: str, wish: _Wish, status: int = 200) -> ResponseReturnValue:
    """The page, from which a form may lead to the app as well: browsers look at where an answer leads (CSP 3, form-action)."""
    response = await make_response(page, status)
    if _is_place(wish):
        parts = urlsplit(wish["redirect_uri"])
        place = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("https", "http") else f"{parts.scheme}:"
        response.headers["content-security-policy"] = guard.CSP.replace("form-action 'self'", f"form-action 'self' {place}")
    return response


ROUTES = (
    Route("/oauth/authorize", ("GET",), let_in_form, Access.DOCTOR, fresh=True),
    Route("/oauth/authorize", ("POST",), let_in, Access.DOCTOR, frees=True),
)
