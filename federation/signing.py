"""Signing beside the event loop: what is asked for in one turn of it goes to the threads together.

A signature takes a quarter of a millisecond; handing one piece of work to a thread and getting the answer back takes a
third of that again. So the requests of one turn are handed over in few pieces, and the answers of a piece come back
together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from federation.identity import Identity
from federation.signatures import cavage

_THREADS = 2
_PIECE = 8  # so that the first answers do not wait for the last


class _Asked(NamedTuple):
    """One request to sign, and who waits for its Signature header."""

    method: str
    target: str
    headers: Mapping[str, str]
    signed: asyncio.Future[str]


class Signers:
    """Two threads that sign with this instance's key."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sign")
        self._turn: list[_Asked] = []

    async def sign(self, method: str, target: str, headers: Mapping[str, str]) -> str:
        """The Signature header of a request; `headers` have lower-case names."""
        loop = asyncio.get_running_loop()
        asked = _Asked(method, target, headers, loop.create_future())
        if not self._turn:
            loop.call_soon(self._hand_over, loop)
        self._turn.append(asked)
        return await asked.signed

    def close(self) -> None:
        """Take no more work; what has been handed over is still signed."""
        self._threads.shutdown(wait=False)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        turn, self._turn = self._turn, []
        size = min(_PIECE, -(-len(turn) // _THREADS))
        for start in range(0, len(turn), size):
            piece = turn[start:start + size]
            try:
                self._threads.submit(self._work, loop, piece)
            except RuntimeError as error:  # closed meanwhile
                _settle(piece, [error] * len(piece))

    def _work(self, loop: asyncio.AbstractEventLoop, piece: Sequence[_Asked]) -> None:
        """In a thread: sign each of these, and give all answers back at once."""
        answers: list[str | Exception] = []
        pair = self._identity.ring.pair  # once: the key may change at any moment, and goes with its id
        for asked in piece:
            try:
                answers.append(cavage.sign(pair.private, pair.public.key_id, asked.method, asked.target, asked.headers))
            except Exception as error:
                answers.append(error)
        loop.call_soon_threadsafe(_settle, piece, answers)


def _settle(piece: Sequence[_Asked], answers: Sequence[str | Exception]) -> None:
    for asked, answer in zip(piece, answers, strict=True):
        if asked.signed.done():  # whoever asked does not wait any more
            continue
        if isinstance(answer, Exception):
            asked.signed.set_exception(answer)
        else:
            asked.signed.set_result(answer)
