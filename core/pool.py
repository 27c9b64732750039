"""Few of something and many who want it: whoever has waited longest is next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Pool(Generic[T]):
    """What is lent out, one to each. With `asyncio.Queue` whoever came just as one came back would take it, and the one it
    was meant for would begin to wait anew: under load some waited ten times as long as others."""

    def __init__(self, things: Iterable[T] = ()) -> None:
        self._free = list(things)
        self._waiting: deque[asyncio.Future[T]] = deque()

    async def take(self) -> T:
        """One of them, when it is the caller's turn; it has to be given back."""
        if self._free:
            return self._free.pop()
        turn: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # given up in the moment in which it was given
                self.give(turn.result())
            raise

    def give(self, thing: T) -> None:
        """Back, to the next one."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(thing)
                return
        self._free.append(thing)

    def empty(self) -> list[T]:
        """Take all that are free out for good."""
        free, self._free = self._free, []
        return free
