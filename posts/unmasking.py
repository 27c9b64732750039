"""Finding out who has signed a thread by role only: two operators, a reason, and the doctor is told.

One operator proposes it, another one confirms or refuses. The name is stored nowhere else: each time one of the two looks at it,
it is read anew, and the audit log says so. Nobody decides who is, as a doctor of this instance, the one it is about.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import msgspec

from actors import aliases
from actors.models import Actor
from actors.store import by_ids
from core.audit import Audit
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.ids import Ids, number, public, uri_key
from core.states import StateGraph
from core.words import N_, Phrase
from federation.identity import Identity
from posts import store
from posts.store import Post
from posts.telling import Event, Told, tell

PAGE = 20
REASON = 1000
"""The most characters of a reason."""
_LENGTH = 1000
_AT_THE_MACHINE = "cli:"
_END = (1 << 63) - 1


class UnmaskingState(StrEnum):
    PROPOSED = N_("proposed")
    CONFIRMED = N_("confirmed")
    REFUSED = N_("refused")


UNMASKING_STATES = StateGraph(
    name="unmasking", states=tuple(UnmaskingState), edges={"proposed": ("confirmed", "refused")}, initial="proposed")


class Unmasking(msgspec.Struct, frozen=True):
    """One proposal; `about` is the address of the post that was named, times in milliseconds."""

    id: str
    about: str
    reason: str
    state: UnmaskingState
    proposed_by: str
    proposed: int
    decided_by: str
    decided: int | None


_Effect = Callable[[Tx, Row, int], None]
"""What a decision does besides; it is given the row and whose alias it is."""


class UnmaskingPage(NamedTuple):
    """Proposals, newest first, and the cursor of the next page or None."""

    found: tuple[Unmasking, ...]
    before: str | None


class Unmaskings:
    """What operators do about aliases of this instance; `by` is an operator's handle."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, ids: Ids, audit: Audit) -> None:
        self._database, self._identity, self._clock, self._ids, self._audit = database, identity, clock, ids, audit

    async def propose(self, what: str, reason: str, by: str) -> Unmasking:
        """Propose to find out who has signed the thread of a post, by its id or any of its addresses. `NotFound`, in the same
        words, where there is no such post and where it bears a name."""
        _check_named(by)
        reason = reason.strip()
        if not 0 < len(reason) <= REASON:
            raise InvalidInput("Give a reason, in at most %(most)s characters. She will read it.", values={"most": REASON},
                               field="reason")

        def write(tx: Tx) -> Unmasking:
            post = self._post(tx, what)
            if post is None or not aliases.owners(tx, [post.author_id]):
                raise NotFound("At this address there is no post that was signed by role only here.", field="post")
            if tx.row("SELECT 1 FROM unmaskings WHERE alias_id = ? AND state = 'proposed'", (post.author_id,)) is not None:
                raise Conflict("This is proposed already; another operator decides.", field="post")
            made = self._ids.new()
            tx.run("INSERT INTO unmaskings (id, alias_id, root_id, about, reason, proposed_by, proposed_at)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?)",
                   (made, post.author_id, post.root_id, post.uri, reason, by, self._clock.ms()))
            self._audit.note(tx, by=by, action="alias.proposed", target=post.uri, detail=reason)
            return _unmasking(_row(tx, public(made)))

        return await self._database.write(write)

    async def confirm(self, unmasking_id: str, by: str) -> Unmasking:
        """The second operator agrees: from now on the two can read the name. She is told, with the reason."""
        def agree(tx: Tx, row: Row, owner_id: int) -> None:
            if by == row["proposed_by"]:
                raise Refused("Whoever proposes it does not confirm it: it takes another operator.", reason="four-eyes")
            tell(tx, self._ids, [Event(owner_id, Told.UNMASKED, None, row["root_id"], row["root_id"], False, row["root_id"])],
                 self._clock.ms())

        return await self._decide(unmasking_id, UnmaskingState.CONFIRMED, by, agree)

    async def refuse(self, unmasking_id: str, by: str) -> Unmasking:
        """It stays as it is; whoever has proposed it may take it back so."""
        return await self._decide(unmasking_id, UnmaskingState.REFUSED, by, lambda tx, row, owner_id: None)

    async def name(self, unmasking_id: str, by: str) -> Actor:
        """Who it is, for one of the two who have decided; each look stands in the audit log."""
        def look(tx: Tx) -> Actor:
            row = _row(tx, unmasking_id)
            if row["state"] != UnmaskingState.CONFIRMED or by not in (row["proposed_by"], row["decided_by"]):
                raise Refused("Only the two operators who have decided it can see who it is.", reason="not-decided")
            owner = by_ids(tx, [_owner(tx, row)]).popitem()[1]
            self._audit.note(tx, by=by, action="alias.looked-up", target=row["about"])
            return owner

        return await self._database.write(look)

    async def one(self, unmasking_id: str) -> Unmasking:
        """One proposal; `NotFound` where there is none."""
        return await self._database.read(lambda tx: _unmasking(_row(tx, unmasking_id)))

    async def page(self, before: str | None = None) -> UnmaskingPage:
        """Twenty proposals, newest first."""
        key = (number(before) if before else None) or _END
        rows = await self._database.read(lambda tx: tx.rows("SELECT * FROM unmaskings WHERE id < ? ORDER BY id DESC LIMIT ?",
                                                            (key, PAGE + 1)))
        shown = tuple(map(_unmasking, rows[:PAGE]))
        return UnmaskingPage(shown, shown[-1].id if len(rows) > PAGE else None)

    async def told(self, owner: Actor, post_id: str) -> tuple[Unmasking, ...]:
        """What has been found out about a thread of a doctor's own, for her."""
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT u.* FROM unmaskings u JOIN aliases a ON a.actor_id = u.alias_id WHERE a.owner_id = ? AND a.root_id = ?"
            " AND u.state = 'confirmed' ORDER BY u.id", (owner.id, number(post_id))))
        return tuple(map(_unmasking, rows))

    async def _decide(self, unmasking_id: str, to: UnmaskingState, by: str, effect: _Effect) -> Unmasking:
        _check_named(by)

        def write(tx: Tx) -> Unmasking:
            row = _row(tx, unmasking_id)
            if row["state"] != UnmaskingState.PROPOSED:
                raise Conflict("This was decided already: it is “%(state)s”.", values={"state": Phrase(row["state"])})
            UNMASKING_STATES.check(row["state"], to)
            owner_id = _owner(tx, row)
            if tx.row("SELECT 1 FROM accounts o JOIN accounts d ON d.id = o.doctor_id WHERE o.handle = ? AND d.actor_id = ?",
                      (by, owner_id)) is not None:
                raise Refused("Nobody decides about herself.", reason="herself")
            tx.run("UPDATE unmaskings SET state = ?, decided_by = ?, decided_at = ? WHERE id = ?",
                   (to, by, self._clock.ms(), row["id"]))
            effect(tx, row, owner_id)
            self._audit.note(tx, by=by, action=f"alias.{to}", target=row["about"])
            return _unmasking(_row(tx, unmasking_id))

        return await self._database.write(write)

    def _post(self, tx: Tx, what: str) -> Post | None:
        uri = what.strip()[:_LENGTH]
        ours = uri.startswith((f"{self._identity.origin}/", "/")) or "/" not in uri
        inner = number(uri.rstrip("/").partition("#")[0].rpartition("/")[2]) if ours else None
        return (store.by_id(tx, inner) if inner is not None else None) or store.by_keys(tx, [uri_key(uri)]).get(uri)


def _check_named(by: str) -> None:
    if by.startswith(_AT_THE_MACHINE):
        raise Refused("This takes two operators by name: say who you are with --as.", reason="not-named")


def _row(tx: Tx, unmasking_id: str) -> Row:
    row = tx.row("SELECT * FROM unmaskings WHERE id = ?", (number(unmasking_id),))
    if row is None:
        raise NotFound("There is no such proposal.")
    return row


def _owner(tx: Tx, row: Row) -> int:
    """Whose alias it is; `NotFound` where she has left."""
    owner = aliases.owners(tx, [row["alias_id"]]).get(row["alias_id"])
    if owner is None:
        raise NotFound("Whoever has signed this has left; her name is not kept.")
    return owner


def _unmasking(row: Row) -> Unmasking:
    return Unmasking(public(row["id"]), row["about"], row["reason"], UnmaskingState(row["state"]), row["proposed_by"],
                     row["proposed_at"], row["decided_by"], row["decided_at"])
