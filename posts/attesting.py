"""Whether what was counted is what siblings count: each is asked for its tally anew, and what differs is kept and said.

It is said in words. Numbers stand beside them for operators only, and only where both are large (`posts.cells`); to the author
even a sum by country could give a hidden cell away.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import NamedTuple

from actors import aliases
from actors.models import Actor
from actors.store import by_ids
from core.audit import Audit
from core.clock import Clock
from core.database import Database, Tx
from core.errors import InvalidInput, KonsilError, NotFound, TooMany
from core.ids import number
from core.telemetry import get_logger
from core.words import N_
from federation.allowlist import CLOSED, Allowlist, Direction, Purpose
from federation.client import Client
from federation.identity import Identity
from posts import counts, pollstore, store
from posts.cells import FEWEST
from posts.counts import Mode, Sums
from posts.network import Place, network
from posts.reading import readable
from posts.store import Poll, Post

log = get_logger("polls")
_AGAIN_MS = 30_000


class Outcome(StrEnum):
    """How what a sibling attests lies to what was counted of it."""

    SAME = N_("It stands by what was counted.")
    MORE = N_("It has more votes than were counted.")
    FEWER = N_("It has fewer votes than were counted.")
    OTHER = N_("It has other votes than were counted.")
    SILENT = N_("It could not be asked at the moment.")
    OUTSIDE = N_("It is paused or outside our control, so it was not asked.")
    WRONG = N_("Its answer was not one that it has signed about this poll.")


SOUND = frozenset({Outcome.SAME, Outcome.SILENT, Outcome.OUTSIDE})
"""Outcomes that say nothing against what was counted."""


class Compared(NamedTuple):
    """One sibling's answer: its country and origin, what came of it, what was counted and what it attests where both may be
    said: the voters, and per option by name."""

    country: str
    origin: str
    outcome: Outcome
    voters: tuple[int, int] | None
    options: tuple[tuple[str, tuple[int, int] | None], ...]


class _Asked(NamedTuple):
    post: Post
    poll: Poll
    places: tuple[Place, ...]
    counted: dict[int, Sums]


class Attesting:
    """Asks siblings for their tallies anew."""

    def __init__(self, database: Database, identity: Identity, allowlist: Allowlist, client: Client, clock: Clock,
                 audit: Audit) -> None:
        self._database, self._identity, self._allowlist, self._client = database, identity, allowlist, client
        self._clock, self._audit = clock, audit

    async def check_own(self, author: Actor, post_id: str) -> tuple[Compared, ...]:
        """The same for the author of a poll; `NotFound` for anybody else, `TooMany` soon after the last time. The audit log names
        who signed the poll: an alias, where that was by role only."""
        def look(tx: Tx) -> tuple[_Asked, str]:
            post = readable(tx, post_id, author)
            if not aliases.is_hers(tx, post.author_id, author):
                raise NotFound("There is no such poll here.")
            last = pollstore.last_check(tx, post.id)
            if last is not None and self._clock.ms() - last < _AGAIN_MS:
                raise TooMany("This was asked a moment ago; what came of it stands below.", retry_after=_AGAIN_MS // 1000)
            return self._asked(tx, post), by_ids(tx, [post.author_id])[post.author_id].handle

        return await self._check(*await self._database.read(look))

    async def check(self, post_id: str, by: str) -> tuple[Compared, ...]:
        """Ask every sibling whose tally is in a poll of ours, keep what came of it, and say it in the audit log."""
        def look(tx: Tx) -> _Asked:
            inner = number(post_id)
            post = store.by_id(tx, inner) if inner is not None else None
            if post is None or post.sibling_id is not None or post.erased_at is not None:
                raise NotFound("There is no such poll here.")
            return self._asked(tx, post)

        return await self._check(await self._database.read(look), by)

    def _asked(self, tx: Tx, post: Post) -> _Asked:
        poll = store.polls(tx, [post.id]).get(post.id)
        if poll is None:
            raise NotFound("There is no such poll here.")
        modes = pollstore.modes(tx, [post.id])
        places = tuple(place for place in network(tx, self._identity).siblings.values()
                       if modes.get((post.id, place.id)) == Mode.TALLY)
        if not places:
            raise InvalidInput("No other instance counts votes of this poll.", reason="no-tallies")
        counted = {one: standing.sums for one, standing in pollstore.standings(tx, post.id, poll).items()}
        return _Asked(post, poll, places, counted)

    async def _check(self, asked: _Asked, by: str) -> tuple[Compared, ...]:
        answers = await asyncio.gather(*(self._ask(asked, place) for place in asked.places))
        now, nothing = self._clock.ms(), Sums(tuple((name, 0) for name, _ in asked.poll.options), 0)
        found = []
        for place, (failed, attested) in zip(asked.places, answers, strict=True):
            counted = asked.counted.get(place.id, nothing)
            outcome = failed or _outcome(counted, attested or nothing, still_open=asked.poll.ends_at > now)
            found.append((place, outcome, counted, attested))

        def keep(tx: Tx) -> None:
            if store.polls(tx, [asked.post.id]):
                pollstore.keep_checks(tx, asked.post.id, now, [
                    (place.id, outcome.name.lower(), counted, attested) for place, outcome, counted, attested in found])
            self._audit.note(tx, by=by, action="poll.attested", target=asked.post.uri, detail=", ".join(
                f"{place.country} {outcome.name.lower()}" for place, outcome, _, _ in found))

        await self._database.write(keep)
        return tuple(_compared(*one) for one in found)

    async def _ask(self, asked: _Asked, place: Place) -> tuple[Outcome | None, Sums | None]:
        """What a sibling attests, or why it does not."""
        url = counts.tally_uri(place.origin, asked.post.uri)
        try:
            sibling = self._allowlist.admit(place.origin, Direction.OUT, Purpose.FETCH, path=url)
            found = counts.read_tally(await self._client.get(sibling, url), sibling, "Attestation")
            if found.question != asked.post.uri or [name for name, _ in found.sums.options] != [
                    name for name, _ in asked.poll.options]:
                raise InvalidInput("This is not a tally of that instance.", reason="bad-tally")
        except KonsilError as error:
            log.info("not attested", sibling=place.origin, error=error)
            if error.reason in CLOSED:
                return Outcome.OUTSIDE, None
            return Outcome.WRONG if isinstance(error, InvalidInput) else Outcome.SILENT, None
        return None, found.sums


def _outcome(counted: Sums, attested: Sums, *, still_open: bool) -> Outcome:
    """Votes may come while a poll is open. That some have come a moment ago is not said: with the next sum it would say which."""
    grown = all(theirs >= votes for (_, votes), (_, theirs) in zip(counted.options, attested.options, strict=True))
    if counted == attested or (still_open and grown and attested.voters >= counted.voters):
        return Outcome.SAME
    if attested.voters < counted.voters:
        return Outcome.FEWER
    return Outcome.MORE if grown and attested.voters > counted.voters else Outcome.OTHER


def _compared(place: Place, outcome: Outcome, counted: Sums, attested: Sums | None) -> Compared:
    if attested is None:
        return Compared(place.country, place.origin, outcome, None, ())
    return Compared(place.country, place.origin, outcome, _both(counted.voters, attested.voters), tuple(
        (name, _both(votes, theirs)) for (name, votes), (_, theirs) in zip(counted.options, attested.options, strict=True)))


def _both(counted: int, attested: int) -> tuple[int, int] | None:
    return (counted, attested) if min(counted, attested) >= FEWEST else None
