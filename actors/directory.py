"""Finding doctors: by name and specialty among those who may be found, and by address at their own instance.

An address is `@name@domain`, or `@name` here. Whoever is not known yet is asked for at the instance of that domain, if the
gate admits it; every other domain is never contacted, and gets the same answer as a name that nobody has.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from actors.models import Actor, Badge
from actors.store import COLUMNS, SHOWN, actor_from, by_uri, known_by_mention, save, shown_by_handle
from actors.wire import actor_of
from core.clock import Clock
from core.database import Database, Row, Tx, marks
from core.errors import InvalidInput, KonsilError, NotFound, Unavailable
from core.ids import Ids, number, public
from core.text import folded
from federation.addresses import domain_of, origin_for_domain
from federation.allowlist import Allowlist, Direction, Purpose, SiblingState, sibling_states
from federation.client import ACTIVITY_JSON, Client
from federation.identity import Identity
from federation.listed import listed, sent_to

PAGE = 20
_HANDLE = re.compile(r"[\w.-]{1,60}")
_MENTION_LENGTH = 320
_BEYOND = "\U0010ffff"
_FOUND = (
    "gone_at IS NULL AND alias = 0 AND (verified_until IS NULL OR verified_until > ?) AND CASE WHEN sibling_id IS NULL"
    " THEN EXISTS (SELECT 1 FROM accounts a WHERE a.actor_id = actors.id AND a.state = 'verified')"
    " ELSE discoverable = 1 AND sibling_id IN (%s) END")
_SPECIALTY = "id IN (SELECT actor_id FROM actor_specialties WHERE specialty = ?)"
_NAME = "(sort_name LIKE ? OR sort_name LIKE ?)"
_HANDLED = "handle >= ? AND handle < ?"
_AFTER = "(sort_name, id) > (?, ?)"


class Wish(msgspec.Struct, frozen=True):
    """Whom somebody looks for: a country (empty: all of them), a specialty's code, how a word of the name begins or, with its
    `@`, the handle."""

    country: str = ""
    specialty: str = ""
    name: str = ""


class Doctors(msgspec.Struct, frozen=True):
    """Doctors by name, and the cursor (`?after=`) of the next page or None."""

    doctors: tuple[Actor, ...]
    after: str | None


class _Address(NamedTuple):
    """A handle, and the origin of its instance; None: this one."""

    handle: str
    origin: str | None


class Directory:
    """Finds doctors, here and at siblings."""

    def __init__(self, database: Database, identity: Identity, allowlist: Allowlist, client: Client, clock: Clock,
                 ids: Ids) -> None:
        self._database, self._identity, self._allowlist, self._client = database, identity, allowlist, client
        self._clock, self._ids = clock, ids

    async def resolve(self, mention: str) -> Actor:
        """The doctor at an address: `@name@domain`, `name@domain`, `@name`. Somebody new is fetched from her instance.

        `InvalidInput` (no-such-doctor) in the same words for a name that nobody has and for an instance that is not asked,
        be it unlisted, paused or revoked; (unreachable) where an instance that is asked does not answer.
        """
        address = self._address(mention)
        found = await self._database.read(lambda tx: self._known(tx, address))
        if found is None and address.origin is not None:
            found = await self._met(await self._ask(address.handle, address.origin, mention), address.origin)
        if found is None:
            raise _nobody(mention)
        return found

    async def known(self, mention: str) -> Actor:
        """The doctor at an address, if she is here or has been met; nobody is asked. `NotFound` in the same words for all
        others."""
        try:
            address = self._address(mention)
            found = await self._database.read(lambda tx: self._known(tx, address))
        except InvalidInput:
            found = None
        if found is None:
            raise NotFound("There is no such page.")
        return found

    async def some(self, ids: Collection[str]) -> tuple[Actor, ...]:
        """Those of these public ids whose profile can be seen, in this order; nobody is asked for."""
        wanted = [inner for inner in map(number, dict.fromkeys(ids)) if inner is not None]

        def look(tx: Tx) -> dict[int, Actor]:
            rows = tx.rows(f"SELECT {COLUMNS} FROM actors WHERE id IN ({marks(len(wanted))}) AND alias = 0 AND gone_at IS NULL"
                           f" AND (sibling_id IS NOT NULL OR ({SHOWN}))", wanted)
            return {row["id"]: actor_from(row) for row in rows}

        found = await self._database.read(look) if wanted else {}
        return tuple(found[one] for one in wanted if one in found)

    async def page(self, wish: Wish, after: str | None = None) -> Doctors:
        """Twenty doctors who may be found: this country's verified ones, and those abroad who want to be."""
        now = self._clock.ms()

        def look(tx: Tx) -> Doctors:
            codes = [wish.country] if wish.country else list(dict.fromkeys(
                (self._identity.country, *(one.country for one in listed(tx)))))
            open_ = sent_to(tx)
            inner = number(after) if after else None
            last = tx.row("SELECT sort_name, id FROM actors WHERE id = ?", (inner,)) if inner is not None else None
            rows = list(heapq.merge(*(_rows(tx, code, wish, last, now, open_) for code in codes),
                                    key=lambda row: (row["sort_name"], row["id"])))
            shown = tuple(actor_from(row) for row in rows[:PAGE])
            return Doctors(shown, public(shown[-1].id) if len(rows) > PAGE else None)

        return await self._database.read(look)

    async def alike(self, badge: Badge) -> int:
        """How many doctors of this instance a badge of this role and specialty could be whose."""
        specialty = badge.specialties[0] if badge.specialties else None
        row = await self._database.read(lambda tx: tx.row(
            "SELECT count(*) AS n FROM actors d JOIN accounts a ON a.actor_id = d.id WHERE a.state = 'verified' AND d.role = ?"
            + (f" AND d.{_SPECIALTY}" if specialty else ""), (badge.role, *((specialty,) if specialty else ()))))
        return int(row["n"]) if row is not None else 0

    def _address(self, mention: str) -> _Address:
        """What an address says; `InvalidInput` for one that nobody can have."""
        handle, at, domain = mention.strip()[:_MENTION_LENGTH].removeprefix("@").partition("@")
        if not _HANDLE.fullmatch(handle) or (at and not domain):
            raise _nobody(mention)
        try:
            origin = origin_for_domain(domain) if at else self._identity.origin
        except InvalidInput as error:
            raise _nobody(mention, error.message) from None
        return _Address(handle, origin if origin != self._identity.origin else None)

    def _known(self, tx: Tx, address: _Address) -> Actor | None:
        if address.origin is None:
            return shown_by_handle(tx, address.handle.lower())
        return known_by_mention(tx, address.handle, domain_of(address.origin))

    async def _ask(self, handle: str, origin: str, mention: str) -> Actor:
        """Ask her instance who she is (RFC 7033), and fetch her from there."""
        try:
            sibling = self._allowlist.admit(origin, Direction.OUT, Purpose.WEBFINGER, path=mention[:_MENTION_LENGTH])
            uri = _self_of(await self._client.webfinger(sibling, f"{handle}@{domain_of(origin)}"))
            sibling = self._allowlist.admit(origin, Direction.OUT, Purpose.FETCH, path=uri)
            actor = actor_of(await self._client.get(sibling, uri), expected=uri, sibling_id=sibling.id,
                             country=sibling.country, actor_id=self._ids.new())
        except KonsilError as error:
            if isinstance(error, Unavailable) and error.reason != "paused":
                raise InvalidInput("The instance of %(name)s does not answer at the moment. Please try again later.",
                                   values={"name": mention[:_MENTION_LENGTH]}, reason="unreachable", cause=error.cause) from None
            raise _nobody(mention, error.cause or error.message) from None
        if actor.handle.lower() != handle.lower():
            raise _nobody(mention, f"the document is {actor.mention}'s")
        return actor

    async def _met(self, actor: Actor, origin: str) -> Actor | None:
        """Keep somebody who was fetched; None if her instance has been paused or revoked meanwhile."""
        now = self._clock.ms()

        def store(tx: Tx) -> Actor | None:
            if sibling_states(tx).get(origin) != SiblingState.ACTIVE:
                return None
            save(tx, actor, now)
            return by_uri(tx, actor.uri)

        return await self._database.write(store)


def _rows(tx: Tx, country: str, wish: Wish, last: Row | None, now: int, open_: list[int]) -> list[Row]:
    """One more than a page of those in a country who may be found, by name. What the index can tell is asked first."""
    where, values = ["country = ?"], [country]
    if last is not None:
        where, values = [*where, _AFTER], [*values, *last]
    if typed := wish.name.strip().lower():
        if typed.startswith("@"):
            where, values = [*where, _HANDLED], [*values, typed[1:], typed[1:] + _BEYOND]
        else:
            name = folded(typed) or "-"  # no folded name has a dash in it, nor anything that means something to LIKE
            where, values = [*where, _NAME], [*values, f"{name}%", f"% {name}%"]
    if wish.specialty:
        where, values = [*where, _SPECIALTY], [*values, wish.specialty]
    return tx.rows(f"SELECT {COLUMNS}, sort_name FROM actors WHERE {' AND '.join([*where, _FOUND % marks(len(open_))])}"
                   " ORDER BY sort_name, id LIMIT ?", (*values, now, *open_, PAGE + 1))


def _self_of(jrd: object) -> str:
    """The actor's address in a JRD."""
    links = jrd.get("links") if isinstance(jrd, dict) else None
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "self" and link.get("type") == ACTIVITY_JSON:
            href = link.get("href")
            if isinstance(href, str):
                return href
    raise InvalidInput("It does not say where the actor is.", reason="bad-jrd")


def _nobody(mention: str, cause: str = "") -> InvalidInput:
    return InvalidInput("There is no doctor %(name)s in this network.", values={"name": mention.strip()[:_MENTION_LENGTH]},
                        reason="no-such-doctor", cause=cause)
