"""Follows in SQL: who asks to follow whom, and who does. A pair has one row, whichever of the two is here."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from core.database import Row, Tx, marks
from core.ids import uri_key

_COLUMNS = "uri, follower_id, followed_id, state, at"


class FollowState(StrEnum):
    REQUESTED = "requested"
    ACCEPTED = "accepted"


class Follow(msgspec.Struct, frozen=True):
    """One doctor follows another one, or asks to; `uri` is the id of the Follow, `at` since when (ms)."""

    uri: str
    follower_id: int
    followed_id: int
    state: FollowState
    at: int


def request(tx: Tx, follow: Follow) -> None:
    """Enter a request, from here or from a sibling. It takes the place of what there was between the two, and waits for
    consent, be it anew."""
    tx.run("INSERT INTO follows (follower_id, followed_id, state, uri, uri_key, at) VALUES (?, ?, ?, ?, ?, ?)"
           " ON CONFLICT (follower_id, followed_id) DO UPDATE SET state = excluded.state, uri = excluded.uri,"
           " uri_key = excluded.uri_key, at = excluded.at",
           (follow.follower_id, follow.followed_id, FollowState.REQUESTED, follow.uri, uri_key(follow.uri), follow.at))


def accept(tx: Tx, follow: Follow, now: int) -> bool:
    """Consent to a request, given here or at a sibling; whether it has become a follow only now."""
    return bool(tx.run("UPDATE follows SET state = ?, at = ? WHERE uri_key = ? AND state = ?",
           (FollowState.ACCEPTED, now, uri_key(follow.uri), FollowState.REQUESTED)))


def end(tx: Tx, uri: str) -> None:
    """It is withdrawn, declined, or over."""
    tx.run("DELETE FROM follows WHERE uri_key = ?", (uri_key(uri),))


def between(tx: Tx, follower_id: int, followed_id: int) -> Follow | None:
    """What there is from one to the other."""
    row = tx.row(f"SELECT {_COLUMNS} FROM follows WHERE follower_id = ? AND followed_id = ?", (follower_id, followed_id))
    return _from(row) if row is not None else None


def by_uris(tx: Tx, uris: Sequence[str]) -> dict[str, Follow]:
    """The follows of these URIs."""
    rows = tx.rows(f"SELECT {_COLUMNS} FROM follows WHERE uri_key IN ({marks(len(uris))})",
                   [uri_key(uri) for uri in uris]) if uris else []
    return {row["uri"]: _from(row) for row in rows}


def _from(row: Row) -> Follow:
    return Follow(row["uri"], row["follower_id"], row["followed_id"], FollowState(row["state"]), row["at"])
