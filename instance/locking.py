"""An idle session, and forms that want to know anew who is there: the page that asks for password or passkey, and what goes on
after.

What was sent meanwhile is kept in that page and goes where it was to go together with the password, so nothing is lost and
nothing has to be done twice.
"""

from __future__ import annotations

from quart import g, make_response, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue

from actors.login import Session
from core.errors import InvalidInput, KonsilError, NotSignedIn, TooMany
from instance.context import language_of, services

PREFIX = "unlock_"
"""How the fields are called that are ours among those of the form that is kept."""


async def ask(session: Session) -> ResponseReturnValue | None:
    """Have whoever is there show that it is the owner of the session; None once that is done, and the request goes on."""
    if "text/html" not in request.headers.get("accept", ""):
        raise NotSignedIn("This session is locked until its owner shows that it is she.", reason="locked")
    if request.method in ("GET", "HEAD"):
        return redirect(url_for("unlock_form", next=request.full_path.rstrip("?")), 303)
    try:
        if await shown(session):
            if (await request.form).get(f"{PREFIX}lost"):
                raise InvalidInput("The file you chose could not be kept. Please choose it again.", reason="file-lost")
            return None
    except (NotSignedIn, TooMany) as error:
        return await page(session, error)
    return await page(session)


async def shown(session: Session) -> bool:
    """Whether a form brought a password or a passkey that is the owner's; `NotSignedIn` or `TooMany` for one that is not, False
    for none."""
    form = await request.form
    password, passkey = form.get(f"{PREFIX}password", ""), form.get(f"{PREFIX}passkey", "")
    if passkey:
        await services().sessions.prove_with_passkey(session, passkey)
    elif password:
        await services().sessions.prove(session, password[:1024], request.remote_addr or "")
    return bool(passkey or password)


async def still(session: Session | None, password: str) -> None:
    """Whoever is signed in types her password once more; `InvalidInput` (password) for a wrong one."""
    try:
        if session is None:
            raise NotSignedIn("Your session has ended.")
        await services().sessions.prove(session, password[:1024], request.remote_addr or "")
    except NotSignedIn:
        raise InvalidInput("This is not your password. Nothing was done.", field="password") from None


async def page(session: Session, error: KonsilError | None = None, onward: str = "") -> ResponseReturnValue:
    """The page that asks, with what was sent in it, or with where to go on."""
    form, files = await request.form, await request.files
    kept = [(name, value) for name, value in form.items(multi=True) if not name.startswith(PREFIX)]
    g.viewer, g.wished_language = None, language_of(session.account)
    keys = services().signing.passkeys
    shown = await render_template(
        "unlock.html", who=session.account, idle=session.idle, error=error, onward=onward, kept=[] if onward else kept,
        again="/unlock" if onward else request.full_path.rstrip("?"), lost=[*files],
        question=keys.question() if keys.possible else "")
    response = await make_response(shown, error.status if error is not None else 200 if onward else 401)
    if error is not None and error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response
