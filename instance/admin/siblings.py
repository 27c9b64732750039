"""The allowlist in operators' hands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import KonsilError
from federation.overview import SiblingRow
from federation.signatures.keys import fingerprint_words, grouped
from instance.context import me, services

_SORTS: dict[str, Callable[[SiblingRow], Any]] = {  # words rise, moments and numbers fall
    "country": lambda row: (row.country, row.domain), "domain": lambda row: row.domain, "state": lambda row: row.state,
    "last_in": lambda row: -(row.last_in or 0), "last_out": lambda row: -(row.last_out or 0),
    "queued": lambda row: -row.queued, "parked": lambda row: -row.parked, "refused": lambda row: -row.refused,
}


async def siblings_page() -> ResponseReturnValue:
    """All siblings, and the form to propose one."""
    return await _page(None, {})


async def _page(error: KonsilError | None, typed: dict[str, str]) -> ResponseReturnValue:
    sort = request.args.get("sort", "")
    sort = sort if sort in _SORTS else "country"
    rows = sorted(await services().siblings.rows(), key=_SORTS[sort])
    page = await render_template(
        "admin_siblings.html", rows=rows, sort=sort, error=error, typed=typed,
        fingerprint=grouped(services().identity.fingerprint), words=fingerprint_words(services().identity.fingerprint))
    return await make_response(page, error.status if error is not None else 200)


async def sibling_add() -> ResponseReturnValue:
    """Propose a sibling; its key is pinned only if it has the fingerprint that was typed."""
    form = await request.form
    typed = {name: form.get(name, "").strip()[:400] for name in ("domain", "country", "fingerprint")}
    try:
        row = await services().siblings.add(typed["domain"], typed["country"], typed["fingerprint"], by=me().account.handle)
    except KonsilError as error:
        return await _page(error, typed)
    return redirect(f"/admin/siblings/{row.domain}", 303)


async def sibling_page(domain: str) -> ResponseReturnValue:
    """One sibling."""
    return await _one(domain, None, {})


async def _one(domain: str, error: KonsilError | None, typed: dict[str, str]) -> ResponseReturnValue:
    row = await services().siblings.row(domain)
    page = await render_template("admin_sibling.html", row=row, error=error, typed=typed, held=await services().held.of(row.id),
                                 fingerprint=grouped(row.fingerprint), words=fingerprint_words(row.fingerprint))
    return await make_response(page, error.status if error is not None else 200)


async def sibling_change(domain: str) -> ResponseReturnValue:
    """Approve, pause, resume or revoke; approving compares the fingerprint once more."""
    form = await request.form
    act, reason, by = form.get("act", ""), form.get("reason", "").strip()[:400], me().account.handle
    siblings = services().siblings
    try:
        if act == "approve":
            await siblings.approve(domain, by, fingerprint=form.get("fingerprint", "")[:400])
        elif act == "pause":
            await siblings.pause(domain, by, reason)
        elif act == "resume":
            await siblings.resume(domain, by)
        elif act == "revoke":
            await siblings.revoke(domain, by, reason)
    except KonsilError as error:
        return await _one(domain, error, {"act": act, "reason": reason, "fingerprint": form.get("fingerprint", "")[:400]})
    return redirect(f"/admin/siblings/{domain}", 303)


ROUTES = (
    Route("/admin/siblings", ("GET",), siblings_page, Access.OPERATOR),
    Route("/admin/siblings", ("POST",), sibling_add, Access.OPERATOR),
    Route("/admin/siblings/<domain>", ("GET",), sibling_page, Access.OPERATOR),
    Route("/admin/siblings/<domain>", ("POST",), sibling_change, Access.OPERATOR),
)
