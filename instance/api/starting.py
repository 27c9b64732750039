"""What apps ask for when they start, besides posts: preferences, markers, what is followed; and lists that are empty here."""

from __future__ import annotations

from typing import Any

from quart import Response

from actors.relations import Circle
from core.access import Access, Route
from core.clock import rfc3339
from core.errors import NotFound
from core.ids import number
from instance.api import bodies, paging
from instance.api.entities import FollowedTag, Marker
from instance.api.entities_people import account
from instance.api.guard import doctor, writes_in
from instance.context import services
from posts.markers import LISTS
from posts.markers import Marker as Kept
from posts.timelines import topics_of
from posts.topics import hashtag_topic
from posts.views import tag_page


async def preferences() -> dict[str, Any]:
    """How an app should begin: everything that is written goes to colleagues alone."""
    return {"posting:default:visibility": "private", "posting:default:sensitive": False,
            "posting:default:language": writes_in(), "reading:expand:media": "default",
            "reading:expand:spoilers": False, "reading:autoplay:gifs": False}


async def markers() -> dict[str, Marker]:
    """Where she was in her lists."""
    lists = [name for name in bodies.asked().texts("timeline", 10) if name in LISTS] or list(LISTS)
    return _marked(await services().markers.of(doctor().actor, lists))


async def move_markers() -> dict[str, Marker]:
    """She has read on. Notifications up to there are read on our pages, too."""
    fields = await bodies.sent()
    entries = {name: fields.inner(name).text("last_read_id", 13) for name in LISTS if name in fields}
    entries = {name: entry for name, entry in entries.items() if number(entry) is not None}
    kept = await services().markers.move(doctor().actor, entries)
    if "notifications" in entries:
        await services().notifications.read_all(doctor().actor, entries["notifications"])
    return _marked(kept)


async def followed_tags() -> list[FollowedTag]:
    """The hashtags she follows. Specialties are followed on our pages."""
    actor = doctor().actor
    topics = await services().database.read(lambda tx: topics_of(tx, actor))
    return [tag(name.removeprefix("#"), following=True) for name in topics if name.startswith("#")]


async def one_tag(name: str) -> FollowedTag:
    """A hashtag, and whether she follows it."""
    actor, topic = doctor().actor, hashtag_topic(name)
    return tag(topic[1:], following=topic in await services().database.read(lambda tx: topics_of(tx, actor)))


async def follow_requests() -> Response:
    """Who asks to follow her, newest first."""
    found = await services().relations.circle(doctor().actor, Circle.REQUESTS)
    return paging.page([account(one.actor) for one in found.members], "", "")


async def nothing() -> list[Any]:
    """There is none of these here."""
    return []


async def no_list(list_id: str) -> None:
    """There are no lists, so this is none."""
    raise NotFound("There is no such list.")


def tag(name: str, *, following: bool) -> FollowedTag:
    """A hashtag for apps."""
    return FollowedTag(name, services().identity.origin + tag_page(name), following)


def _marked(kept: tuple[Kept, ...]) -> dict[str, Marker]:
    return {one.list: Marker(one.last_read, one.version, rfc3339(one.updated)) for one in kept}


def _empty(rule: str, scope: str) -> Route:
    return Route(rule, ("GET",), nothing, Access.CLIENT, scopes=(scope,))


ROUTES = (
    Route("/api/v1/preferences", ("GET",), preferences, Access.CLIENT, scopes=("read:accounts",)),
    Route("/api/v1/markers", ("GET",), markers, Access.CLIENT, scopes=("read:statuses",)),
    Route("/api/v1/markers", ("POST",), move_markers, Access.CLIENT, scopes=("write:statuses",), frees=True),
    Route("/api/v1/followed_tags", ("GET",), followed_tags, Access.CLIENT, scopes=("read:follows",)),
    Route("/api/v1/tags/<name>", ("GET",), one_tag, Access.CLIENT, scopes=("read:follows",)),
    Route("/api/v1/follow_requests", ("GET",), follow_requests, Access.CLIENT, scopes=("read:follows",)),
    Route("/api/v1/custom_emojis", ("GET",), nothing, Access.APP),
    _empty("/api/v1/announcements", "read:accounts"),
    _empty("/api/v1/filters", "read:filters"),
    _empty("/api/v2/filters", "read:filters"),
    _empty("/api/v1/lists", "read:lists"),
    _empty("/api/v1/featured_tags", "read:accounts"),
    _empty("/api/v1/scheduled_statuses", "read:statuses"),
    Route("/api/v1/lists/<list_id>", ("GET",), no_list, Access.CLIENT, scopes=("read:lists",)),
)
