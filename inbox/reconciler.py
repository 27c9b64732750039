"""Comparing with a sibling what each holds of the other, and putting our own side right.

Each side does this for itself: it fetches what it lacks, erases what the other has deleted, owes again what the other has
lost, and takes back its own that it has lost itself, if its own seal is on it. One kind of thing after the other, in pieces;
what was done is done, whenever this is stopped, and doing it again finds nothing left to do. What a sibling says counts for what
is its own and for nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from core.clock import Clock
from core.database import Database, Tx
from core.errors import InvalidInput, KonsilError, Unavailable
from core.ids import Ids, uri_key
from core.telemetry import get_logger
from federation.allowlist import CLOSED, Allowlist
from federation.client import Client
from federation.identity import Identity
from federation.reconciliation import Asking, Kind
from federation.store import Standing
from federation.troubles import reason
from inbox import mending, mending_refused, mending_tallies, reconciliations
from inbox.held import HeldActivities
from inbox.mending_follows import FollowMending, said
from inbox.reconciliations import Done, Reconciled, Reconciliations, Results, Task
from inbox.rounds import Difference, Round, before, number_of
from posts import holdings, recovery, store
from posts.holdings import WAITING
from posts.recovery import Recovered

log = get_logger("reconciliation")
T = TypeVar("T")
_AT_ONCE = 8
_IN_ONE_GO, _LOOKED_UP = 50, 400
_LONGEST_SECONDS = 3600.0
_TO_AND_FRO = 50


class Reconciler:
    """Compares, and puts right."""

    def __init__(self, database: Database, identity: Identity, allowlist: Allowlist, client: Client, held: HeldActivities,
                 kept: Reconciliations, clock: Clock, ids: Ids) -> None:
        self._database, self._identity, self._allowlist, self._client = database, identity, allowlist, client
        self._held, self._kept, self._clock, self._ids = held, kept, clock, ids
        self._kinds: dict[Kind, Callable[[Round, Done], Awaitable[None]]] = {
            Kind.ERASED: self._erased, Kind.ERASED_YOURS: self._erased_yours, Kind.OFFERED: self._offered,
            Kind.HELD: self._held_there, Kind.FOLLOWED: self._our_follows, Kind.FOLLOWS: self._their_follows,
            Kind.TALLIES: mending_tallies.theirs, Kind.COUNTED: partial(mending_tallies.ours, clock=self._clock)}
        """In this order: nothing is fetched or taken back that is deleted, and what is answered comes before the answers."""

    async def step(self) -> bool:
        """Make the next comparison that is due; whether there was one."""
        task = await self._kept.next()
        if task is None:
            return False
        await self.run(task)
        return True

    async def run(self, task: Task) -> Reconciled:
        """Make one comparison; what has come of it is kept, also where it did not come to its end."""
        two = await self._database.read(lambda tx: holdings.between(tx, self._identity.origin, task.sibling_id))
        fresh = await self._database.read(lambda tx: reconciliations.fresh_from_backup(tx, task.sibling_id))
        going = Round(self._database, Asking(self._allowlist, self._client, task.origin), two, self._clock.ms(), fresh, task.dry)
        results: Results = {}
        trouble = reconciliations.INTERRUPTED
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                trouble = await self._all(going, results)
        except TimeoutError:
            trouble = "too-long"
        except KonsilError as error:
            trouble = _trouble(error)
        finally:
            await self._kept.end(task, results, trouble)
            log.info("compared", sibling=task.origin, why=task.why, trouble=trouble,
                     **{kind: f"{done.differences}/{done.repaired}" for kind, done in results.items()})
        return await self._kept.one(task)

    async def _all(self, going: Round, results: Results) -> str:
        """Every kind. An answer that cannot be right ends its kind alone; its first trouble is returned."""
        trouble = ""
        for kind, repair in self._kinds.items():
            done = results[kind] = Done()
            try:
                await repair(going, done)
            except InvalidInput as error:
                if error.reason == "gone":
                    return "no-comparison"
                log.warning("a comparison was not understood", sibling=going.two.origin, kind=kind, cause=error.cause)
                trouble = trouble or _trouble(error)
        if not trouble and not going.dry:
            await self._threads(going, results)
        return trouble

    async def _threads(self, going: Round, results: Results) -> None:
        """Conversations go to and fro: what has come back can be what something of the other side was missing, and so on."""
        pair = (Kind.OFFERED, Kind.HELD)
        came = any(results[kind].fetched or results[kind].recovered for kind in pair)
        for _ in range(_TO_AND_FRO):
            if not came or not any(results[kind].could_not for kind in pair):
                return
            came = False
            for kind in pair:
                done, before = Done(), results[kind]
                await self._kinds[kind](going, done)
                came |= bool(done.fetched or done.recovered)
                before.go_on(done)

    # What they have deleted goes here too.

    async def _erased(self, going: Round, done: Done) -> None:
        async for piece in going.differences(Kind.ERASED, done):
            for some in _pieces([one.uri for one in piece if one.here is None]):
                if going.dry:
                    done.erased_here += len(await self._database.read(
                        lambda tx, some=some: mending.living(tx, going.two, some)))  # type: ignore[misc]
                else:
                    done.erased_here += await going.write(
                        lambda tx, some=some: mending.erase(tx, going.two, some, self._clock.ms()))  # type: ignore[misc]

    async def _erased_yours(self, going: Round, done: Done) -> None:
        async for piece in going.differences(Kind.ERASED_YOURS, done):
            for some in _pieces([one.uri for one in piece if one.here is None]):
                if not going.dry:
                    await going.write(lambda tx, some=some: mending.bury(tx, going.two, some, self._clock.ms()))  # type: ignore[misc]

    # What they offer and we lack is fetched.

    async def _offered(self, going: Round, done: Done) -> None:
        async for piece in going.differences(Kind.OFFERED, done):
            missing = await self._missing([one.uri for one in piece if one.here is None])
            newer = [one.uri for one in piece if one.here not in (None, WAITING) and one.newer_there]
            done.missing_here += len(missing) + len(newer)
            if going.dry:
                continue
            for some in _pieces(missing, _AT_ONCE):
                await self._fetched(done, await asyncio.gather(*(self._fetch(uri) for uri in some)))
            for some in _pieces(newer, _AT_ONCE):
                await self._fetched(done, await asyncio.gather(*(self._renew(uri) for uri in some)))

    async def _missing(self, uris: Sequence[str]) -> list[str]:
        """Those that have not come meanwhile, are not deleted, and have a place here."""
        def look(tx: Tx, some: Sequence[str]) -> list[str]:
            keys = [uri_key(uri) for uri in some]
            gone = {*store.by_keys(tx, keys), *store.tombstoned(tx, keys), *mending.ignored(tx, some)}
            return [uri for uri in some if uri not in gone]

        return [uri for some in _pieces(uris, 500)
                for uri in await self._database.read(lambda tx, some=some: look(tx, some))]  # type: ignore[misc]

    async def _fetch(self, uri: str) -> bool:
        try:
            await self._held.fetch(uri)
        except KonsilError as error:
            _passed_over(uri, error)
            return False
        return await self._database.read(lambda tx: bool(store.by_keys(tx, [uri_key(uri)])))

    async def _renew(self, uri: str) -> bool:
        try:
            return not isinstance(await self._held.renew(uri), KonsilError)
        except KonsilError as error:
            _passed_over(uri, error)
            return False

    async def _fetched(self, done: Done, results: Sequence[bool]) -> None:
        done.fetched += sum(results)
        done.could_not += len(results) - sum(results)

    # What they hold of ours: too little, too old, too much, or more than we have ourselves.

    async def _held_there(self, going: Round, done: Done) -> None:
        if going.fresh:
            for uri in await self._database.read(lambda tx: mending.without_result(tx, going.two, self._clock.ms())):
                await self._take_back(going, done, uri, known=True)
        async for piece in going.differences(Kind.HELD, done):
            lacking = [one.uri for one in piece if one.there is None]
            older = [one.uri for one in piece
                     if one.here is not None and one.there not in (None, WAITING) and not one.newer_there]
            for some in _pieces(lacking, _LOOKED_UP):
                await self._send_again(going, done, some, as_update=False)
            for some in _pieces(older, _LOOKED_UP):
                await self._send_again(going, done, some, as_update=True)
            for one in piece:
                if one.there not in (None, WAITING) and (one.here is None or one.newer_there):
                    await self._more_than_here(going, done, one)

        await self._refused_there(going, done)

    async def _refused_there(self, going: Round, done: Done) -> None:
        """What they refused for the lack of a post of theirs that they offer us now."""
        refused = await self._database.read(lambda tx: mending_refused.for_lack(tx, going.two))
        offered = {about: await going.said_there(Kind.OFFERED, about) for about in {one.about for one in refused}}
        back = [one for one in refused if offered[one.about] is not None]
        done.missing_there += len(back)
        if back and not going.dry:
            done.sent_again += await going.write(lambda tx: mending_refused.again(tx, going.two, back, self._clock.ms()))

    async def _send_again(self, going: Round, done: Done, uris: Sequence[str], *, as_update: bool) -> None:
        known = await self._database.read(lambda tx: mending.found(tx, going.two, uris))
        wanted = [uri for uri in uris if known.stand(uri) == Standing.SENT and (post := known.here.get(uri)) is not None
                  and post.erased_at is None and post.published_at < going.started]
        if not wanted:
            return
        done.missing_there += len(wanted)
        if not as_update:
            keys = sorted(map(uri_key, wanted))
            buried = {one.uri for one in await going.asking.items(
                Kind.ERASED_YOURS, before(keys[0]), keys[-1], holdings.below(Kind.ERASED, going.two))}
            done.could_not += len(buried & {*wanted})
            wanted = [uri for uri in wanted if uri not in buried]
        for some in _pieces(wanted) if not going.dry else ():
            done.sent_again += await going.write(lambda tx, some=some: mending.send_again(  # type: ignore[misc]
                tx, self._ids, self._identity, going.two, some, self._clock.ms(), as_update=as_update))

    async def _more_than_here(self, going: Round, done: Done, one: Difference) -> None:
        """They hold something of ours that we have deleted, have not, have older, or do not know to be there."""
        known = await self._database.read(lambda tx: mending.found(tx, going.two, [one.uri]))
        post, stand = known.here.get(one.uri), known.stand(one.uri)
        if stand == Standing.MOVING:
            return
        if one.uri in known.deleted:
            await self._delete_there(going, done, one.uri)
        elif post is not None and one.here is None:
            if stand is None and not going.dry:
                await going.write(lambda tx: mending.has_arrived(tx, self._ids, going.two, [one.uri], self._clock.ms()))
            if stand == Standing.SENT and number_of(one.there) > post.revision % store.LEAP:
                await self._take_back(going, done, one.uri, known=True)
        else:
            await self._take_back(going, done, one.uri, known=post is not None)

    async def _take_back(self, going: Round, done: Done, uri: str, *, known: bool) -> None:
        """Take our own back out of their copy. One that is not `known` here, that nothing proves and no loss explains, is deleted
        there."""
        document = await self._copy(going, uri)
        if document is None:
            return
        now = self._clock.ms()
        if going.dry:
            became = await self._database.read(lambda tx: recovery.look(tx, self._identity, uri, document))
        else:
            became = await going.write(lambda tx: mending.take_back(
                tx, self._ids, self._identity, going.two, uri, document, now))
        if became == Recovered.KNOWN:
            return
        if became == Recovered.BACK:
            done.missing_here += 1
            done.recovered += not going.dry
        elif became == Recovered.UNPROVEN and not known \
                and not await self._database.read(lambda tx: mending.was_lost(tx, uri)):
            await self._delete_there(going, done, uri, document)
        elif became != Recovered.GONE:
            done.missing_here += 1
            done.could_not += 1
            log.warning("a post of ours could not be taken back", post=uri, sibling=going.two.origin, why=str(became))

    async def _delete_there(self, going: Round, done: Done, uri: str, document: dict[str, Any] | None = None) -> None:
        """Ask them once more to delete something of ours, as its author."""
        document = document or await self._copy(going, uri)
        author = document.get("attributedTo") if document is not None else None
        if not isinstance(author, str) or not author.startswith(f"{self._identity.origin}/"):
            done.could_not += document is not None
            return
        if going.dry:
            done.erased_there += 1
        else:
            done.erased_there += await going.write(lambda tx: mending.delete_again(
                tx, self._ids, going.two, [(uri, author)], self._clock.ms()))

    async def _copy(self, going: Round, uri: str) -> dict[str, Any] | None:
        """Their copy of a post of ours; None where they have deleted it meanwhile."""
        try:
            return await going.asking.copy(uri)
        except InvalidInput as error:
            if error.reason == "gone":
                return None
            raise

    # Who follows whom.

    async def _our_follows(self, going: Round, done: Done) -> None:
        async for piece in going.differences(Kind.FOLLOWED, done):
            for some in _pieces(piece):
                await self._mend(going, done, some, lambda mend, one: mend.of_ours(
                    said(one.uri, one.here), said(one.uri, one.there)))

    async def _their_follows(self, going: Round, done: Done) -> None:
        """What they do not name is over, and that is known only when they have told all they have."""
        ended: list[Difference] = []
        async for piece in going.differences(Kind.FOLLOWS, done):
            ended += [one for one in piece if one.there is None]
            for some in _pieces([one for one in piece if one.there is not None]):
                await self._mend(going, done, some, lambda mend, one: mend.of_theirs(
                    said(one.uri, one.here), said(one.uri, one.there), known_there=False))
        for some in _pieces(ended):
            await self._mend(going, done, some, lambda mend, one: mend.of_theirs(
                said(one.uri, one.here), None, known_there=True))

    async def _mend(self, going: Round, done: Done, some: Sequence[Difference],
                    mend: Callable[[FollowMending, Difference], None]) -> None:
        def work(tx: Tx) -> None:
            follows = FollowMending(tx, self._ids, going.two, done, self._clock.ms(), going.started, fresh=going.fresh,
                                    dry=going.dry)
            for one in some:
                mend(follows, one)

        await (self._database.read(work) if going.dry else going.write(work))


def _pieces(some: Sequence[T], size: int = _IN_ONE_GO) -> list[Sequence[T]]:
    return [some[start:start + size] for start in range(0, len(some), size)]


def _passed_over(uri: str, error: KonsilError) -> None:
    """One that cannot be had is passed over; when the gate has closed, or nobody answers, there is no sense in going on."""
    if isinstance(error, Unavailable) or error.reason in CLOSED:
        raise error
    log.info("could not be fetched", post=uri, error=error)


def _trouble(error: KonsilError) -> str:
    if error.reason in CLOSED:
        return "gate-closed"
    if error.reason == "http-status":
        return reason("answered", error.cause)
    if isinstance(error, InvalidInput):
        return reason("bad-comparison", error.cause or error.message)
    return reason(error.reason, error.cause)
