"""What is lent out in turn: nobody is overtaken, and nothing is lost with somebody who gives up."""

from __future__ import annotations

import asyncio

import pytest

from core.pool import Pool


async def test_whoever_has_waited_longest_is_next() -> None:
    pool, served = Pool(["it"]), list[int]()

    async def use(number: int) -> None:
        for _ in range(3):
            thing = await pool.take()
            await asyncio.sleep(0)
            served.append(number)
            pool.give(thing)

    await asyncio.gather(*map(use, range(5)))
    assert served == [0, 1, 2, 3, 4] * 3


async def test_one_who_gives_up_while_waiting_is_passed_over() -> None:
    pool = Pool(["it"])
    thing = await pool.take()
    gone, next_one = asyncio.ensure_future(pool.take()), asyncio.ensure_future(pool.take())
    await asyncio.sleep(0)
    gone.cancel()
    pool.give(thing)
    assert await next_one == "it"


async def test_one_who_gives_up_as_her_turn_comes_passes_it_on() -> None:
    pool = Pool(["it"])
    thing = await pool.take()
    gone, next_one = asyncio.ensure_future(pool.take()), asyncio.ensure_future(pool.take())
    await asyncio.sleep(0)
    pool.give(thing)
    gone.cancel()  # it has just become hers, and she does not know yet
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await next_one == "it"


async def test_what_is_free_can_be_taken_out_for_good() -> None:
    pool = Pool(["one", "two"])
    lent = await pool.take()
    assert pool.empty() == [({"one", "two"} - {lent}).pop()] and pool.empty() == []
    pool.give(lent)
    assert pool.empty() == [lent]
