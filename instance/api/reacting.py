"""What one does with a post without a word: like it, pass it on, keep it, vote, hear no more of it."""

from __future__ import annotations

from core.access import Access, Route
from core.numbers import whole
from instance.api import bodies
from instance.api.entities import Poll, Status
from instance.api.entities_posts import poll, status
from instance.api.guard import author, doctor
from instance.api.statuses import found
from instance.context import services


async def favourite(status_id: str) -> Status:
    """Like a post."""
    post = await found(status_id)
    await services().reactions.like(doctor(), post.id)
    return await _as_it_is(post.id)


async def unfavourite(status_id: str) -> Status:
    """Like it no longer."""
    post = await found(status_id)
    await services().reactions.unlike(doctor().actor, post.id)
    return await _as_it_is(post.id)


async def reblog(status_id: str) -> Status:
    """Pass a post on inside its audience; the answer is the passing-on."""
    post = await found(status_id)
    made = await services().reactions.boost(await author("post"), post.id)
    return await status(await services().reactions.boost_of(doctor().actor, made))


async def unreblog(status_id: str) -> Status:
    """Pass it on no longer."""
    post = await found(status_id)
    await services().reactions.unboost(doctor().actor, post.id)
    return await _as_it_is(post.id)


async def bookmark(status_id: str) -> Status:
    """Keep a post."""
    post = await found(status_id)
    await services().reactions.bookmark(doctor().actor, post.id)
    return await _as_it_is(post.id)


async def unbookmark(status_id: str) -> Status:
    """Keep it no longer."""
    post = await found(status_id)
    await services().reactions.unbookmark(doctor().actor, post.id)
    return await _as_it_is(post.id)


async def mute(status_id: str) -> Status:
    """Hear no more of a conversation."""
    post = await found(status_id)
    await services().following.mute(doctor().actor, post.id)
    return await _as_it_is(post.id)


async def unmute(status_id: str) -> Status:
    """Hear of it again."""
    post = await found(status_id)
    await services().following.unmute(doctor().actor, post.id)
    return await _as_it_is(post.id)


async def pin(status_id: str) -> Status:
    """Put one of one's questions first on one's profile."""
    post = await found(status_id)
    await services().pins.pin(doctor().actor, post.id)
    return await _as_it_is(post.id)


async def unpin(status_id: str) -> Status:
    """Let it stand where it was."""
    post = await found(status_id)
    await services().pins.unpin(doctor().actor, post.id)
    return await _as_it_is(post.id)


async def vote(poll_id: str) -> Poll:
    """Vote, once."""
    fields, who = await bodies.sent(), await author("vote")
    choices = [whole(choice, 99) for choice in fields.texts("choices", 40)]
    await services().polls.vote(who, poll_id, tuple(one for one in choices if one is not None))
    post = await services().threads.one(doctor().actor, poll_id)
    assert post.poll is not None
    return poll(post, post.poll)


async def _as_it_is(post_id: str) -> Status:
    return await status(await services().threads.one(doctor().actor, post_id))


def _doing(name: str, endpoint: object, scope: str, *, frees: bool = False) -> Route:
    return Route(f"/api/v1/statuses/<status_id>/{name}", ("POST",), endpoint, Access.CLIENT,  # type: ignore[arg-type]
                 scopes=(scope,), frees=frees)


ROUTES = (
    _doing("favourite", favourite, "write:favourites"),
    _doing("unfavourite", unfavourite, "write:favourites", frees=True),
    _doing("reblog", reblog, "write:statuses"),
    _doing("unreblog", unreblog, "write:statuses", frees=True),
    _doing("bookmark", bookmark, "write:bookmarks"),
    _doing("unbookmark", unbookmark, "write:bookmarks", frees=True),
    _doing("mute", mute, "write:mutes", frees=True),
    _doing("unmute", unmute, "write:mutes", frees=True),
    _doing("pin", pin, "write:accounts"),
    _doing("unpin", unpin, "write:accounts", frees=True),
    Route("/api/v1/polls/<poll_id>/votes", ("POST",), vote, Access.CLIENT, scopes=("write:statuses",)),
)
