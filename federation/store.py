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
    tries: int


class Line(NamedTuple):
    """A sibling something is waiting for: whether anything may be sent now, and how sending is going."""

    sibling_id: int
    origin: str
    ready: bool
    next_try: int
    fail_count: int


# What is pending and whose object does not rest; ends in a parameter, the time now.
_READY = ("d.state = 'pending' AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.sibling_id = d.sibling_id"
          " AND e.object_key = d.object_key AND e.state = 'pending' AND e.next_try > 0 AND e.next_try > ?)")


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


def waiting(tx: Tx, sibling_id: int, limit: int, now: int) -> list[Parcel]:
    """The next parcels for a sibling: lane by lane, each object's in the order they were written, none of those at rest."""
    rows = tx.rows(
        "SELECT d.sequence, o.uri, d.object_key, o.body, o.digest, d.tries FROM deliveries d JOIN outbox o ON o.id = d.outbox_id"
        f" WHERE d.sibling_id = ? AND {_READY} ORDER BY d.lane, d.sequence LIMIT ?", (sibling_id, now, limit))
    return [Parcel(sibling_id, *row) for row in rows]


def lines(tx: Tx, now: int) -> list[Line]:
    """The siblings something is waiting for. Where everything rests, `next_try` says until when."""
    rows = tx.rows(
        f"SELECT s.id, s.origin, EXISTS (SELECT 1 FROM deliveries d WHERE d.sibling_id = s.id AND {_READY}) AS ready,"
        " coalesce((SELECT min(r.next_try) FROM deliveries r WHERE r.sibling_id = s.id AND r.state = 'pending'"
        " AND r.next_try > 0), 0) AS rested, l.next_try, l.fail_count"
        " FROM siblings s JOIN delivery_lines l ON l.sibling_id = s.id WHERE s.state = 'active'"
        " AND EXISTS (SELECT 1 FROM deliveries q WHERE q.sibling_id = s.id AND q.state = 'pending')", (now,))
    return [Line(row["id"], row["origin"], bool(row["ready"]),
                 row["next_try"] if row["ready"] else max(row["next_try"], row["rested"]), row["fail_count"]) for row in rows]


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


def rest(tx: Tx, sibling_id: int, failed: list[tuple[int, int]], error: str) -> None:
    """Leave these sequences, and with them their objects, alone until the time beside each; the line goes on."""
    for sequence, next_try in failed:
        tx.run("UPDATE deliveries SET tries = tries + 1, next_try = ? WHERE sibling_id = ? AND sequence = ?"
               " AND state = 'pending'", (next_try, sibling_id, sequence))
    tx.run("UPDATE delivery_lines SET last_error = ? WHERE sibling_id = ?", (error[:300], sibling_id))


def rouse(tx: Tx, sibling_id: int) -> None:
    """Nothing rests any longer: the sibling is back, or an operator wants everything tried."""
    tx.run("UPDATE deliveries SET next_try = 0 WHERE sibling_id = ? AND state = 'pending' AND next_try > 0", (sibling_id,))


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
