"""Following, muting, blocking, and the hashtags one follows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from actors.models import Actor
from actors.relations import Shun
from core.access import Access, Route
from instance.api import bodies
from instance.api.accounts import seen
from instance.api.entities import FollowedTag, Relationship
from instance.api.entities_people import relationship
from instance.api.guard import doctor
from instance.api.starting import tag
from instance.context import services
from posts.topics import hashtag_topic

_LONGEST_MUTE = 366 * 86_400


async def follow(account_id: str) -> Relationship:
    """Ask to follow somebody; it takes her consent."""
    other = await seen(account_id)
    await services().relations.follow(doctor(), other)
    return await _stands(other)


async def unfollow(account_id: str) -> Relationship:
    """Follow somebody no more, or take the request back."""
    return await _after(account_id, services().relations.unfollow)


async def remove_follower(account_id: str) -> Relationship:
    """End that somebody follows."""
    return await _after(account_id, services().relations.dismiss)


async def block(account_id: str) -> Relationship:
    """Shut somebody out."""
    return await _after(account_id, services().relations.block)


async def unblock(account_id: str) -> Relationship:
    """Shut her out no longer. A mute stays."""
    return await _end(account_id, Shun.BLOCK)


async def mute(account_id: str) -> Relationship:
    """Leave somebody out of the lists, for `duration` seconds or for good."""
    fields, other = await bodies.sent(), await seen(account_id)
    lasts = fields.number("duration", _LONGEST_MUTE)
    await services().relations.mute(doctor().actor, other, services().clock.ms() + lasts * 1000 if lasts else None)
    return await _stands(other)


async def unmute(account_id: str) -> Relationship:
    """Leave her out no longer. A block stays."""
    return await _end(account_id, Shun.MUTE)


async def authorize(account_id: str) -> Relationship:
    """Let somebody follow who has asked."""
    other = await seen(account_id)
    await services().relations.accept(doctor(), other)
    return await _stands(other)


async def follow_tag(name: str) -> FollowedTag:
    """Follow a hashtag."""
    topic = hashtag_topic(name)
    await services().topics.follow(doctor().actor, topic)
    return tag(topic[1:], following=True)


async def unfollow_tag(name: str) -> FollowedTag:
    """Follow it no longer."""
    topic = hashtag_topic(name)
    await services().topics.unfollow(doctor().actor, topic)
    return tag(topic[1:], following=False)


async def _after(account_id: str, done: Callable[[Actor, Actor], Awaitable[None]]) -> Relationship:
    other = await seen(account_id)
    await done(doctor().actor, other)
    return await _stands(other)


async def _end(account_id: str, kind: Shun) -> Relationship:
    me, other = doctor().actor, await seen(account_id)
    if (await services().relations.between(me, other)).shun == kind:
        await services().relations.end_shun(me, other)
    return await _stands(other)


async def _stands(other: Actor) -> Relationship:
    return relationship(other, await services().relations.between(doctor().actor, other))


def _route(rule: str, endpoint: Callable[..., Awaitable[object]], what: str, *, frees: bool = False) -> Route:
    return Route(f"/api/v1/{rule}", ("POST",), endpoint, Access.CLIENT, scopes=(f"write:{what}",), frees=frees)


ROUTES = (
    _route("accounts/<account_id>/follow", follow, "follows"),
    _route("accounts/<account_id>/unfollow", unfollow, "follows", frees=True),
    _route("accounts/<account_id>/remove_from_followers", remove_follower, "follows", frees=True),
    _route("accounts/<account_id>/block", block, "blocks", frees=True),
    _route("accounts/<account_id>/unblock", unblock, "blocks", frees=True),
    _route("accounts/<account_id>/mute", mute, "mutes", frees=True),
    _route("accounts/<account_id>/unmute", unmute, "mutes", frees=True),
    _route("follow_requests/<account_id>/authorize", authorize, "follows"),
    _route("follow_requests/<account_id>/reject", remove_follower, "follows", frees=True),
    _route("tags/<name>/follow", follow_tag, "follows"),
    _route("tags/<name>/unfollow", unfollow_tag, "follows", frees=True),
)
