"""The countries as an author sees them: which there are, how each is doing, who may be named in an audience."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from actors.models import Actor
from core.database import Tx
from federation.addresses import origin_of
from federation.identity import Identity
from federation.listed import listed
from posts.models import Audience, Destination, Reach, Since

_SILENT_MS = 15 * 60_000
"""For how long something waits and nothing is confirmed, without any failure, until that is said."""


class Place(NamedTuple):
    """A sibling; times in ms. `failing_since` while nothing gets through to it, `changed_at` when it came into its state,
    `acknowledged` when it last confirmed anything, `waiting_since` how long something waits that was never put off. `signs`:
    it can be asked for signed tallies."""

    origin: str
    country: str
    state: str
    id: int
    failing_since: int | None
    changed_at: int
    name: str
    acknowledged: int | None = None
    waiting_since: int | None = None
    actor_uri: str = ""
    signs: bool = False

    def stuck_since(self, now: int) -> int | None:
        """Since when nothing gets through to an active sibling: it fails, or something waits and nothing was confirmed for
        long. None while it is well."""
        if self.failing_since is not None or self.waiting_since is None:
            return self.failing_since
        since = max(self.waiting_since, self.acknowledged or 0)
        return since if now - since >= _SILENT_MS else None

    @property
    def sent_to(self) -> bool:
        """Whether it is sent to, now (active) or later (paused)."""
        return self.state in ("active", "paused")


class Network(msgspec.Struct, frozen=True):
    """A snapshot: this instance's origin, country and name, and its siblings by their origin, in the order of their countries."""

    home: str
    country: str
    name: str
    siblings: dict[str, Place]

    def place(self, origin: str) -> Place | None:
        """The sibling at an origin, whatever its state."""
        return self.siblings.get(origin)

    def code(self, origin: str) -> str:
        """The country code of an origin; its host where nobody here knows it."""
        if origin == self.home:
            return self.country
        place = self.place(origin)
        return place.country if place is not None else origin.split("://", 1)[1]

    def called(self, origin: str) -> str:
        """What the instance at an origin calls itself; its host where nobody here knows it."""
        if origin == self.home:
            return self.name
        place = self.place(origin)
        return place.name if place is not None else origin.split("://", 1)[1]

    def outside(self, origins: Iterable[str]) -> tuple[Since, ...]:
        """Those among some origins whose posts are outside our control: revoked, and not active again since."""
        return tuple(Since(place.country, place.changed_at) for origin in origins
                     if (place := self.place(origin)) is not None and not place.sent_to)

    def paused(self, origins: Iterable[str]) -> tuple[Since, ...]:
        """Those among some origins that are paused: what is sent there waits."""
        return tuple(Since(place.country, place.changed_at) for origin in origins
                     if (place := self.place(origin)) is not None and place.state == "paused")

    def stuck(self, origins: Iterable[str], now: int) -> tuple[Since, ...]:
        """Those among some origins that nothing gets through to: it arrives there when they are back."""
        return tuple(Since(place.country, since) for origin in origins
                     if (place := self.place(origin)) is not None and place.state == "active"
                     and (since := place.stuck_since(now)) is not None)

    def reached(self, origin: str) -> bool:
        """Whether what is written now gets there, at once or when a pause ends: at home, and where it is sent to."""
        place = self.place(origin)
        return origin == self.home or (place is not None and place.sent_to)

    def destinations(self, now: int) -> tuple[Destination, ...]:
        """Active and paused countries, by code."""
        return tuple(sorted((_destination(place, now) for place in self.siblings.values() if place.sent_to),
                            key=lambda destination: destination.country))

    def recipients(self, origins: tuple[str, ...]) -> list[int]:
        """The siblings among an audience that are sent to, now (active) or later (paused)."""
        return [place.id for place in self.siblings.values() if place.origin in origins and place.sent_to]


# The first of each lane stands for the oldest of it: three steps in an index per sibling, however much waits.
_FIRST = ("(SELECT d.outbox_id FROM deliveries d WHERE d.sibling_id = l.sibling_id AND d.state = 'pending' AND d.tries = 0"
          " AND d.lane = {} ORDER BY d.sequence LIMIT 1)")
_LINES = ("SELECT l.sibling_id, l.failing_since, l.last_out, (SELECT min(o.created_at) FROM outbox o WHERE o.id IN ("
          + ", ".join(_FIRST.format(lane) for lane in range(3)) + ")) AS waiting_since FROM delivery_lines l")


def network(tx: Tx, identity: Identity) -> Network:
    """The network at this moment."""
    lines = {row["sibling_id"]: row for row in tx.rows(_LINES)}
    return Network(identity.origin, identity.country, identity.name, {
        one.origin: Place(one.origin, one.country, one.state, one.id, line["failing_since"], one.changed_at, one.name,
                          line["last_out"], line["waiting_since"], one.actor_uri, one.signs)
        for one in listed(tx) if (line := lines.get(one.id)) is not None})


def _destination(place: Place, now: int) -> Destination:
    if place.state == "paused":
        return Destination(place.origin, place.country, "paused", place.changed_at)
    since = place.stuck_since(now)
    return Destination(place.origin, place.country, "up" if since is None else "waiting", since)


def list_digest(destinations: tuple[Destination, ...]) -> str:
    """Stands for a list of countries; if it differs when the author sends, she is asked again."""
    return hashlib.blake2b("\n".join(sorted(place.origin for place in destinations)).encode(), digest_size=8).hexdigest()


def party(home: str, author: Actor, doctors: Iterable[Actor]) -> Audience:
    """The audience of a consult: its author and the doctors she names, at the instances these live at, hers first."""
    readers = tuple(sorted({author.uri, *(doctor.uri for doctor in doctors)}))
    return Audience(Reach.NAMED, (home, *sorted({origin_of(uri) for uri in readers} - {home})), readers)
