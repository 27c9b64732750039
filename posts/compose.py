"""Writing: publish, reply, edit, delete. The effect here and its way out are one transaction.

A form is sent once. `form` is the random token it was drawn with; what is kept of it is a digest over the token and what
was written. So a second click finds the post the first one made, whoever makes up a token has only made up his own, and
another text out of the same form (the browser's Back button) is another post.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

import msgspec

from actors.models import Actor, Author
from core.audit import note
from core.clock import Clock
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.ids import Ids, number, public
from core.settings import Posts
from core.text import Renderer
from federation.identity import Identity
from federation.store import enqueue
from posts import store, wire
from posts.drafts import check_draft, check_question, check_text, option_names
from posts.models import Audience, CaseFacts, Destination, Draft, Kind, Reach, State
from posts.network import list_digest, network
from posts.store import Poll, Post


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
        check_draft(draft, self._settings.text_limit, self._clock.ms())
        return await self._renderer.render(draft.text)

    async def destinations(self) -> tuple[Destination, ...]:
        """The other countries a post can be sent to."""
        return (await self._database.read(lambda tx: network(tx, self._identity))).destinations()

    def network_digest(self, destinations: tuple[Destination, ...]) -> str:
        return list_digest(destinations)

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
            names = option_names(draft.poll.options)
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
        check_text(text, language, self._settings.text_limit)
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
            if old.kind != Kind.REPLY:
                check_question(title)
            check_text(text, old.language, self._settings.text_limit, may_be_empty=old.kind == Kind.POLL)
            new = msgspec.structs.replace(
                old, question=title, source=text, html=html, updated_at=now, revision=old.revision + 1,
                state=(state or old.state) if old.kind == Kind.CASE else None)
            if (new.question, new.source, new.state) == (old.question, old.source, old.state):
                return
            store.revise(tx, old, new)
            announce(tx, self._identity, self._ids, new, author.actor.uri, now)

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

    def _own(self, tx: Tx, author: Author, post_id: str) -> Post:
        post = _present(tx, post_id)
        if post.author_id != author.actor.id:
            raise Refused("Only its author can change a post.", reason="not-yours")
        return post


def announce(tx: Tx, identity: Identity, ids: Ids, post: Post, author_uri: str, now: int) -> None:
    """Put an Update of a local post as it stands now into the outbox, for its whole audience."""
    parent = store.by_id(tx, post.parent_id) if post.parent_id is not None else None
    activity = wire.update(post, store.polls(tx, [post.id]).get(post.id), author_uri, parent.uri if parent else None)
    enqueue(tx, ids.new(), activity, network(tx, identity).recipients(post.audience.origins), now)


def _present(tx: Tx, post_id: str) -> Post:
    """The post of this public id, if it is here and not erased."""
    inner = number(post_id)
    post = store.by_id(tx, inner) if inner is not None else None
    if post is None or post.erased_at is not None:
        raise NotFound("There is no such post here.")
    return post


def _once(form: str, *written: str) -> bytes | None:
    """What stands for one sending of one form; None for a caller without a form."""
    if not form:
        return None
    return hashlib.sha256("\0".join((form, *written)).encode(errors="surrogatepass")).digest()[:16]
