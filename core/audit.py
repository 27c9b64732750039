"""The audit log: what operators and the program did that somebody may ask about later. Appended, never changed.

Each row carries the SHA-256 of itself and of the row before, so that whoever has an older copy, or only one digest of
it, can tell that nothing before was changed, taken out or put in another order. That alone would not stop somebody who
can write to the database from making a whole new chain: the head of the chain is sealed with the key file, which lies
outside the database. Triggers keep mistakes out; they are no proof.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import InvalidInput
from core.vault import KeyVault
from core.words import N_

_START = bytes(32)
_PIECE = 2_000
_HEAD = "konsil audit head"


class Entry(NamedTuple):
    """One row: its place in the chain from 1, when (ms), who, what, about what, in which words; and its digest."""

    seq: int
    at: int
    by: str
    action: str
    target: str
    detail: str
    hash: bytes


class Fault(StrEnum):
    """What can be wrong with the log."""

    CHANGED = N_("This line is not what was written here.")
    MISSING = N_("A line is missing before this one.")
    TAIL = N_("The last lines are not those that were written last.")
    SEAL = N_("The seal of the last line was not made with this instance's key file.")
    OTHER = N_("This line is not the one in the copy it was compared with.")


class Finding(NamedTuple):
    """A fault, and the number of the line it was found at (0: of the log as a whole)."""

    seq: int
    fault: Fault


class Verdict(NamedTuple):
    """What looking through the log has shown; without findings it is whole up to `last`, whose digest is `head`."""

    lines: int
    last: int
    head: bytes
    findings: tuple[Finding, ...]


class Audit:
    """Appends, reads and checks the log."""

    def __init__(self, database: Database, vault: KeyVault, clock: Clock) -> None:
        self._database, self._vault, self._clock = database, vault, clock

    def note(self, tx: Tx, *, by: str, action: str, target: str, detail: str = "") -> None:
        """Append one line inside the transaction that does the thing itself."""
        self._append(tx, self._clock.ms(), by, action, target, detail)

    async def adopt(self) -> None:
        """Take over what was written before the log was a chain, in its order; once, when the program starts."""
        def take(tx: Tx) -> int:
            rows = tx.rows(f"SELECT * FROM audit_before ORDER BY id LIMIT {_PIECE}")
            for row in rows:
                self._append(tx, row["at"], row["by"], row["action"], row["target"], row["detail"])
            if rows:
                tx.run("DELETE FROM audit_before WHERE id <= ?", (rows[-1]["id"],))
            return len(rows)

        if await self._database.read(lambda tx: tx.row("SELECT 1 FROM audit_before")) is not None:
            while await self._database.write(take) == _PIECE:
                pass

    async def list(self, limit: int, before: int | None = None, *, about: str = "", by: str = "",
                   action: str = "") -> tuple[Entry, ...]:
        """The log, newest first, before a line's number: what is `about` something, `by` somebody, of an `action` or, where
        that ends in a dot, of all actions that begin so."""
        kind = ("action LIKE ?", f"{action}%") if action.endswith(".") else ("action = ?", action)
        chosen = {clause: value for clause, value in (("target = ?", about), ("by = ?", by), kind) if value.strip("%")}
        where = "".join(f" AND {clause}" for clause in chosen)
        rows = await self._database.read(lambda tx: tx.rows(
            f"SELECT * FROM audit WHERE seq < ?{where} ORDER BY seq DESC LIMIT ?",
            (before if before is not None else 1 << 62, *chosen.values(), limit)))
        return tuple(_entry(row) for row in rows)

    async def piece(self, after: int = 0) -> tuple[Entry, ...]:
        """Some thousand lines in their order, after a line's number: for whoever goes through all of it."""
        rows = await self._database.read(lambda tx: tx.rows(
            f"SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT {_PIECE}", (after,)))
        return tuple(_entry(row) for row in rows)

    async def verify(self, copy: Mapping[int, bytes] | None = None) -> Verdict:
        """Look through the whole log: every line's digest, their order, the sealed head; and where a `copy` of digests by
        number is given (`digests_of`), whether these lines are still those."""
        findings: list[Finding] = []
        after, before, lines = 0, _START, 0
        while piece := await self.piece(after):
            for entry in piece:
                findings += _looked_at(entry, after, before, copy or {})
                after, before, lines = entry.seq, entry.hash, lines + 1
        findings += [Finding(seq, Fault.OTHER) for seq in (copy or {}) if seq > after]
        head = await self._database.read(lambda tx: tx.row("SELECT seq, hash, seal FROM audit_head"))
        if head is None:
            findings += [Finding(0, Fault.TAIL)] if lines else []
        elif not hmac.compare_digest(head["seal"], self._seal(head["seq"], head["hash"])):
            findings.append(Finding(head["seq"], Fault.SEAL))
        elif (head["seq"], head["hash"]) != (after, before):
            findings.append(Finding(head["seq"], Fault.TAIL))
        return Verdict(lines, after, before, tuple(findings))

    def _append(self, tx: Tx, at: int, by: str, action: str, target: str, detail: str) -> None:
        head = tx.row("SELECT seq, hash FROM audit_head")
        seq, before = (head["seq"], head["hash"]) if head is not None else (0, _START)
        made = Entry(seq + 1, at, by, action, target, detail, b"")
        digest = digest_of(made, before)
        tx.run("INSERT INTO audit (seq, at, by, action, target, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
               (*made[:-1], digest))
        tx.run("INSERT INTO audit_head (one, seq, hash, seal) VALUES (1, ?, ?, ?)"
               " ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, seal = excluded.seal",
               (made.seq, digest, self._seal(made.seq, digest)))

    def _seal(self, seq: int, digest: bytes) -> bytes:
        return self._vault.mac(_HEAD, seq.to_bytes(8, "big") + digest)


def digest_of(entry: Entry, before: bytes) -> bytes:
    """SHA-256 of a line: the digest of the line before, then its six fields as compact JSON in UTF-8."""
    return hashlib.sha256(before + json.dumps(entry[:-1], ensure_ascii=False, separators=(",", ":")).encode()).digest()


def digests_of(lines: Iterable[Mapping[str, Any]]) -> dict[int, bytes]:
    """The digests by number out of an exported log; `InvalidInput` for what is none."""
    try:
        return {int(line["seq"]): bytes.fromhex(line["hash"]) for line in lines}
    except (KeyError, TypeError, ValueError):
        raise InvalidInput("This is not an exported audit log.", reason="audit-copy") from None


def _entry(row: Row) -> Entry:
    return Entry(row["seq"], row["at"], row["by"], row["action"], row["target"], row["detail"], row["hash"])


def _looked_at(entry: Entry, after: int, before: bytes, copy: Mapping[int, bytes]) -> Iterator[Finding]:
    if entry.seq != after + 1:
        yield Finding(entry.seq, Fault.MISSING)
    elif digest_of(entry, before) != entry.hash:
        yield Finding(entry.seq, Fault.CHANGED)
    if entry.seq in copy and copy[entry.seq] != entry.hash:
        yield Finding(entry.seq, Fault.OTHER)
