"""Consults as lists of conversations: each is called by the post that began it, and shows what was written in it last."""

from __future__ import annotations

from collections.abc import Sequence

from quart import Response

from core.access import Access, Route
from core.errors import NotFound
from instance.api import bodies, paging
from instance.api.entities import Conversation
from instance.api.entities_people import account
from instance.api.entities_posts import statuses
from instance.api.guard import doctor
from instance.context import services
from posts.models import PostView


async def listed() -> Response:
    """The consults she is in, those that were written in last first."""
    page = await services().timelines.consults(doctor().actor, paging.span(bodies.asked()))
    return paging.page(await _made(page.posts), page.newest, page.oldest)


async def read(conversation_id: str) -> Conversation:
    """She has read it."""
    me = doctor().actor
    began = await services().timelines.consult(me, conversation_id)
    if began is None:
        raise NotFound("There is no such conversation here.")
    await services().notifications.settle(me, await services().notifications.of_conversation(me, began.id))
    [made] = await _made([began])
    return made


async def _made(begun: Sequence[PostView]) -> list[Conversation]:
    """Consults by the posts that began them; of one whose last post she may not read, that stands for it."""
    me = doctor().actor
    last = await services().threads.several(me, [post.latest_id for post in begun])
    unread = await services().notifications.unread_in(me, [post.id for post in begun])
    written = await statuses([last.get(post.latest_id, post) for post in begun])
    return [Conversation(post.id, post.id in unread,
                         tuple(account(reader) for reader in post.readers if reader.id != me.id), status)
            for post, status in zip(begun, written, strict=True)]


ROUTES = (
    Route("/api/v1/conversations", ("GET",), listed, Access.CLIENT, scopes=("read:statuses",)),
    Route("/api/v1/conversations/<conversation_id>/read", ("POST",), read, Access.CLIENT, scopes=("write:conversations",),
          frees=True),
)
