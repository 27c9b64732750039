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


class Place(NamedTuple):
    """A sibling; `failing_since` while nothing gets through to it, `changed_at` when it came into its state (ms)."""

    origin: str
    country: str
    state: str
    id: int
    failing_since: int | None
    changed_at: int
    name: str

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

    def reached(self, origin: str) -> bool:
        """Whether what is written now gets there, at once or when a pause ends: at home, and where it is sent to."""
        place = self.place(origin)
        return origin == self.home or (place is not None and place.sent_to)

    def destinations(self) -> tuple[Destination, ...]:
        """Active and paused countries, by code."""
        return tuple(sorted(
            (Destination(place.origin, place.country,
                         "paused" if place.state == "paused" else "waiting" if place.failing_since else "up",
                         place.changed_at if place.state == "paused" else place.failing_since)
             for place in self.siblings.values() if place.sent_to),
            key=lambda destination: destination.country))

    def recipients(self, origins: tuple[str, ...]) -> list[int]:
        """The siblings among an audience that are sent to, now (active) or later (paused)."""
        return [place.id for place in self.siblings.values() if place.origin in origins and place.sent_to]


def network(tx: Tx, identity: Identity) -> Network:
    """The network at this moment."""
    failing = {row["sibling_id"]: row["failing_since"] for row in tx.rows("SELECT sibling_id, failing_since FROM delivery_lines")}
    return Network(identity.origin, identity.country, identity.name, {
        one.origin: Place(one.origin, one.country, one.state, one.id, failing.get(one.id), one.changed_at, one.name)
        for one in listed(tx)})


def list_digest(destinations: tuple[Destination, ...]) -> str:
    """Stands for a list of countries; if it differs when the author sends, she is asked again."""
    return hashlib.blake2b("\n".join(sorted(place.origin for place in destinations)).encode(), digest_size=8).hexdigest()


def party(home: str, author: Actor, doctors: Iterable[Actor]) -> Audience:
    """The audience of a consult: its author and the doctors she names, at the instances these live at, hers first."""
    readers = tuple(sorted({author.uri, *(doctor.uri for doctor in doctors)}))
    return Audience(Reach.NAMED, (home, *sorted({origin_of(uri) for uri in readers} - {home})), readers)
