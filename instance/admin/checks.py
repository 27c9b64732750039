"""Letting a sibling in: its key confirmed, the self-test run, its results kept, and then activated."""

from __future__ import annotations

from typing import Any

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import KonsilError
from core.ids import number, public
from federation.allowlist import SiblingState
from federation.overview import SiblingRow
from instance.context import me, services

_SHOWN = {SiblingState.PROPOSED: ("confirm",), SiblingState.CONFIRMED: ("check", "activate", "untested"),
          SiblingState.ACTIVE: ("check",)}
"""Beside which forms of the page an error can stand, by the sibling's state; another stands at its top."""


async def tried_out(row: SiblingRow) -> dict[str, Any]:
    """What the part of a page about trying out a sibling shows."""
    return {"checks": await services().selftest.kept(row.id), "passed": await services().admission.passed(row)}


async def checks_page(domain: str) -> ResponseReturnValue:
    """All that was tried with a sibling, and the ways on."""
    return await _page(domain, None, {})


async def _page(domain: str, error: KonsilError | None, typed: dict[str, str]) -> ResponseReturnValue:
    row = await services().siblings.row(domain)
    page = await render_template("admin_checks.html", row=row, error=error, typed=typed,
                                 shown=_SHOWN.get(SiblingState(row.state), ()), **await tried_out(row))
    return await make_response(page, error.status if error is not None else 200)


async def check_page(domain: str, check_id: str) -> ResponseReturnValue:
    """One self-test, line by line."""
    row = await services().siblings.row(domain)
    return await render_template("admin_check.html", row=row, check=await services().selftest.one(row.id, number(check_id)))


async def check_run(domain: str) -> ResponseReturnValue:
    """Run the self-test."""
    try:
        check = await services().selftest.run(domain, me().account.handle)
    except KonsilError as error:
        return await _page(domain, error, {"act": "check"})
    return redirect(f"/admin/siblings/{domain}/checks/{public(check.id)}", 303)


async def confirm(domain: str) -> ResponseReturnValue:
    """Confirm a sibling's key with the fingerprint typed once more."""
    typed = (await request.form).get("fingerprint", "")[:400]
    try:
        await services().siblings.confirm(domain, me().account.handle, fingerprint=typed)
    except KonsilError as error:
        return await _page(domain, error, {"act": "confirm", "fingerprint": typed})
    return redirect(f"/admin/siblings/{domain}", 303)


async def activate(domain: str) -> ResponseReturnValue:
    """Activate a confirmed sibling, after its self-test or, for a reason, without."""
    form, by = await request.form, me().account.handle
    untested, reason = form.get("how") == "untested", form.get("reason", "").strip()[:400]
    try:
        if untested:
            await services().admission.activate_untested(domain, by, reason)
        else:
            tried = await services().admission.activate(domain, by)
            if tried.check is not None and not tried.check.passed:
                return redirect(f"/admin/siblings/{domain}/checks/{public(tried.check.id)}", 303)
    except KonsilError as error:
        return await _page(domain, error, {"act": "untested" if untested else "activate", "reason": reason})
    return redirect(f"/admin/siblings/{domain}", 303)


ROUTES = (
    Route("/admin/siblings/<domain>/checks", ("GET",), checks_page, Access.OPERATOR),
    Route("/admin/siblings/<domain>/checks/<check_id>", ("GET",), check_page, Access.OPERATOR),
    Route("/admin/siblings/<domain>/check", ("POST",), check_run, Access.OPERATOR),
    Route("/admin/siblings/<domain>/confirm", ("POST",), confirm, Access.OPERATOR),
    Route("/admin/siblings/<domain>/activate", ("POST",), activate, Access.OPERATOR),
)
