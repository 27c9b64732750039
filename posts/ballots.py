"""The votes of polls, in SQL: who has chosen what, and the counts of our own polls brought up to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.database import Tx, marks
from posts.store import Post, by_id


def choices(tx: Tx, post_ids: Sequence[int], voter_id: int) -> dict[int, set[int]]:
    """What one voter has chosen in these polls."""
    found: dict[int, set[int]] = {}
    if post_ids:
        for row in tx.rows(f"SELECT post_id, position FROM votes WHERE voter_id = ? AND post_id IN ({marks(len(post_ids))})",
                           (voter_id, *post_ids)):
            found.setdefault(row["post_id"], set()).add(row["position"])
    return found


def voted(tx: Tx, voters: Iterable[tuple[int, int]]) -> set[tuple[int, int, int]]:
    """The (post, voter, slot) that are taken among these (post, voter)."""
    pairs = [value for pair in voters for value in pair]
    if not pairs:
        return set()
    rows = tx.rows(  # a join: `(post_id, voter_id) IN (VALUES ...)` would go through the whole index
        f"WITH asked (post_id, voter_id) AS (VALUES {','.join(['(?, ?)'] * (len(pairs) // 2))})"
        " SELECT v.post_id, v.voter_id, v.slot FROM asked a JOIN votes v ON v.post_id = a.post_id AND v.voter_id = a.voter_id",
        pairs)
    return {(row["post_id"], row["voter_id"], row["slot"]) for row in rows}


def insert_votes(tx: Tx, votes: Sequence[tuple[int, int, int, int, int]]) -> None:
    """Insert (post, voter, slot, position, at); one voter, one vote by the unique index: a second is an `IntegrityError`."""
    tx.insert("votes (post_id, voter_id, slot, position, at)", 5, votes)


def recount(tx: Tx, post_id: int, now: int) -> None:
    """Bring a local poll's counts up to its votes and its siblings' tallies and mark it as not announced. A result stands."""
    if tx.row("SELECT 1 FROM poll_results WHERE post_id = ?", (post_id,)) is not None:
        return
    tx.run("UPDATE poll_options SET votes = (SELECT count(*) FROM votes v WHERE v.post_id = poll_options.post_id"
           " AND v.position = poll_options.position) + (SELECT coalesce(sum(t.votes), 0) FROM tally_counts t"
           " WHERE t.post_id = poll_options.post_id AND t.position = poll_options.position) WHERE post_id = ?", (post_id,))
    tx.run("UPDATE polls SET voters = (SELECT count(DISTINCT voter_id) FROM votes WHERE post_id = ?)"
           " + (SELECT coalesce(sum(voters), 0) FROM tallies WHERE post_id = ?),"
           " stale_since = coalesce(stale_since, ?) WHERE post_id = ?", (post_id, post_id, now, post_id))
    count_lapsed(tx, post_id, now)
    tx.wake("polls")


def count_lapsed(tx: Tx, post_id: int, now: int) -> None:
    """How many whose votes are counted in a local poll are no longer verified: of the votes that lie here, and what siblings say
    of theirs. It may change when everything else stands, and then the audience is told."""
    found = tx.row(
        "SELECT (SELECT count(DISTINCT v.voter_id) FROM votes v JOIN actors a ON a.id = v.voter_id WHERE v.post_id = ?"
        " AND a.verified_until <= ?) + (SELECT coalesce(sum(CASE WHEN l.lapsed < t.voters THEN l.lapsed ELSE t.voters END), 0)"
        " FROM poll_lapses l JOIN tallies t ON t.post_id = l.post_id AND t.sibling_id = l.sibling_id WHERE l.post_id = ?) AS n",
        (post_id, now, post_id))
    lapsed = found["n"] if found is not None else 0
    tx.run("UPDATE polls SET lapsed = ?, stale_since = coalesce(stale_since, ?) WHERE post_id = ? AND lapsed <> ?",
           (lapsed, now, post_id, lapsed))


def polls_to_announce(tx: Tx, now: int, counted_before: int) -> list[int]:
    """Local polls that have ended, or whose counts changed before a moment, and whose audience does not know yet."""
    return [row["post_id"] for row in tx.rows(
        "SELECT p.post_id FROM polls p JOIN posts o ON o.id = p.post_id WHERE o.sibling_id IS NULL"
        " AND (p.stale_since <= ? OR (p.closed_at IS NULL AND p.ends_at <= ?))", (counted_before, now))]


def close_poll(tx: Tx, post_id: int, now: int, grace_ms: int) -> bool:
    """Close a local poll that has ended, and count for at most so long what is still on its way; False when it has not ended,
    or was closed before. The time runs from now on: where this instance was away at the end, what it missed is waiting."""
    return tx.run("UPDATE polls SET closed_at = ends_at, counts_until = ? WHERE post_id = ? AND closed_at IS NULL"
                  " AND ends_at <= ?", (now + grace_ms, post_id, now)) > 0


def settle_poll(tx: Tx, post_id: int) -> Post | None:
    """Give a local poll that is about to be announced its next revision; None when it is not there any more."""
    tx.run("UPDATE polls SET stale_since = NULL WHERE post_id = ?", (post_id,))
    tx.run("UPDATE posts SET revision = revision + 1 WHERE id = ? AND sibling_id IS NULL AND erased_at IS NULL", (post_id,))
    post = by_id(tx, post_id)
    return post if post is not None and post.erased_at is None else None
