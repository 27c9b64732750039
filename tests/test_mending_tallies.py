"""Tallies are compared too: what does not count at the asker's is told anew, and who has lost what was told begins anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inbox.mending_tallies import NONE, Number, number
from tests.conversations.test_tallies import asked, later, vote
from tests.servers import Running, countries, until
from tests.test_reconciler import change, compare, quiet, settled


@pytest.fixture
async def voted(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    """A poll of de's in which both doctors of fr have voted, one after the other; all is told."""
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await asked(de, fr)
        await vote(fr, "ada", 0)
        await until(lambda: de.count("tallies", "sequence = 1"))
        await vote(fr, "ben", 1)
        await until(lambda: de.count("tallies", "sequence = 2"))
        await told(de, fr)
        yield de, fr


async def told(*all_of: Running) -> None:
    for at in all_of:
        await until(lambda at=at: at.its.database.read(lambda tx: tx.row(  # type: ignore[misc]
            "SELECT 1 FROM kept_polls WHERE stale_since IS NOT NULL UNION ALL SELECT 1 FROM polls WHERE stale_since IS NOT NULL")
            is None))
    await settled(*all_of)


async def counted(de: Running, voters: int, epoch: int) -> None:
    """So many voters count, of a tally in an epoch later than that."""
    await until(lambda: de.count("tallies", f"voters = {voters} AND epoch > {epoch}"))
    await until(lambda: de.count("polls", f"voters = {voters}"))


async def epoch(fr: Running) -> int:
    return int((await fr.its.database.read(lambda tx: tx.rows("SELECT epoch FROM kept_polls")))[0]["epoch"])


async def test_what_counts_is_the_same_and_finds_nothing(voted: tuple[Running, Running]) -> None:
    de, fr = voted
    found = await compare(de, fr), await compare(fr, de)
    assert [(one.results["tallies"].compared, one.results["counted"].compared) for one in found] == [(1, 0), (0, 1)]
    await quiet((de, fr), (fr, de))
    later(3601, de, fr)
    await until(lambda: fr.count("poll_results"))
    await told(de, fr)
    await quiet((de, fr), (fr, de))


@pytest.mark.parametrize("lost", [
    "DELETE FROM tallies", "UPDATE tallies SET sequence = 1, voters = 1"])
async def test_a_tally_that_the_asker_has_lost_or_has_older_is_told_anew_by_who_keeps_the_votes(
        voted: tuple[Running, Running], lost: str) -> None:
    de, fr = voted
    before = await epoch(fr)
    await change(de, lambda tx: (tx.run("DELETE FROM tally_counts"), tx.run(lost)))
    found = (await compare(de, fr)).results["tallies"]
    assert (found.missing_here, found.could_not, found.repaired) == (1, 1, 0)
    assert (await compare(fr, de, dry=True)).results["counted"].missing_there == 1 and await epoch(fr) == before
    found = (await compare(fr, de)).results["counted"]
    assert (found.missing_there, found.sent_again, found.could_not) == (1, 1, 0)
    await counted(de, 2, before)
    await told(de, fr)
    await quiet((de, fr), (fr, de))


async def test_who_has_lost_what_it_has_told_begins_anew_beyond_that(voted: tuple[Running, Running]) -> None:
    """France lies in an older state without anybody having restored it: it knows one vote, and the number before."""
    de, fr = voted
    before, ben = await epoch(fr), fr.doctors["ben"].actor_id
    await change(fr, lambda tx: (tx.run("DELETE FROM votes WHERE voter_id = ?", (ben,)),
                                 tx.run("UPDATE kept_polls SET sequence = 1")))
    found = (await compare(fr, de)).results["counted"]
    assert (found.missing_here, found.missing_there, found.sent_again) == (1, 0, 1)
    await counted(de, 1, before)
    await told(de, fr)
    await quiet((de, fr), (fr, de))
    await vote(fr, "ben", 2)
    await until(lambda: de.count("polls", "voters = 2"))


async def test_who_has_lost_the_poll_and_its_votes_tells_that_none_are_left(voted: tuple[Running, Running]) -> None:
    de, fr = voted
    ahead = await epoch(fr) + 10_000_000
    await change(de, lambda tx: tx.run("UPDATE tallies SET epoch = ?", (ahead,)))
    await change(fr, lambda tx: (tx.run("DELETE FROM votes"), tx.run("UPDATE kept_polls SET sequence = 0, digest = ''")))
    assert (await compare(fr, de)).results["counted"].sent_again == 1
    await counted(de, 0, ahead)
    await told(de, fr)
    await quiet((de, fr), (fr, de))


async def test_what_is_under_way_refused_or_has_a_result_is_left_alone(voted: tuple[Running, Running]) -> None:
    de, fr = voted
    before = await epoch(fr)
    await change(de, lambda tx: (tx.run("DELETE FROM tally_counts"), tx.run("DELETE FROM tallies")))
    for state in ("pending", "parked", "dropped"):
        await change(fr, lambda tx, state=state: tx.run(  # type: ignore[misc]
            "UPDATE deliveries SET state = ?, next_try = ? WHERE sequence = (SELECT max(sequence) FROM deliveries)",
            (state, fr.its.clock.ms() + 600_000)))
        assert (await compare(fr, de)).results["counted"].differences == 0
    await change(fr, lambda tx: (tx.run("UPDATE deliveries SET state = 'acked'"), tx.run(
        "INSERT INTO poll_results SELECT post_id, '{}', 'x', 1, 0 FROM polls")))
    assert (await compare(fr, de)).results["counted"].differences == 0 and await epoch(fr) == before


@pytest.mark.parametrize(("words", "meant"), [
    (None, NONE), ("5 2", Number(5, 2)), ("0 0", None), ("5", None), ("5 2 1", None), ("-5 2", None), ("5 ²", None),
    ("99999999999999999 1", None), ("9007199254740992 1", None), ("x y", None)])
def test_a_number_is_read_or_none(words: str | None, meant: Number | None) -> None:
    assert number(words) == meant
