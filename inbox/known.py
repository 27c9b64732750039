"""What the database knows about a batch of arrivals, read in one go before anything is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from actors import follows
from actors.follows import Follow
from actors.models import Actor
from actors.store import COLUMNS, actor_from, shown_among
from core.database import Tx, marks
from core.errors import InvalidInput
from core.ids import uri_key
from federation.keyring import answerable
from inbox.arrival import Arrival, Held, Wanted
from inbox.reconciliations import Lost, lost, made_then
from posts import pollstore, store
from posts.counts import Mode
from posts.models import Kind, Reach
from posts.pollstore import Kept
from posts.store import Poll, Post

_ABOUT_KEYS = frozenset({"Accept", "Reject"})
_ABOUT_FOLLOWS = frozenset({"Accept", "Reject", "Undo"})


@dataclass(slots=True)
class Known:
    """Actors, posts, polls and follows by URI or id, what is deleted, and who has voted; grows with what the batch itself
    adds."""

    home: str
    states: dict[str, str]
    actors: dict[str, Actor]
    posts: dict[str, Post]
    deleted: set[str]
    polls: dict[int, Poll]
    voted: set[tuple[int, int, int]] = field(default_factory=set)
    here: set[str] = field(default_factory=set)  # doctors of this instance among those whom the batch names
    follows: dict[str, Follow] = field(default_factory=dict)  # those that are answered or undone
    modes: dict[tuple[int, int], Mode] = field(default_factory=dict)  # how votes come, by (post, sibling)
    tallied: dict[tuple[int, int], tuple[int, int, bool]] = field(default_factory=dict)  # the last tally's number, and if final
    results: dict[int, str] = field(default_factory=dict)  # the digests of results that are here
    kept: dict[int, Kept] = field(default_factory=dict)  # polls of siblings whose votes stay here, where a result comes
    announced: dict[str, int] = field(default_factory=dict)  # keys of ours, by the activity that a sibling can answer
    lost: Sequence[Lost] = ()  # the times of which a restored backup knows nothing, where something of ours is named

    def admits(self, origin: str) -> bool:
        """Whether something may be fetched from there, now or when its pause ends."""
        return self.states.get(origin) in ("active", "paused")

    def not_there(self, uri: str, refusal: InvalidInput) -> Held:
        """What becomes of something about a post of ours that is not there, or not for its sender: it waits where that post can
        have been lost with a backup, because a sibling may give it back; else the `refusal` is raised. Both have one answer."""
        if uri in self.deleted or not uri.startswith(f"{self.home}/") or not made_then(self.lost, uri):
            raise refusal
        return Held(uri, Wanted.POST)


def load(tx: Tx, home: str, arrivals: Sequence[Arrival], states: dict[str, str]) -> Known:
    """Read what these arrivals need: one statement per table."""
    named = {uri_key(uri) for arrival in arrivals if arrival.audience.reach == Reach.NAMED for uri in arrival.audience.readers}
    wanted = {uri_key(arrival.object_id) for arrival in arrivals if arrival.type == "Follow"}
    named |= wanted
    actors = list({uri_key(arrival.actor) for arrival in arrivals} | wanted
                  | {uri_key(arrival.object_id) for arrival in arrivals if arrival.type == "Delete"})
    about = {arrival.object_id for arrival in arrivals if arrival.object_id}
    about |= {arrival.note.in_reply_to for arrival in arrivals if arrival.note is not None and arrival.note.in_reply_to}
    about |= {arrival.tally.question for arrival in arrivals if arrival.tally is not None}
    keys = [uri_key(uri) for uri in about]
    undoable = [uri_key(arrival.uri) for arrival in arrivals if arrival.type in ("Like", "Announce")]  # also before they come
    people = {row["uri"]: actor_from(row) for row in tx.rows(
        f"SELECT {COLUMNS} FROM actors WHERE uri_key IN ({marks(len(actors))}) AND gone_at IS NULL", actors)}
    posts = store.by_keys(tx, keys)
    known = Known(home, states, people, posts, store.tombstoned(tx, keys + undoable + actors),
                  store.polls(tx, [post.id for post in posts.values() if post.kind == Kind.POLL]))
    if any(uri.startswith(f"{home}/posts/") for uri in about):
        known.lost = lost(tx)
    voters = {
        (posts[arrival.note.in_reply_to].id, people[arrival.actor].id) for arrival in arrivals
        if arrival.note is not None and arrival.note.is_vote and arrival.note.in_reply_to in posts and arrival.actor in people}
    known.voted = store.voted(tx, voters)
    _load_counts(tx, known, arrivals)
    known.here = shown_among(tx, list(named))
    known.follows = follows.by_uris(tx, list({arrival.object_id for arrival in arrivals if arrival.type in _ABOUT_FOLLOWS}))
    if any(arrival.type in _ABOUT_KEYS and arrival.by_instance for arrival in arrivals):
        known.announced = answerable(tx, f"{home}/actor")
    return known


def _load_counts(tx: Tx, known: Known, arrivals: Sequence[Arrival]) -> None:
    """What votes, tallies and results are judged by; batches without a poll in them ask nothing."""
    ours = list(known.polls)
    if not ours:
        return
    if any(arrival.tally is not None or (arrival.note is not None and arrival.note.is_vote) for arrival in arrivals):
        known.modes = pollstore.modes(tx, ours)
    if any(arrival.tally is not None for arrival in arrivals):
        known.tallied = pollstore.numbers(tx, ours)
    if any(arrival.result is not None for arrival in arrivals):
        known.results = pollstore.results(tx, ours)
        known.kept = {post_id: one for post_id in ours if (one := pollstore.kept(tx, post_id)) is not None}
