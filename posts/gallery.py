"""The one way from a post to its pictures, for a doctor who may read it: its own from the disk here, a sibling's from there."""

from __future__ import annotations

from actors.models import Actor
from core.database import Database
from core.errors import NotFound
from posts.borrowed import Borrowed
from posts.media import Media
from posts.reading import readable


class Gallery:
    """Hands out pictures of posts."""

    def __init__(self, database: Database, media: Media, borrowed: Borrowed) -> None:
        self._database, self._media, self._borrowed = database, media, borrowed

    async def picture(self, reader: Actor, post_id: str, number: int, *, small: bool = False) -> bytes:
        """A picture of a post, from 1, as a JPEG. `NotFound` where there is none, and where she may not read the post; for a
        sibling's post also what `Borrowed.picture` says."""
        post = await self._database.read(lambda tx: readable(tx, post_id, reader))
        if not 1 <= number <= len(post.pictures):
            raise NotFound("There is no such picture.")
        picture = post.pictures[number - 1]
        if post.sibling_id is None:
            return await self._media.published(picture.name, small=small)
        return await self._borrowed.picture(picture, small=small)
