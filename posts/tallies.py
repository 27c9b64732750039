"""Votes that stay at home: this instance's tallies of its doctors' votes in siblings' polls.

A tally says how many chose each option, and of specialties only what is many (`posts.cells`). It is told a moment after a vote,
so that many votes make few tallies; when the poll ends, the final one at once.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from core.clock import Clock
from core.database import Database, Tx
from core.errors import NotFound
from core.ids import Ids
from federation.allowlist import Sibling
from federation.identity import Identity
from federation.store import enqueue, supersede
from posts import breakdown, counts, pollstore, store
from posts.polls import asked_at

_GATHER_MS = 1000


class Tallies:
    """Counts and tells; `grace_seconds` is how long a restored instance waits anew for those of others."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, ids: Ids, grace_seconds: int) -> None:
        self._database, self._identity, self._clock, self._ids = database, identity, clock, ids
        self._grace_ms = grace_seconds * 1000

    async def send_due(self) -> int:
        """Send the tallies that are out of date, and the final ones of polls that have ended; returns how many there were."""
        now = self._clock.ms()
        due = await self._database.read(lambda tx: pollstore.tallies_due(tx, now, now - _GATHER_MS))
        for post_id in due:
            await self._database.write(partial(self._send, post_id=post_id))
        return len(due)

    def _send(self, tx: Tx, post_id: int) -> None:
        now, post, poll, one = self._clock.ms(), store.by_id(tx, post_id), store.polls(tx, [post_id]).get(post_id), \
            pollstore.kept(tx, post_id)
        if post is None or poll is None or one is None:
            return
        recipients = asked_at(tx, self._identity, post)
        if poll.result_at is not None or one.final or not recipients:
            pollstore.needless(tx, post_id, now if poll.result_at is not None or poll.ends_at <= now else None)
            return
        count = pollstore.own_count(tx, post_id, poll)
        shown, at = breakdown.told(one.shown, one.shown_voters, tx, post_id, poll, count.voters)
        made = counts.tally(self._identity, post.uri, count, {code: votes for code, votes in shown.items() if code},
                            (one.epoch, one.sequence + 1), final=poll.ends_at <= now, now=now)
        activity = counts.count_activity(self._identity, made)
        supersede(tx, activity.object_uri, now)
        enqueue(tx, self._ids.new(), activity, recipients, now)
        pollstore.told(tx, one._replace(shown=shown, shown_voters=at), made, now)

    async def attest(self, sibling: Sibling, key: str) -> dict[str, Any]:
        """What is counted here at this moment of a sibling's question, signed; `NotFound` for any other. `key` is how the
        question is called in `counts.tally_uri`."""

        def look(tx: Tx) -> dict[str, Any]:
            post_id = pollstore.kept_by(tx, key, sibling.id)
            post, one = (store.by_id(tx, post_id), pollstore.kept(tx, post_id)) if post_id is not None else (None, None)
            if post is None or one is None:
                raise NotFound("There is no such poll here.")
            sums = pollstore.own_count(tx, post.id, store.polls(tx, [post.id])[post.id])
            return counts.attestation(self._identity, post.uri, sums, (one.epoch, one.sequence), final=one.final,
                                      now=self._clock.ms())

        return await self._database.read(look)

    async def restarted(self) -> None:
        """This instance came out of a backup: what it tells from now on counts at siblings that have heard later numbers, and
        what they have said since is waited for anew."""
        now = self._clock.ms()
        await self._database.write(lambda tx: pollstore.restart(tx, now, self._grace_ms))
