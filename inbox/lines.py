"""How far each sibling's line has come here, and what became later of what was held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from core.database import Tx, marks
from core.errors import Conflict
from federation.bundles import Head, Later, Range, Received, joined, ranges

_SPARSE = 4096
_KEPT = 4096
_LATER = 64
_RANGES = msgspec.json.Decoder(tuple[Range, ...])
_NUMBERS = msgspec.json.Decoder(list[int])
_JSON = msgspec.json.Encoder()
FINGERPRINT = 16
"""How many bytes of an activity's digest stand for it, as long as somebody may ask."""


class OtherEpoch(Conflict):
    """The sender has to begin a new epoch, later than `epoch`: it has lost what it knew, or its line has become too sparse."""

    reason = "new-epoch"

    def __init__(self, sentence: str, epoch: int) -> None:
        super().__init__(sentence)
        self.epoch = epoch

    def problem(self) -> dict[str, object]:
        """The problem document, which names the epoch."""
        return super().problem() | {"epoch": self.epoch}


class Line(NamedTuple):
    """A sibling's line as it has come here: everything up to `contiguous`, and `ahead` of it; `highest` ever."""

    epoch: int
    contiguous: int
    highest: int
    ahead: tuple[Range, ...]

    def received(self) -> Received:
        """The same as it is told."""
        return Received(self.epoch, self.contiguous, self.ahead)


def line(tx: Tx, sibling_id: int) -> Line | None:
    """How far a sibling's line has come; None where it has never sent a bundle."""
    row = tx.row("SELECT epoch, contiguous, highest, ahead FROM arrival_lines WHERE sibling_id = ?", (sibling_id,))
    return Line(row["epoch"], row["contiguous"], row["highest"], _RANGES.decode(row["ahead"])) if row is not None else None


class Place:
    """Where the line of one sibling is, while bundles of it are dealt with in one transaction: read once, written once."""

    def __init__(self, tx: Tx, sibling_id: int) -> None:
        self._sibling_id, self._was = sibling_id, line(tx, sibling_id)
        self._line = self._was
        self._arrived: list[tuple[int, int, int, str, bytes]] = []

    def check(self, tx: Tx, head: Head, items: Sequence[bytes]) -> None:
        """`OtherEpoch` where a bundle cannot belong to the line as it is known here; `items` are the activities' fingerprints."""
        known = self._line
        if known is None or head.epoch > known.epoch:
            return
        if head.epoch < known.epoch:
            raise OtherEpoch("A later epoch of this line has begun.", known.epoch)
        if len(known.ahead) > _SPARSE:
            raise OtherEpoch("This line has more gaps than are kept.", known.epoch)
        if not head.sequences or head.sequences[0] > known.highest:
            return
        before = _before(tx, self._sibling_id, head.sequences[0], head.sequences[-1])
        if any(before.get(sequence, item) != item for sequence, item in zip(head.sequences, items, strict=True)):
            raise OtherEpoch("A number of this line stood for another activity before.", known.epoch)

    def advance(self, head: Head, items: dict[int, bytes]) -> Line:
        """A bundle has come: `items` are those that were dealt with, their fingerprints by rising number. How far the line is
        then, once that is kept."""
        known = self._line
        if known is None or known.epoch != head.epoch:
            known = Line(head.epoch, head.start - 1, head.start - 1, ())
        numbers = list(items)
        seen = joined((*known.ahead, *ranges(numbers), *head.skipped))
        contiguous = known.contiguous
        while seen and seen[0][0] <= contiguous + 1:
            contiguous = seen[0][1] if seen[0][1] > contiguous else contiguous
            seen = seen[1:]
        if numbers:
            self._arrived.append((self._sibling_id, numbers[0], numbers[-1], _JSON.encode(numbers).decode(),
                                  b"".join(items.values())))
        self._line = Line(head.epoch, contiguous, max(known.highest, contiguous, *numbers[-1:]), seen)
        return self._line

    def keep(self, tx: Tx, now: int) -> None:
        """Write down how far the line has come, and what has brought it there."""
        made, was = self._line, self._was
        if made is None or made is was:
            return
        anew = was is None or was.epoch != made.epoch
        if anew:
            tx.run("DELETE FROM arrived_bundles WHERE sibling_id = ?", (self._sibling_id,))
        tx.insert("arrived_bundles (sibling_id, first, last, sequences, items)", 5, self._arrived)
        if was is not None and not anew and made.highest // _KEPT != was.highest // _KEPT:
            tx.run("DELETE FROM arrived_bundles WHERE sibling_id = ? AND last < ?", (self._sibling_id, made.highest - _KEPT))
        tx.run("INSERT INTO arrival_lines (sibling_id, epoch, contiguous, highest, ahead, changed_at, told)"
               " VALUES (?, ?, ?, ?, ?, ?, ?)"
               " ON CONFLICT (sibling_id) DO UPDATE SET epoch = excluded.epoch, contiguous = excluded.contiguous,"
               " highest = excluded.highest, ahead = excluded.ahead, changed_at = excluded.changed_at",
               (self._sibling_id, made.epoch, made.contiguous, made.highest, _JSON.encode(made.ahead).decode(), now, now))


def _before(tx: Tx, sibling_id: int, first: int, last: int) -> dict[int, bytes]:
    """What these numbers stood for, as far as it is remembered."""
    found: dict[int, bytes] = {}
    for row in tx.rows("SELECT sequences, items FROM arrived_bundles WHERE sibling_id = ? AND last >= ? AND first <= ?",
                       (sibling_id, first, last)):
        numbers = _NUMBERS.decode(row["sequences"])
        found |= {number: row["items"][FINGERPRINT * place:FINGERPRINT * (place + 1)] for place, number in enumerate(numbers)}
    return found


def came_later(tx: Tx, keys: Sequence[bytes], result: str, title: str = "") -> None:
    """What was held under these keys of the ledger has come to its end: stored, or refused for the reason `title`. Who sent it
    under a number will hear it."""
    for row in tx.rows("SELECT sibling_id, sequence, activity FROM held WHERE sequence IS NOT NULL"
                       f" AND activity_key IN ({marks(len(keys))})", keys):
        number = tx.row("UPDATE arrival_lines SET told = told + 1 WHERE sibling_id = ? RETURNING told", (row["sibling_id"],))
        if number is not None:
            tx.run("INSERT INTO later_outcomes (sibling_id, number, sequence, activity, result, reason, title)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?)", (row["sibling_id"], number["told"], row["sequence"], row["activity"], result,
                                                     "held" if title else "", title))


def later(tx: Tx, sibling_id: int, heard: int) -> tuple[Later, ...]:
    """The outcomes that a sibling has not heard of; what it has heard is forgotten."""
    rows = tx.rows("SELECT number, sequence, activity, result, reason, title FROM later_outcomes WHERE sibling_id = ?"
                   " ORDER BY number LIMIT ?", (sibling_id, _LATER))
    if rows and rows[0]["number"] <= heard:
        tx.run("DELETE FROM later_outcomes WHERE sibling_id = ? AND number <= ?", (sibling_id, heard))
        return later(tx, sibling_id, 0)
    return tuple(Later(*row) for row in rows)


def told_anew(tx: Tx, now: int) -> None:
    """This database has come out of a backup: later outcomes are numbered beyond all that siblings may have heard."""
    tx.run("UPDATE arrival_lines SET told = ? WHERE told < ?", (now, now))
