"""`konsil reconcile` as an operator types it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.conversations.test_the_whole_path import case, published
from tests.faults.test_restore import run
from tests.servers import countries
from tests.test_reconciler import change, lose, settled, uri_of


async def test_a_dry_run_says_what_differs_and_the_command_puts_it_right(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        post = await uri_of(fr, await published(fr, case(), de))
        await settled(de, fr)
        await change(de, lose(post))
        place = tmp_path / "de"
        out, _ = await asyncio.to_thread(run, place, "reconcile", "--dry-run", "--json")
        [found] = json.loads(out)
        assert (found["domain"], found["dry_run"], found["trouble"]) == (fr.domain, True, "")
        assert found["kinds"]["offered"]["missing_here"] == 1 and await de.count("posts") == 0
        assert await de.count("audit", "action = 'sibling.compared'") == 0
        out, _ = await asyncio.to_thread(run, place, "reconcile", fr.domain)
        assert "1 difference. 1 put right" in out and "offered" in out and await de.count("posts") == 1
        assert await de.count("audit", "action = 'sibling.compared'") == 1
        out, _ = await asyncio.to_thread(run, place, "reconcile")
        assert "both sides hold the same of each other" in out
        _, said = await asyncio.to_thread(run, place, "reconcile", "nowhere.example", exits=1)
        assert len(said.splitlines()) == 1
    _, said = await asyncio.to_thread(run, place, "reconcile", exits=1)
    assert "could not be reached" in said
