"""One comparison with one sibling under way: what differs, piece by piece, and writing what follows from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, TypeVar

from core.database import Database, Tx
from core.errors import Unavailable
from core.ids import uri_key
from federation.allowlist import SiblingState
from federation.listed import entry
from federation.reconciliation import FIRST, Asking, Kind
from inbox.reconciliations import Done
from posts import holdings
from posts.holdings import MIRROR, Between

T = TypeVar("T")


class Difference(NamedTuple):
    """What is said about one URI here and there, where that is not the same."""

    uri: str
    here: str | None
    there: str | None

    @property
    def newer_there(self) -> bool:
        return number_of(self.there) > number_of(self.here)


class Round(NamedTuple):
    """One comparison with one sibling: when it began (ms), whether we have come out of a backup since the last one, whether
    nothing is to be changed."""

    database: Database
    asking: Asking
    two: Between
    started: int
    fresh: bool
    dry: bool

    async def differences(self, kind: Kind, done: Done) -> AsyncIterator[list[Difference]]:
        """What differs, in pieces, in order; when this has ended without an error the sibling has told all of it."""
        mirror, after = MIRROR[kind], FIRST
        async for one in self.asking.ranges(kind):
            done.compared += one.number
            here = await holdings.summed(self.database, mirror, self.two, after, one.upto, one.number)
            if (here.count, here.digest) != (one.number, one.digest):
                async for piece in self._merged(kind, after, one.upto):
                    if piece:
                        yield piece
            after = one.upto

    async def _merged(self, kind: Kind, after: bytes, upto: bytes) -> AsyncIterator[list[Difference]]:
        mirror = MIRROR[kind]
        theirs = await self.asking.items(kind, after, upto, holdings.below(mirror, self.two))
        place = 0
        while after < upto:
            piece = await self.database.read(
                lambda tx, after=after: holdings.read(tx, mirror, self.two, after, upto))  # type: ignore[misc]
            here = {one.key: one for one in piece.items}
            there = {}
            while place < len(theirs) and theirs[place].key <= piece.upto:
                there[theirs[place].key] = theirs[place]
                place += 1
            yield [Difference((here.get(key) or there[key]).uri, here[key].detail if key in here else None,
                              there[key].detail if key in there else None)
                   for key in sorted({*here, *there})
                   if key not in here or key not in there or here[key].detail != there[key].detail]
            after = piece.upto

    async def said_there(self, kind: Kind, uri: str) -> str | None:
        """The sibling's words about one thing at this moment; None where it says nothing."""
        key = uri_key(uri)
        found = await self.asking.items(kind, before(key), key, holdings.below(MIRROR[kind], self.two))
        return next((one.detail for one in found if one.uri == uri), None)

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Write something that the sibling's words have led to, as long as it is active."""
        def write(tx: Tx) -> T:
            found = entry(tx, self.two.sibling_id)
            if found is None or found.state != SiblingState.ACTIVE:
                raise Unavailable("This instance is no longer active here.", reason="paused", retry_after=300)
            return work(tx)

        return await self.database.write(write)


def number_of(detail: str | None) -> int:
    """The revision that the words about a post say; 0 where they say none."""
    return int(detail) if detail is not None and detail.isascii() and detail.isdecimal() and len(detail) < 10 else 0


def before(key: bytes) -> bytes:
    """The key right before another one."""
    return (int.from_bytes(key, "big") - 1).to_bytes(len(key), "big")
