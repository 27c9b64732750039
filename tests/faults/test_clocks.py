"""A clock that steps, on either side: what the other one cannot believe waits, and arrives when the clock is right again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.faults.compared import compare
from tests.faults.proxy import Proxy
from tests.faults.test_network import Three, ask, conversation, line, patient, reaches, rests
from tests.servers import countries, until

_STEPS = (600, -600, 86_400, -86_400)


async def test_a_clock_that_steps_and_comes_back_loses_and_doubles_nothing(
        tmp_path: Path, figures: Callable[[str], None]) -> None:
    async with countries(tmp_path, "de", "fr", "it", settled=patient) as (de, fr, it):
        three = Three(de, fr, it, Proxy())
        deleted: set[str] = set()
        for side, stepping in enumerate((de, fr)):
            for number, seconds in enumerate(_STEPS):
                name = f"s{side}n{number}x"
                await ask(de, f"zqfirst{name}q")
                stepping.its.clock.offset = float(seconds)
                deleted |= await conversation(three, name)
                await until(lambda: _says(three, (True, "no-receipt 401")))  # who signs beyond five minutes is not believed
                if stepping is fr:
                    await until(partial(reaches, it, name, 5))
                stepping.its.clock.offset = 0.0
                await until(partial(rests, three))
                assert await line(three) == (False, "")
                compare(three.places()).check()
        for one in (de, fr, it):  # all of them at once, as in an hour that comes twice: nobody notices
            one.its.clock.offset = 3600.0
        deleted |= await conversation(three, "allx")
        for one in (de, fr, it):
            one.its.clock.offset = 0.0
        deleted |= await conversation(three, "backx")
        await until(partial(rests, three))
        for place in three.places():
            await until(lambda place=place: not compare([place], deleted).risen)  # type: ignore[misc]
        figures(f"{2 * len(_STEPS)} steps from ten minutes to a day: {compare(three.places(), deleted).check()}")


async def _says(three: Three, expected: tuple[bool, str]) -> bool:
    return await line(three) == expected
