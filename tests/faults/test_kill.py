"""kill -9 of sender and receiver at random moments while doctors work: nothing missing, nothing twice, nothing by halves."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.faults.compared import Side, compare
from tests.faults.load import PATIENCE, Worker
from tests.faults.processes import SOAK, Processes, settled, two
from tests.servers import until

_KILLS = 200 if SOAK else 20
_BETWEEN = 4
_SEED = random.SystemRandom().randrange(1 << 30) if SOAK else 20261126


async def test_kill_9_at_random_moments_loses_and_doubles_nothing(tmp_path: Path, figures: Callable[[str], None]) -> None:
    """One instance runs as two processes, the other as one; whoever is killed is started again while the other goes on."""
    dice, begun = random.Random(_SEED), time.monotonic()
    berlin, lyon = places = [Processes(settings) for settings in await two(tmp_path)]
    victims = [(berlin, "web"), (lyon, "both"), (berlin, "worker")]
    try:
        for place, what in victims:
            place.start(what)
        for place in places:
            await until(place.ready, 30)
        doctors = [Worker(place.url, place.directory.name, handle, _SEED) for place in places for handle in ("ada", "ben")]
        over = threading.Event()
        working = [asyncio.create_task(asyncio.to_thread(who.work, over)) for who in doctors]

        def deeds() -> int:
            return sum(who.deeds for who in doctors)

        for number in range(_KILLS):
            so_far = deeds()  # each kill falls into work, however slow the machine is
            await until(lambda so_far=so_far: deeds() >= so_far + _BETWEEN, PATIENCE)  # type: ignore[misc]
            await asyncio.sleep(dice.uniform(0, 0.3))
            place, what = victims[number % len(victims)]
            place.kill(what)
            await asyncio.sleep(dice.uniform(0, 0.2))
            place.start(what)
        await until(partial(of_everything, places, doctors), PATIENCE)
        over.set()
        await asyncio.gather(*working)
        for place in places:
            await until(place.ready, 30)
        await at_rest(*places)
        deleted = set().union(*(who.deleted for who in doctors))
        for place in places:
            await until(lambda place=place: not compare([place.directory], deleted).risen, 20)  # type: ignore[misc]
    finally:
        for place in places:
            place.stop()
    found = compare([place.directory for place in places], deleted)
    assert all("is not there" in reason or "no such poll" in reason for reason in found.parked), found.parked
    assert deeds() >= _KILLS * _BETWEEN
    for who in doctors:
        who.kept(next(Side(place.directory) for place in places if place.url == who.url))
    figures(f"{_KILLS} kills (seed {_SEED}), {deeds():,} deeds of doctors in {time.monotonic() - begun:.0f} s: {found.check()}")


async def of_everything(places: Sequence[Processes], doctors: Sequence[Worker]) -> bool:
    """Whether there has been some of all that doctors do, which the dice decide; what they take back later has happened too."""
    found = await asyncio.to_thread(compare, [place.directory for place in places])
    return all((found.reactions, found.votes, found.follows, any(who.deleted for who in doctors)))


async def at_rest(*places: Processes) -> None:
    """Until nothing is on its way any more; the last counts of a poll are gathered for half a second."""
    for _ in range(2):
        for place in places:
            await until(partial(asyncio.to_thread, settled, place), PATIENCE)
        await asyncio.sleep(1.2)
