"""Posts: one of them, its conversation, its source, its versions, and who likes it or passed it on."""

from __future__ import annotations

from quart import Response

from core.access import Access, Route
from core.clock import rfc3339
from core.errors import NotFound
from instance.api import bodies, paging
from instance.api.entities import Context, Poll, Status, StatusEdit, StatusSource
from instance.api.entities_people import account
from instance.api.entities_posts import absolute, as_typed, poll, status, statuses
from instance.api.guard import doctor
from instance.context import services
from instance.pages.looking import note_reading, settle
from posts.degraded import content
from posts.models import NO_FACTS, PostView
from posts.parts import NO_PARTS
from posts.reactions import Table
from posts.threads import Conversation

_PAGES = 5
"""How many pages of a conversation (`posts.threads.ANSWERS` each) an app gets; what is longer is read on our pages."""
_VERSIONS = 5


async def show_status(status_id: str) -> Status:
    """A post, or a passing-on."""
    return await status(await found(status_id))


async def several() -> tuple[Status, ...]:
    """Those of some posts that she may read."""
    wanted = bodies.asked().texts("id", 40)
    known = await services().threads.several(doctor().actor, wanted)
    return await statuses([known[one] for one in dict.fromkeys(wanted) if one in known])


async def context(status_id: str) -> Context:
    """The conversation around a post. Whoever asks for it has read what she was told of it, as on our own pages."""
    post = await found(status_id)
    posts = await _conversation(post.id)
    by_id = {one.id: one for one in posts}
    above: list[PostView] = []
    parent = by_id.get(post.id, post).parent_id
    while parent is not None and parent in by_id and len(above) < len(posts):
        above.insert(0, by_id[parent])
        parent = by_id[parent].parent_id
    below, inside = [], {post.id}
    for one in posts:  # depth first, so what is answered stands before its answers
        if one.parent_id in inside and one.id != post.id:
            inside.add(one.id)
            below.append(one)
    made = await statuses([*(one for one in above if _is_there(one)), *(one for one in below if _is_there(one))])
    many = sum(map(_is_there, above))
    return Context(made[:many], made[many:])


async def source(status_id: str) -> StatusSource:
    """One's own post as it was typed."""
    post, text = await services().threads.source(doctor().actor, status_id)
    return StatusSource(post.id, *as_typed(post, text))


async def history(status_id: str) -> list[StatusEdit]:
    """A post's versions, oldest first."""
    post = await services().threads.one(doctor().actor, status_id)
    made: list[StatusEdit] = []
    before: str | None = None
    for _ in range(_VERSIONS):
        found = await services().threads.history(doctor().actor, status_id, before)
        await settle(found.seen)
        made += [StatusEdit(
            content=absolute(content(change.now.question, change.now.html, NO_FACTS, None, NO_PARTS, post.language)),
            created_at=rfc3339(change.now.at), account=account(post.author)) for change in found.changes]
        before = found.before
        if before is None:
            break
    return made[::-1]


async def show_poll(poll_id: str) -> Poll:
    """The poll of a post."""
    post = await services().threads.one(doctor().actor, poll_id)
    if post.poll is None:
        raise NotFound("There is no such poll here.")
    return poll(post, post.poll)


async def favourited_by(status_id: str) -> Response:
    """Who likes a post."""
    return await _people("likes", status_id)


async def reblogged_by(status_id: str) -> Response:
    """Who has passed a post on."""
    return await _people("boosts", status_id)


async def found(status_id: str) -> PostView:
    """The post, or the passing-on, of an id; `NotFound` for what she may not read."""
    try:
        return await services().threads.one(doctor().actor, status_id)
    except NotFound:
        return await services().reactions.boost_of(doctor().actor, status_id)


async def _conversation(post_id: str) -> list[PostView]:
    """A whole conversation, its root first, however far down the post stands."""
    me = doctor().actor
    posts: list[PostView] = []
    after: str | None = None
    for _ in range(_PAGES):
        read = await services().threads.thread(me, post_id, after=after)
        if after is None and read.earlier:
            read = await services().threads.thread(me, read.posts[0].id)
        posts += read.posts if after is None else read.posts[1:]
        await _looked(read)
        after = read.after
        if after is None:
            break
    return posts


async def _looked(read: Conversation) -> None:
    await settle(read.seen)
    await note_reading(read)


async def _people(table: Table, status_id: str) -> Response:
    people = await services().reactions.people(doctor().actor, table, status_id, bodies.asked().text("max_id", 60) or None)
    return paging.page([account(actor) for actor, _ in people.people], "", people.before or "")


def _is_there(post: PostView) -> bool:
    """Whether there is anything in it: not of what was deleted, nor of what is hidden from her."""
    return not post.erased and (post.hidden is None or post.mine)


ROUTES = (
    Route("/api/v1/statuses", ("GET",), several, Access.CLIENT, scopes=("read:statuses",)),
    Route("/api/v1/statuses/<status_id>", ("GET",), show_status, Access.CLIENT, scopes=("read:statuses",)),
    Route("/api/v1/statuses/<status_id>/context", ("GET",), context, Access.CLIENT, scopes=("read:statuses",)),
    Route("/api/v1/statuses/<status_id>/source", ("GET",), source, Access.CLIENT, scopes=("read:statuses",)),
    Route("/api/v1/statuses/<status_id>/history", ("GET",), history, Access.CLIENT, scopes=("read:statuses",)),
    Route("/api/v1/statuses/<status_id>/favourited_by", ("GET",), favourited_by, Access.CLIENT, scopes=("read:accounts",)),
    Route("/api/v1/statuses/<status_id>/reblogged_by", ("GET",), reblogged_by, Access.CLIENT, scopes=("read:accounts",)),
    Route("/api/v1/polls/<poll_id>", ("GET",), show_poll, Access.CLIENT, scopes=("read:statuses",)),
)
