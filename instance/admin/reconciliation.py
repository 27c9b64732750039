"""Comparing with a sibling: the button, and what a sibling's page shows of it."""

from __future__ import annotations

from typing import Any

from quart import redirect
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.words import N_
from federation.overview import SiblingRow
from federation.reconciliation import Kind
from instance.context import me, services

KINDS = {
    Kind.ERASED: N_("What it has deleted"),
    Kind.ERASED_YOURS: N_("What it has heard that we deleted"),
    Kind.OFFERED: N_("Its posts here"),
    Kind.HELD: N_("Our posts there"),
    Kind.FOLLOWED: N_("Our doctors who follow its"),
    Kind.FOLLOWS: N_("Its doctors who follow ours"),
    Kind.TALLIES: N_("Its tallies of our polls"),
    Kind.COUNTED: N_("Our tallies of its polls"),
}
NUMBERS = {
    N_("Missing here"): "missing_here", N_("Fetched"): "fetched", N_("Taken back"): "recovered",
    N_("Missing there"): "missing_there", N_("Sent again"): "sent_again", N_("Deleted here"): "erased_here",
    N_("Deleted there"): "erased_there", N_("Not possible"): "could_not"}


async def compared_with(row: SiblingRow) -> dict[str, Any]:
    """What the part of a sibling's page about comparisons shows."""
    return {"comparisons": await services().reconciliations.newest(row.id), "kinds": KINDS, "numbers": NUMBERS}


async def reconcile(domain: str) -> ResponseReturnValue:
    """Have the worker compare now."""
    await services().reconciliations.ask(domain, me().account.handle)
    return redirect(f"/admin/siblings/{domain}#comparison", 303)


ROUTES = (
    Route("/admin/siblings/<domain>/reconcile", ("POST",), reconcile, Access.OPERATOR),
)
