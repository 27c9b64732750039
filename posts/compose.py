"""Writing: publish, reply, edit, delete. The effect here and its way out are one transaction.

A form is sent once. `form` is the random token it was drawn with; what is kept of it is a digest over the token and what
was written. So a second click finds the post the first one made, whoever makes up a token has only made up his own, and
another text out of the same form (the browser's Back button) is another post.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Protocol

import msgspec

from actors.models import Actor, Author
from actors.store import by_ids
from core.audit import note
from core.clock import Clock
from core.countries import specialties
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.ids import Ids, number, public
from core.settings import Posts
from core.text import Renderer
from federation.identity import Identity
from federation.store import enqueue
from posts import store, wire
from posts.models import AGE_BANDS, AIMS, SEXES, Audience, CaseFacts, Destination, Draft, Kind, Reach, State
from posts.network import list_digest, network
from posts.store import Poll, Post

_DAY_MS = 86_400_000
_SPECIALTIES = 8


class Forget(Protocol):
    """What else has to go with a deleted post: where it lies is known further up, so this is handed in."""

    def __call__(self, tx: Tx, uri: str, /) -> None: ...


class Compose:
    """What a verified author can do with words."""

    def __init__(self, database: Database, identity: Identity, renderer: Renderer, clock: Clock, ids: Ids,
                 settings: Posts, forget: Forget) -> None:
        self._database, self._identity, self._renderer = database, identity, renderer
        self._clock, self._ids, self._settings, self._forget = clock, ids, settings, forget

    async def preview(self, draft: Draft) -> str:
        """The draft as readers would see it; raises what `publish` would raise about its content."""
        self.check(draft)
        return await self._renderer.render(draft.text)

    async def destinations(self) -> tuple[Destination, ...]:
        """The other countries a post can be sent to."""
        return (await self._database.read(lambda tx: network(tx, self._identity))).destinations()

    def network_digest(self, destinations: tuple[Destination, ...]) -> str:
        return list_digest(destinations)

    def check(self, draft: Draft) -> None:
        """`InvalidInput` with the field that breaks a rule."""
        if draft.kind == Kind.REPLY:
            raise InvalidInput("A reply answers something.", field="kind")
        question = draft.question.strip()
        if not question or len(question) > wire.QUESTION_LENGTH:
            raise InvalidInput("The question has 1 to %(most)s characters.",
                               values={"most": wire.QUESTION_LENGTH}, field="question")
        if draft.kind != Kind.POLL and not draft.text.strip():
            raise InvalidInput("Please write a few lines.", field="text")
        self._check_text(draft.text, draft.language)
        _check_facts(draft.facts)
        if draft.kind == Kind.CASE and not draft.facts.specialties:
            raise InvalidInput("Name at least one specialty you are asking.", field="specialties")
        if (draft.kind == Kind.POLL) != (draft.poll is not None):
            raise InvalidInput("A poll has options, and only a poll.", field="options")
        if draft.poll is not None:
            names = _names(draft.poll.options)
            if len(names) not in wire.OPTIONS or len(set(names)) != len(names):
                raise InvalidInput("A poll has 2 to 20 different options.", field="options")
            if any(len(name) > wire.OPTION_LENGTH for name in names):
                raise InvalidInput("An option has at most %(most)s characters.",
                                   values={"most": wire.OPTION_LENGTH}, field="options")
            now = self._clock.ms()
            if not now < draft.poll.ends_at <= now + 366 * _DAY_MS:
                raise InvalidInput("A poll ends in the future, within a year.", field="ends_at")

    async def publish(self, author: Author, draft: Draft, origins: tuple[str, ...], reach: Reach, seen: str,
                      form: str = "") -> str:
        """Publish a new post and return its id; if this form has made one already, that one's.

        `origins` are the other countries' origins (none: it stays home); `seen` is the digest of the list of countries
        the author was shown. If that list has changed, `Conflict`: she is asked again and nothing was sent.
        """
        html = await self.preview(draft)
        if (reach == Reach.HOME) != (not origins):
            raise InvalidInput("Say which countries may read this, or keep it at home.", field="audience")
        now, post_id = self._clock.ms(), self._ids.new()
        audience = Audience(reach, (self._identity.origin, *sorted(set(origins))))
        post = Post(
            post_id, f"{self._identity.origin}/posts/{public(post_id)}", author.actor.id, None, draft.kind, post_id, None,
            draft.question.strip(), draft.text, html, draft.language, draft.facts,
            State.OPEN if draft.kind == Kind.CASE else None, audience, self._identity.country, now)
        poll = None
        if draft.poll is not None:
            names = _names(draft.poll.options)
            poll = Poll(draft.poll.multiple, draft.poll.ends_at // 1000 * 1000, None, 0, tuple((name, 0) for name in names))
        activity = wire.create(post, poll, author.actor.uri, None)
        once = _once(form, draft.kind, draft.question, draft.text, *(draft.poll.options if draft.poll is not None else ()))

        def write(tx: Tx) -> int:
            if once is not None and (before := store.sent_before(tx, author.actor.id, once)) is not None:
                return before
            places = network(tx, self._identity)
            offered = places.destinations()
            if origins and (list_digest(offered) != seen or not set(origins) <= {place.origin for place in offered}):
                raise Conflict("The list of countries has changed since you looked. Nothing was sent; please choose again.",
                               reason="audience-changed", field="audience")
            if reach == Reach.NETWORK and set(origins) != {place.origin for place in offered}:
                raise Conflict("The network is more than the countries you were shown. Please choose again.",
                               reason="audience-changed", field="audience")
            store.insert(tx, [post])
            if poll is not None:
                store.insert_polls(tx, [(post.id, poll)])
            if once is not None:
                store.mark_sent(tx, post.id, once)
            enqueue(tx, self._ids.new(), activity, places.recipients(origins), now)
            return post.id

        return public(await self._database.write(write))

    async def reply(self, author: Author, parent_id: str, text: str, language: str, form: str = "") -> str:
        """Answer a post; the reply goes to exactly the parent's audience. Returns its id; if this form has made one
        already, that one's."""
        if not text.strip():
            raise InvalidInput("Please write a few lines.", field="text")
        self._check_text(text, language)
        html = await self._renderer.render(text)
        now, post_id = self._clock.ms(), self._ids.new()
        once = _once(form, Kind.REPLY, parent_id, text)

        def write(tx: Tx) -> int:
            if once is not None and (before := store.sent_before(tx, author.actor.id, once)) is not None:
                return before
            parent = _present(tx, parent_id)
            post = Post(
                post_id, f"{self._identity.origin}/posts/{public(post_id)}", author.actor.id, None, Kind.REPLY,
                parent.root_id, parent.id, "", text, html, language, CaseFacts(), None, parent.audience,
                self._identity.country, now)
            store.insert(tx, [post])
            if once is not None:
                store.mark_sent(tx, post.id, once)
            activity = wire.create(post, None, author.actor.uri, parent.uri)
            enqueue(tx, self._ids.new(), activity, network(tx, self._identity).recipients(parent.audience.origins), now)
            return post.id

        return public(await self._database.write(write))

    async def edit(self, author: Author, post_id: str, question: str, text: str, state: State | None,
                   expected_revision: int) -> None:
        """Replace the text of one's own post; the old one stays in its history. `Conflict` if it has changed since."""
        html = await self._renderer.render(text)
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            old = self._own(tx, author, post_id)
            if old.source != text and tx.row("SELECT 1 FROM revisions WHERE post_id = ? AND revision >= ?",
                                             (old.id, expected_revision)):
                raise Conflict("This was edited elsewhere since you opened it. Your text was not saved over it.")
            title = question.strip() if old.kind != Kind.REPLY else ""
            if old.kind != Kind.REPLY and not 0 < len(title) <= wire.QUESTION_LENGTH:
                raise InvalidInput("The question has 1 to %(most)s characters.",
                                   values={"most": wire.QUESTION_LENGTH}, field="question")
            if old.kind != Kind.POLL and not text.strip():
                raise InvalidInput("Please write a few lines.", field="text")
            self._check_text(text, old.language)
            new = msgspec.structs.replace(
                old, question=title, source=text, html=html, updated_at=now, revision=old.revision + 1,
                state=(state or old.state) if old.kind == Kind.CASE else None)
            if (new.question, new.source, new.state) == (old.question, old.source, old.state):
                return
            store.revise(tx, old, new)
            self._announce(tx, new, author.actor.uri, now)

        await self._database.write(write)

    async def delete(self, owner: Actor, post_id: str) -> None:
        """Erase one's own post here and everywhere it went. It takes no `Author`: whoever wrote something may take it back,
        also when her verification has run out. Of others' posts she learns nothing."""
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            post = _present(tx, post_id)
            if post.author_id != owner.id:
                raise NotFound("There is no such post here.")
            store.erase(tx, post.uri, self._identity.origin, now)
            self._forget(tx, post.uri)
            enqueue(tx, self._ids.new(), wire.delete(post, owner.uri),
                    network(tx, self._identity).recipients(post.audience.origins), now)
            note(tx, self._ids, self._clock, by=owner.handle, action="post.deleted", target=post.uri)

        await self._database.write(write)

    def _announce(self, tx: Tx, post: Post, author_uri: str, now: int) -> None:
        parent = store.by_id(tx, post.parent_id) if post.parent_id is not None else None
        activity = wire.update(post, store.polls(tx, [post.id]).get(post.id), author_uri, parent.uri if parent else None)
        enqueue(tx, self._ids.new(), activity, network(tx, self._identity).recipients(post.audience.origins), now)

    def _own(self, tx: Tx, author: Author, post_id: str) -> Post:
        post = _present(tx, post_id)
        if post.author_id != author.actor.id:
            raise Refused("Only its author can change a post.", reason="not-yours")
        return post

    def _check_text(self, text: str, language: str) -> None:
        if len(text) > self._settings.text_limit:
            raise InvalidInput("A post has at most %(most)s characters.",
                               values={"most": self._settings.text_limit}, field="text")
        if not 2 <= len(language) <= 20 or not all(part.isalnum() for part in language.split("-")):
            raise InvalidInput("Say which language this is written in.", field="language")

    async def announce_poll(self, post_id: int) -> None:
        """Tell the audience a local poll's new counts, or that it has closed."""
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            post = store.by_id(tx, post_id)
            poll = store.polls(tx, [post_id]).get(post_id)
            if post is None or poll is None or post.erased_at is not None or post.sibling_id is not None:
                return
            if poll.closed_at is None and poll.ends_at <= now:
                tx.run("UPDATE polls SET closed_at = ends_at WHERE post_id = ?", (post_id,))
            tx.run("UPDATE polls SET stale_since = NULL WHERE post_id = ?", (post_id,))
            tx.run("UPDATE posts SET revision = revision + 1 WHERE id = ?", (post_id,))
            fresh = store.by_id(tx, post_id)
            author = by_ids(tx, [post.author_id]).get(post.author_id)
            if fresh is not None and author is not None:
                self._announce(tx, fresh, author.uri, now)

        await self._database.write(write)

    async def stale_polls(self) -> tuple[list[int], int | None]:
        """Local polls whose counts or end must be announced, and when the next open one ends (ms)."""
        now = self._clock.ms()

        def look(tx: Tx) -> tuple[list[int], int | None]:
            due = tx.rows("SELECT p.post_id FROM polls p JOIN posts o ON o.id = p.post_id WHERE o.sibling_id IS NULL"
                          " AND (p.stale_since <= ? OR (p.closed_at IS NULL AND p.ends_at <= ?))", (now - 500, now))
            upcoming = tx.row("SELECT min(ends_at) AS soon FROM polls WHERE closed_at IS NULL AND ends_at > ?", (now,))
            return [row["post_id"] for row in due], upcoming["soon"] if upcoming else None

        return await self._database.read(look)


def _present(tx: Tx, post_id: str) -> Post:
    """The post of this public id, if it is here and not erased."""
    inner = number(post_id)
    post = store.by_id(tx, inner) if inner is not None else None
    if post is None or post.erased_at is not None:
        raise NotFound("There is no such post here.")
    return post


def _check_facts(facts: CaseFacts) -> None:
    """Codes are codes of ours: what is free text does not hide here."""
    if len(facts.specialties) > _SPECIALTIES or not set(facts.specialties) <= set(specialties()):
        raise InvalidInput("Choose up to %(most)s specialties from the list.", values={"most": _SPECIALTIES}, field="specialties")
    for value, known, field in ((facts.age_band, AGE_BANDS, "age_band"), (facts.sex, SEXES, "sex"), (facts.aim, AIMS, "aim")):
        if value and value not in known:
            raise InvalidInput("Choose one of the values offered.", field=field)


def _once(form: str, *written: str) -> bytes | None:
    """What stands for one sending of one form; None for a caller without a form."""
    if not form:
        return None
    return hashlib.sha256("\0".join((form, *written)).encode(errors="surrogatepass")).digest()[:16]


def _names(options: tuple[str, ...]) -> list[str]:
    return [unicodedata.normalize("NFC", name.strip()) for name in options if name.strip()]
