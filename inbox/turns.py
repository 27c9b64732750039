"""What arrives with one turn of the loop is checked in one go and handed to the writer together (docs/decisions/0009)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from core.clock import Clock
from core.database import Database, Tx
from core.errors import KonsilError, Unavailable
from federation.allowlist import Sibling
from federation.door import Caller, Request

I = TypeVar("I")
Check = Callable[["Asked", dict[str, Sibling], int], I]
"""From a request to what may be decided about, or the `KonsilError` it is refused with. It gets whom the gate has let through in
this turn, and the time in ms; who called is noted in what was asked."""


class Asked:
    """A request on its way through the inbox, and what has been found out about it so far. `result` is what the writer makes of
    it, or the `KonsilError` that keeps it from getting there."""

    __slots__ = ("caller", "name", "request", "result")

    def __init__(self, request: Request, result: asyncio.Future[Any]) -> None:
        self.request, self.result = request, result
        self.caller: Caller | None = None
        self.name: str | None = None


class Turns(Generic[I]):
    """Collects requests of one kind, and while the processor's caches are warm checks them one after the other."""

    def __init__(self, database: Database, clock: Clock, check: Check[I],
                 apply: Callable[[Tx, Sequence[I]], Sequence[Any]]) -> None:
        self._database, self._clock, self._check, self._apply = database, clock, check, apply
        self._turn: list[Asked] = []

    def take(self, request: Request) -> Asked:
        """Check a request with the others of this turn, and hand it to the writer."""
        loop = asyncio.get_running_loop()
        asked = Asked(request, loop.create_future())
        if not self._turn:
            loop.call_soon(self._take_turn)
        self._turn.append(asked)
        return asked

    def _take_turn(self) -> None:
        turn, self._turn = self._turn, []
        now = self._clock.ms()
        admitted: dict[str, Sibling] = {}
        passed: list[tuple[I, asyncio.Future[Any]]] = []
        for asked in turn:
            try:
                passed.append((self._check(asked, admitted, now), asked.result))
            except KonsilError as error:
                _settle(asked.result, error)
            except Exception as error:
                if not asked.result.done():
                    asked.result.set_exception(error)
        try:
            self._database.enqueue(self._apply, passed)
        except Unavailable as error:
            for _, result in passed:
                _settle(result, error)


def _settle(result: asyncio.Future[Any], error: KonsilError) -> None:
    if not result.done():  # the sender went away meanwhile
        result.set_result(error)
