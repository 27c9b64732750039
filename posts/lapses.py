"""Votes of doctors who are no longer verified: they stay counted, and everybody who sees the poll is told how many they are.

Whenever a badge ends or holds again, here or at a sibling, by a decision or by the clock, the polls are looked at that its
bearer's votes are known of. Of a poll of ours the number changes at once, and its audience is told with the next Update, in the
urgent lane; to the author of a sibling's poll whose votes stay here one number is said, of all our doctors together and of no
option.
"""

from __future__ import annotations

from functools import partial

from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Tx
from core.ids import Ids
from federation.addresses import origin_of
from federation.documents import dumps
from federation.identity import CONTEXT, Identity
from federation.lanes import URGENT
from federation.signatures.cavage import digest
from federation.store import Outgoing, enqueue, supersede
from posts import ballots, pollstore, store
from posts.counts import tally_uri
from posts.polls import asked_at

LAPSE = "Lapse"
"""The activity that says how many."""
_SOME = 200


class Lapses:
    """Looks at the votes of those whose badges have changed."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, ids: Ids) -> None:
        self._database, self._identity, self._clock, self._ids = database, identity, clock, ids

    async def work(self) -> int:
        """Look at some of what is due; how many doctors that were."""
        now = self._clock.ms()
        before = await self._database.read(_watched)
        if before is None or await self._database.read(lambda tx: _ran_out(tx, before, now)):
            await self._database.write(lambda tx: _watch(tx, now))
        due = await self._database.read(lambda tx: [row["actor_id"] for row in tx.rows(
            "SELECT actor_id FROM badge_changes LIMIT ?", (_SOME,))])
        for actor_id in due:
            await self._database.write(partial(self._look, actor_id=actor_id))
        for post_id in await self._database.read(pollstore.lapses_untold):
            await self._database.write(partial(self._say, post_id=post_id))
        return len(due)

    def _look(self, tx: Tx, actor_id: int) -> None:
        """Bring every poll up to date that her votes are known of."""
        tx.run("DELETE FROM badge_changes WHERE actor_id = ?", (actor_id,))
        actor, now = by_ids(tx, [actor_id]).get(actor_id), self._clock.ms()
        for post_id in pollstore.voted_in(tx, actor_id):
            kept = pollstore.kept(tx, post_id)
            if kept is None:
                post = store.by_id(tx, post_id)
                if post is not None and post.sibling_id is None:
                    ballots.count_lapsed(tx, post_id, now)
                    tx.wake("polls")
            elif actor is not None and actor.local:
                self._say(tx, post_id)

    def _say(self, tx: Tx, post_id: int) -> None:
        """Tell the author of a sibling's poll how many of ours who have voted are no longer verified, if that has changed."""
        post, one, now = store.by_id(tx, post_id), pollstore.kept(tx, post_id), self._clock.ms()
        if post is None or one is None or (lapsed := pollstore.own_lapsed(tx, post_id, now)) == one.lapsed:
            return
        moment = max(now, one.lapsed_at + 1)
        pollstore.lapse_told(tx, post_id, lapsed, moment)
        if recipients := asked_at(tx, self._identity, post):
            activity = _lapse(self._identity, post.uri, lapsed, moment)
            supersede(tx, activity.object_uri, now)
            enqueue(tx, self._ids.new(), activity, recipients, now)


def _lapse(identity: Identity, question_uri: str, lapsed: int, moment: int) -> Outgoing:
    """`Lapse` of a question, by the instance actor to the asker's. All of one question are one object; the question's deletion
    takes them along."""
    name = f"{tally_uri(identity.origin, question_uri)}#lapsed"
    uri = f"{name}-{moment}"
    body = dumps({"@context": CONTEXT, "id": uri, "type": LAPSE, "actor": identity.actor_uri,
                  "to": [f"{origin_of(question_uri)}/actor"],
                  "object": {"id": question_uri, "type": "Question", "lapsedVoters": lapsed, "moment": moment}})
    return Outgoing(uri, LAPSE, name, body, digest(body), URGENT, about_uri=question_uri)


def _watched(tx: Tx) -> int | None:
    row = tx.row("SELECT at FROM badge_watch")
    return row["at"] if row is not None else None


def _ran_out(tx: Tx, before: int, now: int) -> bool:
    """Whether a badge, here or elsewhere, has run out by itself between two moments (ms)."""
    return tx.row("SELECT 1 FROM actors WHERE verified_until > ? AND verified_until <= ? LIMIT 1", (before, now)) is not None


def _watch(tx: Tx, now: int) -> None:
    """Have the votes looked at of all whose badges ran out since it was last looked for them; the first time of all."""
    before = _watched(tx) or 0
    tx.run("INSERT INTO badge_changes (actor_id) SELECT id FROM actors WHERE verified_until > ? AND verified_until <= ?"
           " ON CONFLICT (actor_id) DO NOTHING", (before, now))
    tx.run("INSERT INTO badge_watch (one, at) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET at = excluded.at", (now,))
