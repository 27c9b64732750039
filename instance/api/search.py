"""Search: people by name or address, posts by their words or their address, hashtags."""

from __future__ import annotations

from contextlib import suppress

from actors.directory import Wish
from core.access import Access, Route
from core.errors import InvalidInput, NotFound
from core.tags import hashtag
from instance.api import bodies
from instance.api.bodies import Fields
from instance.api.entities import Account, FollowedTag, Results, Status
from instance.api.entities_people import account
from instance.api.entities_posts import statuses
from instance.api.guard import doctor
from instance.api.starting import tag
from instance.context import services
from posts.models import PostView
from posts.queries import LENGTH
from posts.sought import Filters
from posts.timelines import topics_of

_USUAL, _MOST = 20, 40


async def everything() -> Results:
    """All of it, or what `type` names. Only a first page: who wants more says more."""
    fields = bodies.asked()
    typed, kind = fields.text("q", 2_000).strip(), fields.text("type", 20)
    limit = min(fields.number("limit", 10**6, _USUAL) or _USUAL, _MOST)
    if not typed or fields.number("offset", 10**9, 0):
        return Results((), (), ())
    return Results(
        await _people(typed, limit, resolve=fields.flag("resolve")) if kind in ("", "accounts") else (),
        await _posts(typed, limit) if kind in ("", "statuses") else (),
        await _hashtags(typed) if kind in ("", "hashtags") else ())


async def accounts() -> tuple[Account, ...]:
    """People, while somebody types a name."""
    fields: Fields = bodies.asked()
    typed = fields.text("q", 400).strip()
    limit = min(fields.number("limit", 10**6, _USUAL) or _USUAL, _MOST)
    return await _people(typed, limit, resolve=fields.flag("resolve")) if typed else ()


async def _people(typed: str, limit: int, *, resolve: bool) -> tuple[Account, ...]:
    origin = services().identity.origin
    if typed.startswith(f"{origin}/@"):
        typed = typed.removeprefix(f"{origin}/")
    found = {}
    if "@" in typed.removeprefix("@") or typed.startswith("@"):
        with suppress(InvalidInput, NotFound):
            asked = services().directory
            actor = await (asked.resolve(typed) if resolve else asked.known(typed))
            found[actor.id] = actor
    if "://" not in typed:
        page = await services().directory.page(Wish(name=typed[:120]))
        found |= {actor.id: actor for actor in page.doctors}
    return tuple(account(actor) for actor in [*found.values()][:limit])


async def _posts(typed: str, limit: int) -> tuple[Status, ...]:
    me = doctor().actor
    if "://" in typed:
        named = await _named(typed)
        return await statuses([named]) if named is not None else ()
    results = await services().search.find(me, typed[:LENGTH], Filters(), None)
    return await statuses([found.post for found in results.found][:limit])


async def _named(address: str) -> PostView | None:
    """The post at an address of ours, or at its own, if it is here and she may read it; nothing is fetched."""
    with suppress(NotFound):
        for place in ("/p/", "/posts/"):
            before = services().identity.origin + place
            if address.startswith(before):
                return await services().threads.one(doctor().actor, address.removeprefix(before).partition("#")[0])
        return await services().threads.at(doctor().actor, address)
    return None


async def _hashtags(typed: str) -> tuple[FollowedTag, ...]:
    me, name = doctor().actor, hashtag(typed.removeprefix("#"))
    if name is None:
        return ()
    topics = await services().database.read(lambda tx: topics_of(tx, me))
    return (tag(name, following=f"#{name}" in topics),)


ROUTES = (
    Route("/api/v2/search", ("GET",), everything, Access.CLIENT, scopes=("read:search",)),
    Route("/api/v1/accounts/search", ("GET",), accounts, Access.CLIENT, scopes=("read:accounts",)),
)
