"""Keys in operators' hands: our own, and the one that a sibling has announced."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import KonsilError
from federation.signatures.keys import fingerprint_words, grouped
from instance.context import me, services

_LENGTH = 400


async def keys_page() -> ResponseReturnValue:
    """Our own keys, and who has confirmed the next one."""
    found = await services().keyring.keys()
    return await render_template("admin_keys.html", keys=[
        (key, grouped(key.fingerprint), fingerprint_words(key.fingerprint)) for key in found])


async def sibling_key_page(domain: str) -> ResponseReturnValue:
    """What a sibling has announced, and our last look at its key."""
    return await _one(domain, None, {})


async def _one(domain: str, error: KonsilError | None, typed: dict[str, str]) -> ResponseReturnValue:
    row = await services().siblings.row(domain)
    page = await render_template("admin_sibling_key.html", row=row, error=error, typed=typed)
    return await make_response(page, error.status if error is not None else 200)


async def sibling_key_change(domain: str) -> ResponseReturnValue:
    """Confirm the announced key with its fingerprint as it was read out, or refuse it."""
    form = await request.form
    act, typed, by = form.get("act", ""), form.get("fingerprint", "")[:_LENGTH], me().account.handle
    try:
        if act == "key-confirm":
            await services().sibling_keys.confirm(domain, by, typed)
        elif act == "key-refuse":
            await services().sibling_keys.refuse(domain, by)
    except KonsilError as error:
        return await _one(domain, error, {"act": act, "fingerprint": typed})
    return redirect(f"/admin/siblings/{domain}", 303)


ROUTES = (
    Route("/admin/keys", ("GET",), keys_page, Access.OPERATOR),
    Route("/admin/siblings/<domain>/key", ("GET",), sibling_key_page, Access.OPERATOR),
    Route("/admin/siblings/<domain>/key", ("POST",), sibling_key_change, Access.OPERATOR),
)
