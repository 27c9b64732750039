"""The outbox in SQL: activities once, one row per (sibling, sequence) beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from core.database import Row, Tx, marks
from core.ids import uri_key
from federation import sequences
from federation.lanes import BACKLOG, FRESH
from federation.listed import SENT_TO, SiblingState, entry, listed, still_there
from federation.troubles import REVOKED

_AWAY_MS = 60_000


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
    """One activity for one sibling, in its lane; `tries` is how often it has been put off."""

    sequence: int
    uri: str
    object_key: bytes
    body: bytes
    digest: str
    tries: int
    lane: int


class Ahead(NamedTuple):
    """The moments (ms) that something can wait for. What lies later was written by a clock that was ahead and has passed."""

    first: int
    last: int


def forget(tx: Tx, about_uri: str, now: int) -> None:
    """A post is deleted: what was not sent about it never will be, and no body about it stays, but for the Delete itself."""
    about = uri_key(about_uri)
    tx.run("UPDATE deliveries SET state = 'superseded', settled_at = ? WHERE state = 'pending'"
           " AND object_key IN (SELECT object_key FROM outbox WHERE about_key = ?)"
           " AND outbox_id IN (SELECT id FROM outbox WHERE about_key = ? AND type <> 'Delete')", (now, about, about))
    tx.run("UPDATE outbox SET body = x'' WHERE about_key = ? AND type <> 'Delete'", (about,))


def enqueue(tx: Tx, outbox_id: int, activity: Outgoing, sibling_ids: list[int], now: int, *, alone: bool = False) -> None:
    """Write the activity and its delivery rows in the caller's transaction. What comes while a sibling is away for more than a
    minute goes behind what is fresh when it is back.

    A Delete is owed to every sibling that was ever sent something of its object, whatever has become of that; an earlier one
    that has ended without being confirmed gives way to it. Where the gate is closed for good it is parked, and goes out if the
    sibling is admitted again (`sibling_changed`). `alone`: the others know of it.
    """
    object_key = uri_key(activity.object_uri)
    if activity.type == "Delete" and not alone:
        sent = tx.rows("SELECT DISTINCT sibling_id FROM deliveries WHERE object_key = ?", (object_key,))
        sibling_ids = still_there(tx, sorted({*sibling_ids, *(row["sibling_id"] for row in sent)}))
        tx.run("UPDATE deliveries SET state = 'superseded', settled_at = ? WHERE object_key = ? AND deletes = 1"
               f" AND state IN ('parked', 'dropped') AND sibling_id IN ({marks(len(sibling_ids))})",
               (now, object_key, *sibling_ids))
    if not sibling_ids:
        return
    tx.run("INSERT INTO outbox (id, uri, type, object_key, about_key, body, digest, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
           (outbox_id, activity.uri, activity.type, object_key, uri_key(activity.about_uri or activity.object_uri),
            activity.body, activity.digest, now))
    numbers = tx.rows(
        f"UPDATE delivery_lines SET next_sequence = next_sequence + 1 WHERE sibling_id IN ({marks(len(sibling_ids))})"
        " RETURNING sibling_id, next_sequence - 1 AS sequence, failing_since", sibling_ids)
    tx.insert("deliveries (sibling_id, sequence, outbox_id, object_key, lane, deletes)", 6,
              [(row["sibling_id"], row["sequence"], outbox_id, object_key, _lane(activity.lane, row["failing_since"], now),
                int(activity.type == "Delete"))
               for row in numbers])
    if activity.type == "Delete" and (closed := [one.id for one in listed(tx) if one.state not in SENT_TO]):
        tx.run("UPDATE deliveries SET state = 'parked', reason = ?, settled_at = ? WHERE object_key = ? AND state = 'pending'"
               f" AND sibling_id IN ({marks(len(closed))})", (REVOKED, now, object_key, *closed))
    tx.wake("delivery")


def _lane(lane: int, failing_since: int | None, now: int) -> int:
    away = failing_since is not None and now - failing_since > _AWAY_MS
    return BACKLOG if away and lane == FRESH else lane


def supersede(tx: Tx, object_uri: str, now: int) -> None:
    """Something newer about an object is going out: what of it has not been sent never will be, and its body goes. What was on
    the wire meanwhile may arrive all the same."""
    key = (uri_key(object_uri),)
    waiting = [row["outbox_id"] for row in tx.rows(
        "SELECT DISTINCT outbox_id FROM deliveries WHERE object_key = ? AND state = 'pending'", key)]
    tx.run("UPDATE deliveries SET state = 'superseded', settled_at = ? WHERE object_key = ? AND state = 'pending'", (now, *key))
    tx.run(f"UPDATE outbox SET body = x'' WHERE id IN ({marks(len(waiting))})", waiting)


def forget_said(tx: Tx, object_uri: str, now: int) -> list[int]:
    """What an object has said so far is not to be found any more: what of it was not sent never will be, and no body that says it
    stays. Returns the siblings that may not have the object at all, because nothing says that its Create has arrived."""
    key = (uri_key(object_uri),)
    said = ("SELECT o.id FROM outbox o JOIN deliveries d ON d.outbox_id = o.id WHERE d.object_key = ?"
            " AND o.type IN ('Create', 'Update')")
    without = [row["sibling_id"] for row in tx.rows(
        "SELECT DISTINCT d.sibling_id FROM deliveries d JOIN outbox o ON o.id = d.outbox_id WHERE d.object_key = ?"
        " AND o.type = 'Create' AND d.state IN ('pending', 'held', 'parked') AND NOT EXISTS (SELECT 1 FROM deliveries a"
        " JOIN outbox c ON c.id = a.outbox_id WHERE a.object_key = d.object_key AND a.sibling_id = d.sibling_id"
        " AND c.type = 'Create' AND a.state = 'acked')", key)]
    tx.run("UPDATE deliveries SET state = 'superseded', settled_at = ? WHERE object_key = ? AND state = 'pending'"
           f" AND outbox_id IN ({said})", (now, *key, *key))
    tx.run(f"UPDATE outbox SET body = x'' WHERE id IN ({said})", key)
    return without


class Standing(StrEnum):
    """How an object stands with a sibling: something of it is on its way or held there; everything has arrived; or the last of
    it never will, because the sibling refused it or an operator has dropped it."""

    MOVING = "moving"
    SENT = "sent"
    ENDED = "ended"


_STANDINGS = {"pending": Standing.MOVING, "held": Standing.MOVING, "parked": Standing.ENDED, "dropped": Standing.ENDED}


def standing(tx: Tx, sibling_id: int, object_keys: Sequence[bytes]) -> dict[bytes, Standing]:
    """How these objects stand with a sibling, those apart that it was never sent."""
    found: dict[bytes, Standing] = {}
    for row in tx.rows(f"SELECT object_key, state FROM deliveries WHERE object_key IN ({marks(len(object_keys))})"
                       " AND sibling_id = ? ORDER BY sequence", (*object_keys, sibling_id)):
        if found.get(row["object_key"]) != Standing.MOVING:
            found[row["object_key"]] = _STANDINGS.get(row["state"], Standing.SENT)
    return found


def arrived(tx: Tx, outbox_id: int, object_uri: str, sibling_id: int, now: int) -> None:
    """A sibling turns out to have an object, and nothing here knows that it was sent there. Its number lies before all that are
    ever sent, so that it leaves no gap."""
    key = uri_key(object_uri)
    row = tx.row("SELECT min(sequence) AS first FROM deliveries WHERE sibling_id = ? AND sequence < 0", (sibling_id,))
    number = (row["first"] or 0) - 1 if row is not None else -1
    tx.run("INSERT INTO outbox (id, uri, type, object_key, about_key, body, digest, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
           (outbox_id, f"{object_uri}#create", "Create", key, key, b"", "", now))
    tx.run("INSERT INTO deliveries (sibling_id, sequence, outbox_id, object_key, lane, state, settled_at)"
           " VALUES (?, ?, ?, ?, ?, 'acked', ?)", (sibling_id, number, outbox_id, key, BACKLOG, now))


# A parcel is the first of its object if nothing older of it is waiting: this alone keeps an object's activities in order.
_FIRST = ("NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.object_key = d.object_key AND e.sibling_id = d.sibling_id"
          " AND e.state = 'pending' AND e.sequence < d.sequence)")
_PENDING = f"d.state = 'pending' AND d.next_try NOT BETWEEN ? AND ? AND {_FIRST}"


def waiting(tx: Tx, sibling_id: int, ahead: Ahead, busy: Sequence[bytes], limit: int, *, again: bool) -> list[Parcel]:
    """What may go to a sibling now, lane by lane: the first parcel of each object that is not `busy`. `again` asks for those
    that have been put off before, least often first, else for those that have not."""
    rows = tx.rows(
        "SELECT d.sequence, o.uri, d.object_key, o.body, o.digest, d.tries, d.lane FROM deliveries d"
        " JOIN outbox o ON o.id = d.outbox_id"
        f" WHERE d.sibling_id = ? AND d.tries {'>' if again else '='} 0 AND {_PENDING}"
        f" AND d.object_key NOT IN ({marks(len(busy) + 1)}) ORDER BY d.tries, d.lane, d.sequence LIMIT ?",
        (sibling_id, *ahead, b"", *busy, limit))
    return [Parcel(*row) for row in rows]


def was_put_off(tx: Tx, sibling_id: int) -> bool:
    """Whether anything that waits for a sibling has been put off before; nearly always nothing has."""
    return tx.row("SELECT 1 FROM deliveries WHERE sibling_id = ? AND tries > 0 AND state = 'pending' LIMIT 1",
                  (sibling_id,)) is not None


class Due(NamedTuple):
    """A sibling something is waiting for, and when it may be tried: 0 for now. `asks_only`: nothing is to be sent, but the
    sibling may know what became of what it held."""

    id: int
    origin: str
    due: int
    asks_only: bool


_BUNDLES = "EXISTS (SELECT 1 FROM siblings s WHERE s.id = l.sibling_id AND s.bundle_inbox <> '' AND s.document_key <> '')"
_HOLDS = "EXISTS (SELECT 1 FROM deliveries d WHERE d.sibling_id = l.sibling_id AND d.state = 'held')"


def lines(tx: Tx, ahead: Ahead) -> list[Due]:
    """The active siblings something is waiting for, or that have to be told or asked something."""
    active = {one.id: one.origin for one in listed(tx) if one.state == SiblingState.ACTIVE}
    rows = tx.rows(
        "SELECT * FROM (SELECT l.sibling_id AS id, CASE WHEN l.next_try BETWEEN ? AND ? THEN l.next_try"
        f" WHEN EXISTS (SELECT 1 FROM deliveries d WHERE d.sibling_id = l.sibling_id AND {_PENDING})"
        f" OR (l.hello = 1 AND {_BUNDLES}) THEN 0"
        f" WHEN {_HOLDS} AND {_BUNDLES} THEN -1"
        " ELSE (SELECT min(d.next_try) FROM deliveries d WHERE d.sibling_id = l.sibling_id AND d.state = 'pending'"
        "  AND d.next_try BETWEEN ? AND ?) END AS due"
        f" FROM delivery_lines l WHERE l.sibling_id IN ({marks(len(active))})) AS found WHERE due IS NOT NULL",
        (*ahead, *ahead, *ahead, *active))
    return [Due(row["id"], active[row["id"]], max(row["due"], 0), row["due"] < 0) for row in rows]


def line(tx: Tx, sibling_id: int) -> Row | None:
    """How sending to a sibling is going; None where nothing is sent at the moment."""
    found = entry(tx, sibling_id)
    if found is None or found.state != SiblingState.ACTIVE:
        return None
    return tx.row("SELECT l.next_try, l.fail_count, l.alarm, s.bundle_inbox <> '' AND s.document_key <> '' AS bundles"
                  " FROM delivery_lines l JOIN siblings s ON s.id = l.sibling_id WHERE l.sibling_id = ?", (sibling_id,))


def acknowledge(tx: Tx, sibling_id: int, numbers: Sequence[int], now: int) -> None:
    """These have arrived. Rows that were superseded or parked meanwhile stay so, and say that they were sent all the same."""
    acked = tx.run("UPDATE deliveries SET state = 'acked', reason = '', settled_at = ? WHERE sibling_id = ?"
                   f" AND state = 'pending' AND sequence IN ({marks(len(numbers))})", (now, sibling_id, *numbers))
    if acked < len(numbers):
        tried(tx, sibling_id, numbers, now)
    tx.run("UPDATE delivery_lines SET last_out = ? WHERE sibling_id = ?", (now, sibling_id))


def hold_there(tx: Tx, sibling_id: int, numbers: Sequence[int], now: int) -> None:
    """These have arrived and wait there, unseen, for something that is missing; the sibling says later what became of them."""
    tx.run("UPDATE deliveries SET state = 'held', reason = '', settled_at = ? WHERE sibling_id = ?"
           f" AND state = 'pending' AND sequence IN ({marks(len(numbers))})", (now, sibling_id, *numbers))
    tried(tx, sibling_id, numbers, now)
    tx.run("UPDATE delivery_lines SET last_out = ? WHERE sibling_id = ?", (now, sibling_id))


def takes_no_bundles(tx: Tx, sibling_id: int) -> None:
    """A sibling has answered that it has no inbox for bundles: single activities are sent until it shows one again."""
    tx.run("UPDATE siblings SET bundle_inbox = '' WHERE id = ?", (sibling_id,))


def tried(tx: Tx, sibling_id: int, numbers: Sequence[int], now: int) -> None:
    """These were on the wire and are not acknowledged: nobody here knows whether they have arrived."""
    tx.run("UPDATE deliveries SET tried_at = ? WHERE sibling_id = ? AND state <> 'acked'"
           f" AND sequence IN ({marks(len(numbers))})", (now, sibling_id, *numbers))


def park(tx: Tx, sibling_id: int, sequence: int, reason: str, now: int) -> None:
    """This one can never arrive; it stays where its reason can be read."""
    tx.run("UPDATE deliveries SET state = 'parked', reason = ?, settled_at = ? WHERE sibling_id = ? AND sequence = ?"
           " AND state = 'pending'", (reason, now, sibling_id, sequence))


def put_off(tx: Tx, sibling_id: int, sequence: int, reason: str, now: int, next_try: int) -> None:
    """This one waits, and what comes after it of the same object; everything else goes on."""
    tx.run("UPDATE deliveries SET tries = tries + 1, next_try = ?, reason = ? WHERE sibling_id = ? AND sequence = ?"
           " AND state = 'pending'", (next_try, reason, sibling_id, sequence))
    tx.run("UPDATE delivery_lines SET failing_since = ? WHERE sibling_id = ? AND failing_since IS NULL", (now, sibling_id))


def hold(tx: Tx, sibling_id: int, fail_count: int, reason: str, now: int, next_try: int, *, alarm: bool) -> None:
    """The whole line waits."""
    tx.run("UPDATE delivery_lines SET fail_count = ?, failing_since = coalesce(failing_since, ?), next_try = ?, last_error = ?,"
           " alarm = ? WHERE sibling_id = ?", (fail_count, now, next_try, reason, alarm, sibling_id))


def recovered(tx: Tx, sibling_id: int, ahead: Ahead) -> None:
    """The sibling answers as it should. A line that was told to wait meanwhile still does."""
    tx.run("UPDATE delivery_lines SET fail_count = 0, failing_since = NULL, next_try = 0, last_error = '', alarm = 0"
           " WHERE sibling_id = ? AND failing_since IS NOT NULL AND next_try NOT BETWEEN ? AND ?", (sibling_id, *ahead))


def retry(tx: Tx, sibling_id: int) -> None:
    """An operator wants everything that waits to be tried at once."""
    tx.run("UPDATE delivery_lines SET alarm = 0, fail_count = 0, failing_since = NULL, next_try = 0, last_error = ''"
           " WHERE sibling_id = ?", (sibling_id,))
    tx.run("UPDATE deliveries SET tries = 0, next_try = 0, reason = '' WHERE sibling_id = ? AND state = 'pending' AND tries > 0",
           (sibling_id,))
    tx.wake("delivery")


def send_again(tx: Tx, sibling_id: int, which: str, values: Sequence[object], now: int) -> int:
    """Some of a line's deliveries that have ended (`which` is a condition on `d`) wait again, under new numbers at its end and
    in their order; how many. The old numbers stay, as superseded: a number stands for one activity, and is sent or skipped."""
    chosen = f"FROM deliveries d WHERE d.sibling_id = ? AND {which}"
    found = tx.row(f"SELECT count(*) AS n {chosen}", (sibling_id, *values))
    many = int(found["n"]) if found is not None else 0
    if not many:
        return 0
    [line] = tx.rows("UPDATE delivery_lines SET next_sequence = next_sequence + ? WHERE sibling_id = ? RETURNING next_sequence",
                     (many, sibling_id))
    end = int(line["next_sequence"])
    tx.run("INSERT INTO deliveries (sibling_id, sequence, outbox_id, object_key, lane, deletes, tried_at)"
           " SELECT d.sibling_id, ? + row_number() OVER (ORDER BY d.sequence), d.outbox_id, d.object_key, d.lane, d.deletes,"
           f" d.tried_at {chosen}", (end - many - 1, sibling_id, *values))
    tx.run(f"UPDATE deliveries SET state = 'superseded', tried_at = NULL, settled_at = ? WHERE sibling_id = ? AND sequence IN"
           f" (SELECT d.sequence {chosen} AND d.sequence < ?)", (now, sibling_id, sibling_id, *values, end - many))
    tx.wake("delivery")
    return many


def sibling_changed(tx: Tx, sibling_id: int, state: str, now: int) -> None:
    """A revocation ends what waits. On activation everything is tried at once, behind what is fresh, and deletions that the
    revocation had ended are owed again: what else was parked stays so."""
    if state == "revoked":
        tx.run("UPDATE deliveries SET state = 'parked', reason = ?, settled_at = ? WHERE sibling_id = ? AND state = 'pending'",
               (REVOKED, now, sibling_id))
    if state == "active":
        send_again(tx, sibling_id, "d.state = 'parked' AND d.deletes = 1 AND d.reason = ?", (REVOKED,), now)
        tx.run("UPDATE deliveries SET lane = ? WHERE sibling_id = ? AND state = 'pending' AND lane = ?",
               (BACKLOG, sibling_id, FRESH))
        sequences.close(tx, sibling_id)
    retry(tx, sibling_id)


OPEN_DELETION = "d.deletes = 1 AND d.state <> 'acked' AND d.state <> 'superseded'"
"""A deletion of the table `deliveries d` that a sibling has not confirmed, as the index of them says it."""


def undeleted(tx: Tx, sibling_id: int) -> int:
    """How many deletions a sibling has not confirmed: they wait for it, or have ended without it."""
    row = tx.row(f"SELECT count(*) AS n FROM deliveries d WHERE d.sibling_id = ? AND {OPEN_DELETION} AND d.state <> 'dropped'",
                 (sibling_id,))
    return int(row["n"]) if row is not None else 0


def unconfirmable(tx: Tx, sibling_id: int) -> int:
    """How many deletions a sibling will not be asked for any more, because an operator has dropped them."""
    row = tx.row(f"SELECT count(*) AS n FROM deliveries d WHERE d.sibling_id = ? AND {OPEN_DELETION} AND d.state = 'dropped'",
                 (sibling_id,))
    return int(row["n"]) if row is not None else 0


class Arrived(NamedTuple):
    """Where an activity stands with a sibling; when it was written and when it came into a state that it stays in (ms)."""

    origin: str
    state: str
    reason: str
    type: str
    created_at: int
    settled_at: int | None


def arrivals(tx: Tx, object_uris: Sequence[str], origins: Mapping[int, str]) -> dict[str, list[Arrived]]:
    """Where what was sent of these objects stands: per object one entry per sibling of `origins` and activity, in the
    order of their numbers, so that the last one counts."""
    keys = {uri_key(uri): uri for uri in object_uris}
    found: dict[str, list[Arrived]] = {uri: [] for uri in object_uris}
    for row in tx.rows(
            "SELECT d.object_key, d.sibling_id, d.sequence, d.state, d.reason, d.settled_at, o.type, o.created_at"
            " FROM deliveries d JOIN outbox o ON o.id = d.outbox_id"
            f" WHERE d.object_key IN ({marks(len(keys))}) AND o.type IN ('Create', 'Update', 'Delete')"
            " ORDER BY d.sequence", list(keys)) if keys else ():
        if origin := origins.get(row["sibling_id"]):
            found[keys[row["object_key"]]].append(
                Arrived(origin, row["state"], row["reason"], row["type"], row["created_at"], row["settled_at"]))
    return found
