"""Liking, passing on, keeping: buttons that come back to where they were pressed, and the lists behind their counts."""

from __future__ import annotations

from quart import redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput
from instance import guard
from instance.context import doctor, me, services
from posts.reactions import Table

_BACK_LENGTH = 1000


async def like(post_id: str) -> ResponseReturnValue:
    """Like a post, or no longer."""
    verified = await services().credentials.require_verified(me().account)
    if await _wished():
        await services().reactions.like(verified, post_id)
    else:
        await services().reactions.unlike(verified.actor, post_id)
    return await _back(post_id)


async def boost(post_id: str) -> ResponseReturnValue:
    """Pass a post on, or no longer. It asks no second time, because nobody can read it afterwards who could not before."""
    if await _wished():
        await services().reactions.boost(await services().credentials.author(me().account, "post"), post_id)
    else:
        await services().reactions.unboost(doctor(), post_id)
    return await _back(post_id)


async def bookmark(post_id: str) -> ResponseReturnValue:
    """Keep a post, or no longer."""
    if await _wished():
        await services().reactions.bookmark(doctor(), post_id)
    else:
        await services().reactions.unbookmark(doctor(), post_id)
    return await _back(post_id)


async def follow(post_id: str) -> ResponseReturnValue:
    """Be told how a conversation goes on, or no longer."""
    if await _wished():
        await services().following.follow(doctor(), post_id)
    else:
        await services().following.unfollow(doctor(), post_id)
    return await _back(post_id)


async def mute(post_id: str) -> ResponseReturnValue:
    """Hear no more of a conversation, or hear of it again."""
    if await _wished():
        await services().following.mute(doctor(), post_id)
    else:
        await services().following.unmute(doctor(), post_id)
    return await _back(post_id)


async def pin(post_id: str) -> ResponseReturnValue:
    """Put a question first on one's profile, or let it stand where it was."""
    if await _wished():
        await services().pins.pin(doctor(), post_id)
    else:
        await services().pins.unpin(doctor(), post_id)
    return await _back(post_id)


async def followed() -> ResponseReturnValue:
    """The conversations one follows, or has muted (`?show=muted`)."""
    muted, before = request.args.get("show") == "muted", request.args.get("before")
    lists = services().timelines
    page = await (lists.muted(doctor(), before) if muted else lists.followed(doctor(), before))
    return await render_template("followed.html", page=page, muted=muted)


async def bookmarks() -> ResponseReturnValue:
    """What one has kept."""
    return await render_template("bookmarks.html", page=await services().timelines.bookmarks(
        doctor(), request.args.get("before")))


async def likes(post_id: str) -> ResponseReturnValue:
    """Who has liked a post."""
    return await _people(post_id, "likes")


async def boosts(post_id: str) -> ResponseReturnValue:
    """Who has passed a post on."""
    return await _people(post_id, "boosts")


async def _people(post_id: str, table: Table) -> ResponseReturnValue:
    found = await services().reactions.people(doctor(), table, post_id, request.args.get("before"))
    return await render_template("reactions.html", found=found, post=found.post, table=table)


async def _wished() -> bool:
    """What the button that was pressed said it would do; a page may be older than what it shows."""
    wish: str = (await request.form).get("wish", "")
    if wish not in ("do", "undo"):
        raise InvalidInput("It is not clear what you wanted. Nothing was done.", reason="no-wish")
    return wish == "do"


async def _back(post_id: str) -> ResponseReturnValue:
    """To the post, where it was: in the list or the conversation that the button stood in."""
    path = guard.inside((await request.form).get("back", "")[:_BACK_LENGTH]).partition("#")[0]
    return redirect(f"{path or f'/p/{post_id}'}#p-{post_id}", 303)


ROUTES = (
    Route("/p/<post_id>/like", ("POST",), like, Access.DOCTOR),
    Route("/p/<post_id>/boost", ("POST",), boost, Access.DOCTOR),
    Route("/p/<post_id>/bookmark", ("POST",), bookmark, Access.DOCTOR),
    Route("/p/<post_id>/follow", ("POST",), follow, Access.DOCTOR),
    Route("/p/<post_id>/mute", ("POST",), mute, Access.DOCTOR),
    Route("/p/<post_id>/pin", ("POST",), pin, Access.DOCTOR),
    Route("/p/<post_id>/likes", ("GET",), likes, Access.DOCTOR),
    Route("/p/<post_id>/boosts", ("GET",), boosts, Access.DOCTOR),
    Route("/bookmarks", ("GET",), bookmarks, Access.DOCTOR),
    Route("/followed", ("GET",), followed, Access.DOCTOR),
)
