"""Writing: publish, consult, reply. The effect here and its way out are one transaction.

A form is sent once. `form` is the random token it was drawn with; what is kept of it is a digest over the token and what
was written. So a second click finds the post the first one made, whoever makes up a token has only made up his own, and
another text out of the same form (the browser's Back button) is another post.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from actors import aliases
from actors.models import Actor, Author
from actors.store import shown_by_id
from core.clock import Clock
from core.database import Database, Tx
from core.errors import Conflict, InvalidInput, NotFound
from core.ids import Ids, public
from core.settings import Posts
from federation.addresses import origin_of
from federation.identity import Identity
from federation.store import enqueue
from posts import asking, concerns, outgoing, signing, store
from posts import once as sendings
from posts.bases import Basis
from posts.drafts import Sheet, let_go
from posts.enclosures import enclose, gathered
from posts.linter.gate import check_fields, check_html
from posts.models import Audience, CaseFacts, Destination, Draft, Kind, Reach, ReplyKind, State
from posts.modes import begin
from posts.network import Network, list_digest, network, party
from posts.parts import Parts, htmls
from posts.reading import readable
from posts.rules import CONSULTED, check_draft, check_text, fields_of, option_names, with_sources
from posts.rules_parts import check_publisher
from posts.store import Poll, Post
from posts.texts import Text, Texts, check_hidden, check_readers
from posts.views import led_home, parts_led_home


class Preview(NamedTuple):
    """A draft as readers will see it: its text and its parts."""

    html: str
    parts: Parts


class Compose:
    """What a verified author can do with words."""

    def __init__(self, database: Database, identity: Identity, texts: Texts, clock: Clock, ids: Ids,
                 settings: Posts) -> None:
        self._database, self._identity, self._texts = database, identity, texts
        self._clock, self._ids, self._settings = clock, ids, settings

    async def preview(self, draft: Draft, audience: Audience | None = None, *, hidden: Actor | None = None) -> Preview:
        """The draft as readers would see it; raises what `publish` would raise about its content, and as soon as its audience
        is known, about whom it names. `hidden` is its author, where it is signed by role only."""
        text = await self._read(draft, audience)
        if hidden is not None:
            check_hidden(text.tags, hidden)
        origin = self._identity.origin
        return Preview(led_home(text.html, text.tags, origin), parts_led_home(text.parts, text.tags, origin))

    async def named(self, draft: Draft) -> tuple[Actor, ...]:
        """The doctors whom the draft's text names."""
        return (await self._texts.read(draft.text)).named

    async def _read(self, draft: Draft, audience: Audience | None) -> Text:
        check_draft(draft, self._settings.text_limit, self._clock.ms())
        check_fields(fields_of(draft).items())
        text = await self._texts.read_whole(draft.text, draft.parts)
        check_html(text.html, *htmls(text.parts))
        if audience is not None:
            check_readers(text.named, audience, settled=False)
        return text

    async def destinations(self) -> tuple[Destination, ...]:
        """The other countries a post can be sent to."""
        return (await self._database.read(lambda tx: network(tx, self._identity))).destinations(self._clock.ms())

    def network_digest(self, destinations: tuple[Destination, ...]) -> str:
        return list_digest(destinations)

    async def publish(self, author: Author, draft: Draft, origins: tuple[str, ...], reach: Reach, seen: str,
                      form: str = "", asked_from: str = "", sheet: Sheet | None = None, *, by_role: bool = False,
                      basis: Basis | None = None) -> str:
        """Publish a new post and return its id; if this form has made one already, that one's.

        `origins` are the other countries' origins (none: it stays home); `seen` is the digest of the list of countries
        the author was shown. If that list has changed, `Conflict`: she is asked again and nothing was sent. `asked_from`
        is the post of hers at home that this one asks about abroad: the link is kept here and sent to nobody. `sheet` is the
        form's draft, which ends with this. `by_role`: the thread is signed by an alias of hers, where her country allows that.
        The pictures in work for `sheet` go along; `basis` is what it rests on that this leaves the country.
        """
        if reach == Reach.NAMED or (reach == Reach.HOME) != (not origins):
            raise InvalidInput("Say which countries may read this, or keep it at home.", field="audience")

        def check(tx: Tx, places: Network) -> int | None:
            offered = places.destinations(self._clock.ms())
            if origins and (list_digest(offered) != seen or not set(origins) <= {place.origin for place in offered}):
                raise Conflict("The list of countries has changed since you looked. Nothing was sent; please choose again.",
                               reason="audience-changed", field="audience")
            if reach == Reach.NETWORK and set(origins) != {place.origin for place in offered}:
                raise Conflict("The network is more than the countries you were shown. Please choose again.",
                               reason="audience-changed", field="audience")
            if not asked_from:
                return None
            before = readable(tx, asked_from, author.writer)
            if before.audience.reach != Reach.HOME or before.parent_id is not None or not aliases.is_hers(
                    tx, before.author_id, author.writer):
                raise NotFound("There is no such post here.")
            return before.id

        return await self._publish(author, draft, Audience(reach, (self._identity.origin, *sorted(set(origins)))), form, sheet,
                                   check, basis, by_role=by_role)

    async def consult(self, author: Author, draft: Draft, doctors: Sequence[Actor], form: str = "",
                      sheet: Sheet | None = None, basis: Basis | None = None) -> str:
        """Put a post before named doctors and nobody else; returns its id. `InvalidInput` where one cannot be reached."""
        if author.actor.desk:
            raise InvalidInput("A desk publishes; whom it asks in a consult is asked by a person.", field="desk")
        named = {doctor.uri: doctor for doctor in doctors if doctor.id != author.actor.id}
        if len(named) not in CONSULTED:
            raise InvalidInput("A consult goes to 1 to %(most)s colleagues.", values={"most": CONSULTED[-1]}, field="doctors")

        def check(tx: Tx, places: Network) -> None:
            for doctor in named.values():
                place = places.place(origin_of(doctor.uri)) if not doctor.local else None
                there = place is not None and place.sent_to if not doctor.local else shown_by_id(tx, doctor.id) is not None
                if not there:
                    raise InvalidInput("%(name)s cannot be reached at the moment. Nothing was sent.",
                                       values={"name": doctor.mention}, field="doctors")
                if doctor.local:
                    asking.check_takes(tx, doctor, self._clock.ms())

        return await self._publish(author, draft, party(self._identity.origin, author.actor, named.values()), form, sheet, check,
                                   basis)

    async def _publish(self, author: Author, draft: Draft, audience: Audience, form: str, sheet: Sheet | None,
                       check: Callable[[Tx, Network], int | None], basis: Basis | None, *, by_role: bool = False) -> str:
        """The one way a new post comes to be: `check` has the last word on its audience, in the transaction that stores it,
        and says what it is linked to."""
        check_publisher(author.actor, draft.facts.aim)
        text = await self._read(draft, audience)
        now, post_id = self._clock.ms(), self._ids.new()
        uri = f"{self._identity.origin}/posts/{public(post_id)}"
        speaker = signing.beginning(self._identity, author, uri, text.tags, now, by_role=by_role)
        post = Post(
            post_id, uri, speaker.id, None, draft.kind, post_id, None, draft.question.strip(), draft.text, text.html,
            draft.language, draft.facts,
            State.OPEN if draft.kind == Kind.CASE else None, audience, self._identity.country, now, tags=text.tags,
            parts=text.parts)
        poll = None
        if draft.poll is not None:
            names = option_names(draft.poll.options)
            poll = Poll(draft.poll.multiple, draft.poll.ends_at // 1000 * 1000, None, 0, tuple((name, 0) for name in names))
        once = sendings.of_new(form, draft, by_role=by_role)

        def write(tx: Tx) -> int:
            if once is not None and (before := store.sent_before(tx, author.actor.id, once)) is not None:
                return before
            places = network(tx, self._identity)
            asked_from = check(tx, places)
            made = msgspec.structs.replace(post, asked_from=asked_from, pictures=gathered(
                tx, author.writer, sheet, self._identity.origin))
            signing.begin(tx, made, speaker, author, now)
            enclose(tx, made, basis, places, now)
            concerns.written(tx, self._ids, [made], now)
            asked = begin(tx, places, made, poll) if poll is not None else None
            if once is not None:
                store.mark_sent(tx, post.id, once)
            enqueue(tx, self._ids.new(), outgoing.create(made, asked, speaker.uri, None, self._identity.seal),
                    places.recipients(audience.origins), now)
            let_go(tx, author.writer, sheet, now)
            return post.id

        return public(await self._database.write(write))

    async def reply(self, author: Author, parent_id: str, text: str, language: str, form: str = "",
                    sheet: Sheet | None = None, basis: Basis | None = None, *, kind: ReplyKind = ReplyKind.ANSWER,
                    sources: str = "") -> str:
        """Answer a post; the reply goes to exactly the parent's audience. Returns its id; if this form has made one
        already, that one's. The draft of `sheet` ends with this, and the pictures in work for it go along; `basis` as with
        `publish`. `sources` are the DOI, PMID or NCT numbers of what it rests on; they stand below its text."""
        text = with_sources(text, sources)
        check_text(text, language, self._settings.text_limit)
        check_fields((("text", text),))
        read = await self._texts.read(text)
        check_html(read.html)
        now, post_id = self._clock.ms(), self._ids.new()
        once = sendings.of_reply(form, parent_id, text, kind)

        def write(tx: Tx) -> int:
            if once is not None and (before := store.sent_before(tx, author.actor.id, once)) is not None:
                return before
            parent = readable(tx, parent_id, author.actor)
            check_readers(read.named, parent.audience, settled=True)
            speaker = signing.answering(tx, author, parent.root_id, read.tags)
            post = Post(
                post_id, f"{self._identity.origin}/posts/{public(post_id)}", speaker.id, None, Kind.REPLY,
                parent.root_id, parent.id, "", text, read.html, language, CaseFacts(), None, parent.audience,
                self._identity.country, now, tags=read.tags, reply_kind=kind,
                pictures=gathered(tx, author.actor, sheet, self._identity.origin))
            store.insert(tx, [post])
            places = network(tx, self._identity)
            enclose(tx, post, basis, places, now)
            concerns.written(tx, self._ids, [post], now)
            if once is not None:
                store.mark_sent(tx, post.id, once)
            activity = outgoing.create(post, None, speaker.uri, parent.uri, self._identity.seal)
            enqueue(tx, self._ids.new(), activity, places.recipients(parent.audience.origins), now)
            let_go(tx, author.actor, sheet, now)
            return post.id

        return public(await self._database.write(write))
