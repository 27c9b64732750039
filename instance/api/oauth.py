"""OAuth 2 for apps (RFC 6749): they introduce themselves, turn codes into tokens, and give these back.

The page on which a doctor decides is `instance.pages.letting_in`. Errors here have the codes of the standard, and a sentence in
English for whoever writes apps.
"""

from __future__ import annotations

from base64 import b64decode
from typing import NamedTuple
from urllib.parse import unquote

import msgspec
from quart import Response, request

from actors import scopes
from actors.apps import App
from actors.grants import Token
from core.access import Access, Route
from core.errors import InvalidInput, KonsilError, NotSignedIn, TooMany
from core.ids import public
from instance.api import bodies
from instance.api.answers import answer, finished
from instance.api.bodies import Fields
from instance.api.entities import Application, CredentialApplication
from instance.api.guard import bearer
from instance.api.instance import vapid_key
from instance.context import services

_CODES = frozenset({"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
                    "invalid_scope", "invalid_redirect_uri"})
_SECRET = 500


class TokenAnswer(msgspec.Struct, frozen=True):
    """A token as it is handed out (RFC 6749, section 5.1), and when (seconds)."""

    access_token: str
    token_type: str
    scope: str
    created_at: int


class OAuthTrouble(msgspec.Struct, frozen=True):
    """An error (RFC 6749, section 5.2)."""

    error: str
    error_description: str


class Metadata(msgspec.Struct, frozen=True):
    """What there is here (RFC 8414)."""

    issuer: str
    service_documentation: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str
    app_registration_endpoint: str
    scopes_supported: tuple[str, ...]
    response_types_supported: tuple[str, ...] = ("code",)
    response_modes_supported: tuple[str, ...] = ("query",)
    grant_types_supported: tuple[str, ...] = ("authorization_code", "client_credentials")
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic", "client_secret_post", "none")
    revocation_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic", "client_secret_post", "none")
    code_challenge_methods_supported: tuple[str, ...] = ("S256",)
    authorization_response_iss_parameter_supported: bool = True


class _Shown(NamedTuple):
    """How an app shows itself: its id, and its secret or nothing."""

    client_id: str
    secret: str


async def metadata() -> Metadata:
    """Where everything is, for apps that ask first."""
    origin = services().identity.origin
    return Metadata(origin, f"{origin}/imprint", f"{origin}/oauth/authorize", f"{origin}/oauth/token", f"{origin}/oauth/revoke",
                    f"{origin}/api/v1/apps", tuple(scopes.WORDS))


async def register_app() -> CredentialApplication:
    """An app introduces itself."""
    fields = await bodies.sent()
    places = [place for given in fields.texts("redirect_uris", 10) for place in given.split()]
    made, secret = await services().signing.apps.register(
        fields.text("client_name", 200), places, fields.text("scopes", 1_000), fields.text("website", 2_000),
        request.remote_addr or "")
    return CredentialApplication(**_application(made), client_id=made.client_id, client_secret=secret)  # type: ignore[arg-type]


async def verify_app() -> Application:
    """An app asks whether its token is good."""
    return Application(**_application(bearer().app))  # type: ignore[arg-type]


async def token() -> Response:
    """A code, or the app itself, becomes a token."""
    fields = await bodies.sent()
    shown, grants = _shown(fields), services().signing.grants
    match fields.text("grant_type", 100):
        case "authorization_code":
            made = await grants.redeem(shown.client_id, shown.secret, fields.text("code", _SECRET),
                                       fields.text("redirect_uri", 2_000), fields.text("code_verifier", _SECRET))
        case "client_credentials":
            made = await grants.for_itself(shown.client_id, shown.secret, scopes.parse(fields.text("scope", 1_000)))
        case "":
            raise InvalidInput("Say which grant_type this is.", reason="invalid_request")
        case _:
            raise InvalidInput("This grant_type is not offered here.", reason="unsupported_grant_type")
    return _handed_out(made)


async def revoke() -> Response:
    """An app gives its token back."""
    fields = await bodies.sent()
    shown, given = _shown(fields), fields.text("token", _SECRET)
    if not given:
        raise InvalidInput("Say which token.", reason="invalid_request")
    await services().signing.grants.revoke(shown.client_id, shown.secret, given)
    return answer({})


def explain(error: KonsilError) -> Response:
    """An expected error in the standard's words. Descriptions are ASCII (RFC 6749, section 5.2)."""
    code = error.reason if error.reason in _CODES else "access_denied" if error.status == 403 else "invalid_request"
    status = error.status
    if isinstance(error, InvalidInput):
        status = 400
    elif isinstance(error, TooMany):
        code = "temporarily_unavailable"
    elif status >= 500:
        code = "server_error"
    response = answer(OAuthTrouble(code, error.message.encode("ascii", "replace").decode()), status)
    if isinstance(error, NotSignedIn):
        response.headers["www-authenticate"] = f'Basic realm="{services().identity.domain}"'
    return finished(response, error)


def _handed_out(made: Token) -> Response:
    said = TokenAnswer(made.token, "Bearer", " ".join(made.scopes), made.made // 1000)
    return answer(said, headers={"cache-control": "no-store", "pragma": "no-cache"})


def _application(app: App) -> dict[str, object]:
    return {"id": public(app.id), "name": app.name, "website": app.website or None, "scopes": app.scopes,
            "redirect_uri": "\n".join(app.redirects), "redirect_uris": app.redirects,
            "vapid_key": vapid_key()}


def _shown(fields: Fields) -> _Shown:
    """How an app shows itself, in the head (RFC 6749, section 2.3.1) or in the body; not in both."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return _Shown(fields.text("client_id", _SECRET), fields.text("client_secret", _SECRET))
    try:
        name, colon, secret = b64decode(given.strip(), validate=True).decode().partition(":")
    except ValueError:
        name = colon = secret = ""
    if not colon or "client_secret" in fields or fields.text("client_id", _SECRET, unquote(name)) != unquote(name):
        raise NotSignedIn("The app shows itself in a way that cannot be read.", reason="invalid_client")
    return _Shown(unquote(name)[:_SECRET], unquote(secret)[:_SECRET])


ROUTES = (
    Route("/.well-known/oauth-authorization-server", ("GET",), metadata, Access.VISITOR),
    Route("/api/v1/apps", ("POST",), register_app, Access.VISITOR),
    Route("/api/v1/apps/verify_credentials", ("GET",), verify_app, Access.APP),
    Route("/oauth/token", ("POST",), token, Access.VISITOR),
    Route("/oauth/revoke", ("POST",), revoke, Access.VISITOR),
)
