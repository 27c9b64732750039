"""The refusal log, in sentences: what is sought of it, counted by reason, newest first."""

from __future__ import annotations

from datetime import date

from quart import render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.numbers import whole
from federation.refusals import SENTENCES, Sought
from instance.context import services
from instance.logbooks import days

_PAGE = 50
_NEWEST = (1 << 63) - 1


async def refusals_page() -> ResponseReturnValue:
    """Who was turned away."""
    asked = {name: request.args.get(name, "").strip()[:200] for name in ("who", "direction", "reason", "since", "until")}
    since, until = days(_day(asked["since"]), _day(asked["until"]))
    known = {row.domain: row.origin for row in await services().siblings.rows()}
    sought = Sought(known.get(asked["who"], asked["who"]), asked["direction"] if asked["direction"] in ("in", "out") else "", "",
                    asked["reason"] if asked["reason"] in SENTENCES else "", since, until)
    await services().refusals.flush()
    rows = await services().refusals.list(_PAGE, whole(request.args.get("before"), _NEWEST), sought)
    return await render_template(
        "admin_refusals.html", rows=rows, more=rows[-1].id if len(rows) == _PAGE else None, asked=asked,
        sought=any(asked.values()), tally=await services().refusals.tally(sought), sentences=SENTENCES,
        days=services().settings.federation.refusal_days)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


ROUTES = (Route("/admin/refusals", ("GET",), refusals_page, Access.OPERATOR),)
