"""A patient takes a consent back, and her doctor says so."""

from __future__ import annotations

from quart import redirect
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from instance.context import owner, services, verified


async def withdraw(post_id: str) -> ResponseReturnValue:
    """Delete one's own post everywhere, and have on record why."""
    await services().consents.withdraw(owner(), post_id)
    return redirect(f"/p/{post_id}#p-{post_id}" if await verified() else "/mine", 303)


ROUTES = (
    Route("/p/<post_id>/withdraw", ("POST",), withdraw, Access.MEMBER, frees=True),
)
