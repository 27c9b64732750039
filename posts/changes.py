"""That a post says something else now, is gone, hidden, or shown again: noted for whoever serves open apps, in whichever process.

Which post and when, and nothing of what it says or said.
"""

from __future__ import annotations

from core.clock import Clock
from core.database import Tx
from posts.telling import NEWS

_KEPT_MS = 86_400_000


def note(tx: Tx, post_id: int) -> None:
    """It has happened to this post in this transaction. The time is that of identifiers, also where a test moves the clock."""
    tx.run("INSERT INTO post_changes (post_id, at) VALUES (?, ?) ON CONFLICT (post_id) DO UPDATE SET at = excluded.at",
           (post_id, Clock().ms()))
    tx.wake(NEWS)


def since(tx: Tx, at: int, most: int) -> list[tuple[int, int]]:
    """The posts to which it has happened later than a moment (ms), and when, the last ones."""
    return [(row["post_id"], row["at"]) for row in tx.rows(
        "SELECT post_id, at FROM post_changes WHERE at > ? ORDER BY at DESC LIMIT ?", (at, most))]


def prune(tx: Tx) -> None:
    """Whoever listens has heard of it by now."""
    tx.run("DELETE FROM post_changes WHERE at < ?", (Clock().ms() - _KEPT_MS,))
