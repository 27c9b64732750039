"""Editorial desks, for operators: which there are, who answers for each, and whether she can."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import KonsilError
from instance.context import me, services


async def desks_page(error: KonsilError | None = None, about: str = "") -> ResponseReturnValue:
    """All desks, with a form for another one; `about` is the desk an error is about, '' the new one."""
    typed = await request.form
    page = await render_template("admin_desks.html", desks=await services().desks.all(), error=error, about=about, typed=typed)
    return await make_response(page, error.status if error is not None else 200)


async def add() -> ResponseReturnValue:
    """Another desk."""
    form = await request.form
    codes = tuple(code for code in form.getlist("specialty") if code)[:8]
    try:
        await services().desks.add(form.get("handle", "").strip()[:80], form.get("name", "")[:200],
                                   form.get("doctor", "").strip().lstrip("@")[:80], codes, me().account.handle)
    except KonsilError as error:
        return await desks_page(error)
    return redirect("/admin/desks", 303)


async def hand_over(handle: str) -> ResponseReturnValue:
    """Another doctor answers for it."""
    form = await request.form
    try:
        await services().desks.hand_over(handle, form.get("doctor", "").strip().lstrip("@")[:80], me().account.handle)
    except KonsilError as error:
        return await desks_page(error, handle)
    return redirect("/admin/desks", 303)


async def close(handle: str) -> ResponseReturnValue:
    """It publishes nothing more."""
    form = await request.form
    try:
        await services().desks.close(handle, form.get("reason", "")[:1000], me().account.handle)
    except KonsilError as error:
        return await desks_page(error, handle)
    return redirect("/admin/desks", 303)


ROUTES = (
    Route("/admin/desks", ("GET",), desks_page, Access.OPERATOR),
    Route("/admin/desks", ("POST",), add, Access.OPERATOR),
    Route("/admin/desks/<handle>/hand-over", ("POST",), hand_over, Access.OPERATOR),
    Route("/admin/desks/<handle>/close", ("POST",), close, Access.OPERATOR),
)
