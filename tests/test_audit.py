"""The audit log: appended, chained, sealed; any line that was changed, taken out or moved is found."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from core.audit import Fault, Finding, digest_of, digests_of
from core.clock import Clock
from core.database import IntegrityError
from core.errors import InvalidInput
from core.settings import Settings
from instance.assembly import Assembly, assemble


@pytest.fixture
async def log(its: Assembly) -> AsyncIterator[Assembly]:
    """An instance with nine lines."""
    for number in range(9):
        await its.database.write(lambda tx, number=number: its.audit.note(  # type: ignore[misc]
            tx, by="olga", action=f"thing.{'done' if number % 2 else 'begun'}", target=f"it {number % 3}", detail="wörtlich"))
    yield its


def tamper(its: Assembly, *statements: str) -> None:
    """Change the database as somebody would who has its file and no scruples."""
    with closing(sqlite3.connect(its.database.path)) as other, other:
        for trigger in ("audit_unchanged", "audit_kept"):
            other.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        for statement in statements:
            other.execute(statement)


async def test_a_log_nobody_has_touched_is_whole(log: Assembly) -> None:
    verdict = await log.audit.verify()
    assert (verdict.lines, verdict.last, verdict.findings) == (9, 9, ())
    first, = [entry for entry in await log.audit.piece() if entry.seq == 1]
    assert first.hash == digest_of(first, bytes(32)) and first.by == "olga" and first.detail == "wörtlich"


async def test_an_empty_log_is_whole(its: Assembly) -> None:
    assert (await its.audit.verify())[:2] == (0, 0) and (await its.audit.verify()).findings == ()


async def test_the_database_itself_refuses_to_change_a_line(log: Assembly) -> None:
    for statement in ("UPDATE audit SET by = 'omar'", "DELETE FROM audit WHERE seq = 3"):
        with pytest.raises(IntegrityError, match="only appended"):
            await log.database.write(lambda tx, statement=statement: tx.run(statement))  # type: ignore[misc]
    assert (await log.audit.verify()).findings == ()


@pytest.mark.parametrize("column", ["at = at + 1", "by = 'omar'", "action = 'thing.undone'", "target = 'x'", "detail = ''",
                                    "hash = zeroblob(32)"])
async def test_a_changed_line_is_found(log: Assembly, column: str) -> None:
    tamper(log, f"UPDATE audit SET {column} WHERE seq = 4")
    assert Finding(4, Fault.CHANGED) in (await log.audit.verify()).findings


async def test_a_missing_line_is_found_wherever_it_was(log: Assembly) -> None:
    tamper(log, "DELETE FROM audit WHERE seq = 1")
    assert (await log.audit.verify()).findings == (Finding(2, Fault.MISSING),)
    tamper(log, "DELETE FROM audit WHERE seq = 5")
    assert (await log.audit.verify()).findings == (Finding(2, Fault.MISSING), Finding(6, Fault.MISSING))
    tamper(log, "DELETE FROM audit WHERE seq = 9")
    assert (await log.audit.verify()).findings[-1] == Finding(9, Fault.TAIL)
    tamper(log, "DELETE FROM audit")
    assert (await log.audit.verify()).findings == (Finding(9, Fault.TAIL),)


async def test_lines_in_another_order_are_found(log: Assembly) -> None:
    tamper(log, "UPDATE audit SET seq = 100 WHERE seq = 3", "UPDATE audit SET seq = 3 WHERE seq = 4",
           "UPDATE audit SET seq = 4 WHERE seq = 100")
    assert {finding.seq for finding in (await log.audit.verify()).findings} == {3, 4, 5}


async def test_numbers_that_close_the_gap_do_not_hide_it(log: Assembly) -> None:
    tamper(log, "DELETE FROM audit WHERE seq = 3", *(f"UPDATE audit SET seq = {n - 1} WHERE seq = {n}" for n in range(4, 10)),
           "UPDATE audit_head SET seq = 8")
    findings = (await log.audit.verify()).findings
    assert findings[0].seq == 3 and findings[-1] == Finding(8, Fault.SEAL)


async def test_a_chain_made_anew_lacks_the_seal_of_the_key_file(log: Assembly) -> None:
    entries, before = await log.audit.piece(), bytes(32)
    statements = []
    for entry in entries:
        forged = entry._replace(detail="nothing happened")
        before = digest_of(forged, before)
        statements.append(f"UPDATE audit SET detail = 'nothing happened', hash = x'{before.hex()}' WHERE seq = {entry.seq}")
    tamper(log, *statements, f"UPDATE audit_head SET hash = x'{before.hex()}'")
    assert (await log.audit.verify()).findings == (Finding(9, Fault.SEAL),)
    tamper(log, "DELETE FROM audit_head")
    assert (await log.audit.verify()).findings == (Finding(0, Fault.TAIL),)


async def test_an_older_database_with_its_own_seal_is_found_by_a_copy(log: Assembly) -> None:
    """The head cannot tell a database of yesterday from one of today; whoever has kept a copy can."""
    copy = digests_of([{"seq": entry.seq, "hash": entry.hash.hex()} for entry in await log.audit.piece()])
    assert (await log.audit.verify(copy)).findings == ()
    assert (await log.audit.verify(copy | {10: bytes(32)})).findings == (Finding(10, Fault.OTHER),)
    assert (await log.audit.verify(copy | {4: bytes(32)})).findings == (Finding(4, Fault.OTHER),)
    for bad in ([{"seq": 1}], [{"seq": "x", "hash": ""}], [{"seq": 1, "hash": 3}], [3]):
        with pytest.raises(InvalidInput):
            digests_of(bad)  # type: ignore[arg-type]


async def test_it_is_read_newest_first_by_pages_and_by_what_one_looks_for(log: Assembly) -> None:
    assert [entry.seq for entry in await log.audit.list(3)] == [9, 8, 7]
    assert [entry.seq for entry in await log.audit.list(3, 7)] == [6, 5, 4]
    assert [entry.seq for entry in await log.audit.list(9, about="it 0")] == [7, 4, 1]
    assert [entry.seq for entry in await log.audit.list(9, action="thing.done")] == [8, 6, 4, 2]
    assert len(await log.audit.list(99, action="thing.")) == 9 and await log.audit.list(9, by="omar") == ()


async def test_what_was_written_before_the_chain_is_taken_into_it_in_order(settings: Settings, place: Path) -> None:
    async with assemble(settings):
        pass
    with closing(sqlite3.connect(place / "konsil.db")) as other, other:
        other.executemany("INSERT INTO audit_before VALUES (?, ?, 'olga', 'a', 't', ?)",
                          [(number, 1000 + number, str(number)) for number in range(5000, 0, -1)])
    async with assemble(settings, Clock()) as its:
        verdict = await its.audit.verify()
        assert (verdict.lines, verdict.findings) == (5000, ())
        assert [entry.detail for entry in await its.audit.list(2)] == ["5000", "4999"]
        assert await its.database.read(lambda tx: tx.row("SELECT 1 FROM audit_before")) is None
