"""What hangs on a sibling: counted before it is paused or revoked, so that whoever does it knows what that means."""

from __future__ import annotations

import msgspec

from core.database import Database, Tx
from federation.listed import listed
from federation.store import unconfirmable, undeleted
from posts.store import LISTED

_WAITING_SEEN = 10_000


class Ties(msgspec.Struct, frozen=True):
    """What there is between this instance and a sibling, in numbers.

    `accounts` and `posts` are its own that lie here, `shared` the posts of ours that it has and that are not
    deleted. `following` are the follows of our doctors there, `followers` those of its doctors here, requests among them.
    `threads` are the open ones it takes part in: cases without an answer and polls that have not closed, which its doctors may
    read, whoever asked; of very many only the newest are looked through. `consults` are those between its doctors and ours.
    `queued` waits for it, `undeleted` are deletions it has not confirmed, `unconfirmable` those it will not be asked for any
    more.
    """

    accounts: int
    posts: int
    shared: int
    following: int
    followers: int
    threads: int
    consults: int
    queued: int
    undeleted: int
    unconfirmable: int

    @property
    def follows(self) -> int:
        """Follows in both directions."""
        return self.following + self.followers


class Tied:
    """Counts what hangs on siblings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, sibling_id: int) -> Ties:
        """What hangs on one sibling; all zero where nobody has that id."""
        return await self._database.read(lambda tx: ties_of(tx, sibling_id))

    async def all(self) -> dict[int, Ties]:
        """The same of every sibling, by id."""
        return await self._database.read(
            lambda tx: {one.id: ties_of(tx, one.id) for one in listed(tx)})


def ties_of(tx: Tx, sibling_id: int) -> Ties:
    """What hangs on a sibling at this moment."""
    row = tx.row("SELECT origin FROM siblings WHERE id = ?", (sibling_id,))
    named = f'%"{row["origin"]}"%' if row is not None else ""
    here = (sibling_id,)
    return Ties(
        accounts=_count(tx, "FROM actors WHERE sibling_id = ? AND alias = 0 AND gone_at IS NULL", here),
        posts=_count(tx, "FROM posts WHERE sibling_id = ? AND erased_at IS NULL", here),
        shared=_count(tx, "FROM deliveries d JOIN outbox o ON o.id = d.outbox_id JOIN posts p ON p.uri_key = d.object_key"
                          " WHERE d.sibling_id = ? AND d.state IN ('acked', 'held') AND o.type = 'Create'"
                          " AND p.sibling_id IS NULL AND p.erased_at IS NULL", here),
        following=_count(tx, "FROM actors a JOIN follows f ON f.followed_id = a.id WHERE a.sibling_id = ? AND a.gone_at IS NULL",
                         here),
        followers=_count(tx, "FROM actors a JOIN follows f ON f.follower_id = a.id WHERE a.sibling_id = ? AND a.gone_at IS NULL",
                         here),
        threads=_count(tx, f"FROM (SELECT audience FROM posts WHERE {LISTED} AND state = 'open' AND answers = 0"
                           f" ORDER BY id DESC LIMIT {_WAITING_SEEN}) AS w WHERE audience LIKE ?", (named,))
        + _count(tx, "FROM polls v JOIN posts p ON p.id = v.post_id WHERE v.closed_at IS NULL AND p.erased_at IS NULL"
                     " AND p.audience LIKE ?", (named,)),
        consults=_count(tx, "FROM (SELECT DISTINCT root_id FROM consults) AS c JOIN posts p ON p.id = c.root_id"
                            " WHERE p.erased_at IS NULL AND p.audience LIKE ?", (named,)),
        queued=_count(tx, "FROM deliveries WHERE sibling_id = ? AND state = 'pending'", here),
        undeleted=undeleted(tx, sibling_id), unconfirmable=unconfirmable(tx, sibling_id))


def _count(tx: Tx, what: str, values: tuple[object, ...]) -> int:
    row = tx.row(f"SELECT count(*) AS n {what}", values)
    return int(row["n"]) if row is not None else 0
