"""The countries as an author sees them: which there are, how each is doing, who may be named in an audience."""

from __future__ import annotations

import hashlib

import msgspec

from core.database import Tx
from federation.identity import Identity
from posts.models import Destination


class Network(msgspec.Struct, frozen=True):
    """A snapshot: this instance's origin and country, and (origin, country, state, id, waiting since) of its siblings."""

    home: str
    country: str
    siblings: tuple[tuple[str, str, str, int, int | None], ...]

    def code(self, origin: str) -> str:
        """The country code of an origin; its host where nobody here knows it."""
        if origin == self.home:
            return self.country
        return next((code for known, code, *_ in self.siblings if known == origin), origin.split("://", 1)[1])

    def outside(self, origin: str) -> bool:
        """True when what lies there is outside our control: revoked."""
        return any(known == origin and state == "revoked" for known, _, state, *_ in self.siblings)

    def destinations(self) -> tuple[Destination, ...]:
        """Active and paused countries, by code."""
        return tuple(sorted(
            (Destination(origin, code, "paused" if state == "paused" else "waiting" if since else "up", since)
             for origin, code, state, _, since in self.siblings if state in ("active", "paused")),
            key=lambda destination: destination.country))

    def recipients(self, origins: tuple[str, ...]) -> list[int]:
        """The siblings among an audience that are sent to, now (active) or later (paused)."""
        return [number for origin, _, state, number, _ in self.siblings
                if origin in origins and state in ("active", "paused")]


def network(tx: Tx, identity: Identity) -> Network:
    """The network at this moment."""
    rows = tx.rows("SELECT s.origin, s.country, s.state, s.id, d.failing_since FROM siblings s"
                   " JOIN delivery_lines d ON d.sibling_id = s.id ORDER BY s.country")
    return Network(identity.origin, identity.country,
                   tuple((row["origin"], row["country"], row["state"], row["id"], row["failing_since"]) for row in rows))


def list_digest(destinations: tuple[Destination, ...]) -> str:
    """Stands for a list of countries; if it differs when the author sends, she is asked again."""
    return hashlib.blake2b("\n".join(sorted(place.origin for place in destinations)).encode(), digest_size=8).hexdigest()
