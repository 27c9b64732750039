"""What is gathered in memory and written a moment later: a log of what happens often and may not make anybody wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

_MOMENT = 0.2  # seconds


class Gathering:
    """Calls `write` once a moment after `soon`, and one call at a time; `write` takes what was gathered and makes it durable."""

    def __init__(self, write: Callable[[], Awaitable[None]]) -> None:
        self._write = write
        self._writing = asyncio.Lock()
        self._later: asyncio.Task[None] | None = None

    def soon(self) -> None:
        """Something was gathered; never raises and never waits."""
        if self._later is None or self._later.done():
            self._later = asyncio.get_running_loop().create_task(self._after_a_moment())

    async def flush(self) -> None:
        """Write now. Afterwards all that was gathered before is durable, what another call had begun to write as well."""
        async with self._writing:
            await self._write()

    async def close(self) -> None:
        """Wait no longer and write."""
        if self._later is not None:
            self._later.cancel()
            await asyncio.gather(self._later, return_exceptions=True)
        await self.flush()

    async def _after_a_moment(self) -> None:
        await asyncio.sleep(_MOMENT)
        await self.flush()
