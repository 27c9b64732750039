"""Departures as operators see them: how much goes with somebody, and of who has left which countries have confirmed it."""

from __future__ import annotations

from typing import NamedTuple

from core.database import Row, Tx
from core.ids import number
from federation.listed import listed, sent_to

PAGE = 20
_END = (1 << 63) - 1


class Leaving(NamedTuple):
    """What goes with a doctor, in numbers, and when it was done (ms; None: it is not); `siblings` are told."""

    handle: str
    posts: int
    votes: int
    likes: int
    boosts: int
    follows: int
    drafts: int
    siblings: int
    done: int | None = None


class Receipts(NamedTuple):
    """How a sibling stands with the deletions of somebody who has left: by country, how many it has confirmed of how many it was
    told."""

    country: str
    confirmed: int
    told: int


class Departed(NamedTuple):
    """Somebody who has left, without a name; times in ms. `posts` were erased here, `receipts` say where else."""

    actor_id: int
    begun: int
    done: int | None
    posts: int
    receipts: tuple[Receipts, ...]

    @property
    def confirmed(self) -> bool:
        """Whether everything is gone everywhere."""
        return self.done is not None and all(one.confirmed == one.told for one in self.receipts)


def leaving(tx: Tx, handle: str) -> Leaving:
    """What would go with a doctor of this instance."""
    row = tx.row("SELECT actor_id FROM accounts WHERE handle = ? AND kind = 'doctor'", (handle,))
    actor_id = row["actor_id"] if row is not None else 0

    def count(what: str, *values: int) -> int:
        found = tx.row(f"SELECT count(*) AS n FROM {what}", values)
        return int(found["n"]) if found is not None else 0

    return Leaving(
        handle, count("posts WHERE author_id = ? AND erased_at IS NULL", actor_id),
        count("votes WHERE voter_id = ?", actor_id), count("likes WHERE actor_id = ?", actor_id),
        count("boosts WHERE actor_id = ?", actor_id),
        count("follows WHERE follower_id = ? OR followed_id = ?", actor_id, actor_id),
        count("drafts WHERE actor_id = ?", actor_id), len(sent_to(tx)))


def departed(tx: Tx, before: str | None) -> tuple[Departed, ...]:
    """Who has left, newest first, a page and one more; `before` is the cursor of a page (the public id of its last)."""
    inner = number(before) if before else None
    last = tx.row("SELECT begun_at, actor_id FROM departures WHERE actor_id = ?", (inner,)) if inner is not None else None
    rows = tx.rows("SELECT * FROM departures WHERE account_id IS NOT NULL AND begun_at IS NOT NULL"
                   " AND (begun_at, actor_id) < (?, ?) ORDER BY begun_at DESC, actor_id DESC LIMIT ?",
                   (*((last["begun_at"], last["actor_id"]) if last is not None else (_END, _END)), PAGE + 1))
    names = {one.id: one.country for one in listed(tx)}
    return tuple(Departed(row["actor_id"], row["begun_at"], row["done_at"], row["posts"], _receipts(tx, row, names))
                 for row in rows)


def _receipts(tx: Tx, departed: Row, countries: dict[int, str]) -> tuple[Receipts, ...]:
    rows = tx.rows("SELECT d.sibling_id, sum(CASE WHEN d.state = 'acked' THEN 1 ELSE 0 END) AS confirmed, count(*) AS told"
                   " FROM (SELECT uri_key FROM posts WHERE author_id = ? AND erased_at IS NOT NULL UNION ALL"
                   " SELECT uri_key FROM actors WHERE id = ?) AS hers JOIN deliveries d ON d.object_key = hers.uri_key"
                   " WHERE d.deletes = 1 AND d.state <> 'superseded' GROUP BY d.sibling_id",
                   (departed["actor_id"], departed["actor_id"]))
    return tuple(sorted(Receipts(countries[row["sibling_id"]], row["confirmed"], row["told"]) for row in rows
                        if row["sibling_id"] in countries))
