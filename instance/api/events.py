"""What an app is told, put into words for it alone: each post is read anew for its doctor, in the moment in which it is sent.

Whoever may not read a post then gets nothing of it, and an app whose token does not hold any more gets nothing at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec
from quart import Quart, g

from actors.grants import Bearer
from core.clock import happens
from core.errors import NotFound, Refused
from core.ids import public
from instance.api import notifications
from instance.api.entities import Conversation
from instance.api.entities_people import account
from instance.api.entities_posts import status
from instance.assembly import Assembly
from instance.context import Viewer, services
from instance.listening import OVER, Channel, Listener
from posts.alerts import TYPES
from posts.happenings import Heard, What
from posts.models import PostView
from posts.spans import Span

SLOW_SECONDS = 15.0
_ENCODER = msgspec.json.Encoder()


class Said(NamedTuple):
    """An event as clients know it, what it holds as text, and whether that is a post with pictures."""

    event: str
    payload: str
    pictures: bool = False


Write = Callable[[Said, Sequence[Channel]], Awaitable[None]]


class Events:
    """Makes them for the apps at one instance."""

    def __init__(self, app: Quart, its: Assembly) -> None:
        self._app, self._its = app, its

    async def flow(self, listener: Listener, write: Write) -> None:
        """Write what waits for an app; `TimeoutError` where it is not taken in time."""
        while listener.waiting and not listener.ending:
            heard, channels = listener.waiting.popleft()
            said = await self._said(listener, heard)
            if said is None or listener.ending:
                continue
            wanted = [channel for channel in channels if said.pictures or not channel.of_pictures]
            if wanted:
                async with asyncio.timeout(SLOW_SECONDS):
                    await write(said, wanted)

    async def rest(self, listener: Listener, seconds: float) -> bool:
        """Wait until there is something to do for an app, at most so long; whether there is."""
        if listener.waiting or listener.ending:
            return True
        return await happens(listener.woken, seconds)

    async def _said(self, listener: Listener, heard: Heard) -> Said | None:
        if heard.what == What.GONE:
            return Said("delete", public(heard.entry), pictures=True)
        try:
            bearer = await self._its.signing.grants.again(listener.token_id)
        except Refused:
            bearer = None
        if bearer is None or bearer.doctor is None:
            listener.end(OVER)
            return None
        async with self._app.app_context():
            return await _of(bearer, listener.language, heard)


async def _of(bearer: Bearer, language: str, heard: Heard) -> Said | None:
    """The same as its doctor may read it now; None for nothing."""
    assert bearer.doctor is not None
    g.bearer, me = bearer, bearer.doctor.actor
    g.viewer = Viewer(bearer.doctor.account, me, language)
    if heard.what == What.TOLD:
        found = await services().notifications.told(me, Span(1), tuple(TYPES), event=public(heard.entry))
        made = await notifications.made(found)
        return Said("notification", _text(made[0])) if made else None
    post = await _post(bearer, heard)
    if post is None:
        return None
    entity = await status(post)
    if post.named and heard.what == What.NEW:
        root = public(heard.root)
        others = tuple(account(reader) for reader in post.readers if reader.id != me.id)
        return Said("conversation", _text(Conversation(root, not post.mine, others, entity)))
    return Said("update" if heard.what == What.NEW else "status.update", _text(entity), bool(post.pictures))


async def _post(bearer: Bearer, heard: Heard) -> PostView | None:
    assert bearer.doctor is not None
    me, entry = bearer.doctor.actor, public(heard.entry)
    if not heard.boost:
        return (await services().threads.several(me, [entry])).get(entry)
    try:
        return await services().reactions.boost_of(me, entry)
    except NotFound:
        return None


def _text(entity: object) -> str:
    return _ENCODER.encode(entity).decode()
