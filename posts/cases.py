"""A case on its way: open, answered, outcome known. Its author marks what has helped and says later how it ended; where a case
stands follows from these two and is set by nobody.

The first mark makes it answered, taking the last one back opens it again, and an outcome makes it known until it is taken out.
Each is an Update of the case, so every country that can read it sees the same; whom it concerns is told
(`posts.concerns.changed`).
"""

from __future__ import annotations

import msgspec

from actors import aliases
from actors.models import Author
from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.ids import Ids
from core.states import StateGraph
from federation.identity import Identity
from posts import concerns, store
from posts.drafts import Sheet, let_go
from posts.editing import announce
from posts.linter.gate import check_fields
from posts.models import Kind, State
from posts.parts import Outcome, Parts
from posts.reading import readable
from posts.rules_parts import check_outcome
from posts.store import Post
from posts.texts import Texts, check_hidden, check_readers
from posts.wire_parts import MARKED

CASE_STATES = StateGraph(
    name="case", states=tuple(State),
    edges={"open": ("answered", "known"), "answered": ("open", "known"), "known": ("answered", "open")},
    initial="open")


def state_of(helpful: tuple[str, ...], parts: Parts) -> State:
    """Where a case stands."""
    return State.KNOWN if parts.outcome is not None else State.ANSWERED if helpful else State.OPEN


class Cases:
    """What the author of a case says about what became of it."""

    def __init__(self, database: Database, identity: Identity, texts: Texts, clock: Clock, ids: Ids) -> None:
        self._database, self._identity, self._texts, self._clock, self._ids = database, identity, texts, clock, ids

    async def mark(self, author: Author, answer_id: str, *, helpful: bool) -> str:
        """Mark an answer to a case of one's own as helpful, or take that back; doing so twice changes nothing. Returns the id of
        the case's post."""
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            answer = readable(tx, answer_id, author.actor)
            case = self._own(tx, author, store.by_id(tx, answer.root_id) or answer)
            if answer.parent_id is None:
                raise InvalidInput("Only an answer can be helpful.", reason="no-answer")
            if aliases.is_hers(tx, answer.author_id, author.actor):
                raise Refused("You cannot mark an answer of your own.", reason="own-answer")
            others = tuple(uri for uri in case.helpful if uri != answer.uri)
            if helpful and len(others) >= MARKED:
                raise InvalidInput("You have marked %(most)s answers already. Take one back first.", values={"most": MARKED},
                                   reason="too-many")
            self._become(tx, case, msgspec.structs.replace(case, helpful=(*others, answer.uri) if helpful else others), now)

        await self._database.write(write)
        return answer_id

    async def tell_outcome(self, author: Author, post_id: str, text: str, sheet: Sheet | None = None) -> None:
        """Say how a case of one's own ended, say it otherwise or, with an empty text, take it out; what stood there before stays
        in the case's history. `Conflict` where the case was changed in this very moment."""
        check_outcome(text)
        check_fields((("outcome", text),))
        before = await self._database.read(lambda tx: self._own(tx, author, readable(tx, post_id, author.actor)))
        now, kept = self._clock.ms(), before.parts.outcome
        said = Outcome(source=text, at=kept.at if kept is not None else now) if text.strip() else None
        read = await self._texts.read_whole(before.source, msgspec.structs.replace(before.parts, outcome=said), before.tags)

        def write(tx: Tx) -> None:
            case = self._own(tx, author, readable(tx, post_id, author.actor))
            if case.revision != before.revision and (case.source, case.parts) != (before.source, before.parts):
                raise Conflict("The case was changed just now. Nothing was saved; please try again.")
            check_readers(read.named, case.audience, settled=True)
            if by_ids(tx, [case.author_id])[case.author_id].alias:
                check_hidden(read.tags, author.actor)
            let_go(tx, author.actor, sheet, now)
            if read.parts.outcome != case.parts.outcome:
                parts = msgspec.structs.replace(case.parts, outcome=read.parts.outcome)
                self._become(tx, case, msgspec.structs.replace(case, parts=parts, tags=read.tags, updated_at=now), now)

        await self._database.write(write)

    def _own(self, tx: Tx, author: Author, post: Post) -> Post:
        """The case, if it is one and hers; of others' she learns no more than that it is not hers."""
        if post.kind != Kind.CASE or post.erased_at is not None:
            raise NotFound("There is no such case here.")
        if not aliases.is_hers(tx, post.author_id, author.actor):
            raise Refused("Only its author says what became of a case.", reason="not-yours")
        return post

    def _become(self, tx: Tx, old: Post, new: Post, now: int) -> None:
        if (new.helpful, new.parts) == (old.helpful, old.parts):
            return
        state = state_of(new.helpful, new.parts)
        if state != old.state:
            CASE_STATES.check(str(old.state), state)
        new = msgspec.structs.replace(new, state=state, revision=old.revision + 1)
        store.revise(tx, old, new)
        concerns.changed(tx, self._ids, old, new, now)
        announce(tx, self._identity, self._ids, new, by_ids(tx, [old.author_id])[old.author_id].uri, now,
                 repeats=old.parts == new.parts)
