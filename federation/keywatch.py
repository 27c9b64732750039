"""Our own look at the keys of siblings: the only thing beside an operator that changes what is pinned, and only to what one
of them has confirmed.

Now and then each active sibling's `/actor` is fetched; soon, while it is not known with which key it signs documents. A key that
nobody here has confirmed pauses the sibling and alarms: either somebody else answers for it, or its operators have changed the
key without a word. What cannot be fetched, or is no actor, says nothing and changes nothing: else whoever stands on the way
could pause anybody.
"""

from __future__ import annotations

import asyncio

from core.clock import Clock
from core.database import Database, Tx
from core.errors import Conflict, KonsilError, NotFound
from core.telemetry import get_logger
from core.words import Phrase
from federation.addresses import domain_of, origin_for_domain
from federation.allowlist import SiblingState
from federation.client import Candidate, Client
from federation.descriptor import Descriptor, from_actor
from federation.listed import listed
from federation.siblingkeys import Seen, SiblingKeys, Sight
from federation.siblings import Siblings
from federation.troubles import in_words

log = get_logger("keywatch")
_TICK_SECONDS = 5.0
_AT_A_TIME = 8
_DOUBLINGS = 20
_BY = "konsil"


class KeyWatch:
    """Looks at every active sibling's key, each once in `minutes`; run by the worker."""

    def __init__(self, database: Database, client: Client, siblings: Siblings, keys: SiblingKeys, clock: Clock, *,
                 minutes: float) -> None:
        self._database, self._client, self._siblings, self._keys = database, client, siblings, keys
        self._clock, self._every_ms = clock, int(60_000 * minutes)
        self._tried: dict[int, int] = {}
        self._missing: dict[int, int] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look_due()
            await asyncio.sleep(_TICK_SECONDS)

    async def look_due(self) -> int:
        """Look at all that it is time for; returns at how many. One that cannot be reached is tried again in its time."""
        now = self._clock.ms()

        def look(tx: Tx) -> list[tuple[int, str, int, bool]]:
            at = {row["id"]: (row["at"], bool(row["document_key"])) for row in tx.rows(
                "SELECT s.id, s.document_key, coalesce(d.seen_key_at, d.pinned_at) AS at"
                " FROM siblings s JOIN sibling_details d ON d.sibling_id = s.id")}
            return [(one.id, one.origin, *at.get(one.id, (0, True))) for one in listed(tx) if one.state == SiblingState.ACTIVE]

        due = [(number, origin) for number, origin, looked, whole in await self._database.read(look)
               if self._is_due(now, number, looked, whole=whole)]
        places = asyncio.Semaphore(_AT_A_TIME)

        async def one(sibling_id: int, origin: str) -> None:
            async with places:
                self._tried[sibling_id] = now
                try:
                    await self._look(sibling_id, origin)
                except KonsilError as error:
                    log.info("no look at a key", sibling=origin, reason=error.reason, cause=error.cause)

        await asyncio.gather(*(one(*sibling) for sibling in due))
        return len(due)

    def _is_due(self, now: int, number: int, looked: int, *, whole: bool) -> bool:
        """Whether it is time for a sibling that was last seen at `looked`. One whose document key is missing is looked at at
        once, and then after twice the time before, up to the usual: one of an older release has none."""
        wait, last = self._every_ms, [looked, self._tried.get(number, looked)]
        if whole:
            self._missing.pop(number, None)
        else:
            tries = self._missing.get(number, 0)
            wait, last = min(wait, int(1000 * _TICK_SECONDS) << min(tries, _DOUBLINGS)), [self._tried[number]] if tries else []
        due = not any(0 <= now - at < wait for at in last)
        if due and not whole:
            self._missing[number] = self._missing.get(number, 0) + 1
        return due

    async def look(self, domain: str) -> Seen:
        """Look at one sibling's key now; raises what stood in the way."""
        origin = origin_for_domain(domain)
        row = await self._database.read(lambda tx: tx.row("SELECT id, state FROM siblings WHERE origin = ?", (origin,)))
        if row is None:
            raise NotFound("There is no sibling %(domain)s.", values={"domain": domain_of(origin)})
        seen = await self._look(row["id"], origin) if row["state"] == SiblingState.ACTIVE else None
        if seen is None:
            raise Conflict("%(domain)s is not waiting for this; its state is “%(state)s”.",
                           values={"domain": domain_of(origin), "state": Phrase(row["state"])})
        return seen

    async def _look(self, sibling_id: int, origin: str) -> Seen | None:
        found = from_actor(await self._client.fetch_descriptor(Candidate(origin)), origin)
        seen = await self._database.write(lambda tx: self._compared(tx, sibling_id, found))
        if seen is not None and seen.sight == Sight.STRANGE:
            log.error("a sibling is paused because of its key", sibling=origin, reason=str(in_words(seen.reason)))
        elif seen is not None and seen.sight == Sight.CHANGED:
            log.warning("a sibling has changed its key, as was confirmed", sibling=origin, fingerprint=found.fingerprint)
        return seen

    def _compared(self, tx: Tx, sibling_id: int, found: Descriptor) -> Seen | None:
        seen = self._keys.seen(tx, sibling_id, found)
        if seen is not None and seen.sight == Sight.STRANGE:
            self._siblings.pause_within(tx, found.origin, _BY, seen.reason)
        return seen
