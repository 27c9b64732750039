"""Benchmarks measure what they say they do, and stop where they cannot."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks import api, crowd
from benchmarks.countries import Country
from benchmarks.pace import Pace
from benchmarks.servers import MeasurementFailed
from core.database import Tx
from instance.assembly import assemble

PACE = Pace(rounds=1, seconds=0.1, many=1_500, members=40)


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Country:
    """A small country that has been lived in; others are not made."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(crowd, "CACHE", tmp_path_factory.mktemp("cache"))
        made = crowd.country(PACE.members, PACE.many)
        assert crowd.country(PACE.members, PACE.many).database == made.database, "it is made once"
    return made


def test_an_apps_home_timeline_is_measured_against_its_rows(country: Country, tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "country", lambda members, posts: country)
    part = api.run(tmp_path, PACE)
    alone, together = part.seen
    assert [row[0] for row in alone[1:]] == ["the beginning", "five pages down"]
    inside, over_http = part.goals
    for goal, column in ((inside, 3), (over_http, 1)):
        worst = max(alone[1:], key=lambda row: float(row[column]) / float(row[5]))
        assert goal.median == pytest.approx(float(worst[column]) / float(worst[5]), rel=0.1), "as the table says, rounded"
    assert all(float(row[column]) > 0 for row in alone[1:] for column in range(1, 9))
    assert int(together[1][-1].replace(",", "")) >= 32, "every phone was answered"


def test_lists_that_are_too_short_are_not_measured(country: Country, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "country", lambda members, posts: country)
    monkeypatch.setattr(api, "_DOWN", 1_000)
    with pytest.raises(MeasurementFailed, match="long enough"):
        api.run(tmp_path, PACE)


def test_an_index_that_was_interrupted_goes_on(country: Country, capsys: pytest.CaptureFixture[str]) -> None:
    async def waiting(step: int = 0) -> int:
        async with assemble(country.settings) as its:
            if step:
                await its.indexing.begin()
                await its.indexing.step(step)

            def count(tx: Tx) -> int:
                row = tx.row("SELECT count(*) AS n FROM unindexed")
                return int(row["n"]) if row is not None else -1

            return await its.database.read(count)

    assert asyncio.run(waiting()) > 1_000, "nothing is entered before somebody searches"
    left = asyncio.run(waiting(100))
    asyncio.run(crowd.enter(country))
    assert f"entered {left:,} posts" in capsys.readouterr().out
    assert asyncio.run(waiting()) == 0
    asyncio.run(crowd.enter(country))
    assert not capsys.readouterr().out, "and is done once"
