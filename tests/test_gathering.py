"""What is gathered is written a moment later, or at once when somebody looks."""

from __future__ import annotations

import asyncio

from core.gathering import Gathering


class Pad:
    """What was noted, and what of it is durable; a write takes until `may_end` is set."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.durable: list[str] = []
        self.began, self.may_end = asyncio.Event(), asyncio.Event()

    async def write(self) -> None:
        taken, self.noted = self.noted, []
        self.began.set()
        await self.may_end.wait()
        self.durable += taken


async def test_a_flush_waits_for_the_write_that_another_one_began() -> None:
    pad = Pad()
    gathering = Gathering(pad.write)
    pad.noted.append("a")
    gathering.soon()
    async with asyncio.timeout(5):
        await pad.began.wait()
        mine = asyncio.create_task(gathering.flush())
        await asyncio.sleep(0)
        assert not mine.done() and not pad.durable
        pad.may_end.set()
        await mine
    assert pad.durable == ["a"]


async def test_it_is_written_by_itself_and_once() -> None:
    pad = Pad()
    pad.may_end.set()
    gathering = Gathering(pad.write)
    for note in "ab":
        pad.noted.append(note)
        gathering.soon()
    async with asyncio.timeout(5):
        await pad.began.wait()
    assert pad.durable == ["a", "b"]


async def test_closing_waits_no_longer_and_writes() -> None:
    pad = Pad()
    pad.may_end.set()
    gathering = Gathering(pad.write)
    pad.noted.append("a")
    gathering.soon()
    await gathering.close()
    assert pad.durable == ["a"] and not pad.noted
