"""The numbers of our lines: epochs, what is skipped, what a sibling has of them, and what it is sent again.

A number stands for one activity for ever, and numbers only grow. An epoch begins where a sibling is sent its first bundle, and
anew whenever either side may have lost something or something is to be sent again: what waits is then numbered afresh, without
a gap. So whoever receives needs to know nothing but the epoch, up to where it has everything, and what came beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from core.database import Tx
from federation.bundles import RANGES, Later, Range, Receipt, Received, ranges
from federation.lanes import BACKLOG, FRESH
from federation.troubles import reason

_SKIPPED = 4096
_AHEAD = msgspec.json.Decoder(tuple[Range, ...])
_AGAIN = ("acked", "held")


class Outline(NamedTuple):
    """What the next bundle of a line says of itself, as Head names it; `confirmed` is what was known when it was made, and
    `hello` whether it tells how far we have come with the sibling's own line."""

    epoch: int
    start: int
    skipped: tuple[Range, ...]
    heard: int
    received: Received | None
    confirmed: int

    @property
    def hello(self) -> bool:
        return self.received is not None


def outline(tx: Tx, sibling_id: int) -> Outline | None:
    """What the next bundle of a line says; None where an epoch has to begin first."""
    row = tx.row("SELECT epoch, epoch_from, confirmed, heard, hello FROM delivery_lines WHERE sibling_id = ?", (sibling_id,))
    if row is None or not row["epoch_from"]:
        return None
    skipped = ranges([found["sequence"] for found in tx.rows(
        "SELECT sequence FROM deliveries WHERE sibling_id = ? AND sequence > ? AND state IN ('superseded', 'parked', 'dropped')"
        " ORDER BY sequence LIMIT ?", (sibling_id, row["confirmed"], _SKIPPED))])
    return Outline(row["epoch"], row["epoch_from"], skipped[:RANGES], row["heard"],
                   received(tx, sibling_id) if row["hello"] else None, row["confirmed"])


def is_at(tx: Tx, sibling_id: int, epoch: int) -> bool:
    """Whether a line is in this epoch."""
    return tx.row("SELECT 1 FROM delivery_lines WHERE sibling_id = ? AND epoch = ? AND epoch_from > 0",
                  (sibling_id, epoch)) is not None


def received(tx: Tx, sibling_id: int) -> Received:
    """How far a sibling's own line has come here; nothing of it where it has never sent a bundle."""
    row = tx.row("SELECT epoch, contiguous, ahead FROM arrival_lines WHERE sibling_id = ?", (sibling_id,))
    return Received(row["epoch"], row["contiguous"], _AHEAD.decode(row["ahead"])[:RANGES]) if row is not None else Received(0, 0)


def begin(tx: Tx, sibling_id: int, now: int, *, after: int = 0, hello: bool = False) -> None:
    """Begin a new epoch, later than the last one and than `after`: what waits gets the next numbers, in its order."""
    row = tx.row("SELECT next_sequence FROM delivery_lines WHERE sibling_id = ?", (sibling_id,))
    if row is None:
        return
    first = row["next_sequence"]
    moved = tx.run(
        "UPDATE deliveries SET sequence = ? + numbered.place FROM (SELECT sequence AS old, row_number() OVER (ORDER BY sequence)"
        " AS place FROM deliveries WHERE sibling_id = ? AND state = 'pending') AS numbered"
        " WHERE sibling_id = ? AND sequence = numbered.old", (first - 1, sibling_id, sibling_id))
    tx.run("UPDATE delivery_lines SET next_sequence = ?, epoch_from = ?, confirmed = ?, heard = 0,"
           " epoch = CASE WHEN epoch < ? AND ? < ? THEN ? WHEN epoch < ? THEN ? + 1 ELSE epoch + 1 END,"
           " hello = CASE WHEN ? = 1 THEN 1 ELSE hello END WHERE sibling_id = ?",
           (first + moved, first, first - 1, now, after, now, now, after, after, int(hello), sibling_id))
    tx.wake("delivery")


def close(tx: Tx, sibling_id: int) -> None:
    """Single activities are sent from now on, which have no place in an epoch: before the next bundle one begins anew."""
    tx.run("UPDATE delivery_lines SET epoch_from = 0 WHERE sibling_id = ? AND epoch_from > 0", (sibling_id,))


def restored(tx: Tx, now: int) -> None:
    """This database has come out of a backup: every line begins a new epoch, and every sibling is told what is here."""
    tx.run("UPDATE deliveries SET state = 'pending', settled_at = NULL WHERE state = 'held'")  # its end may have been told
    for row in tx.rows("SELECT sibling_id FROM delivery_lines WHERE epoch > 0"):
        begin(tx, row["sibling_id"], now, hello=True)


def lost_there(tx: Tx, sibling_id: int, there: Received, now: int) -> int:
    """A sibling says how far it has come with our line: what it has lost is sent again, in a new epoch. Returns how much."""
    row = tx.row("SELECT epoch, epoch_from FROM delivery_lines WHERE sibling_id = ?", (sibling_id,))
    if row is None:
        return 0
    upto = there.contiguous
    if there.epoch != row["epoch"] and row["epoch_from"] and row["epoch_from"] <= upto:
        upto = row["epoch_from"] - 1  # numbers of another epoch of ours, which we may have given again since
    return _again(tx, sibling_id, upto, there.ahead if there.epoch == row["epoch"] else (), now)


def _again(tx: Tx, sibling_id: int, upto: int, ahead: Sequence[Range], now: int) -> int:
    """What has arrived beyond `upto`, but for `ahead`, is owed again. Of what was deleted since, only the deletion."""
    kept = "".join(" AND sequence NOT BETWEEN ? AND ?" for _ in ahead)
    values = [number for one in ahead for number in one]
    found = 0
    for state in _AGAIN:
        found += tx.run(
            "UPDATE deliveries SET state = 'pending', reason = '', settled_at = NULL, tries = 0, next_try = 0,"
            " lane = CASE WHEN lane = ? THEN ? ELSE lane END WHERE sibling_id = ? AND sequence > ? AND state = ?"
            f"{kept} AND outbox_id IN (SELECT id FROM outbox WHERE body <> x'')",
            (FRESH, BACKLOG, sibling_id, upto, state, *values))
    if found:
        begin(tx, sibling_id, now)
    return found


def heard(tx: Tx, sibling_id: int, sent: Outline, made: Receipt, body: bytes, numbers: Sequence[int], receipt_id: int,
          now: int) -> None:
    """Keep a sibling's receipt for the activities of these numbers, and take in what it says beyond them."""
    if numbers:
        tx.run("INSERT INTO receipts (id, sibling_id, epoch, first, last, at, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
               (receipt_id, sibling_id, made.epoch, min(numbers), max(numbers), now, body))
    for one in made.later:
        _came_later(tx, sibling_id, one, now)
    tx.run("UPDATE delivery_lines SET confirmed = CASE WHEN confirmed < ? THEN ? ELSE confirmed END,"
           " heard = CASE WHEN heard < ? THEN ? ELSE heard END, hello = CASE WHEN ? = 1 THEN 0 ELSE hello END"
           " WHERE sibling_id = ?",
           (made.contiguous, made.contiguous, *[made.later[-1].number if made.later else 0] * 2, int(sent.hello), sibling_id))


def lost_since(tx: Tx, sibling_id: int, sent: Outline, made: Receipt, now: int) -> int:
    """How much a sibling has lost that it had when a bundle was sent to it, to judge by the receipt: that is sent again."""
    if made.contiguous >= sent.confirmed:
        return 0
    return _again(tx, sibling_id, made.contiguous, made.ahead, now)


def _came_later(tx: Tx, sibling_id: int, one: Later, now: int) -> None:
    row = tx.row("SELECT o.uri, d.state FROM deliveries d JOIN outbox o ON o.id = d.outbox_id"
                 " WHERE d.sibling_id = ? AND d.sequence = ?", (sibling_id, one.sequence))
    if row is None or row["uri"] != one.activity or row["state"] not in ("held", "parked"):
        return
    state, why = ("acked", "") if one.result == "stored" else ("parked", reason("refused", one.title))
    tx.run("UPDATE deliveries SET state = ?, reason = ?, settled_at = ? WHERE sibling_id = ? AND sequence = ?",
           (state, why, now, sibling_id, one.sequence))


def prune(tx: Tx, receipts_before: int, sent_before: int, most: int) -> int:
    """Forget receipts from before a moment (ms), and the text of what was queued before another and every sibling has; at most so
    many of each. Returns how many there were. Deletions, which hold no text, can be sent again for ever."""
    forgotten = tx.run("DELETE FROM receipts WHERE id IN (SELECT id FROM receipts WHERE at < ? LIMIT ?)", (receipts_before, most))
    return forgotten + tx.run(
        "UPDATE outbox SET body = x'' WHERE id IN (SELECT o.id FROM outbox o WHERE o.created_at < ? AND o.body <> x''"
        " AND o.type <> 'Delete' AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.object_key = o.object_key"
        " AND d.outbox_id = o.id AND d.state IN ('pending', 'held', 'parked')) LIMIT ?)", (sent_before, most))
