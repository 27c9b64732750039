"""How somebody signs in: password, app, passkeys, recovery codes; where she is signed in, and what happened lately."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors.login import Session
from actors.scopes import WORDS
from actors.signins import SAID
from core.access import Access, Route
from core.errors import InvalidInput, KonsilError, NotFound
from core.ids import number
from instance.context import me, services, session, visit
from instance.qr import picture

_HERE = "/settings/security"


async def security_page() -> ResponseReturnValue:
    """Everything at one look."""
    return await _page()


async def change_password() -> ResponseReturnValue:
    """Another password; the other sessions end."""
    form = await request.form
    try:
        await services().signing.security.change_password(_session(), form.get("old", "")[:1024], form.get("password", "")[:1025],
                                                  visit())
    except InvalidInput as error:
        return await _page("password", error)
    return _saved("password")


async def begin_codes() -> ResponseReturnValue:
    """A key for the app, to be confirmed by its first code."""
    await services().signing.factors.begin(me().account)
    return redirect(f"{_HERE}/codes", 303)


async def codes_page() -> ResponseReturnValue:
    """The key as a picture and in letters, until the first code has come."""
    return await _codes()


async def confirm_codes() -> ResponseReturnValue:
    """The first code: from now on one is asked for."""
    try:
        codes = await services().signing.factors.confirm(me().account, (await request.form).get("code", "")[:64], visit())
    except InvalidInput as error:
        return await _codes(error)
    return await _recovery(codes) if codes else _saved("codes")


async def turn_codes_off() -> ResponseReturnValue:
    """No codes any more."""
    return await _changed("codes", services().signing.factors.turn_off(me().account, visit()))


async def new_recovery() -> ResponseReturnValue:
    """Ten recovery codes, shown this once."""
    try:
        return await _recovery(await services().signing.factors.new_recovery(me().account, visit()))
    except InvalidInput as error:
        return await _page("recovery", error)


async def passkey_page() -> ResponseReturnValue:
    """Where a passkey is made."""
    return await _new_passkey()


async def add_passkey() -> ResponseReturnValue:
    """The passkey that the browser has made."""
    form = await request.form
    try:
        await services().signing.passkeys.add(me().account, form.get("passkey", ""), form.get("name", ""), visit())
    except InvalidInput as error:
        return await _new_passkey(error, form.get("name", "")[:60])
    return _saved("passkeys")


async def remove_passkey(passkey_id: str) -> ResponseReturnValue:
    """It opens nothing any more."""
    found = number(passkey_id)
    if found is None:
        raise NotFound("There is no such passkey.")
    return await _changed("passkeys", services().signing.passkeys.remove(me().account, found, visit()))


async def end_session(session_id: str) -> ResponseReturnValue:
    """Sign out somewhere else."""
    await services().sessions.end(me().account, number(session_id) or 0)
    return _saved("sessions")


async def end_others() -> ResponseReturnValue:
    """Sign out everywhere else."""
    await services().sessions.end_others(_session())
    return _saved("sessions")


async def end_app(app_id: str) -> ResponseReturnValue:
    """An app is not let in any more."""
    await services().signing.grants.end(me().account.id, number(app_id) or 0, visit())
    return _saved("apps")


async def _page(section: str = "", error: KonsilError | None = None) -> ResponseReturnValue:
    """The page; `section` is the one whose form could not be carried out, and `error` says why."""
    overview = await services().signing.security.of(me().account)
    page = await render_template(
        "security.html", found=overview, provider=services().identities.provider, issuer=services().settings.identity.issuer,
        linked=await services().identities.of(me().account.id),
        apps=await services().signing.grants.of(me().account.id), scope_words=WORDS,
        here=_session().id, origin=services().identity.origin, section=section, error=error, said=SAID, needed=_needed(),
        possible=services().signing.passkeys.possible, shortest=services().settings.accounts.password_min_length)
    return await make_response(page, error.status if error is not None else 200)


async def _codes(error: InvalidInput | None = None) -> ResponseReturnValue:
    key = await services().signing.factors.pending(me().account)
    if key is None:
        return redirect(f"{_HERE}#codes", 303)
    page = await render_template("security_codes.html", key=key, picture=picture(key.uri), error=error)
    return await make_response(page, error.status if error is not None else 200)


async def _recovery(codes: tuple[str, ...]) -> ResponseReturnValue:
    return await render_template("security_recovery.html", codes=codes)


async def _new_passkey(error: InvalidInput | None = None, name: str = "") -> ResponseReturnValue:
    keys = services().signing.passkeys
    if not keys.possible:
        raise NotFound("There is no such page.")
    page = await render_template("security_passkey.html", invitation=await keys.invitation(me().account), error=error,
                                 name=name or visit().device)
    return await make_response(page, error.status if error is not None else 200)


async def _changed(section: str, change: Awaitable[None]) -> ResponseReturnValue:
    try:
        await change
    except NotFound:
        raise
    except InvalidInput as error:
        return await _page(section, error)
    return _saved(section)


def _needed() -> bool:
    """Whether whoever looks may do nothing else before she has a second factor."""
    return me().account.kind == "operator" and not _session().enrolled


def _session() -> Session:
    found = session()
    assert found is not None
    return found


def _saved(section: str) -> ResponseReturnValue:
    return redirect(f"{_HERE}?saved={section}#{section}", 303)


def _route(path: str, method: str, endpoint: Callable[..., Any], *, fresh: bool = True) -> Route:
    return Route(_HERE + path, (method,), endpoint, Access.MEMBER, frees=True, fresh=fresh, enrolling=True)


ROUTES = (
    _route("", "GET", security_page, fresh=False),
    _route("/password", "POST", change_password, fresh=False),  # it asks for the old one itself
    _route("/codes", "GET", codes_page),
    _route("/codes", "POST", confirm_codes),
    _route("/codes/begin", "POST", begin_codes),
    _route("/codes/off", "POST", turn_codes_off),
    _route("/recovery", "POST", new_recovery),
    _route("/passkeys/new", "GET", passkey_page),
    _route("/passkeys/new", "POST", add_passkey),
    _route("/passkeys/<passkey_id>/remove", "POST", remove_passkey),
    _route("/sessions/<session_id>/end", "POST", end_session, fresh=False),
    _route("/sessions/others/end", "POST", end_others, fresh=False),
    _route("/apps/<app_id>/end", "POST", end_app, fresh=False),
)
