"""Accounts: oneself, others, how one stands to them, what they have asked."""

from __future__ import annotations

from typing import Any

from quart import Response

from actors.models import Actor
from actors.relations import Circle
from core.access import Access, Route
from core.errors import NotFound
from core.ids import public
from instance.api import bodies, paging
from instance.api.entities import Account, CredentialAccount, Relationship
from instance.api.entities_people import account, own, relationship
from instance.api.entities_posts import statuses
from instance.api.guard import doctor, writes_in
from instance.context import services

_MOST = 40


async def verify_credentials() -> CredentialAccount:
    """Oneself."""
    return await oneself(doctor().actor)


async def oneself(actor: Actor) -> CredentialAccount:
    """The doctor who asks, as she is now."""
    circle = await services().relations.circle(actor, Circle.REQUESTS)
    return own(actor, writes_in(), circle.requests, *await services().timelines.asked(actor))


async def show_account(account_id: str) -> Account:
    """Somebody."""
    return await _whole(await seen(account_id))


async def lookup() -> Account:
    """Somebody by her name, if she is here or has been met; nobody is asked for."""
    try:
        found = await services().directory.known(bodies.asked().text("acct", 400))
    except NotFound:
        raise _nobody() from None
    return await _whole(found)


async def _whole(actor: Actor) -> Account:
    return account(actor, *await services().timelines.asked(actor))


async def several() -> list[Account]:
    """Those of some accounts that can be seen."""
    return [account(actor) for actor in await services().directory.some(bodies.asked().texts("id", _MOST))]


async def relationships() -> list[Relationship]:
    """How one stands to some people."""
    fields = bodies.asked()
    others = await services().directory.some(fields.texts("id", _MOST))
    return [relationship(other, await services().relations.between(doctor().actor, other)) for other in others]


async def of_account(account_id: str) -> Response:
    """What somebody has asked, or pinned of that. Answers stand in their conversations."""
    fields, actor = bodies.asked(), await seen(account_id)
    if fields.flag("pinned"):
        return paging.page(await statuses(await services().timelines.pinned(doctor().actor, actor)), "", "")
    page = await services().timelines.of(doctor().actor, actor, paging.span(fields))
    shown = [post for post in page.posts if post.pictures or not fields.flag("only_media")]
    return paging.page(await statuses(shown), page.newest, page.oldest)


async def of_nobody(account_id: str) -> list[Account]:
    """Whom others follow, and who follows them, is theirs to know."""
    await seen(account_id)
    return []


async def nothing_of(account_id: str) -> list[Any]:
    """What doctors have none of here, such as hashtags that they show on their pages."""
    await seen(account_id)
    return []


async def seen(account_id: str) -> Actor:
    """The doctor of a public id; one `NotFound` for who may not be seen and who is not there."""
    found = await services().directory.some((account_id,))
    if not found:
        raise _nobody()
    return found[0]


def _nobody() -> NotFound:
    return NotFound("There is no such account here.")


async def _circle(which: Circle) -> Response:
    fields = bodies.asked()
    found = await services().relations.circle(doctor().actor, which, fields.text("max_id", 60) or None)
    return paging.page([account(one.actor) for one in found.members], "", found.before or "")


async def followers(account_id: str) -> Response | list[Account]:
    """Who follows oneself."""
    return await _circle(Circle.FOLLOWERS) if account_id == public(doctor().actor.id) else await of_nobody(account_id)


async def following(account_id: str) -> Response | list[Account]:
    """Whom one follows oneself."""
    return await _circle(Circle.FOLLOWING) if account_id == public(doctor().actor.id) else await of_nobody(account_id)


async def blocks() -> Response:
    """Whom one has blocked."""
    return await _circle(Circle.BLOCKED)


async def mutes() -> Response:
    """Whom one has muted."""
    return await _circle(Circle.MUTED)


ROUTES = (
    Route("/api/v1/accounts/verify_credentials", ("GET",), verify_credentials, Access.CLIENT,
          scopes=("read:accounts", "profile")),
    Route("/api/v1/accounts/lookup", ("GET",), lookup, Access.CLIENT, scopes=("read:accounts",)),
    Route("/api/v1/accounts/relationships", ("GET",), relationships, Access.CLIENT, scopes=("read:follows",)),
    Route("/api/v1/accounts", ("GET",), several, Access.CLIENT, scopes=("read:accounts",)),
    Route("/api/v1/accounts/<account_id>", ("GET",), show_account, Access.CLIENT, scopes=("read:accounts",)),
    Route("/api/v1/accounts/<account_id>/statuses", ("GET",), of_account, Access.CLIENT, scopes=("read:statuses",)),
    Route("/api/v1/accounts/<account_id>/followers", ("GET",), followers, Access.CLIENT, scopes=("read:accounts",)),
    Route("/api/v1/accounts/<account_id>/following", ("GET",), following, Access.CLIENT, scopes=("read:accounts",)),
    Route("/api/v1/accounts/<account_id>/featured_tags", ("GET",), nothing_of, Access.CLIENT, scopes=("read:accounts",)),
    Route("/api/v1/blocks", ("GET",), blocks, Access.CLIENT, scopes=("read:blocks",)),
    Route("/api/v1/mutes", ("GET",), mutes, Access.CLIENT, scopes=("read:mutes",)),
)
