"""Voting by this instance's doctors, on polls of this instance and of its siblings, and telling what came of it.

A vote in a sibling's poll that keeps votes at home stays here and is counted (`posts.tallies`); else it is sent. When a poll of
ours has ended, what is still on its way is waited for, at most for the grace; then its result is made, signed, and stands.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from actors import aliases
from actors.models import Actor, Author
from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput, NotFound
from core.ids import Ids, public
from core.telemetry import get_logger
from federation.identity import Identity
from federation.lanes import FRESH, URGENT
from federation.store import enqueue
from posts import ballots, breakdown, concerns, counts, outgoing, pollstore, store
from posts.counts import Counted, Mode
from posts.editing import announce
from posts.models import Breakdown
from posts.network import Network, network
from posts.reading import readable
from posts.store import Poll, Post

log = get_logger("polls")
_GATHER_MS = 500


class _Awaited(NamedTuple):
    """What has been counted of siblings, the actors of those that are not wholly in it, and whether somebody is waited for."""

    counted: tuple[Counted, ...]
    missing: tuple[str, ...]
    waits: bool


class Polls:
    """Casts votes; what a vote is, is decided by `slot` (see the schema)."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, ids: Ids, grace_seconds: int) -> None:
        self._database, self._identity, self._clock, self._ids = database, identity, clock, ids
        self._grace_ms = grace_seconds * 1000

    async def vote(self, author: Author, post_id: str, positions: tuple[int, ...]) -> None:
        """Vote once, with one choice or several where the poll allows it; a second vote is a `Conflict`."""

        def write(tx: Tx) -> None:
            now = self._clock.ms()  # at its turn: what has been counted for the last time gets no vote any more
            post = readable(tx, post_id, author.actor)
            poll = store.polls(tx, [post.id]).get(post.id)
            if poll is None:
                raise NotFound("There is no such poll here.")
            if aliases.is_hers(tx, post.author_id, author.actor):
                raise InvalidInput("Nobody votes in their own poll.", reason="own-poll")
            kept = pollstore.kept(tx, post.id) if post.sibling_id is not None else None
            if poll.closed_at is not None or poll.ends_at <= now or (kept is not None and kept.final):
                raise Conflict("This poll has closed; your vote was not counted.", reason="poll-closed")
            chosen = sorted(set(positions))
            if not poll.multiple and len(chosen) != 1:
                raise InvalidInput("Choose one option.", field="choice")
            if not chosen:
                raise InvalidInput("Choose at least one option.", field="choice")
            if not all(0 <= position < len(poll.options) for position in chosen):
                raise InvalidInput("There is no such option.", field="choice")
            if ballots.choices(tx, [post.id], author.actor.id):
                raise Conflict("You have voted already; a vote stands.", reason="voted")
            ballots.insert_votes(tx, [(post.id, author.actor.id, position + 1 if poll.multiple else 0, position, now)
                                    for position in chosen])
            if post.sibling_id is None:
                ballots.recount(tx, post.id, now)
                return
            recipients = asked_at(tx, self._identity, post)
            if not recipients:
                raise Conflict("This poll's country cannot be reached any more; your vote was not counted.", reason="outside")
            if kept is not None:
                pollstore.voted_here(tx, post.id, now)
            else:
                self._send(tx, author, post, [poll.options[position][0] for position in chosen], recipients, now)

        await self._database.write(write)

    def _send(self, tx: Tx, author: Author, post: Post, names: list[str], recipients: list[int], now: int) -> None:
        """Put one standard vote per choice in the outbox, for the poll's own instance and nobody else."""
        asker = by_ids(tx, [post.author_id])[post.author_id]
        for name in names:
            vote_id = self._ids.new()
            uri = f"{self._identity.origin}/votes/{public(vote_id)}"
            enqueue(tx, vote_id, outgoing.vote(uri, author.actor.uri, post.uri, asker.uri, name), recipients, now)

    async def breakdown(self, author: Actor, post_id: str) -> Breakdown:
        """Who chose what in a poll of hers, as far as it can be said; `NotFound` for anybody else."""

        def look(tx: Tx) -> Breakdown:
            post = readable(tx, post_id, author)
            poll = store.polls(tx, [post.id]).get(post.id)
            if poll is None or not aliases.is_hers(tx, post.author_id, author):
                raise NotFound("There is no such poll here.")
            return breakdown.shown(tx, network(tx, self._identity), post, poll)

        return await self._database.read(look)

    async def announce_due(self, *, results: bool = True) -> int:
        """Tell their audiences the new counts of local polls, which have closed, and what came out; returns how many were
        announced.

        Counts are gathered for a moment, so that many votes make few Updates. Without `results` none is made: who has lost them
        with a backup asks first whether somebody has one.
        """
        now = self._clock.ms()
        due = await self._database.read(lambda tx: ballots.polls_to_announce(tx, now, now - _GATHER_MS))
        for post_id in due:
            await self._database.write(partial(self._announce, post_id=post_id, now=now, results=results))
        waiting = await self._database.read(self._ready) if results else []
        for post_id in waiting:
            await self._database.write(partial(self._finish, post_id=post_id))
        return len(due) + len(waiting)

    def _announce(self, tx: Tx, post_id: int, now: int, *, results: bool) -> None:
        ended = ballots.close_poll(tx, post_id, now, self._grace_ms)
        at_once = ended and results and self._finish(tx, post_id)  # nobody to wait for
        post = store.by_id(tx, post_id) if at_once else self._tell(tx, post_id, now)
        if ended and post is not None:
            concerns.closed(tx, self._ids, post, now)

    def _tell(self, tx: Tx, post_id: int, now: int) -> Post | None:
        """Announce a poll as it stands; the post, unless it is not there any more."""
        post = ballots.settle_poll(tx, post_id)
        author = by_ids(tx, [post.author_id]).get(post.author_id) if post is not None else None
        if post is None or author is None:
            return None
        if (poll := store.polls(tx, [post_id]).get(post_id)) is not None:
            breakdown.advance(tx, network(tx, self._identity), post, poll, now)
        try:
            lane = URGENT if pollstore.lapse_untold(tx, post_id) else FRESH
            announce(tx, self._identity, self._ids, post, author.uri, now, lane, repeats=True)
        except InvalidInput as error:  # room for it is kept when a poll is published; one of an older release may have none
            log.error("a poll is too large to be announced", poll=post.uri, error=error)
        return post

    def _ready(self, tx: Tx) -> list[int]:
        """Closed polls of ours that nobody is waited for any more."""
        closed = pollstore.counting(tx)
        if not closed:
            return []
        now, places = self._clock.ms(), network(tx, self._identity)
        polls, posts = store.polls(tx, closed), store.by_many(tx, closed)
        return [post_id for post_id in closed if post_id in posts and post_id in polls
                and not _awaited(tx, places, posts[post_id], polls[post_id], now).waits]

    def _finish(self, tx: Tx, post_id: int) -> bool:
        """Make and announce the result of a closed poll, unless there is somebody to wait for; whether it was made."""
        now, post, poll = self._clock.ms(), store.by_id(tx, post_id), store.polls(tx, [post_id]).get(post_id)
        if post is None or poll is None or poll.counts_until is None:
            return False
        awaited = _awaited(tx, network(tx, self._identity), post, poll, now)
        if awaited.waits:
            return False
        ballots.recount(tx, post_id, now)
        poll = store.polls(tx, [post_id])[post_id]
        pollstore.store_result(tx, post_id, counts.result(self._identity, post, poll, awaited.counted, awaited.missing, now))
        self._tell(tx, post_id, now)
        return True


def asked_at(tx: Tx, identity: Identity, post: Post) -> list[int]:
    """The sibling a post came from, as a list of recipients; none where nothing is sent to it any more."""
    return [place.id for place in network(tx, identity).siblings.values() if place.id == post.sibling_id and place.sent_to]


def _awaited(tx: Tx, places: Network, post: Post, poll: Poll, now: int) -> _Awaited:
    """Whose last word is missing. Who sends votes may send some until the grace is over; whoever is outside our control is not
    waited for."""
    modes, last = pollstore.modes(tx, [post.id]), pollstore.standings(tx, post.id, poll)
    counted, missing, waits = [], [], False
    for origin in post.audience.origins:
        place = places.place(origin)
        if place is None:
            continue
        if modes.get((post.id, place.id), Mode.VOTES) == Mode.VOTES:
            waits = waits or place.sent_to
            continue
        standing = last.get(place.id)
        if standing is not None:
            counted.append(pollstore.counted(standing, place.actor_uri))
        if standing is None or not standing.final:
            missing.append(place.actor_uri)
            waits = waits or place.sent_to
    return _Awaited(tuple(counted), tuple(missing), waits and now < (poll.counts_until or 0))
