"""Lists of posts, newest first."""

from __future__ import annotations

from quart import Response

from core.access import Access, Route
from instance.api import bodies, paging
from instance.api.entities_posts import statuses
from instance.api.guard import doctor
from instance.context import services
from posts.models import Page
from posts.topics import hashtag_topic


async def home() -> Response:
    """What she follows (doctors, specialties, hashtags) and what she has asked herself."""
    return await _listed(await services().timelines.home(doctor().actor, "home", paging.span(bodies.asked())))


async def everybody() -> Response:
    """Everything that is in lists here: of this country (`local`), of the others (`remote`), or both."""
    fields = bodies.asked()
    tab = "country" if fields.flag("local") else "abroad" if fields.flag("remote") else "all"
    return await _listed(await services().timelines.home(doctor().actor, tab, paging.span(fields)),
                         only_media=fields.flag("only_media"))


async def tagged(hashtag: str) -> Response:
    """What carries a hashtag."""
    fields = bodies.asked()
    page = await services().timelines.topic(doctor().actor, hashtag_topic(hashtag), paging.span(fields))
    return await _listed(page, only_media=fields.flag("only_media"))


async def bookmarks() -> Response:
    """What she keeps, last kept first."""
    return await _listed(await services().timelines.bookmarks(doctor().actor, paging.span(bodies.asked())))


async def favourites() -> Response:
    """What she has liked, the newest post first."""
    return await _listed(await services().timelines.liked(doctor().actor, paging.span(bodies.asked())))


async def _listed(page: Page, *, only_media: bool = False) -> Response:
    """A page of them. What an app leaves out of it does not move where the next one begins."""
    shown = [post for post in page.posts if post.pictures or not only_media]
    return paging.page(await statuses(shown), page.newest, page.oldest)


ROUTES = (
    Route("/api/v1/timelines/home", ("GET",), home, Access.CLIENT, scopes=("read:statuses",)),
    Route("/api/v1/timelines/public", ("GET",), everybody, Access.CLIENT, scopes=("read:statuses",)),
    Route("/api/v1/timelines/tag/<hashtag>", ("GET",), tagged, Access.CLIENT, scopes=("read:statuses",)),
    Route("/api/v1/bookmarks", ("GET",), bookmarks, Access.CLIENT, scopes=("read:bookmarks",)),
    Route("/api/v1/favourites", ("GET",), favourites, Access.CLIENT, scopes=("read:favourites",)),
)
