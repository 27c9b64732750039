"""Answers to apps: entities as JSON, and errors with a sentence that a phone can show."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from quart import Response, g, request

from core.errors import InvalidInput, KonsilError, TooMany
from instance.api.bodies import MALFORMED
from instance.context import in_words, services

JSON = "application/json; charset=utf-8"
_ENCODER = msgspec.json.Encoder()
_UNPROCESSABLE = 422
INVALID, INSUFFICIENT = "invalid_token", "insufficient_scope"
"""What is wrong with a token (RFC 6750, section 3.1)."""


class Trouble(msgspec.Struct, frozen=True):
    """An error as clients of the Mastodon API know it."""

    error: str
    error_description: str


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A struct, or several, as JSON."""
    return Response(_ENCODER.encode(body), status, dict(headers or {}), content_type=JSON)


def explain(error: KonsilError) -> Response:
    """An expected error. What breaks a rule is 422, as these clients expect, and what cannot be read is 400."""
    status = error.status
    if isinstance(error, InvalidInput) and error.reason != MALFORMED:
        status = _UNPROCESSABLE
    sentence = in_words(error)
    response = answer(Trouble(sentence, sentence), status)
    if status == 401 or error.reason == INSUFFICIENT:
        response.headers["www-authenticate"] = f'Bearer realm="{services().identity.domain}", error="{error.reason}"'
    return finished(response, error)


def finished(response: Response, error: KonsilError) -> Response:
    """The rest of every error's answer. It counts against the address it came from, unless a token was good."""
    if 400 <= error.status < 500 and error.status != TooMany.status and g.get("bearer") is None:
        services().rates.refused(request.scope.get("client"))
    if error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response
