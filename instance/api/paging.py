"""Pages of lists: which part an app asks for, and the `Link` header that says where the next one begins (RFC 8288)."""

from __future__ import annotations

from urllib.parse import urlencode

from quart import Response, request

from core.errors import InvalidInput
from core.ids import number
from instance.api.answers import answer
from instance.api.bodies import Fields, from_form
from instance.context import services
from posts.spans import Span

_CURSORS = ("max_id", "since_id", "min_id")


def span(fields: Fields, *, usual: int = 20, most: int = 40) -> Span:
    """The part of a list that was asked for: `limit`, and one or two of `max_id`, `since_id`, `min_id`; more than `most` are
    `most`. `InvalidInput` for a cursor that is none of ours."""
    limit = fields.number("limit", 10**9, usual) or usual
    asked = {name: fields.text(name, 200) for name in _CURSORS}
    for name, value in asked.items():
        if value and number(value) is None and value != "0":
            raise InvalidInput("“%(name)s” is no place in this list.", values={"name": name}, field=name)
    return Span(min(limit, most), asked["max_id"], "" if asked["min_id"] else asked["since_id"], asked["min_id"])


def page(body: object, newest: str, oldest: str, *, more: bool = True) -> Response:
    """A page with its `Link`: `next` goes on behind `oldest` (if there may be `more`), `prev` looks above `newest`. A page with
    nothing on it leads nowhere."""
    links = []
    if oldest and more:
        links.append(f'<{_address("max_id", oldest)}>; rel="next"')
    if newest:
        links.append(f'<{_address("min_id", newest)}>; rel="prev"')
    return answer(body, headers={"link": ", ".join(links)} if links else None)


def _address(name: str, value: str) -> str:
    """This address, absolute, with another cursor."""
    kept = [(key, one) for key, one in from_form(request.query_string) if key not in _CURSORS]
    return f"{services().identity.origin}{request.path.rstrip('/')}?{urlencode([*kept, (name, value)])}"
