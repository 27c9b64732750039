"""What a sibling has refused because it had lost what that is about, and what it has back since: that goes out again, once.

A sibling that has come out of a backup holds such a thing while the post can come back. What it refused all the same (it ran an
older release, or the post came back after its time had passed) is set aside here, and comparing leaves alone what was set aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.database import Tx, marks
from core.ids import uri_key
from federation.store import send_again
from federation.troubles import reason
from inbox.activities.create import no_such_parent, no_such_poll
from inbox.activities.like import no_such_post
from inbox.held import not_back
from posts import store
from posts.holdings import Between

_MOST = 500
_REASONS = tuple(reason("refused", error.message) for error in (no_such_parent(), no_such_poll(), no_such_post(), not_back()))


class Lacked(NamedTuple):
    """An activity of ours by its number, and the sibling's post that was not there when it came."""

    sequence: int
    about: str


def for_lack(tx: Tx, two: Between) -> list[Lacked]:
    """What the sibling has refused because it lacked a post of its own that lies here; not what was tried again before."""
    rows = tx.rows("SELECT d.sequence, o.object_key, o.about_key FROM deliveries d JOIN outbox o ON o.id = d.outbox_id"
                   f" WHERE d.sibling_id = ? AND d.state = 'parked' AND d.reason IN ({marks(len(_REASONS))}) AND o.body <> x''"
                   " AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.object_key = d.object_key AND e.sibling_id = d.sibling_id"
                   " AND e.outbox_id = d.outbox_id AND e.sequence < d.sequence) ORDER BY d.sequence LIMIT ?",
                   (two.sibling_id, *_REASONS, _MOST))
    keys = {key for row in rows for key in (row["object_key"], row["about_key"])}
    posts = {uri_key(uri): post for uri, post in store.by_keys(tx, list(keys)).items()}
    parents = store.by_many(tx, [post.parent_id for post in posts.values() if post.parent_id is not None])
    found = []
    for row in rows:
        post = posts.get(row["object_key"]) or posts.get(row["about_key"])
        if post is not None and post.sibling_id is None:  # an answer of ours
            post = parents.get(post.parent_id) if post.parent_id is not None and post.erased_at is None else None
        if post is not None and post.sibling_id == two.sibling_id and post.erased_at is None:
            found.append(Lacked(row["sequence"], post.uri))
    return found


def again(tx: Tx, two: Between, some: Sequence[Lacked], now: int) -> int:
    """Owe it to the sibling once more; how much."""
    numbers = [one.sequence for one in some]
    return send_again(tx, two.sibling_id, f"d.state = 'parked' AND d.sequence IN ({marks(len(numbers))})", numbers, now)
