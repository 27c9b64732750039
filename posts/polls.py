"""Voting by this instance's doctors, on polls of this instance and of its siblings, and telling what came of it."""

from __future__ import annotations

from functools import partial

from actors.models import Author
from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput, NotFound
from core.ids import Ids, public
from federation.identity import Identity
from federation.store import enqueue
from posts import concerns, store, wire
from posts.editing import announce
from posts.network import network
from posts.reading import readable

_GATHER_MS = 500


class Polls:
    """Casts votes; what a vote is, is decided by `slot` (see the schema)."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, ids: Ids) -> None:
        self._database, self._identity, self._clock, self._ids = database, identity, clock, ids

    async def vote(self, author: Author, post_id: str, positions: tuple[int, ...]) -> None:
        """Vote once, with one choice or several where the poll allows it; a second vote is a `Conflict`."""
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            post = readable(tx, post_id, author.actor)
            poll = store.polls(tx, [post.id]).get(post.id)
            if poll is None:
                raise NotFound("There is no such poll here.")
            if post.author_id == author.actor.id:
                raise InvalidInput("Nobody votes in their own poll.", reason="own-poll")
            if poll.closed_at is not None or poll.ends_at <= now:
                raise Conflict("This poll has closed; your vote was not counted.", reason="poll-closed")
            chosen = sorted(set(positions))
            if not poll.multiple and len(chosen) != 1:
                raise InvalidInput("Choose one option.", field="choice")
            if not chosen:
                raise InvalidInput("Choose at least one option.", field="choice")
            if not all(0 <= position < len(poll.options) for position in chosen):
                raise InvalidInput("There is no such option.", field="choice")
            if store.choices(tx, [post.id], author.actor.id):
                raise Conflict("You have voted already; a vote stands.", reason="voted")
            store.insert_votes(tx, [(post.id, author.actor.id, position + 1 if poll.multiple else 0, position, now)
                                    for position in chosen])
            if post.sibling_id is None:
                store.recount(tx, post.id, now)
            else:
                self._send(tx, author, post, [poll.options[position][0] for position in chosen], now)

        await self._database.write(write)

    def _send(self, tx: Tx, author: Author, post: store.Post, names: list[str], now: int) -> None:
        """Put one standard vote per choice in the outbox, for the poll's own instance and nobody else."""
        asker = by_ids(tx, [post.author_id])[post.author_id]
        recipients = [place.id for place in network(tx, self._identity).siblings.values()
                      if place.id == post.sibling_id and place.sent_to]
        if not recipients:
            raise Conflict("This poll's country cannot be reached any more; your vote was not counted.", reason="outside")
        for name in names:
            vote_id = self._ids.new()
            uri = f"{self._identity.origin}/votes/{public(vote_id)}"
            enqueue(tx, vote_id, wire.vote(uri, author.actor.uri, post.uri, asker.uri, name), recipients, now)

    async def announce_due(self) -> int:
        """Tell their audiences the new counts of local polls, and which have closed; returns how many were announced.

        Counts are gathered for a moment, so that many votes make few Updates.
        """
        now = self._clock.ms()
        due = await self._database.read(lambda tx: store.polls_to_announce(tx, now, now - _GATHER_MS))
        for post_id in due:
            await self._database.write(partial(self._announce, post_id=post_id, now=now))
        return len(due)

    def _announce(self, tx: Tx, post_id: int, now: int) -> None:
        ended = store.close_poll(tx, post_id, now)
        post = store.settle_poll(tx, post_id)
        author = by_ids(tx, [post.author_id]).get(post.author_id) if post is not None else None
        if post is not None and author is not None:
            announce(tx, self._identity, self._ids, post, author.uri, now)
            if ended:
                concerns.closed(tx, self._ids, post, now)
