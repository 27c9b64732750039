"""What a comparison has shown to be wrong about tallies is put right: whoever counts its doctors' votes tells them anew.

Only the instance that keeps the votes can do that, and what it tells anew takes the place of every tally before it. The other
one sees that something is missing, and has it when the sibling compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.clock import Clock
from core.database import Tx
from core.ids import uri_key
from federation.reconciliation import Kind
from federation.store import Standing, standing
from inbox.reconciliations import Done
from inbox.rounds import Round
from posts import pollstore, store
from posts.counts import tally_uri
from posts.holdings import Between
from posts.pollstore import Kept

_MOST = 1 << 53


class Number(NamedTuple):
    """Which tally of an instance it is; a later one is larger."""

    epoch: int
    sequence: int


NONE = Number(0, 0)


def number(detail: str | None) -> Number | None:
    """The number in the words about a poll; `NONE` where there are none, None where they are no number."""
    if detail is None:
        return NONE
    parts = detail.split(" ")
    if len(parts) != 2 or not all(part.isascii() and part.isdecimal() and len(part) < 17 for part in parts):
        return None
    found = Number(*map(int, parts))
    return found if found > NONE and max(found) < _MOST else None


async def theirs(going: Round, done: Done) -> None:
    """Tallies that the sibling has told us and that do not count here: it tells them anew when it compares."""
    async for piece in going.differences(Kind.TALLIES, done):
        newer = [one.uri for one in piece if (number(one.there) or NONE) > (number(one.here) or NONE)]
        missing = await going.database.read(lambda tx, newer=newer: uncounted(tx, newer))  # type: ignore[misc]
        done.missing_here += len(missing)
        done.could_not += len(missing)


async def ours(going: Round, done: Done, *, clock: Clock) -> None:
    """Tallies that we have told and that do not count there; and what counts there and we know nothing of, who have lost it."""
    async for piece in going.differences(Kind.COUNTED, done):
        for uri in [one.uri for one in piece]:
            there = number(await going.said_there(Kind.COUNTED, uri))  # it may have come between the two answers
            if there is None:
                done.could_not += 1
                continue
            one = await going.database.read(
                lambda tx, uri=uri, there=there: untold(tx, going.two, uri, there))  # type: ignore[misc]
            if one is None:
                continue
            lost = there > (one.epoch, one.sequence)
            done.missing_here += lost
            done.missing_there += not lost
            if not going.dry:
                done.sent_again += await going.write(
                    lambda tx, uri=uri, there=there: tell_anew(tx, going.two, uri, there, clock.ms()))  # type: ignore[misc]


def untold(tx: Tx, two: Between, uri: str, there: Number) -> Kept | None:
    """The poll of the sibling if its votes are kept here, and `there` is not the tally that was told last: nothing is on its
    way or about to be, it was not refused, and no result stands."""
    post = store.by_keys(tx, [uri_key(uri)]).get(uri)
    one = pollstore.kept(tx, post.id) if post is not None and post.sibling_id == two.sibling_id else None
    if post is None or one is None or one.stale or (one.epoch, one.sequence) == there or (one.sequence == 0 and there == NONE):
        return None
    key = uri_key(tally_uri(two.home, uri))
    stands = standing(tx, two.sibling_id, [key]).get(key)
    return one if stands not in (Standing.MOVING, Standing.ENDED) and not pollstore.results(tx, [post.id]) else None


def tell_anew(tx: Tx, two: Between, uri: str, there: Number, now: int) -> bool:
    """Have it told anew, in an epoch later than what is known there; whether that is to be."""
    one = untold(tx, two, uri, there)
    if one is not None:
        pollstore.tell_anew(tx, one, there.epoch, now)
    return one is not None


def uncounted(tx: Tx, uris: Sequence[str]) -> list[str]:
    """Those among some polls of ours that have no result yet."""
    posts = store.by_keys(tx, [uri_key(uri) for uri in uris])
    ended = pollstore.results(tx, [post.id for post in posts.values()])
    return [uri for uri, post in posts.items() if post.id not in ended]
