"""How the votes of each sibling's doctors in a poll will come: fixed for good when the poll is published."""

from __future__ import annotations

import msgspec

from core.database import Tx
from posts import pollstore, store
from posts.counts import Mode
from posts.models import Audience, Reach
from posts.network import Network
from posts.store import Poll, Post


def begin(tx: Tx, places: Network, post: Post, poll: Poll) -> Poll:
    """Store the poll of a new post of ours, and the mode of each sibling; the poll as they will read it."""
    ways = _modes(places, post.audience)
    made = msgspec.structs.replace(poll, tallies=tuple(
        place.actor_uri for place in places.siblings.values() if ways.get(place.id) == Mode.TALLY))
    store.insert_polls(tx, [(post.id, made)])
    pollstore.fix_modes(tx, post.id, ways)
    return made


def resume(tx: Tx, places: Network, post: Post, poll: Poll) -> None:
    """Store the poll of a post of ours that was lost, with the modes that its siblings were told."""
    store.insert_polls(tx, [(post.id, poll)])
    pollstore.fix_modes(tx, post.id, {
        place.id: Mode.TALLY if place.actor_uri in poll.tallies else Mode.VOTES
        for place in places.siblings.values() if place.origin in post.audience.origins})


def _modes(places: Network, audience: Audience) -> dict[int, Mode]:
    """The modes by the sibling's id. In a consult each vote comes by itself: it names few, and a tally of one voter is a vote."""
    return {place.id: Mode.TALLY if place.signs and audience.reach != Reach.NAMED else Mode.VOTES
            for place in places.siblings.values() if place.origin in audience.origins and place.sent_to}
