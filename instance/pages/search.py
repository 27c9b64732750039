"""Search: one field at the top of every page, filters beside it, what was found below."""

from __future__ import annotations

from typing import Any

import msgspec
from quart import render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from instance.context import doctor, services
from posts.models import AGE_BANDS, SEXES, Aim
from posts.queries import LENGTH
from posts.sought import Filters

_LONGEST = 60
_FILTERS = tuple(Filters.__struct_fields__)


async def search() -> ResponseReturnValue:
    """What answers `?q=` and the filters, which are named like `posts.sought.Filters`."""
    asked: Any = request.args
    typed = asked.get("q", "")[:LENGTH].strip()
    filters = Filters(**{name: asked.get(name, "")[:_LONGEST].strip() for name in _FILTERS})
    results = await services().search.find(doctor(), typed, filters, asked.get("before"))
    chosen = {name: value for name, value in msgspec.structs.asdict(filters).items() if value}
    return await render_template(
        "search.html", results=results, typed=typed, filters=filters, chosen=chosen, asked=bool(typed or chosen),
        query={"q": typed} | chosen if typed else chosen, behind=services().indexing.is_behind(),
        age_bands=AGE_BANDS, sex_codes=SEXES, aim_codes=tuple(Aim))


ROUTES = (
    Route("/search", ("GET",), search, Access.DOCTOR),
)
