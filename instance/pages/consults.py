"""Consults: what named doctors ask each other, in a list of its own."""

from __future__ import annotations

from quart import render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from instance.context import doctor, services


async def consults() -> ResponseReturnValue:
    """The consults one is in, those that were written in last first."""
    page = await services().timelines.consults(doctor(), request.args.get("before"))
    return await render_template("consults.html", page=page)


ROUTES = (Route("/consults", ("GET",), consults, Access.DOCTOR),)
