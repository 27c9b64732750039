"""The one way from a post to its pictures: those of a post of this instance from the disk here, a sibling's from there."""

from __future__ import annotations

from actors.models import Actor
from core.audit import Audit
from core.clock import Clock
from core.database import Database, Tx
from core.errors import NotFound
from core.ids import number as inner
from posts import store
from posts.borrowed import Borrowed
from posts.media import Media
from posts.reading import readable
from posts.store import Post

_HOUR_MS = 3_600_000


class Gallery:
    """Hands out pictures of posts."""

    def __init__(self, database: Database, media: Media, borrowed: Borrowed, clock: Clock, audit: Audit) -> None:
        self._database, self._media, self._borrowed = database, media, borrowed
        self._clock, self._audit = clock, audit

    async def picture(self, reader: Actor, post_id: str, number: int, *, small: bool = False) -> bytes:
        """A picture of a post, from 1, as a JPEG. `NotFound` where there is none, and where she may not read the post; for a
        sibling's post also what `Borrowed.picture` says."""
        post = await self._database.read(lambda tx: readable(tx, post_id, reader))
        return await self._of(post, number, small=small)

    async def opened(self, post_id: str, number: int, by: str) -> bytes:
        """The same for an operator, who has to have a report about the post, or to have opened it with a reason within the last
        hour. Each look is written down first."""
        now, one = self._clock.ms(), inner(post_id) or 0

        def write(tx: Tx) -> Post:
            post = store.by_id(tx, one)
            may = tx.row("SELECT 1 FROM matters WHERE post_id = ? UNION ALL SELECT 1 FROM opened_posts WHERE post_id = ?"
                         " AND by = ? AND at > ? LIMIT 1", (one, one, by, now - _HOUR_MS))
            if post is None or post.erased_at is not None or may is None or not 1 <= number <= len(post.pictures):
                raise NotFound("There is no such picture.")
            self._audit.note(tx, by=by, action="picture.opened", target=post.uri, detail=str(number))
            return post

        return await self._of(await self._database.write(write), number, small=False)

    async def _of(self, post: Post, number: int, *, small: bool) -> bytes:
        if not 1 <= number <= len(post.pictures):
            raise NotFound("There is no such picture.")
        picture = post.pictures[number - 1]
        if post.sibling_id is None:
            return await self._media.published(picture.name, small=small)
        return await self._borrowed.picture(picture, small=small)
