"""OpenID Connect: somebody proves who she is at the provider that the settings name, a national register of professionals for
instance (OpenID Connect Core 1.0, authorization code flow; PKCE, RFC 7636).

Here is the protocol alone: where to send somebody, and what the provider says of her afterwards. What that means for her is
decided in `actors.identities`.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from core.errors import InvalidInput, Misconfigured, Refused, Unavailable
from core.settings import Identity as IdentitySettings
from federation.addresses import origin_of
from federation.client import Client, Service

_ALGORITHMS = {  # by the kind of key, none with a shared secret
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "EC": ("ES256", "ES384", "ES512"), "OKP": ("EdDSA",)}
_LEEWAY = 60  # seconds that two clocks may differ
_KEPT = 3600.0  # seconds that the provider's addresses and keys are kept
_LOOK_AGAIN = 60.0  # seconds before its keys are looked at again for one that is not among them
_SHOWN = 200


class Proven(NamedTuple):
    """What the provider says of somebody: who she is there (`subject`, never shown), and what its claims say of her name, of
    her number in a register and of her profession, each empty where they say nothing; `level` is how she has proven it (acr)."""

    issuer: str
    subject: str
    name: str
    number: str
    profession: str
    level: str


class _Key(NamedTuple):
    """A key of the provider, and what it signs with."""

    public: Any
    algorithms: tuple[str, ...]


class _Metadata(msgspec.Struct, frozen=True):
    """What of a provider's configuration is used (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str
    token_type: str


class Provider:
    """The provider of the settings."""

    def __init__(self, settings: IdentitySettings, secret: str, client: Client, redirect_uri: str) -> None:
        self._settings, self._secret, self._client, self._redirect_uri = settings, secret, client, redirect_uri
        self._service = Service(settings.name, tuple(dict.fromkeys(
            origin_of(url) for url in (settings.issuer, *settings.origins)))) if settings.issuer else None
        self._metadata: _Metadata | None = None
        self._keys: Mapping[str, _Key] = {}
        self._looked, self._keys_looked = 0.0, 0.0
        self._turn = asyncio.Lock()

    @property
    def on(self) -> bool:
        """Whether there is one."""
        return self._service is not None

    @property
    def name(self) -> str:
        """What people call it."""
        return self._settings.name

    @property
    def origins(self) -> tuple[str, ...]:
        """Where it is asked."""
        return self._service.origins if self._service is not None else ()

    async def address(self, state: str, nonce: str, verifier: str) -> str:
        """Where somebody goes to prove who she is. `Unavailable` where the provider does not answer."""
        found = await self._configuration()
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {"response_type": "code", "client_id": self._settings.client_id, "redirect_uri": self._redirect_uri,
                 "scope": " ".join(self._settings.scopes), "state": state, "nonce": nonce, "code_challenge": challenge,
                 "code_challenge_method": "S256"}
        if self._settings.level:
            asked["acr_values"] = self._settings.level
        return f"{found.authorization_endpoint}{'&' if '?' in found.authorization_endpoint else '?'}{urlencode(asked)}"

    async def proven(self, code: str, issuer: str, nonce: str, verifier: str) -> Proven:
        """What the provider says of whoever came back with this code; `Refused` where that does not hold. `issuer` is who sent
        her back, as her address said (RFC 9207), or empty."""
        service, found = self._named(), await self._configuration()
        if issuer != found.issuer and (issuer or found.authorization_response_iss_parameter_supported):
            raise self._refused(f"sent back by {issuer or 'nobody'}")
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect_uri, "code_verifier": verifier}
        try:
            given = await self._ask(service, found.token_endpoint, form)
            tokens = msgspec.convert(given, _Tokens)
        except (msgspec.ValidationError, InvalidInput) as error:
            raise self._refused(f"token endpoint: {error}") from None
        claims = await self._checked(found, tokens, nonce)
        if found.userinfo_endpoint:
            claims = await self._more(service, found.userinfo_endpoint, tokens, claims)
        return Proven(found.issuer, str(claims["sub"]), _text(claims, self._settings.name_claim),
                      _text(claims, self._settings.number_claim), _text(claims, self._settings.profession_claim),
                      _text(claims, "acr"))

    async def _checked(self, found: _Metadata, tokens: _Tokens, nonce: str) -> dict[str, Any]:
        """The claims of an ID token that is this provider's, for us, of now and for this very way there (Core, 3.1.3.7)."""
        import jwt  # only where there is a provider

        try:
            key = await self._key(found, str(jwt.get_unverified_header(tokens.id_token).get("kid", "")))
            claims: dict[str, Any] = jwt.decode(
                tokens.id_token, key.public, algorithms=key.algorithms,  # the key's own, whatever the token asks for
                audience=self._settings.client_id, issuer=self._settings.issuer, leeway=_LEEWAY,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]})
        except jwt.PyJWTError as error:
            raise self._refused(f"ID token: {error}") from None
        if not isinstance(claims.get("nonce"), str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
            raise self._refused("ID token: another nonce")
        if claims.get("azp", self._settings.client_id) != self._settings.client_id:
            raise self._refused("ID token: made for another party")
        if self._settings.level and claims.get("acr") not in self._settings.level.split():
            raise Refused("%(name)s did not confirm your identity as strictly as is needed here.",
                          values={"name": self.name}, reason="identity-level", cause=f"acr {claims.get('acr')!r}")
        return claims

    async def _more(self, service: Service, url: str, tokens: _Tokens, claims: dict[str, Any]) -> dict[str, Any]:
        """The claims with what the provider says beside the token, of the same person (Core, 5.3.2)."""
        try:
            said = await self._client.ask(service, url, bearer=tokens.access_token)
        except InvalidInput as error:
            raise self._refused(f"userinfo: {error.message}") from None
        if said.get("sub") != claims["sub"]:
            raise self._refused("userinfo: of somebody else")
        return said | claims

    async def _key(self, found: _Metadata, kid: str) -> _Key:
        """The provider's key of this name, or the only one it has."""
        async with self._turn:
            now = time.monotonic()
            if not self._keys or now - self._keys_looked > _KEPT or (
                    kid not in self._keys and now - self._keys_looked > _LOOK_AGAIN):
                given = await self._ask(self._named(), found.jwks_uri)
                shown = given.get("keys")
                self._keys = dict(key for raw in (shown if isinstance(shown, list) else ()) if (key := _key(raw)) is not None)
                self._keys_looked = now
        if kid in self._keys:
            return self._keys[kid]
        if not kid and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        raise self._refused("ID token: signed with a key that the provider does not show")

    async def _configuration(self) -> _Metadata:
        """The provider's addresses, which have to be its own and those of the settings."""
        service = self._named()
        async with self._turn:
            if self._metadata is not None and time.monotonic() - self._looked < _KEPT:
                return self._metadata
            given = await self._ask(service, f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration")
            try:
                found = msgspec.convert(given, _Metadata)
                strangers = [url for url in (found.token_endpoint, found.jwks_uri, found.userinfo_endpoint)
                             if url and origin_of(url) not in service.origins]
                origin_of(found.authorization_endpoint)
            except (msgspec.ValidationError, InvalidInput) as error:
                raise self._unusable(str(error)) from None
            if found.issuer != self._settings.issuer:
                raise self._unusable(f"it calls itself {found.issuer}")
            if strangers:
                raise self._unusable(f"{strangers[0]} is not among identity.origins")
            self._metadata, self._looked = found, time.monotonic()
            return found

    async def _ask(self, service: Service, url: str, form: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Ask the provider; with a form, as the party that the settings say we are."""
        if form is None:
            return await self._client.ask(service, url)
        return await self._client.ask(service, url, form, (self._settings.client_id, self._secret))

    def _named(self) -> Service:
        if self._service is None:
            raise Misconfigured("The settings name no identity provider.")
        return self._service

    def _refused(self, cause: str) -> Refused:
        return Refused("What %(name)s says of you could not be believed, so nothing was done. Please try again.",
                       values={"name": self.name}, reason="identity", cause=cause[:_SHOWN])

    def _unusable(self, cause: str) -> Unavailable:
        return Unavailable("%(name)s cannot be used at the moment: it is not set up as this instance expects. Its operators have"
                           " to look at it.", values={"name": self.name}, reason="identity", cause=cause[:_SHOWN])


def _key(raw: Any) -> tuple[str, _Key] | None:
    """A key (RFC 7517) by its name, with the algorithm it names, else those of its kind; None for one that signs nothing here."""
    if not isinstance(raw, dict) or raw.get("use", "sig") != "sig":
        return None
    algorithms: tuple[str, ...] = _ALGORITHMS.get(str(raw.get("kty")), ())
    if "alg" in raw:
        algorithms = tuple(name for name in algorithms if name == raw["alg"])
    import jwt

    try:
        return (str(raw.get("kid", "")), _Key(jwt.PyJWK(raw).key, algorithms)) if algorithms else None
    except jwt.PyJWTError:
        return None


def _text(claims: Mapping[str, Any], claim: str) -> str:
    """A claim as a line of text; of several values, all. A dot leads into a claim (`address.country`)."""
    value: Any = claims
    for part in claim.split(".") if claim else ():
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is claims or value is None:
        return ""
    values = value if isinstance(value, list) else [value]
    shown = ", ".join(str(one) for one in values if isinstance(one, str | int))
    return " ".join(shown.split())[:_SHOWN]
