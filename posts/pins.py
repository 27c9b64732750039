"""Pinning: what a doctor has put first on her own page.

It is about her page at this instance and goes to no other. Only what she has asked by name can stand there: a question that was
signed by role only would be hers for all to see.
"""

from __future__ import annotations

from actors.models import Actor
from core.database import Database, Tx
from core.errors import InvalidInput
from core.ids import Ids
from posts.models import Reach
from posts.reading import readable
from posts.store import Post

MOST = 5


class Pins:
    """Pins and unpins for doctors of this instance. Doing it twice does it once."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database, self._ids = database, ids

    async def pin(self, author: Actor, post_id: str) -> None:
        """Put one of her questions first. `InvalidInput` for what stands on no page of hers, and for more than `MOST`."""
        def write(tx: Tx) -> None:
            post = readable(tx, post_id, author)
            if not _stands_there(post, author):
                raise InvalidInput("Only questions that you have asked by name, and not in a consult, can be pinned to your"
                                   " profile.", reason="not-there")
            if tx.rows("SELECT id FROM pins WHERE actor_id = ? AND post_id <> ?", (author.id, post.id))[MOST - 1:]:
                raise InvalidInput("You have pinned %(most)s questions already. Unpin one of them first.", values={"most": MOST},
                                   reason="full")
            tx.run("INSERT INTO pins (id, actor_id, post_id) VALUES (?, ?, ?) ON CONFLICT (actor_id, post_id) DO NOTHING",
                   (self._ids.new(), author.id, post.id))

        await self._database.write(write)

    async def unpin(self, author: Actor, post_id: str) -> None:
        """Let it stand where it was."""
        def write(tx: Tx) -> None:
            post = readable(tx, post_id, author)
            tx.run("DELETE FROM pins WHERE actor_id = ? AND post_id = ?", (author.id, post.id))

        await self._database.write(write)


def _stands_there(post: Post, author: Actor) -> bool:
    return post.author_id == author.id and post.parent_id is None and post.audience.reach != Reach.NAMED
