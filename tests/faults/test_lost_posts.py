"""A machine is lost and yesterday's backup restored, with real processes: what was written since comes back from the sibling,
what was deleted since does not, and nothing is there twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

from instance.demo_check import Person
from tests.faults.test_kill import Processes, two
from tests.faults.test_restore import ask, edit, run
from tests.servers import PASSWORD, until


async def test_a_day_that_was_lost_comes_back_from_the_sibling(tmp_path: Path) -> None:
    berlin, lyon = (Processes(settings) for settings in await two(tmp_path))
    backup = tmp_path / "de.backup"
    try:
        for place in (berlin, lyon):
            for what in ("web", "worker"):
                place.start(what)
        for place in (berlin, lyon):
            await until(place.ready, 30)
        ada, bob = Person(berlin.url, "de", "ada", PASSWORD), Person(lyon.url, "fr", "ada", PASSWORD)
        for doctor in (ada, bob):
            await asyncio.to_thread(doctor.login)
        early = await asyncio.to_thread(ask, ada, "Early")
        gone = await asyncio.to_thread(ask, ada, "Gone")
        await until(lambda: len(lyon.rows("SELECT 1 FROM posts")) == 2, 30)
        await asyncio.to_thread(run, berlin.directory, "backup", str(backup))

        await asyncio.to_thread(edit, ada, early, "Early, edited")
        await asyncio.to_thread(ask, ada, "Late")
        late_and_gone = await asyncio.to_thread(ask, ada, "Late and gone")
        await asyncio.to_thread(ask, bob, "Theirs")
        await until(lambda: lyon.rows("SELECT 1 FROM posts WHERE question = 'Early, edited'"), 30)
        await until(lambda: len(lyon.rows("SELECT 1 FROM posts")) == 5, 30)
        await until(lambda: berlin.rows("SELECT 1 FROM posts WHERE question = 'Theirs'"), 30)
        for path in (gone, late_and_gone):
            await asyncio.to_thread(ada.post, f"{path}/delete", {})
        await until(lambda: len(lyon.rows("SELECT 1 FROM tombstones")) == 2, 30)
        await until(lambda: not berlin.rows("SELECT 1 FROM journal_due"), 30)
        await until(lambda: not berlin.rows("SELECT 1 FROM deliveries WHERE state = 'pending'"), 30)

        for what in ("web", "worker"):
            berlin.kill(what)
        await asyncio.to_thread(run, berlin.directory, "restore", str(backup), "--yes")
        assert not berlin.rows("SELECT 1 FROM posts WHERE question LIKE '%Late%' OR question = 'Theirs'")
        for what in ("web", "worker"):
            berlin.start(what)
        await until(berlin.ready, 30)
        wanted = [("Early, edited",), ("Late",), ("Theirs",)]
        living = "SELECT question FROM posts WHERE erased_at IS NULL ORDER BY question"
        await until(lambda: berlin.rows(living) == wanted, 30)
        ended = "SELECT 1 FROM reconciliations WHERE why = 'restored' AND ended_at > 0 AND trouble = ''"
        await until(lambda: berlin.rows(ended), 30)
        await until(lambda: not berlin.rows("SELECT 1 FROM deliveries WHERE state = 'pending'"), 30)
        assert berlin.rows(living) == lyon.rows(living) == wanted
        for this, other in ((berlin, lyon), (lyon, berlin)):
            domain = other.url.split("://")[1]
            out, _ = await asyncio.to_thread(run, this.directory, "reconcile", domain)
            assert "both sides hold the same of each other" in out
        await asyncio.to_thread(ada.login)
        found = berlin.rows("SELECT uri FROM posts WHERE question = 'Late'")[0][0]
        await asyncio.to_thread(edit, ada, f"/p/{found.rpartition('/')[2]}", "Late, edited")
        await until(lambda: lyon.rows("SELECT 1 FROM posts WHERE question = 'Late, edited'"), 30)
    finally:
        for place in (berlin, lyon):
            place.stop()
