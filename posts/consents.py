"""What a post rests on, for its author; and what becomes of it when the patient takes a consent back: deleted everywhere, with
the receipts of every deletion, and on record."""

from __future__ import annotations

from actors import aliases
from actors.models import Actor
from actors.store import by_ids
from core.audit import Audit
from core.clock import Clock
from core.database import Database, Tx
from core.errors import InvalidInput, NotFound
from core.ids import Ids, number
from federation.identity import Identity
from posts import bases, store
from posts.bases import Record
from posts.editing import Forget, erase_everywhere
from posts.store import Post

REASON_LIMIT = 500


class Consents:
    """Reads the record, and carries withdrawals out."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, ids: Ids, audit: Audit, forget: Forget) -> None:
        self._database, self._identity, self._clock, self._ids = database, identity, clock, ids
        self._audit, self._forget = audit, forget

    async def of(self, owner: Actor, post_id: str) -> Record | None:
        """What is on record of a post of hers, also after it was deleted; None for anybody else's."""
        inner = number(post_id) or 0

        def look(tx: Tx) -> Record | None:
            post = store.by_id(tx, inner)
            hers = post is not None and aliases.is_hers(tx, post.author_id, owner)
            return bases.of(tx, inner) if hers else None

        return await self._database.read(look)

    async def withdraw(self, owner: Actor, post_id: str) -> None:
        """Her patient has taken the consent back: the post goes, here and everywhere it went. Of others' posts she learns
        nothing."""
        def write(tx: Tx) -> None:
            post = _standing(tx, post_id)
            if not aliases.is_hers(tx, post.author_id, owner):
                raise NotFound("There is no such post here.")
            self._carry_out(tx, post, "author", by_ids(tx, [post.author_id])[post.author_id].handle, "")

        await self._database.write(write)

    async def withdraw_for_patient(self, post_id: str, reason: str, by: str) -> None:
        """An operator does it, because the patient has written to the operators. `InvalidInput` without a reason."""
        reason = " ".join(reason.replace("\0", "").split())
        if not 0 < len(reason) <= REASON_LIMIT:
            raise InvalidInput("Say in 1 to %(most)s characters how you know it. Do not say who the patient is.",
                               values={"most": REASON_LIMIT}, field="reason")

        def write(tx: Tx) -> None:
            post = _standing(tx, post_id)
            if post.sibling_id is not None:
                raise NotFound("This post is another instance's: report it there.", field="reason")
            self._carry_out(tx, post, "operator", by, reason)

        await self._database.write(write)

    def _carry_out(self, tx: Tx, post: Post, role: str, by: str, reason: str) -> None:
        now = self._clock.ms()
        bases.withdraw(tx, post.id, role, now)
        author = by_ids(tx, [post.author_id])[post.author_id]
        erase_everywhere(tx, self._identity, self._ids, self._forget, post, author.uri, now)
        self._audit.note(tx, by=by, action="consent.withdrawn", target=post.uri, detail=reason)


def _standing(tx: Tx, post_id: str) -> Post:
    """A post that is not deleted yet."""
    post = store.by_id(tx, number(post_id) or 0)
    if post is None or post.erased_at is not None:
        raise NotFound("There is no such post here.")
    return post
