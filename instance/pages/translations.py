"""Translations beside posts: to ask for one, to say that it says the same, and to take one out of a post of one's own."""

from __future__ import annotations

from quart import redirect, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from instance.context import doctor, language, me, owner, services


async def translate_post(post_id: str) -> ResponseReturnValue:
    """Send the text where the button said, and show what came of it beside the original."""
    await services().translations.translate(doctor(), post_id, language())
    return redirect(f"/p/{post_id}#t-{post_id}", 303)


async def confirm_translation(post_id: str) -> ResponseReturnValue:
    """She has compared both: it becomes part of the post, here or at its own instance."""
    author = await services().credentials.author(me().account, "reply")
    await services().translations.confirm(author, post_id, (await request.form).get("made", ""))
    return redirect(f"/p/{post_id}#t-{post_id}", 303)


async def remove_translation(post_id: str) -> ResponseReturnValue:
    """Take a translation out of one's own post, everywhere."""
    await services().translations.remove(owner(), post_id, (await request.form).get("language", ""))
    return redirect(f"/p/{post_id}#p-{post_id}", 303)


ROUTES = (
    Route("/p/<post_id>/translate", ("POST",), translate_post, Access.DOCTOR),
    Route("/p/<post_id>/translation/confirm", ("POST",), confirm_translation, Access.DOCTOR),
    Route("/p/<post_id>/translation/remove", ("POST",), remove_translation, Access.DOCTOR),
)
