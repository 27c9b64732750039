"""The cookies: whose session it is, who is at the second step of signing in, by which a browser is known again, and in which
language a visitor reads.

Their names carry the port, so that instances on one host stay apart, and `__Host-` wherever there is TLS.
"""

from __future__ import annotations

from quart import Response

from instance.assembly import Assembly

_IDENTITY_SECONDS = 900
_LANGUAGE_SECONDS = _DEVICE_SECONDS = 365 * 86_400
_STEP_SECONDS = 600


def session_cookie(its: Assembly) -> str:
    """The name of the session's cookie."""
    return f"{'__Host-' if _secure(its) else ''}konsil-{its.settings.server.port}"


def language_cookie(its: Assembly) -> str:
    """The name of the language's cookie."""
    return f"{session_cookie(its)}-language"


def step_cookie(its: Assembly) -> str:
    """The name of the cookie between the two steps of signing in."""
    return f"{session_cookie(its)}-step"


def device_cookie(its: Assembly) -> str:
    """The name of the cookie by which a browser is known again."""
    return f"{session_cookie(its)}-device"


def set_step(its: Assembly, response: Response, token: str) -> None:
    """Remember for some minutes whose second step it is; an empty token forgets it."""
    response.set_cookie(step_cookie(its), token, max_age=_STEP_SECONDS if token else 0, httponly=True, samesite="Strict",
                        path="/", secure=_secure(its))


def identity_cookie(its: Assembly) -> str:
    """The name of the cookie by which who comes back from the identity provider is known."""
    return f"{session_cookie(its)}-identity"


def set_identity(its: Assembly, response: Response, state: str) -> None:
    """Remember for a quarter of an hour who went to the provider; an empty state forgets it. It has to come along when the
    provider sends the browser back, so it is not as strict as the others."""
    response.set_cookie(identity_cookie(its), state, max_age=_IDENTITY_SECONDS if state else 0, httponly=True, samesite="Lax",
                        path="/", secure=_secure(its))


def set_device(its: Assembly, response: Response, token: str) -> None:
    """Have the browser known again for a year; the cookie opens nothing."""
    response.set_cookie(device_cookie(its), token, max_age=_DEVICE_SECONDS, httponly=True, samesite="Strict", path="/",
                        secure=_secure(its))


def set_session(its: Assembly, response: Response, token: str) -> None:
    """Put the session's token into its cookie."""
    response.set_cookie(session_cookie(its), token, httponly=True, samesite="Lax", path="/", secure=_secure(its))


def clear_session(its: Assembly, response: Response) -> None:
    """Take the cookie out of the browser; one called `__Host-` goes only if the attributes are those it came with."""
    response.delete_cookie(session_cookie(its), httponly=True, samesite="Lax", path="/", secure=_secure(its))


def set_language(its: Assembly, response: Response, language: str) -> None:
    """Remember the language for a year; the cookie says nothing else, and of nobody."""
    response.set_cookie(language_cookie(its), language, max_age=_LANGUAGE_SECONDS, httponly=True, samesite="Lax", path="/",
                        secure=_secure(its))


def _secure(its: Assembly) -> bool:
    return its.identity.origin.startswith("https://")
