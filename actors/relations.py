"""What doctors are to each other: who follows whom, and whom somebody does not want to read."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from core.database import Tx


def shunned_by(tx: Tx, actor_id: int, now: int) -> frozenset[int]:
    """The actors whom a doctor has blocked, or muted until later than `now` (ms)."""
    return frozenset(row["other_id"] for row in tx.rows(
        "SELECT other_id FROM shuns WHERE actor_id = ? AND (until IS NULL OR until > ?)", (actor_id, now)))


def shunning(tx: Tx, pairs: Collection[tuple[int, int]], now: int) -> frozenset[tuple[int, int]]:
    """Those of some pairs (doctor, other) where the doctor has blocked the other, or muted her until later than `now` (ms)."""
    return frozenset((row["actor_id"], row["other_id"]) for row in tx.rows(
        "SELECT actor_id, other_id FROM shuns WHERE (actor_id, other_id) IN"
        f" (VALUES {','.join(['(?, ?)'] * len(pairs))}) AND (until IS NULL OR until > ?)",
        (*(value for pair in pairs for value in pair), now)))


def follow_topics(tx: Tx, actor_id: int, topics: Iterable[str], now: int) -> None:
    """A doctor follows specialties (by code) and hashtags (with their `#`) from now on; what she follows already stays."""
    tx.insert("topic_follows (actor_id, topic, at)", 3, [(actor_id, topic, now) for topic in topics],
              "ON CONFLICT (actor_id, topic) DO NOTHING")


def unfollow_topics(tx: Tx, actor_id: int, topics: Iterable[str]) -> None:
    """A doctor follows these specialties and hashtags no longer."""
    for topic in topics:
        tx.run("DELETE FROM topic_follows WHERE actor_id = ? AND topic = ?", (actor_id, topic))


def followed_hashtags(tx: Tx, actor_id: int) -> int:
    """How many hashtags a doctor follows."""
    row = tx.row("SELECT count(*) AS n FROM topic_follows WHERE actor_id = ? AND substr(topic, 1, 1) = '#'", (actor_id,))
    return int(row["n"]) if row is not None else 0
