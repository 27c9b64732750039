"""The description of what is served to apps (OpenAPI 3.1), made of the routes themselves: `docs/openapi.json`.

A new route is in it by itself; what it takes is said in `instance.api.asking`, what it answers by its signature, or there, too.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
from quart import Response

from actors.scopes import WORDS
from core import VERSION
from core.access import Access, Route
from instance.api import ROUTES
from instance.api.answers import Trouble
from instance.api.asking import ANSWERS, BODIES, FILES, QUERIES
from instance.api.oauth import OAuthTrouble
from instance.following import EVENTS

_REFERENCE = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"<(\w+)>")
_JSON, _FORM, _PARTS = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
_REFUSALS = {400: "What was sent cannot be read.", 404: "There is nothing of this kind, or it may not be read.",
             408: "It came too slowly.", 413: "It is too large.",
             415: "It is of a kind that is not read here.", 422: "It breaks a rule; the sentence says which.",
             429: "Too much in a short time; `Retry-After` says when to go on.", 503: "Not at this moment."}
_LOCKED = {401: "No token that counts.", 403: "The token does not reach this far, or its doctor is not verified."}
_OTHERS = {"GET /api/v1/streaming/health": "text/plain", "GET /api/konsil/pictures/<sealed>": "image/jpeg",
           "GET /api/konsil/portraits/<sealed>/<version>": "image/jpeg",
           "GET /api/konsil/uploads/<sealed>/<media_id>": "image/jpeg"}
_LATER = {"POST /api/v2/media": 202, "GET /api/v1/media/<media_id>": 206, "PUT /api/v1/media/<media_id>": 206}
"""The status of a picture that is not drawn yet."""


def description() -> dict[str, Any]:
    """The whole document, the same each time."""
    named = {f"{method} {route.rule}": route for route in ROUTES for method in route.methods}
    answered = {name: _answered(name, route) for name, route in named.items()}
    given = [*dict.fromkeys([*QUERIES.values(), *BODIES.values()])]
    told = [one for one in answered.values() if one is not None]
    schemas, components = _schemas([*told, Trouble, OAuthTrouble])
    _, sent = _schemas(given)
    paths: dict[str, dict[str, Any]] = {}
    for name, route in named.items():
        schema = schemas[told.index(answered[name])] if answered[name] is not None else {"type": "string"}
        paths.setdefault(_PARAMETER.sub(r"{\1}", route.rule), {})[name.partition(" ")[0].lower()] = _operation(
            name, route, schema, sent)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Konsil for apps", "version": VERSION, "license": {"name": "AGPL-3.0-or-later"},
                 "description": "What apps for Mastodon find here. docs/client-api.md says what is otherwise than there."},
        "servers": [{"url": "/"}], "paths": paths,
        "components": {"schemas": {name: _complete(one) for name, one in components.items()} | {
            BODIES[name].__name__: sent[BODIES[name].__name__] for name in BODIES} | _below(sent, components),
            "responses": {f"{kind}{status}": _answer(why, {"$ref": _REFERENCE.format(name=kind)}, _JSON)
                          for kind in ("Trouble", "OAuthTrouble") for status, why in (_REFUSALS | _LOCKED).items()},
            "securitySchemes": _doors()}}


def _operation(name: str, route: Route, schema: Any, sent: dict[str, Any]) -> dict[str, Any]:
    kind = EVENTS if "streaming" in name and name not in _OTHERS else _OTHERS.get(name, _JSON)
    trouble = "OAuthTrouble" if route.rule.startswith("/oauth/") else "Trouble"
    refusals = _REFUSALS | (_LOCKED if route.access != Access.VISITOR or trouble == "OAuthTrouble" else {})
    answers = {200: _answer("Done.", schema, kind)}
    if name in _LATER:
        answers[_LATER[name]] = _answer("The picture is being drawn.", schema, kind)
    answers |= {status: {"$ref": f"#/components/responses/{trouble}{status}"} for status in refusals}
    made: dict[str, Any] = {
        "operationId": name.replace("/", "_").replace(" ", "").replace("<", "").replace(">", "").replace(".", "_"),
        "tags": [route.endpoint.__module__.rpartition(".")[2]], "summary": " ".join((route.endpoint.__doc__ or "").split()),
        "responses": {str(status): answers[status] for status in sorted(answers)}}
    parameters = [{"name": one, "in": "path", "required": True, "schema": {"type": "string"}}
                  for one in _PARAMETER.findall(route.rule)]
    if name in QUERIES:
        shown = sent[QUERIES[name].__name__]
        parameters += [_asked(one, kinds, one in shown.get("required", ())) for one, kinds in shown["properties"].items()]
    if name == "POST /api/v1/statuses":
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string"}})
    if parameters:
        made["parameters"] = parameters
    if content := _content(name):
        made["requestBody"] = {"required": bool(sent[BODIES[name].__name__].get("required")) if name in BODIES else True,
                               "content": content}
    if route.access != Access.VISITOR:
        made["security"] = [{"oauth2": [scope]} for scope in route.scopes] or [{"oauth2": []}]
    return made


def _asked(name: str, schema: Any, required: bool) -> dict[str, Any]:
    """A name in the query; of several values, as forms write it."""
    several = schema.get("type") == "array"
    return {"name": f"{name}[]" if several else name, "in": "query", "required": required, "schema": schema}


def _content(name: str) -> dict[str, Any]:
    """The kinds of body a route takes. Forms with brackets say the same as JSON; a token is asked for in a form."""
    made: dict[str, Any] = {}
    if name in BODIES:
        shown = {"schema": {"$ref": _REFERENCE.format(name=BODIES[name].__name__)}}
        made = {_FORM: shown} if name.startswith("POST /oauth/") else {_JSON: shown}
    if name in FILES:
        file = {"type": "string", "contentMediaType": "application/octet-stream"}
        made[_PARTS] = {"schema": {"type": "object", "properties": {
            FILES[name]: file, **({"description": {"type": "string"}} if FILES[name] == "file" else {})}}}
        if name not in BODIES:
            made[_PARTS]["schema"]["required"] = [FILES[name]]
    return made


def _answer(why: str, schema: Any, kind: str) -> dict[str, Any]:
    return {"description": why, "content": {kind: {"schema": schema}}}


def _answered(name: str, route: Route) -> Any:
    """What becomes JSON there; None for what is none."""
    if name in ANSWERS:
        return ANSWERS[name]
    found = get_type_hints(route.endpoint).get("return")
    if found is Response or found is type(None):
        return None
    return found


def _schemas(types: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    found, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    return tuple(found), dict(components)


def _complete(schema: Any) -> Any:
    """An entity is always told with all that it has."""
    made = {key: value for key, value in schema.items() if key != "required"}
    if "properties" in made:
        made["properties"] = {name: {key: value for key, value in one.items() if key != "default"}
                              for name, one in made["properties"].items()}
        made["required"] = list(made["properties"])
    return made


def _below(sent: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """What stands inside of what is sent; queries are told as parameters."""
    queries = {one.__name__ for one in QUERIES.values()}
    return {name: one for name, one in sent.items() if name not in queries and name not in told}


def _doors() -> dict[str, Any]:
    scopes = {name: str(word) for name, word in WORDS.items()}
    return {"oauth2": {"type": "oauth2", "flows": {
        "authorizationCode": {"authorizationUrl": "/oauth/authorize", "tokenUrl": "/oauth/token", "scopes": scopes},
        "clientCredentials": {"tokenUrl": "/oauth/token", "scopes": scopes}}}}


def written() -> str:
    """The document as it stands in its file."""
    return json.dumps(description(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(written())
