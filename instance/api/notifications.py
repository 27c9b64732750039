"""What a doctor is told. What clients have no word for stands on our own pages only."""

from __future__ import annotations

from collections.abc import Sequence

from quart import Response

from actors.models import Actor
from core.access import Access, Route
from core.clock import rfc3339
from core.errors import NotFound
from core.ids import number, public
from instance.api import bodies, paging
from instance.api.bodies import Fields
from instance.api.entities import Notification
from instance.api.entities_people import account
from instance.api.entities_posts import statuses
from instance.api.guard import doctor
from instance.context import services
from posts.alerts import TYPES
from posts.models import PostView
from posts.notifications import Notification as Known
from posts.notifications import unread
from posts.spans import Span
from posts.telling import Told

_WITHOUT_POST = frozenset({Told.FOLLOW})
_USUAL, _MOST = 20, 80


async def listed() -> Response:
    """What she was told, newest first."""
    fields = bodies.asked()
    part = paging.span(fields, usual=_USUAL, most=_MOST)
    found = await services().notifications.told(doctor().actor, part, _kinds(fields))
    return paging.page(await made(found), found[0].newest if found else "", found[-1].newest if found else "",
                       more=len(found) >= part.most or bool(part.after))


async def one(notification_id: str) -> Notification:
    """One of them."""
    if number(notification_id) is None:
        raise NotFound("There is no such notification.")
    found = await made(await services().notifications.told(doctor().actor, Span(1), tuple(TYPES), event=notification_id))
    if not found:
        raise NotFound("There is no such notification.")
    return found[0]


async def clear() -> dict[str, str]:
    """She has read all of it. Nothing is taken out of the list: what it says stays true."""
    await services().notifications.read_all(doctor().actor, public(services().ids.new()))
    return {}


async def dismiss(notification_id: str) -> dict[str, str]:
    """She has read this one."""
    told = await services().notifications.told(doctor().actor, Span(1), tuple(TYPES), event=notification_id)
    if number(notification_id) is None or not told:
        raise NotFound("There is no such notification.")
    await services().notifications.read(doctor().actor, told[0].id)
    return {}


async def unread_count() -> dict[str, int]:
    """How many are unread; very many are counted no further."""
    actor = doctor().actor
    return {"count": (await services().database.read(lambda tx: unread(tx, actor.id))).notifications}


def _kinds(fields: Fields) -> tuple[Told, ...]:
    """The kinds an app asks for: `types` alone, or all but `exclude_types`."""
    wanted, without = set(fields.texts("types", 40)), set(fields.texts("exclude_types", 40))
    return tuple(kind for kind, name in TYPES.items() if (not wanted or name in wanted) and name not in without)


async def made(found: Sequence[Known]) -> list[Notification]:
    """Those whose post she may read now, or that need none."""
    posts = await services().threads.several(doctor().actor, [one.post_id for one in found if one.post_id])
    shown = [one for one in found if (one.kind in _WITHOUT_POST and one.people) or one.post_id in posts]
    by_id = {post.id: post for post in await statuses([posts[one.post_id] for one in shown if one.post_id in posts])}
    return [Notification(
        one.newest, TYPES[one.kind], rfc3339(one.at), f"{one.kind}-{one.id}", account(_who(one, posts.get(one.post_id))),
        by_id.get(one.post_id)) for one in shown]


def _who(one: Known, post: PostView | None) -> Actor:
    """Who did it; of a poll that has ended, whose poll it is."""
    return one.people[0] if one.people else post.author if post is not None else doctor().actor


ROUTES = (
    Route("/api/v1/notifications", ("GET",), listed, Access.CLIENT, scopes=("read:notifications",)),
    Route("/api/v1/notifications/unread_count", ("GET",), unread_count, Access.CLIENT, scopes=("read:notifications",)),
    Route("/api/v1/notifications/clear", ("POST",), clear, Access.CLIENT, scopes=("write:notifications",), frees=True),
    Route("/api/v1/notifications/<notification_id>/dismiss", ("POST",), dismiss, Access.CLIENT, scopes=("write:notifications",),
          frees=True),
    Route("/api/v1/notifications/<notification_id>", ("GET",), one, Access.CLIENT, scopes=("read:notifications",)),
)
