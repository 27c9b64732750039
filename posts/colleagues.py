"""Naming colleagues for a consult: from handles as they are typed to doctors, and whom to suggest."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from typing import Protocol

from actors.models import Actor
from actors.relations import shunned_by
from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Tx
from core.errors import InvalidInput
from federation.addresses import origin_of
from federation.identity import Identity
from posts.network import network
from posts.rules import CONSULTED

_SUGGESTED = 40
_LOOKED_AT = 30
_BETWEEN = re.compile(r"[\s,;]+")
_MET = (  # whom she follows, who answered her, whom she answered, who asked her
    "SELECT followed_id AS id FROM follows WHERE follower_id = ? AND state = 'accepted' ORDER BY at DESC LIMIT ?",
    "SELECT a.author_id AS id FROM (SELECT id FROM posts WHERE author_id = ? AND parent_id IS NULL ORDER BY id DESC LIMIT 20)"
    " AS q JOIN posts a ON a.root_id = q.id AND a.parent_id IS NOT NULL ORDER BY a.id DESC LIMIT ?",
    "SELECT q.author_id AS id FROM posts a JOIN posts q ON q.id = a.parent_id WHERE a.author_id = ? ORDER BY a.id DESC LIMIT ?",
    "SELECT q.author_id AS id FROM consults c JOIN posts q ON q.id = c.root_id WHERE c.actor_id = ?"
    " ORDER BY c.newest DESC LIMIT ?",
)


class Directory(Protocol):
    """Whoever finds doctors by their handles: those of this instance, those known here, those a sibling knows."""

    async def resolve(self, mention: str, /) -> Actor:
        """The doctor called `@name@domain`; `InvalidInput`, with the handle as its value `name`, where there is none."""
        ...


class Colleagues:
    """Finds those whom an author names, and those whom she may want to name."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, directory: Directory) -> None:
        self._database, self._identity, self._clock, self._directory = database, identity, clock, directory

    async def named(self, author: Actor, typed: Sequence[str]) -> tuple[Actor, ...]:
        """The doctors behind what was typed, each once, the author herself left out; `InvalidInput` names the first handle
        that stands for nobody. A handle without a domain is one of this instance."""
        wanted = [handle if "@" in handle[1:] else f"{handle}@{self._identity.domain}" for handle in handles(typed)]
        if not wanted:
            raise InvalidInput("Name at least one colleague.", field="doctors")
        if len(wanted) > CONSULTED[-1]:
            raise InvalidInput("A consult goes to 1 to %(most)s colleagues.", values={"most": CONSULTED[-1]}, field="doctors")
        found: dict[str, Actor] = {}
        for answer in await asyncio.gather(*map(self._find, wanted)):
            if isinstance(answer, InvalidInput):
                answer.field = "doctors"
                raise answer
            found[answer.uri] = answer
        found.pop(author.uri, None)
        if not found:
            raise InvalidInput("A consult needs somebody besides yourself.", field="doctors")
        return tuple(found.values())

    async def _find(self, handle: str) -> Actor | InvalidInput:
        try:
            return await self._directory.resolve(handle)
        except InvalidInput as error:
            return error

    async def suggested(self, author: Actor) -> tuple[Actor, ...]:
        """Doctors she follows or has spoken with lately, by name; bounded, and without those she shuns."""
        def look(tx: Tx) -> tuple[Actor, ...]:
            skipped = shunned_by(tx, author.id, self._clock.ms()) | {author.id}
            met = [row["id"] for sql in _MET for row in tx.rows(sql, (author.id, _LOOKED_AT))]
            wanted = [actor_id for actor_id in dict.fromkeys(met) if actor_id not in skipped][:_SUGGESTED]
            return tuple(sorted((one for one in by_ids(tx, wanted).values() if not one.alias), key=lambda doctor: doctor.name))

        return await self._database.read(look)

    async def instances(self, doctors: Sequence[Actor]) -> tuple[str, ...]:
        """The names of the instances a consult with these doctors lies at, this one first."""
        origins = sorted({origin_of(doctor.uri) for doctor in doctors} - {self._identity.origin})
        places = await self._database.read(lambda tx: network(tx, self._identity))
        return tuple(map(places.called, (self._identity.origin, *origins)))


def handles(typed: Sequence[str]) -> tuple[str, ...]:
    """The handles in what was typed, one or several a line, each once and with its `@`."""
    parts = [part for line in typed for part in _BETWEEN.split(line) if part.strip("@")]
    return tuple(dict.fromkeys(part if part.startswith("@") else f"@{part}" for part in parts))


def party_digest(doctors: Sequence[Actor]) -> str:
    """Stands for the doctors an author was shown; if a handle has come to mean somebody else, it differs."""
    return hashlib.blake2b("\n".join(sorted(doctor.uri for doctor in doctors)).encode(), digest_size=8).hexdigest()
