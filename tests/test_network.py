"""How the countries are doing, as a doctor reads it who is about to write: up, paused, or nothing gets through."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.database import Tx
from posts.models import Destination
from posts.network import Network, Place, network
from tests.servers import FakeSibling, Running, countries
from tests.test_leaving import published

_NOW, _LONG, _SHORT = 10_000_000_000, 15 * 60_000, 14 * 60_000


def place(*, failing: int | None = None, acknowledged: int | None = None, waiting: int | None = None) -> Place:
    return Place("https://it.example", "it", "active", 1, failing, 5, "Konsil Italy", acknowledged, waiting)


@pytest.mark.parametrize(("doing", "since"), [
    (place(), None),
    (place(acknowledged=1), None),  # quiet, and nothing waits
    (place(failing=_NOW - 1), _NOW - 1),
    (place(failing=_NOW - 1, acknowledged=_NOW - 5, waiting=_NOW - _LONG), _NOW - 1),
    (place(waiting=_NOW - _SHORT), None),
    (place(waiting=_NOW - _LONG), _NOW - _LONG),  # nothing was ever confirmed
    (place(acknowledged=_NOW - _SHORT, waiting=_NOW - 2 * _LONG), None),  # something is put off, other things arrive
    (place(acknowledged=_NOW - _LONG, waiting=_NOW - 2 * _LONG), _NOW - _LONG),
    (place(acknowledged=_NOW - 3 * _LONG, waiting=_NOW - 2 * _LONG), _NOW - 2 * _LONG),
])
def test_nothing_gets_through_where_it_fails_or_where_something_waits_and_nothing_is_confirmed(
        doing: Place, since: int | None) -> None:
    assert doing.stuck_since(_NOW) == since
    found = Network("https://de.example", "de", "Konsil Germany", {doing.origin: doing})
    [destination] = found.destinations(_NOW)
    assert destination == Destination("https://it.example", "it", "up" if since is None else "waiting", since)
    assert [one.at for one in found.stuck(("https://de.example", doing.origin), _NOW)] == ([] if since is None else [since])


def test_a_paused_country_is_paused_and_not_said_to_fail() -> None:
    paused = place(failing=3, waiting=4)._replace(state="paused")
    found = Network("https://de.example", "de", "Konsil Germany", {paused.origin: paused})
    assert found.destinations(_NOW) == (Destination("https://it.example", "it", "paused", 5),)
    assert found.stuck((paused.origin,), _NOW) == ()


async def test_the_oldest_that_waits_is_found_in_every_lane_and_what_is_put_off_is_not_silence(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fr, it = await FakeSibling("fr", 2).listed(de, "active"), await FakeSibling("it", 3).listed(de, "active")
        for _ in range(3):
            await published(de, "Theirs?", fr.origin)
        assert await _waiting(de, it) is None
        first = await de.its.database.read(lambda tx: tx.row("SELECT min(created_at) AS at FROM outbox"))
        assert first is not None and await _waiting(de, fr) == first["at"]
        for lane in (0, 1, 2):
            await de.its.database.write(lambda tx, lane=lane: _old(tx, lane))  # type: ignore[misc]
            assert await _waiting(de, fr) == 1_000 + lane
        await de.its.database.write(lambda tx: tx.run("UPDATE deliveries SET tries = 1"))
        assert await _waiting(de, fr) is None
        await de.its.database.write(lambda tx: tx.run("UPDATE deliveries SET tries = 0, state = 'acked'"))
        assert await _waiting(de, fr) is None


async def _waiting(de: Running, fake: FakeSibling) -> int | None:
    found = (await de.its.database.read(lambda tx: network(tx, de.its.identity))).place(fake.origin)
    assert found is not None
    return found.waiting_since


def _old(tx: Tx, lane: int) -> None:
    """The second of the three waits for long, in this lane; the others in the other two."""
    tx.run("UPDATE deliveries SET lane = CASE sequence WHEN 2 THEN ? ELSE (? + sequence) % 3 END", (lane, lane))
    tx.run("UPDATE outbox SET created_at = 5000")
    tx.run("UPDATE outbox SET created_at = ? WHERE id = (SELECT outbox_id FROM deliveries WHERE sequence = 2)", (1_000 + lane,))
