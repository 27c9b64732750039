"""The outbox in SQL: activities once, one row per (sibling, sequence) beside them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from core.database import Row, Tx, marks
from core.ids import uri_key

URGENT, FRESH, BACKLOG = 0, 1, 2


class Outgoing(msgspec.Struct, frozen=True):
    """An activity on its way out: serialised and digested once, signed per sibling. `about_uri` is the post whose deletion
    takes it along, where that is another than the object."""

    uri: str
    type: str
    object_uri: str
    body: bytes
    digest: str
    lane: int = FRESH
    about_uri: str | None = None


class Parcel(NamedTuple):
    """One activity for one sibling."""

    sibling_id: int
    sequence: int
    uri: str
    object_key: bytes
    body: bytes
    digest: str


def forget(tx: Tx, about_uri: str, now: int) -> None:
    """A post is deleted: what was not sent about it never will be, and no body about it stays, but for the Delete itself."""
    about = (uri_key(about_uri),)
    tx.run("UPDATE deliveries SET state = 'superseded', settled_at = ? WHERE state = 'pending' AND outbox_id IN"
           " (SELECT id FROM outbox WHERE about_key = ? AND type <> 'Delete')", (now, *about))
    tx.run("UPDATE outbox SET body = x'' WHERE about_key = ? AND type <> 'Delete'", about)


def enqueue(tx: Tx, outbox_id: int, activity: Outgoing, sibling_ids: list[int], now: int) -> None:
    """Write the activity and its delivery rows in the caller's transaction."""
    object_key = uri_key(activity.object_uri)
    if not sibling_ids:
        return
    tx.run("INSERT INTO outbox (id, uri, type, object_key, about_key, body, digest, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
           (outbox_id, activity.uri, activity.type, object_key, uri_key(activity.about_uri or activity.object_uri),
            activity.body, activity.digest, now))
    numbers = tx.rows(
        f"UPDATE delivery_lines SET next_sequence = next_sequence + 1 WHERE sibling_id IN ({marks(len(sibling_ids))})"
        " RETURNING sibling_id, next_sequence - 1 AS sequence", sibling_ids)
    tx.insert("deliveries (sibling_id, sequence, outbox_id, object_key, lane)", 5,
              [(row["sibling_id"], row["sequence"], outbox_id, object_key, activity.lane) for row in numbers])
    tx.wake("delivery")


def waiting(tx: Tx, sibling_id: int, limit: int) -> list[Parcel]:
    """The next parcels for a sibling: lane by lane, each object's in the order they were written."""
    rows = tx.rows(
        "SELECT d.sequence, o.uri, d.object_key, o.body, o.digest FROM deliveries d JOIN outbox o ON o.id = d.outbox_id"
        " WHERE d.sibling_id = ? AND d.state = 'pending' ORDER BY d.lane, d.sequence LIMIT ?", (sibling_id, limit))
    return [Parcel(sibling_id, row["sequence"], row["uri"], row["object_key"], row["body"], row["digest"]) for row in rows]


def lines(tx: Tx) -> list[Row]:
    """The siblings something is waiting for, with how sending to them is going."""
    return tx.rows(
        "SELECT s.id, s.origin, s.state, d.next_try, d.fail_count FROM siblings s JOIN delivery_lines d ON d.sibling_id = s.id"
        " WHERE s.state = 'active'"
        " AND EXISTS (SELECT 1 FROM deliveries q WHERE q.sibling_id = s.id AND q.state = 'pending')")


def settle(tx: Tx, sibling_id: int, acked: list[int], parked: list[tuple[int, str]], now: int) -> None:
    """Record what one round achieved. Rows that were superseded meanwhile stay so."""
    if acked:
        tx.run(f"UPDATE deliveries SET state = 'acked', settled_at = ? WHERE sibling_id = ? AND state = 'pending'"
               f" AND sequence IN ({marks(len(acked))})", (now, sibling_id, *acked))
        tx.run("UPDATE delivery_lines SET last_out = ?, fail_count = 0, failing_since = NULL, next_try = 0, last_error = '',"
               " alarm = '' WHERE sibling_id = ?", (now, sibling_id))
    for sequence, reason in parked:
        tx.run("UPDATE deliveries SET state = 'parked', reason = ?, settled_at = ? WHERE sibling_id = ? AND sequence = ?"
               " AND state = 'pending'", (reason, now, sibling_id, sequence))


def stumble(tx: Tx, sibling_id: int, now: int, next_try: int, error: str, alarm: str) -> None:
    """Record that sending failed and when it is tried again; nothing leaves the queue."""
    tx.run("UPDATE delivery_lines SET fail_count = fail_count + 1, failing_since = coalesce(failing_since, ?), next_try = ?,"
           " last_error = ?, alarm = ? WHERE sibling_id = ?", (now, next_try, error[:300], alarm, sibling_id))


def arrival(tx: Tx, object_uri: str) -> list[Row]:
    """Where the latest activity about an object stands: one row per sibling."""
    return tx.rows(
        "SELECT s.origin, s.country, s.state AS sibling_state, d.state, o.created_at, o.type FROM deliveries d"
        " JOIN outbox o ON o.id = d.outbox_id JOIN siblings s ON s.id = d.sibling_id"
        " WHERE d.object_key = ? ORDER BY d.sequence", (uri_key(object_uri),))
