"""Yesterday's database, restored on one side: what came and went since then is as it was, on both sides, by itself.

What has to hold in the end is stated here, and not how the two find out.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.faults.compared import Compared, Side, compare
from tests.faults.load import PATIENCE, Worker
from tests.faults.processes import Processes, two
from tests.faults.test_kill import at_rest
from tests.faults.test_restore import run
from tests.servers import until

_SEED = 20261126
_DEEDS = 24


class Day(NamedTuple):
    """Two instances at the end of a day, and the doctors who wrote in them before and after the backups were made."""

    berlin: Processes
    lyon: Processes
    doctors: tuple[Worker, ...]

    @property
    def places(self) -> tuple[Processes, Processes]:
        return self.berlin, self.lyon

    @property
    def deleted(self) -> set[str]:
        return set().union(*(who.deleted for who in self.doctors))

    def compared(self, restored: Processes) -> Compared:
        return compare([place.directory for place in self.places], self.deleted, restored=restored.directory)


@asynccontextmanager
async def day(directory: Path, *today: str) -> AsyncIterator[Day]:
    """Yesterday's work, a backup of each instance while they go on, and what the doctors of some countries do `today`; both have
    come to rest."""
    berlin, lyon = places = [Processes(settings) for settings in await two(directory)]
    try:
        for place in places:
            place.start("both")
        for place in places:
            await until(place.ready, 60)
        doctors = [Worker(place.url, place.directory.name, handle, _SEED) for place in places for handle in ("ada", "ben")]
        await works(doctors)
        await asyncio.gather(works([who for who in doctors if who.country in today]), *[
            asyncio.to_thread(run, place.directory, "backup", str(backup(place))) for place in places])
        await works([who for who in doctors if who.country in today])
        await at_rest(*places)
        compare([place.directory for place in places]).check()
        yield Day(berlin, lyon, tuple(doctors))
    finally:
        for place in places:
            place.stop()


async def works(doctors: Sequence[Worker]) -> None:
    """They do some things each."""
    over, so_far = threading.Event(), sum(who.deeds for who in doctors)
    working = [asyncio.create_task(asyncio.to_thread(who.work, over)) for who in doctors]
    await until(lambda: sum(who.deeds for who in doctors) >= so_far + _DEEDS, PATIENCE)
    over.set()
    await asyncio.gather(*working)


def backup(place: Processes) -> Path:
    return place.directory.parent / f"{place.directory.name}.backup"


async def restore(place: Processes) -> set[str]:
    """The machine comes back as it was when the backup was made; the erasure journal lies elsewhere and is as it was. Returns
    the URIs of the posts that are lost with it."""
    before = Side(place.directory).posts.keys()
    place.kill("both")
    await asyncio.to_thread(run, place.directory, "restore", str(backup(place)), "--yes")
    lost = before - Side(place.directory).posts.keys()
    place.start("both")
    await until(place.ready, 60)
    return lost


async def test_a_receiver_that_is_restored_has_everything_again_that_it_was_sent(
        tmp_path: Path, figures: Callable[[str], None]) -> None:
    """Germany goes on writing while France is brought back; what France has forgotten comes once more."""
    async with day(tmp_path, "de") as found:
        lost, _ = await asyncio.gather(restore(found.lyon), works(found.doctors[:2]))
        assert lost
        figures(f"receiver restored: {await comes_to_be_equal(found, found.lyon)}")


async def test_who_is_restored_has_what_was_sent_and_what_was_written_again(
        tmp_path: Path, figures: Callable[[str], None]) -> None:
    """France loses what Germany sent it today, and what its own doctors wrote."""
    async with day(tmp_path, "de", "fr") as found:
        assert await restore(found.lyon)
        figures(f"restored on both counts: {await comes_to_be_equal(found, found.lyon)}")


async def test_a_sender_that_is_restored_has_its_own_posts_back_and_nothing_that_was_deleted(
        tmp_path: Path, figures: Callable[[str], None]) -> None:
    async with day(tmp_path, "de", "fr") as found:
        before = Side(found.berlin.directory)
        assert await restore(found.berlin)
        said = await comes_to_be_equal(found, found.berlin)
        after = Side(found.berlin.directory)
        assert {uri: post.question + post.html for uri, post in after.posts.items()} == {
            uri: post.question + post.html for uri, post in before.posts.items()}
        for who in found.doctors:
            who.kept(after if who.url == found.berlin.url else Side(found.lyon.directory))
        figures(f"sender restored: {said}")


async def comes_to_be_equal(found: Day, restored: Processes) -> str:
    """Until both have the same, nothing waits and nothing that was deleted is anywhere. Returns the figures; what is not so in
    time is said."""
    with suppress(AssertionError):
        await until(partial(asyncio.to_thread, lambda: found.compared(restored).equal), PATIENCE)
    said = found.compared(restored).check()
    await at_rest(*found.places)
    return said
