"""Who would see this: the readers of a post, or of an audience that somebody thinks of, in numbers and states.

It says who may read and never what: nothing of a post but its address and its audience leaves this module.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from actors.directory import Directory
from actors.models import Actor, Role
from core.clock import Clock
from core.database import Database, Tx
from core.errors import InvalidInput, NotFound
from core.ids import number, uri_key
from federation.addresses import origin_of
from federation.identity import Identity
from federation.store import Arrived, arrivals
from posts import store
from posts.models import Audience, Reach
from posts.network import Network, network
from posts.store import Post

_LENGTH = 1024
_WHOLE = "network"


class Instance(NamedTuple):
    """One instance in an audience. `state` is home, that of the sibling, or unknown; since when (ms) where that is known.
    `doctors` is how many there may read it: of a sibling's we do not know. `arrival` is here, received, waiting, held
    (it came there too early), refused, dropped, not-sent or, of a post that is not ours, unknown; empty without a post."""

    origin: str
    name: str
    country: str
    state: str
    since: int | None
    doctors: int | None
    arrival: str


class Readership(msgspec.Struct, frozen=True):
    """Who would see it. `uri` is empty for an audience without a post; `roles` are those of whom every verified bearer may read
    it, none in a consult; `named` are the doctors of a consult by `@name@domain`, those we do not know by their address."""

    uri: str
    reach: Reach
    instances: tuple[Instance, ...]
    roles: tuple[Role, ...]
    named: tuple[str, ...]
    erased: bool


class Readerships:
    """Answers operators."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, directory: Directory) -> None:
        self._database, self._identity, self._clock, self._directory = database, identity, clock, directory

    async def of_post(self, what: str) -> Readership:
        """The readers of a post, by its id or any of its addresses; `NotFound` where there is none."""
        uri = what.strip()[:_LENGTH]
        inner = number(uri.rstrip("/").rpartition("/")[2]) if uri.startswith(self._identity.origin) or "/" not in uri else None

        def look(tx: Tx) -> Readership:
            post = (store.by_id(tx, inner) if inner is not None else None) or store.by_keys(tx, [uri_key(uri)]).get(uri)
            if post is None:
                raise NotFound("There is no such post here.", field="post")
            return self._read(tx, post.audience, post)

        return await self._database.read(look)

    async def of_audience(self, named: tuple[str, ...]) -> Readership:
        """The readers of what is addressed to countries by code (`network`: all of them), or to doctors by `@name@domain`.
        `InvalidInput` names who cannot be addressed."""
        people = [name for name in named if name.startswith("@")]
        codes = [name.lower() for name in named if not name.startswith("@")]
        if people and codes:
            raise InvalidInput("Name countries or doctors, not both.", field="draft")
        doctors = [await self._doctor(name) for name in people]

        def look(tx: Tx) -> Readership:
            if doctors:
                home, uris = self._identity.origin, tuple(sorted(doctor.uri for doctor in doctors))
                elsewhere = sorted({origin_of(uri) for uri in uris} - {home})
                return self._read(tx, Audience(Reach.NAMED, (home, *elsewhere), uris), None)
            return self._read(tx, _audience(network(tx, self._identity), codes), None)

        return await self._database.read(look)

    async def _doctor(self, name: str) -> Actor:
        try:
            return await self._directory.known(name)
        except NotFound:
            raise InvalidInput("%(name)s is not known here.", values={"name": name[:_LENGTH]}, field="draft") from None

    def _read(self, tx: Tx, audience: Audience, post: Post | None) -> Readership:
        places = network(tx, self._identity)
        origins = {place.id: place.origin for place in places.siblings.values()}
        sent = arrivals(tx, [post.uri], origins)[post.uri] if post is not None and post.sibling_id is None else []
        erased = post is not None and post.erased_at is not None
        last = {one.origin: one for one in sent if (one.type == "Delete") == erased}
        consult = audience.reach == Reach.NAMED
        mentions = {row["uri"]: f"@{row['handle']}@{row['domain']}" for uri in audience.readers for row in tx.rows(
            "SELECT uri, handle, domain FROM actors WHERE uri_key = ? AND handle <> ''", (uri_key(uri),))}
        return Readership(
            post.uri if post is not None else "", audience.reach,
            tuple(self._instance(tx, origin, audience, places, post, last.get(origin)) for origin in audience.origins),
            () if consult else tuple(Role), tuple(mentions.get(uri, uri) for uri in audience.readers),
            erased)

    def _instance(self, tx: Tx, origin: str, audience: Audience, places: Network, post: Post | None,
                  sent: Arrived | None) -> Instance:
        place, home = places.place(origin), origin == places.home
        state, since = ("home", None) if home else (place.state, place.changed_at) if place is not None else ("unknown", None)
        named = sum(origin_of(uri) == origin for uri in audience.readers) if audience.reach == Reach.NAMED else None
        doctors = named if named is not None else self._doctors(tx) if home else None
        return Instance(origin, places.called(origin), places.code(origin), state, since, doctors,
                        "" if post is None else _arrival(post, sent, home=home, its_own=origin == origin_of(post.uri)))

    def _doctors(self, tx: Tx) -> int:
        """How many doctors of this instance may read what is for all of them: those whose verification is in force."""
        row = tx.row("SELECT count(*) AS n FROM accounts a JOIN actors d ON d.id = a.actor_id WHERE a.kind = 'doctor'"
                     " AND a.state = 'verified' AND (d.verified_until IS NULL OR d.verified_until > ?)", (self._clock.ms(),))
        return int(row["n"]) if row is not None else 0


def _arrival(post: Post, sent: Arrived | None, *, home: bool, its_own: bool) -> str:
    if home or its_own:
        return "here"
    if post.sibling_id is not None:
        return "unknown"
    if sent is None:
        return "not-sent"
    return {"acked": "received", "pending": "waiting", "held": "held", "dropped": "dropped"}.get(sent.state, "refused")


def _audience(places: Network, codes: list[str]) -> Audience:
    """The audience that a doctor here would give a post for these countries."""
    offered = {place.country: place.origin for place in places.siblings.values() if place.sent_to}
    if _WHOLE in codes:
        return Audience(Reach.NETWORK, (places.home, *sorted(offered.values())))
    for code in codes:
        if code != places.country and code not in offered:
            raise InvalidInput("%(code)s is not a country that can be addressed at the moment.",
                               values={"code": code[:80].upper()}, field="draft")
    origins = sorted({offered[code] for code in codes if code in offered})
    return Audience(Reach.COUNTRIES if origins else Reach.HOME, (places.home, *origins))
