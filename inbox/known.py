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
from posts import ballots, matters, pollstore, store
from posts.counts import Mode
from posts.matters import Reported
from posts.models import Kind, Reach
from posts.pollstore import Kept
from posts.store import Poll, Post

_UNDOABLE = frozenset({"Like", "Announce"})
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
    flags: dict[str, Reported] = field(default_factory=dict)  # our reports that are answered
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
    named, actors, about, undoable = set[bytes](), set[bytes](), set[str](), list[bytes]()
    votes: list[tuple[str, str]] = []
    for arrival in arrivals:
        actors.add(uri_key(arrival.actor))
        if arrival.object_id:
            about.add(arrival.object_id)
        if (note := arrival.note) is not None:
            if note.in_reply_to:
                about.add(note.in_reply_to)
                if note.is_vote:
                    votes.append((note.in_reply_to, arrival.actor))
            if arrival.audience.reach == Reach.NAMED:
                named.update(map(uri_key, arrival.audience.readers))
        elif arrival.tally is not None:
            about.add(arrival.tally.question)
        elif arrival.type == "Follow":
            named.add(uri_key(arrival.object_id))
            actors.add(uri_key(arrival.object_id))
        elif arrival.type in _UNDOABLE:  # also before they come
            undoable.append(uri_key(arrival.uri))
        elif arrival.type == "Delete":
            actors.add(uri_key(arrival.object_id))
    keys = [uri_key(uri) for uri in about]
    people = {row["uri"]: actor_from(row) for row in tx.rows(
        f"SELECT {COLUMNS} FROM actors WHERE uri_key IN ({marks(len(actors))}) AND gone_at IS NULL", list(actors))}
    posts = store.by_keys(tx, keys)
    known = Known(home, states, people, posts, store.tombstoned(tx, [*keys, *undoable, *actors]),
                  store.polls(tx, [post.id for post in posts.values() if post.kind == Kind.POLL]))
    ours = f"{home}/posts/"
    if any(uri.startswith(ours) for uri in about):
        known.lost = lost(tx)
    voters = {(posts[question].id, people[voter].id) for question, voter in votes if question in posts and voter in people}
    known.voted = ballots.voted(tx, voters)
    _load_counts(tx, known, arrivals, votes=bool(votes))
    known.here = shown_among(tx, list(named))
    known.follows = follows.by_uris(tx, list({arrival.object_id for arrival in arrivals if arrival.type in _ABOUT_FOLLOWS}))
    known.flags = matters.flagged(tx, [arrival.object_id for arrival in arrivals if arrival.verdict is not None])
    if any(arrival.type in _ABOUT_KEYS and arrival.by_instance for arrival in arrivals):
        known.announced = answerable(tx, f"{home}/actor")
    return known


def _load_counts(tx: Tx, known: Known, arrivals: Sequence[Arrival], *, votes: bool) -> None:
    """What votes, tallies and results are judged by; batches without a poll in them ask nothing."""
    ours = list(known.polls)
    if not ours:
        return
    if votes or any(arrival.tally is not None or arrival.type == "Lapse" for arrival in arrivals):
        known.modes = pollstore.modes(tx, ours)
    if any(arrival.tally is not None for arrival in arrivals):
        known.tallied = pollstore.numbers(tx, ours)
    if any(arrival.result is not None for arrival in arrivals):
        known.results = pollstore.results(tx, ours)
        known.kept = {post_id: one for post_id in ours if (one := pollstore.kept(tx, post_id)) is not None}
