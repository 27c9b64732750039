"""Following a conversation: who is told how it goes on, besides whoever began it; and muting one, to be told no more of it.

It is reading, not speaking: whoever can read a post can follow it, nobody else learns of it, and it goes to no other
instance. There each doctor's own instance knows whom to tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actors import aliases
from actors.models import Actor
from actors.store import by_ids
from core.database import Database, Tx, marks
from core.errors import InvalidInput
from core.ids import Ids
from posts.models import Reach
from posts.reading import readable
from posts.store import Post

_UNFOLLOW, _UNMUTE = (f"DELETE FROM {table} WHERE actor_id = ? AND post_id = ?" for table in ("case_follows", "case_mutes"))


class Following:
    """What doctors of this instance follow or have muted, and no longer. Doing it twice does it once."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database, self._ids = database, ids

    async def follow(self, reader: Actor, post_id: str) -> None:
        """Be told how the conversation that a post belongs to goes on, be it muted until now. `InvalidInput` for a consult:
        whoever is in it is told anyway."""
        def write(tx: Tx) -> None:
            post = readable(tx, post_id, reader)
            if post.audience.reach == Reach.NAMED:
                raise InvalidInput("Whoever is in a consult is told of everything in it.", reason="named")
            tx.run(_UNMUTE, (reader.id, post.root_id))
            tx.run("INSERT INTO case_follows (id, actor_id, post_id) VALUES (?, ?, ?) ON CONFLICT (actor_id, post_id) DO NOTHING",
                   (self._ids.new(), reader.id, post.root_id))

        await self._database.write(write)

    async def unfollow(self, reader: Actor, post_id: str) -> None:
        """Be told no longer."""
        def write(tx: Tx) -> None:
            post = readable(tx, post_id, reader)
            tx.run(_UNFOLLOW, (reader.id, post.root_id))

        await self._database.write(write)

    async def mute(self, reader: Actor, post_id: str) -> None:
        """Hear no more of the conversation that a post belongs to, whether one has begun it, takes part, or follows it, which
        ends. Corrections and recalls of what one has read are told all the same, and what operators do (`telling.tell`)."""
        def write(tx: Tx) -> None:
            post = readable(tx, post_id, reader)
            tx.run(_UNFOLLOW, (reader.id, post.root_id))
            tx.run("INSERT INTO case_mutes (id, actor_id, post_id) VALUES (?, ?, ?) ON CONFLICT (actor_id, post_id) DO NOTHING",
                   (self._ids.new(), reader.id, post.root_id))

        await self._database.write(write)

    async def unmute(self, reader: Actor, post_id: str) -> None:
        """Hear of it again, as far as it concerns one."""
        def write(tx: Tx) -> None:
            post = readable(tx, post_id, reader)
            tx.run(_UNMUTE, (reader.id, post.root_id))

        await self._database.write(write)


def followers(tx: Tx, root_ids: Iterable[int]) -> dict[int, list[int]]:
    """Who of this instance follows these conversations: doctors by the post that began each."""
    found: dict[int, list[int]] = {}
    wanted = sorted(root_ids)
    for row in tx.rows(f"SELECT post_id, actor_id FROM case_follows WHERE post_id IN ({marks(len(wanted))})"
                       " ORDER BY post_id, actor_id", wanted) if wanted else ():
        found.setdefault(row["post_id"], []).append(row["actor_id"])
    return found


def told(tx: Tx, root: Post) -> tuple[int, ...]:
    """The doctors of this instance who have answered in a conversation, be it under an alias, or follow it, and may read it;
    whoever began it is not among them."""
    rows = tx.rows("SELECT author_id AS id FROM posts WHERE root_id = ? AND parent_id IS NOT NULL AND sibling_id IS NULL"
                   " AND erased_at IS NULL UNION SELECT actor_id FROM case_follows WHERE post_id = ?", (root.id, root.id))
    owners = aliases.writers(tx, {root.author_id, *(row["id"] for row in rows)})
    doctors = {owners.get(row["id"], row["id"]) for row in rows} - {owners.get(root.author_id, root.author_id)}
    return admitted(tx, root, sorted(doctors))


def admitted(tx: Tx, post: Post, actor_ids: Sequence[int]) -> tuple[int, ...]:
    """Those among doctors of this instance who may read a post; outside a consult that is everybody."""
    if post.audience.reach != Reach.NAMED:
        return tuple(actor_ids)
    people = by_ids(tx, actor_ids)
    return tuple(one for one in actor_ids if one in people and post.audience.admits(people[one]))
