"""Changing what one has written: edit and delete. The effect here and its way out are one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from actors import aliases
from actors.models import Actor, Author
from actors.store import by_ids
from core.audit import Audit
from core.clock import Clock
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.ids import Ids
from core.settings import Posts
from federation.identity import Identity
from federation.lanes import FRESH, URGENT
from federation.store import enqueue
from posts import answers, concerns, outgoing, pollstore, store
from posts.attachments import described
from posts.bases import Basis
from posts.drafts import Sheet, let_go
from posts.enclosures import changed, gathered
from posts.linter.gate import check_fields, check_html
from posts.models import CaseFacts, Correction, CorrectionKind, Kind, ReplyKind
from posts.network import network
from posts.parts import Parts, htmls, typed
from posts.reading import readable
from posts.rules import check_facts, check_question, check_reason, check_text
from posts.rules_parts import check_parts, check_publisher
from posts.store import Post
from posts.texts import Texts, check_hidden, check_readers


class Forget(Protocol):
    """What else has to go with a deleted post: where it lies is known further up, so this is handed in."""

    def __call__(self, tx: Tx, uri: str, /) -> None: ...


class Editing:
    """What authors can do with what they have published."""

    def __init__(self, database: Database, identity: Identity, texts: Texts, clock: Clock, ids: Ids, audit: Audit,
                 settings: Posts, forget: Forget) -> None:
        self._database, self._identity, self._texts = database, identity, texts
        self._clock, self._ids, self._audit, self._settings, self._forget = clock, ids, audit, settings, forget

    async def edit(self, author: Author, post_id: str, question: str, text: str, expected_revision: int,
                   sheet: Sheet | None = None, *, facts: CaseFacts | None = None, parts: Parts | None = None,
                   corrects: str | None = None, reply_kind: ReplyKind | None = None, without: Sequence[str] = (),
                   alts: Mapping[str, str] | None = None,
                   basis: Basis | None = None) -> None:
        """Replace the text of one's own post, and what is coded and its parts where these are given; what was there before stays
        in its history. Its outcome stays, which is no part of an edit. `Conflict` if it has changed since. The draft of `sheet`
        ends with this, and the pictures in work for it come to the post; those named in `without` are taken from it for good, and
        `alts` says anew, by their names, what others show.
        `corrects` is why, where this changes its advice: that travels ahead of everything else, and whoever has opened the post
        is told. `reply_kind` is what an answer is from now on; None: what it was. `basis` is what it rests on that new pictures
        leave the country, where nothing is on record yet."""
        reason = check_reason(corrects) if corrects is not None else ""
        before = await self._database.read(lambda tx: self._own(tx, author, post_id))
        given = before.parts if parts is None else msgspec.structs.replace(parts, outcome=before.parts.outcome)
        check_fields((("question", question), ("text", text), ("reason", reason), *typed(given)))
        read = await self._texts.read_whole(text, given, before.tags)
        check_html(read.html, *htmls(read.parts))
        shown = {name: described(alt, "alts") for name, alt in (alts or {}).items() if name not in without}
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            old = self._own(tx, author, post_id)
            if answers.is_recalled(old):
                raise Conflict("You have recalled this. It stays as it was; what holds now is another answer.", reason="recalled")
            title = question.strip() if old.kind != Kind.REPLY else ""
            if old.kind != Kind.REPLY:
                check_question(title)
            check_text(text, old.language, self._settings.text_limit, may_be_empty=old.kind == Kind.POLL)
            coded = facts if facts is not None else old.facts
            speaker = by_ids(tx, [old.author_id])[old.author_id]
            if facts is not None or parts is not None:
                check_publisher(speaker, coded.aim)
                check_facts(old.kind, coded)
                check_parts(old.kind, coded.aim, given)
            check_readers(read.named, old.audience, settled=True)
            if speaker.alias:
                check_hidden(read.tags, author.actor)
            pictures = gathered(tx, author.actor, sheet, self._identity.origin,
                                tuple(msgspec.structs.replace(one, alt=shown.get(one.name, one.alt))
                                      for one in old.pictures if one.name not in without))
            new = msgspec.structs.replace(
                old, question=title, source=text, html=read.html, tags=read.tags, updated_at=now, revision=old.revision + 1,
                facts=coded, parts=msgspec.structs.replace(read.parts, outcome=old.parts.outcome), pictures=pictures,
                reply_kind=(reply_kind or old.reply_kind) if old.kind == Kind.REPLY else old.reply_kind)
            same = (new.question, new.source, new.facts, new.parts, new.pictures) == (
                old.question, old.source, old.facts, old.parts, old.pictures)
            if reason and same:
                raise InvalidInput("A correction changes the text. Please say in it what holds now.", field="text")
            if same and new.reply_kind == old.reply_kind:
                let_go(tx, author.actor, sheet, now)
                return
            if tx.row("SELECT 1 FROM revisions WHERE post_id = ? AND revision >= ?", (old.id, expected_revision)):
                raise Conflict("This was edited elsewhere since you opened it. Your text was not saved over it.")
            if pictures != old.pictures:
                changed(tx, old, new, basis, network(tx, self._identity), now)
            let_go(tx, author.actor, sheet, now)
            if reason:
                new = _corrected(new, CorrectionKind.CORRECTION, reason, now)
            store.revise(tx, old, new)
            concerns.changed(tx, self._ids, old, new, now)
            announce(tx, self._identity, self._ids, new, speaker.uri, now, URGENT if reason else FRESH)

        await self._database.write(write)

    async def recall(self, author: Author, post_id: str, reason: str) -> None:
        """Withdraw an answer of one's own as wrong: its text stays where it was, folded behind why, and counts as an answer no
        more. That cannot be taken back, and travels ahead of everything else. Recalling twice does it once."""
        said, now = check_reason(reason), self._clock.ms()
        check_fields((("reason", said),))

        def write(tx: Tx) -> None:
            old = self._own(tx, author, post_id)
            if old.kind != Kind.REPLY:
                raise InvalidInput("Only an answer is recalled. A question can be corrected.", reason="no-answer")
            if answers.is_recalled(old):
                return
            new = _corrected(msgspec.structs.replace(old, updated_at=now, revision=old.revision + 1), CorrectionKind.RECALL, said,
                             now)
            store.revise(tx, old, new)
            concerns.changed(tx, self._ids, old, new, now)
            announce(tx, self._identity, self._ids, new, by_ids(tx, [old.author_id])[old.author_id].uri, now, URGENT,
                     repeats=True)

        await self._database.write(write)

    async def delete(self, owner: Actor, post_id: str) -> None:
        """Erase one's own post here and everywhere it went. It takes no `Author`: whoever wrote something may take it back,
        also when her verification has run out. Of others' posts she learns nothing. The audit log names who signed it: an alias,
        where that was by role only."""
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            post = readable(tx, post_id, owner)
            if not aliases.is_hers(tx, post.author_id, owner):
                raise NotFound("There is no such post here.")
            speaker = by_ids(tx, [post.author_id])[post.author_id]
            erase_everywhere(tx, self._identity, self._ids, self._forget, post, speaker.uri, now)
            self._audit.note(tx, by=speaker.handle, action="post.deleted", target=post.uri)

        await self._database.write(write)

    async def overtake(self) -> None:
        """After a restore: siblings may know later revisions of our posts than we do, so ours go on beyond all of them."""
        after: int | None = 0
        while after is not None:
            after = await self._database.write(lambda tx, after=after: store.overtake(tx, after))  # type: ignore[misc]

    def _own(self, tx: Tx, author: Author, post_id: str) -> Post:
        post = readable(tx, post_id, author.actor)
        if not aliases.is_hers(tx, post.author_id, author.actor):
            raise Refused("Only its author can change a post.", reason="not-yours")
        return post


def _corrected(post: Post, kind: CorrectionKind, reason: str, now: int) -> Post:
    return msgspec.structs.replace(post, correction=Correction(kind, reason, post.revision, now))


def announce(tx: Tx, identity: Identity, ids: Ids, post: Post, author_uri: str, now: int, lane: int = FRESH, *,
             repeats: bool = False) -> None:
    """Put an Update of a local post as it stands now into the outbox, for its whole audience; `repeats` where none of its
    words are new."""
    parent = store.by_id(tx, post.parent_id) if post.parent_id is not None else None
    activity = outgoing.update(post, pollstore.whole(tx, post.id), author_uri, parent.uri if parent else None, identity.seal,
                           lane=lane, repeats=repeats)
    enqueue(tx, ids.new(), activity, network(tx, identity).recipients(post.audience.origins), now)


def erase_everywhere(tx: Tx, identity: Identity, ids: Ids, forget: Forget, post: Post, author_uri: str, now: int) -> None:
    """Erase a post of this instance here, and have everybody it went to do the same and say so."""
    store.erase(tx, post.uri, identity.origin, now)
    forget(tx, post.uri)
    enqueue(tx, ids.new(), outgoing.delete(post, author_uri), network(tx, identity).recipients(post.audience.origins), now)
