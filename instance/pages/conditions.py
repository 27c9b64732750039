"""Conditions: looking one up by what it is called in any language, and a page for each of them."""

from __future__ import annotations

from quart import render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.conditions import condition, conditions, find, of_specialty
from core.countries import specialties
from core.errors import NotFound
from instance.context import language

_FOUND = 50
_TYPED = 200


async def all_conditions() -> ResponseReturnValue:
    """The conditions that a text finds (`q`), best first, or those of a specialty in the order of their labels; of both, what
    the text finds in the specialty."""
    typed, wanted = request.args.get("q", "")[:_TYPED].strip(), request.args.get("specialty", "")
    specialty = wanted if wanted in specialties() else ""
    found = of_specialty(specialty, language()) if specialty else ()
    if typed:
        every = find(typed, language(), len(conditions()))
        found = tuple(one for one in every if not specialty or specialty in one.specialties)[:_FOUND]
    return await render_template("conditions.html", found=found, typed=typed, specialty=specialty, count=len(conditions()))


async def one_condition(condition_code: str) -> ResponseReturnValue:
    """A condition: what it is called in each language, whose it is, and its pages in the registers."""
    found = condition(condition_code)
    if found is None:
        raise NotFound("There is no such condition.", reason="no-condition")
    return await render_template("condition.html", one=found)


ROUTES = (
    Route("/conditions", ("GET",), all_conditions, Access.DOCTOR),
    Route("/conditions/<condition_code>", ("GET",), one_condition, Access.DOCTOR),
)
