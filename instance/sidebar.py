"""What stands beside every page of a doctor: the places she goes to, with what waits there, and the network's state."""

from __future__ import annotations

import time
from typing import NamedTuple

from actors import departures
from actors.models import Actor
from core.database import Tx
from instance.assembly import Assembly
from posts.drafts import Title, newest
from posts.models import Destination
from posts.network import network
from posts.notifications import Unread, unread
from posts.timelines import topics_of, waiting_by_topic

_FRESH_SECONDS = 3.0
_DRAFTS = 3


class Sidebar(NamedTuple):
    """`waiting` counts unanswered cases by topic, `""` for all of them; `drafts` are those saved last; `unread` is None where
    a verification does not hold; `leaves` is when she leaves (ms), if she does."""

    network: tuple[Destination, ...]
    topics: tuple[str, ...]
    waiting: dict[str, int]
    unread: Unread | None
    drafts: tuple[Title, ...]
    leaves: int | None


class Sidebars:
    """Reads sidebars, one hop each. What is the same for everybody is counted at most every few seconds."""

    def __init__(self, assembly: Assembly) -> None:
        self._its = assembly
        self._waiting: dict[str, int] = {}
        self._counted = -_FRESH_SECONDS

    async def of(self, viewer: Actor) -> Sidebar:
        """The sidebar of a doctor of this instance."""
        stale, now = time.monotonic() - self._counted > _FRESH_SECONDS, self._its.clock.ms()

        def look(tx: Tx) -> Sidebar:
            return Sidebar(network(tx, self._its.identity).destinations(now), topics_of(tx, viewer),
                           waiting_by_topic(tx) if stale else self._waiting,
                           unread(tx, viewer.id) if viewer.badge.holds(now) else None, newest(tx, viewer, _DRAFTS),
                           departures.leaves(tx, viewer.id))

        found = await self._its.database.read(look)
        if stale:
            self._waiting, self._counted = found.waiting, time.monotonic()
        return found
