"""The erasure journal and the database: what is taken back is written down, and taken back again where a backup brought it back.

The journal lies outside the backups. Its lines are done again before an instance serves anybody, in few rows at a time; each
is a deletion that finds nothing the second time, so this can be stopped anywhere and begun anew.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from actors import handles
from actors.accounts import Accounts
from actors.lapsing import Lapsing
from actors.models import AccountState
from core.audit import Audit
from core.clock import Clock, happens
from core.database import Database, Tx, marks
from core.ids import Ids, uri_key
from core.journal import Journal, Taken
from core.telemetry import get_logger
from core.words import N_
from federation import due
from federation.addresses import domain_of, origin_of
from federation.due import Due, Place
from federation.identity import Identity
from federation.listed import listed
from federation.siblings import Siblings
from federation.store import enqueue, forget_said
from inbox import ledger, ordered
from posts import outgoing, store
from posts.departing import Departing
from posts.network import network

log = get_logger("erasures")
_AT_ONCE = 256
_IN_ONE_GO = 32
_MARK_BYTES = 65_536
_AGAIN_SECONDS = 5.0
_MISSING = ("The erasure journal is missing: if this database comes from a backup, what was deleted since may be there again."
            " A new journal was begun.")
_DAMAGED = ("The erasure journal was damaged: what could be read of it was done again; if this database comes from a backup, some"
            " of what was deleted since may be there again. The damaged one was set aside and a new one begun.")


class Replayed(NamedTuple):
    """What a start has found in the journal: posts erased again, siblings closed and doctors suspended again, and a sentence
    if it is not whole."""

    erased: int = 0
    closed: tuple[str, ...] = ()
    suspended: tuple[str, ...] = ()
    trouble: str = ""


class Erasures:
    """Keeps the journal, and does again what stands in it."""

    def __init__(self, database: Database, identity: Identity, siblings: Siblings, accounts: Accounts, lapsing: Lapsing,
                 departing: Departing, audit: Audit, journal: Journal, clock: Clock, ids: Ids) -> None:
        self._database, self._identity, self._siblings, self._accounts = database, identity, siblings, accounts
        self._lapsing, self._departing = lapsing, departing
        self._journal = journal
        self._audit, self._clock, self._ids = audit, clock, ids
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.replayed = Replayed()
        self.restored_at: int | None = None

    async def begin(self) -> None:
        """Do again what the journal knows and this database does not, write into it what it does not know, and go on with
        that until `close`. `restored_at` is set if this database came out of a backup and `settled` was not called since."""
        place = await self._database.read(due.place)
        self.restored_at = place.restored_at
        name = await asyncio.to_thread(self._journal.name)
        if name is None:
            await self._anew(_MISSING if place.name else "", begun=bool(place.name))
        elif name != place.name or await asyncio.to_thread(self._journal.size) != place.read_to:
            await self._replay(name, place)
        await self.record()
        self._database.listen(due.TOPIC, self._woken.set)
        self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Write down what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._try()

    async def settled(self) -> None:
        """What a restored database asks for has been done."""
        await self._database.write(due.settled)

    async def record(self) -> None:
        """Write everything that is due into the journal."""
        while waiting := await self._database.read(self._due):
            await asyncio.to_thread(self._journal.append, [taken for _, taken in waiting])
            done = [one for one, _ in waiting]
            await self._database.write(lambda tx, done=done: due.written(tx, done))  # type: ignore[misc]

    async def _keep(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            if not await self._try():
                await happens(self._woken, _AGAIN_SECONDS)
                self._woken.set()

    async def _try(self) -> bool:
        """Whether what is due could be written. What could not is still due, in the database."""
        try:
            await self.record()
        except Exception as error:  # whatever it is, it must not end the loop that tries again, nor keep a database from closing
            log.error("the erasure journal could not be written", error=str(error))
            return False
        return True

    def _due(self, tx: Tx) -> list[tuple[Due, Taken]]:
        """What is to be written next, and how. Posts that were written here are known by their author, and by the siblings
        that have to hear it again should a backup know neither."""
        waiting = due.some(tx, _AT_ONCE)
        ours = [one.key for one in waiting if one.what == due.ERASED and one.name.startswith(f"{self._identity.origin}/")]
        authors = {row["uri_key"]: row["uri"] for row in tx.rows(
            f"SELECT p.uri_key, a.uri FROM posts p JOIN actors a ON a.id = p.author_id WHERE p.uri_key IN ({marks(len(ours))})",
            ours)}
        sent = due.origins(tx, ours)
        authors |= {one.key: key.hex() for one in waiting
                    if one.what == due.LEFT and (key := handles.reserved_for(tx, one.name)) is not None}
        authors |= {one.key: str(post.revision) for one in waiting if one.what == due.CHANGED
                    for post in store.by_keys(tx, [one.key]).values()}
        return [(one, Taken(one.what, one.at, one.name, authors.get(one.key, ""), sent.get(one.key, ()))) for one in waiting]

    async def _replay(self, name: str, place: Place) -> None:
        """Do the journal's lines again, from where this database stands if it is the same journal."""
        size = await asyncio.to_thread(self._journal.size)
        shortened = name == place.name and size < place.read_to
        upto = place.read_to if name == place.name and not shortened else 0
        erased, unreadable, start = 0, 0, upto
        states: dict[str, list[Taken]] = {}
        while True:
            read = await asyncio.to_thread(self._journal.read, upto, _AT_ONCE)
            if read.upto == upto:
                break
            upto, unreadable = read.upto, unreadable + read.unreadable
            posts = [taken for taken in read.found if taken.what == due.ERASED]
            erased += await self._erase(posts)
            for taken in read.found:
                if taken.what != due.ERASED:
                    states.setdefault(taken.name, []).append(taken)
        self.replayed = Replayed(erased, await self._close_again(states), await self._suspend_again(states))
        await self._order_again(states)
        await self._lapsing.forget_again([name for name, changes in states.items() if changes[-1].what == due.FORGOTTEN])
        await self._leave_again(states)
        await self._change_again(states)
        if erased or name != place.name or upto - start > _MARK_BYTES:
            await self._database.write(lambda tx: self._stands_at(tx, name, upto))
        if unreadable or shortened or not name:
            await asyncio.to_thread(self._journal.set_aside, self._clock.ms())
            await self._anew(_DAMAGED, begun=True)

    async def _erase(self, posts: list[Taken]) -> int:
        known = await self._database.read(lambda tx: store.tombstoned(tx, [uri_key(taken.name) for taken in posts]))
        missing = [*{taken.name: taken for taken in posts if taken.name not in known}.values()]
        for start in range(0, len(missing), _IN_ONE_GO):
            some = missing[start:start + _IN_ONE_GO]
            await self._database.write(lambda tx, some=some: self._erase_again(tx, some))  # type: ignore[misc]
        return len(missing)

    def _erase_again(self, tx: Tx, posts: list[Taken]) -> None:
        now = self._clock.ms()
        for taken in posts:
            post = store.by_keys(tx, [uri_key(taken.name)]).get(taken.name)
            store.erase(tx, taken.name, origin_of(taken.name), taken.at)
            ledger.forget(tx, taken.name)
            ledger.release(tx, [taken.name], now)
            if not taken.by or not taken.name.startswith(f"{self._identity.origin}/"):
                continue
            recipients = [one.id for one in listed(tx) if one.origin in taken.to]
            if post is not None:
                recipients = sorted({*recipients, *network(tx, self._identity).recipients(post.audience.origins)})
                activity = outgoing.delete(post, taken.by)
            else:
                activity = outgoing.delete_again(taken.name, taken.by, taken.to)
            enqueue(tx, self._ids.new(), activity, recipients, now)
        due.known(tx, [taken.name for taken in posts])

    async def _close_again(self, states: dict[str, list[Taken]]) -> tuple[str, ...]:
        """Revoke and pause siblings that were open when the backup was made and closed afterwards. None is opened."""
        closed = []
        now = {one.origin: (one.state, one.changed_at) for one in await self._database.read(listed)}
        for origin, changes in states.items():
            state, changed = now.get(origin, ("revoked", 0))
            later = [taken.what for taken in changes if taken.at > changed]
            if state != "revoked" and "revoked" in later:
                await self._siblings.revoke(domain_of(origin), "erasure journal", N_("revoked after the backup was made"))
            elif state == "active" and later[-1:] == ["paused"]:
                await self._siblings.pause(domain_of(origin), "erasure journal", N_("paused after the backup was made"))
            else:
                continue
            closed.append(domain_of(origin))
        return tuple(closed)

    async def _order_again(self, states: dict[str, list[Taken]]) -> None:
        """What siblings have ordered erased of their own since the backup was made is ordered again; the worker does it."""
        for name, changes in states.items():
            if changes[-1].what == due.ORDERED:
                at = changes[-1].at
                await self._database.write(lambda tx, name=name, at=at: ordered.order_again(tx, self._ids, name, at))  # type: ignore[misc]

    async def _leave_again(self, states: dict[str, list[Taken]]) -> None:
        """Whoever has left since the backup was made leaves again, wholly, before anybody is served."""
        for name, changes in states.items():
            if (last := changes[-1]).what == due.LEFT:
                key = bytes.fromhex(last.by) if last.by else None
                await self._database.write(
                    lambda tx, name=name, key=key, at=last.at: self._departing.again(tx, name, key, at))  # type: ignore[misc]
        if self.restored_at is not None:
            await self._departing.finish()

    async def _change_again(self, states: dict[str, list[Taken]]) -> None:
        """Of what was changed because of a report since the backup was made, nothing stays: the later text comes from whoever
        has it."""
        for name, changes in states.items():
            if (last := changes[-1]).what == due.CHANGED and last.by.isdecimal():
                await self._database.write(
                    lambda tx, name=name, revision=int(last.by): self._unsay(tx, name, revision))  # type: ignore[misc]

    def _unsay(self, tx: Tx, name: str, revision: int) -> None:
        post = store.by_keys(tx, [uri_key(name)]).get(name)
        if post is not None and post.erased_at is None and store.unsay(tx, post, revision):
            forget_said(tx, name, self._clock.ms())

    async def _suspend_again(self, states: dict[str, list[Taken]]) -> tuple[str, ...]:
        """Suspend doctors who were verified when the backup was made and suspended afterwards; the same for a verification that
        was taken back."""
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT handle, state FROM accounts WHERE state IN ('verified', 'suspended') ORDER BY handle"))
        found = []
        for row in rows:
            last = states[row["handle"]][-1].what if row["handle"] in states else ""
            if last == AccountState.WITHDRAWN:
                await self._accounts.withdraw(row["handle"], N_("withdrawn after the backup was made"), "erasure journal")
            elif last == AccountState.SUSPENDED and row["state"] == AccountState.VERIFIED:
                await self._accounts.suspend(row["handle"], N_("suspended after the backup was made"), "erasure journal")
            else:
                continue
            found.append(str(row["handle"]))
        return tuple(found)

    async def _anew(self, trouble: str, *, begun: bool) -> None:
        """Begin a journal that knows all that this database knows; the first one of a database needs no word about it."""
        name = await asyncio.to_thread(self._journal.begin)

        def write(tx: Tx) -> None:
            due.everything(tx)
            due.stands_at(tx, name, 0)
            if begun:
                self._audit.note(tx, by="konsil", action="erasures.begun-anew", target=self._journal.path.name, detail=trouble)

        await self._database.write(write)
        if trouble:
            log.error(trouble, journal=str(self._journal.path))
            self.replayed = self.replayed._replace(trouble=trouble)

    def _stands_at(self, tx: Tx, name: str, upto: int) -> None:
        due.stands_at(tx, name, upto)
        if self.replayed.erased:
            self._audit.note(tx, by="konsil", action="erasures.replayed", target=self._journal.path.name,
                             detail=f"{self.replayed.erased} posts")
