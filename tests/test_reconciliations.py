"""When siblings are compared with, and what is kept of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from core.errors import NotFound, Refused
from inbox import reconciliations
from inbox.reconciliations import KEPT, Done
from tests.servers import PASSWORD, Running, countries, until
from tests.test_pages import Browser
from tests.test_reconciler import change

_HOUR = 3600.0


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr", worker=False) as (de, fr):
        yield de, fr


async def due(at: Running) -> str:
    """Why the next one is due; nothing if none is. It is made."""
    task = await at.its.reconciliations.next()
    if task is None:
        return ""
    await at.its.reconciliations.end(task, {})
    return task.why


async def test_every_night_once_in_a_minute_of_its_own(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    assert await due(de) == "", "it was let in today"
    turns = []
    for hours in range(1, 72):
        de.its.clock.offset = hours * _HOUR
        if why := await due(de):
            assert why == "nightly" and await due(de) == ""
            turns.append(hours)
    assert len(turns) in (2, 3) and {later - earlier for earlier, later in pairwise(turns)} == {24}
    zone = de.its.pack.zone
    night = datetime.fromtimestamp(de.its.reconciliations._night("https://fr.example", de.its.clock.ms()) / 1000, zone)
    other = de.its.reconciliations._night("https://it.example", de.its.clock.ms())
    assert 1 <= night.hour < 5 and int(night.timestamp() * 1000) != other


async def test_one_that_failed_is_tried_again_soon_and_then_more_and_more_seldom(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    de.its.clock.offset = 24 * _HOUR
    tries = []
    for minutes in range(0, 300, 5):
        de.its.clock.offset = 24 * _HOUR + minutes * 60
        task = await de.its.reconciliations.next()
        if task is not None:
            tries.append(minutes)
            await de.its.reconciliations.end(task, {}, "unreachable x")
    assert tries == [0, 10, 30, 70, 150]


async def test_a_restore_makes_everybody_due_at_once_until_it_was_done(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    now = de.its.clock.ms()
    await change(de, lambda tx: reconciliations.restored(tx, now, now - 1))
    de.its.clock.offset = 1
    task = await de.its.reconciliations.next()
    assert task is not None and task.why == "restored"
    await de.its.reconciliations.interrupted()
    assert await de.its.reconciliations.next() is None
    de.its.clock.offset = 700
    assert await due(de) == "restored"
    de.its.clock.offset = 1400
    assert await due(de) == ""


async def test_what_is_asked_for_comes_first_is_audited_and_made_once(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    for _ in range(2):
        await de.its.reconciliations.ask(fr.domain, "olga")
    assert await de.count("reconciliations") == 1 and await de.count("audit", "action = 'sibling.compared'") == 2
    assert await due(de) == "asked" and await due(de) == ""
    with pytest.raises(NotFound):
        await de.its.reconciliations.ask("nowhere.example", "olga")
    await de.its.siblings.pause(fr.domain, "olga", "because")
    for ask in (de.its.reconciliations.ask(fr.domain, "olga"), de.its.reconciliations.begin(fr.domain, "olga", dry=True)):
        with pytest.raises(Refused):
            await ask
    assert await de.count("reconciliations") == 1


async def test_only_the_newest_are_kept_and_none_for_longer_than_is_set(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    for _ in range(KEPT + 3):
        task = await de.its.reconciliations.begin(fr.domain, "test", dry=True)
        await de.its.reconciliations.end(task, {"held": Done(compared=1, missing_there=2, could_not=1)})
    assert await de.count("reconciliations") == KEPT
    newest = (await de.its.reconciliations.newest(task.sibling_id, 1))[0]
    assert newest.id == task.id and newest.whole.differences == 2 and newest.whole.could_not == 1
    de.its.clock.offset = 91 * 24 * _HOUR
    await de.its.reconciliations.prune()
    assert await de.count("reconciliations") == 0


async def test_the_button_has_the_worker_compare_and_the_page_says_what_was_found(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr), Browser(de) as op:
        await de.its.accounts.add_operator("op", "Operator", PASSWORD)
        assert await op.login("op") == 303
        path = f"/admin/siblings/{fr.domain}"
        assert "Nothing has been compared yet" in (await op.get(path))[1]
        status, where = await op.post(f"{path}/reconcile", {})
        assert status == 303 and where == f"{path}#comparison"
        await until(lambda: de.count("reconciliations", "ended_at > 0"))
        page = (await op.get(path))[1]
        assert "Both sides hold the same of each other" in page and "compared with the sibling" in page
        task = await de.its.reconciliations.begin(fr.domain, "op", dry=False)
        assert "Going on since" in (await op.get(path))[1]
        await de.its.reconciliations.end(task, {"held": Done(compared=12_345, missing_there=2, sent_again=1, could_not=1)})
        page = (await op.get(path))[1]
        for text in ("2 differences were found", "1 could not be put right", "12,345", "Our posts there"):
            assert text in page, text
        await de.its.reconciliations.end(task, {}, "no-comparison")
        assert "does not know comparisons" in (await op.get(path))[1]
