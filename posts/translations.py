"""Translations beside posts: made by a machine where somebody asks for one, confirmed by a colleague who speaks both languages,
and then part of the post everywhere it lies.

A machine's translation stays at this instance, one for all who read the post in that language, and ends with the text it was made
of. A confirmed one is stored at the post's own instance and goes out with its next Update; for a post of another country the
doctor's word is offered there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from actors import aliases
from actors.models import Actor, Author
from actors.store import by_ids
from core.clock import Clock
from core.database import Database, Row, Tx, marks
from core.errors import Conflict, InvalidInput, KonsilError, NotFound, Refused
from core.ids import Ids, number, public, uri_key
from core.telemetry import get_logger
from core.text import plain
from federation.addresses import origin_of
from federation.identity import BODY_LIMIT, Identity
from federation.store import enqueue
from posts import fidelity, outgoing, pollstore, store
from posts.editing import announce
from posts.fidelity import Difference
from posts.models import PostView, Reach
from posts.network import Network, network
from posts.reading import readable
from posts.store import Post
from posts.telling import Event, Told, tell
from posts.translated import (
    MOST,
    Translation,
    base,
    digest_of,
    holding,
    may_confirm,
    pieces,
    put_together,
    same_links,
    words,
)
from posts.translator import Translator
from posts.views import led_home, parts_led_home
from posts.wire_translations import offer

log = get_logger("translations")
_QUESTION, _ROW = 600, 300
_ROOM = 32_768
"""How many bytes of an Update are left free for what is yet to come: answers that are marked, a poll's result."""
_SOME = 20
_JSON = msgspec.json.Encoder()
_SAID = msgspec.json.Decoder(Translation)


class Beside(NamedTuple):
    """A translation as it stands beside a post: `machine` is what made it, where nobody has confirmed it, and `country` where who
    has is from. `may_confirm`: the viewer speaks both languages; `id` names what she has read; `offered`: a colleague here has
    confirmed it, and its own instance has not said so yet."""

    said: Translation
    machine: str
    country: str
    differences: tuple[Difference, ...]
    may_confirm: bool = False
    id: str = ""
    offered: bool = False


class Readings(NamedTuple):
    """What can be read of a post beside the original: the translation for the viewer, those into other languages, whether one
    can be had, and whether she reads the original anyway."""

    own: Beside | None
    others: tuple[Beside, ...]
    can_ask: bool
    reads: bool

    @property
    def aside(self) -> bool:
        """Whether the two stand side by side: who reads the original anyway unfolds the other under it."""
        return self.own is not None and not self.reads


class Translations:
    """Translations for doctors of this instance."""

    def __init__(self, database: Database, identity: Identity, translator: Translator, clock: Clock, ids: Ids) -> None:
        self._database, self._identity, self._clock, self._ids = database, identity, clock, ids
        self.translator = translator
        self._under_way: dict[tuple[int, str, str], asyncio.Task[None]] = {}

    async def beside(self, viewer: Actor, posts: Sequence[PostView], language: str) -> dict[str, Readings]:
        """What there is beside each of these posts for a viewer who reads this language, by the post's id; nothing for one that
        needs nothing."""
        wanted = [post for post in posts if not (post.erased or post.named or post.recalled
                                                         or (post.hidden and not post.mine)) and (
            post.translations or base(post.language) != base(language))]
        if not wanted:
            return {}
        asked = [post for post in wanted if base(post.language) != base(language)] if self.translator.on else []

        def look(tx: Tx) -> tuple[dict[int, Row], Network]:
            ids = [number(post.id) for post in asked]
            rows = tx.rows(f"SELECT * FROM machine_translations WHERE language = ? AND post_id IN ({marks(len(ids))})",
                           (base(language), *ids)) if ids else []
            return {row["post_id"]: row for row in rows}, network(tx, self._identity)

        rows, places = await self._database.read(look)
        return {post.id: self._readings(post, rows.get(number(post.id) or 0), places, viewer, language) for post in wanted}

    def _readings(self, post: PostView, row: Row | None, places: Network, viewer: Actor, language: str) -> Readings:
        foreign = base(post.language) != base(language)
        confirmed = [_shown(post, one, "", places.code(origin_of(one.by))) for one in post.translations]
        own = next((one for one in confirmed if foreign and base(one.said.language) == base(language)), None)
        if own is None and row is not None:
            made = _SAID.decode(row["said"])
            own = _shown(post, made, row["made_by"], "")._replace(
                id=public(row["id"]), offered=row["offered_by"] is not None,
                may_confirm=row["offered_by"] is None and may_confirm(viewer, post.language, language) and not post.by_role)
        return Readings(own, tuple(one for one in confirmed if one is not own),
                        foreign and own is None and self.translator.can(post.language, language),
                        base(post.language) in {base(code) for code in viewer.speaks})

    async def translate(self, reader: Actor, post_id: str, language: str) -> None:
        """Have a post translated for everybody here who reads this language. A second one who asks waits for the first."""
        language = base(language)
        post = await self._database.read(lambda tx: _public(tx, post_id, reader))
        if not self.translator.can(post.language, language):
            raise InvalidInput("A translation into this language cannot be had here.", reason="no-translator")
        digest = digest_of(post.question, post.html, post.parts)
        key = (post.id, language, digest)
        if key not in self._under_way:
            task = self._under_way[key] = asyncio.create_task(self._make(post, language, digest))
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        await asyncio.shield(self._under_way[key])

    async def _make(self, post: Post, language: str, digest: str) -> None:
        if await self._database.read(lambda tx: tx.row(
                "SELECT 1 FROM machine_translations WHERE post_id = ? AND language = ? AND digest = ?",
                (post.id, language, digest))) is not None:
            return
        asked = pieces(post.question, post.html, post.parts)
        made = await self.translator.translate(asked, post.language, language)
        first, last = 2 + len(post.parts.sections), 2 + len(post.parts.sections) + len(post.parts.timeline)
        rows = [plain(one, _ROW) for one in made[first:last]]
        translation = put_together([plain(made[0], _QUESTION), *made[1:first], *made[last:]], rows, language, digest, post.parts)
        if not same_links("".join(asked), "".join(made)):
            raise InvalidInput("The translation leads to addresses that are not in the original, so nothing was kept.",
                               reason="bad-translation")

        def write(tx: Tx) -> None:
            now = store.by_id(tx, post.id)
            if now is None or now.erased_at is not None or digest_of(now.question, now.html, now.parts) != digest:
                raise Conflict("The text was changed just now. Please try again.")
            tx.run("INSERT INTO machine_translations (id, post_id, language, digest, said, made_by, at)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?)"
                   " ON CONFLICT (post_id, language) DO NOTHING",
                   (self._ids.new(), post.id, language, digest, _JSON.encode(translation).decode(), self.translator.name,
                    self._clock.ms()))

        await self._database.write(write)

    async def confirm(self, author: Author, post_id: str, made_id: str) -> None:
        """A doctor has compared a machine's translation with the original: it becomes part of the post, or is offered to the
        post's own instance. `Conflict` where it is not what she has read any more."""
        doctor, now = author.actor, self._clock.ms()

        def write(tx: Tx) -> None:
            post = _public(tx, post_id, doctor)
            if aliases.in_threads(tx, doctor.id, [post.root_id]):
                raise Refused("You have signed this conversation by role only. Confirming would show your name.",
                              reason="by-role")
            row = tx.row("SELECT * FROM machine_translations WHERE id = ? AND post_id = ?", (number(made_id) or 0, post.id))
            if row is None or row["digest"] != digest_of(post.question, post.html, post.parts):
                raise Conflict("The text has changed since you read this. Please look at the new translation.")
            if not may_confirm(doctor, post.language, row["language"]):
                raise Refused("Your profile does not say that you speak both languages.", reason="may-not-confirm")
            said = msgspec.structs.replace(_SAID.decode(row["said"]), by=doctor.uri, name=doctor.name, at=now)
            if post.sibling_id is None:
                _adopt(tx, self._identity, self._ids, post, said, doctor.id, now)
                return
            if row["offered_by"] is not None:
                return
            tx.run("UPDATE machine_translations SET offered_by = ? WHERE id = ?", (doctor.id, row["id"]))
            made = self._ids.new()
            owner = by_ids(tx, [post.author_id])[post.author_id]
            activity = offer(f"{self._identity.origin}/translations/{public(made)}", doctor.uri, owner.uri, post, said)
            enqueue(tx, made, activity, network(tx, self._identity).recipients((origin_of(post.uri),)), now)

        await self._database.write(write)

    async def remove(self, author: Actor, post_id: str, language: str) -> None:
        """Take a confirmed translation out of a post of one's own, everywhere. Like every taking back it needs no badge."""
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            post = readable(tx, post_id, author)
            if not aliases.is_hers(tx, post.author_id, author):
                raise NotFound("There is no such post here.")
            kept = tuple(one for one in post.translations if one.language != language)
            if kept == post.translations:
                return
            new = msgspec.structs.replace(post, translations=kept, revision=post.revision + 1)
            store.revise(tx, post, new)
            announce(tx, self._identity, self._ids, new, by_ids(tx, [post.author_id])[post.author_id].uri, now,
                     repeats=True)

        await self._database.write(write)

    async def adopt_due(self) -> int:
        """Make translations that siblings' doctors have confirmed part of the posts; how many there were."""
        sql = "SELECT * FROM offered_translations ORDER BY id LIMIT ?"
        if self._database.glance(sql, (1,)) is None:
            return 0
        return await self._database.write(lambda tx: sum(self._take(tx, row) for row in tx.rows(sql, (_SOME,))))

    def _take(self, tx: Tx, row: Row) -> int:
        tx.run("DELETE FROM offered_translations WHERE id = ?", (row["id"],))
        tx.scrub()
        post, said = store.by_id(tx, row["post_id"]), _SAID.decode(row["said"])
        if post is not None and post.erased_at is None and said.digest == digest_of(post.question, post.html, post.parts):
            try:
                _adopt(tx, self._identity, self._ids, post, said, row["by_id"], self._clock.ms())
            except KonsilError as error:
                log.info("a translation was not taken", post=post.uri, error=error)
        return 1


def withdraw(tx: Tx, uri: str, post_ids: Sequence[int]) -> None:
    """A doctor is gone: what rests on her word alone is no translation any more, in these posts. Every instance hears of it by
    itself, so nothing is sent."""
    for post in store.by_many(tx, post_ids).values():
        kept = tuple(one for one in post.translations if one.by != uri)
        tx.run("UPDATE posts SET translations = ? WHERE id = ?", (_JSON.encode(kept).decode() if kept else "", post.id))
    for table, column in (("machine_translations", "offered_by"), ("offered_translations", "by_id")):
        tx.run(f"DELETE FROM {table} WHERE {column} IN (SELECT id FROM actors WHERE uri_key = ?)", (uri_key(uri),))
    tx.scrub()


def confirmed_by(tx: Tx, uri: str, most: int) -> list[Row]:
    """Some posts with translations that rest on a doctor's word, whether anything else of hers has ever come here or not."""
    wanted = _JSON.encode(uri).decode().replace("!", "!!").replace("_", "!_").replace("%", "!%")
    hers = "(SELECT id FROM actors WHERE uri_key = ?)"
    return tx.rows(
        "SELECT id FROM posts WHERE translations <> '' AND translations LIKE ? ESCAPE '!'"
        f" UNION SELECT post_id AS id FROM machine_translations WHERE offered_by IN {hers}"
        f" UNION SELECT post_id AS id FROM offered_translations WHERE by_id IN {hers} LIMIT ?",
        (f"%{wanted}%", uri_key(uri), uri_key(uri), most))


def _public(tx: Tx, post_id: str, reader: Actor) -> Post:
    post = readable(tx, post_id, reader)
    if post.audience.reach == Reach.NAMED:
        raise Refused("A consult goes to those it names and to nobody else, so it is not translated.", reason="named")
    if post.correction is not None and post.correction.is_recall:
        raise Refused("Its author has withdrawn this as wrong, so it is not translated.", reason="recalled")
    return post


def _adopt(tx: Tx, identity: Identity, ids: Ids, post: Post, said: Translation, by_id: int, now: int) -> None:
    """Make a translation part of a post of ours and tell everybody who can read it, its author first. The first one in a language
    stands until the text changes, or its author takes it out."""
    kept = holding(post.translations, post.question, post.html, post.parts)
    if any(base(one.language) == base(said.language) for one in kept):
        return
    if len(kept) >= MOST:
        raise InvalidInput("This has been translated into %(most)s languages already.", values={"most": MOST}, reason="too-many")
    author = by_ids(tx, [post.author_id])[post.author_id]
    new = msgspec.structs.replace(post, translations=(*kept, said), revision=post.revision + 1)
    poll = pollstore.whole(tx, post.id)
    try:
        whole = outgoing.update(new, poll, author.uri, None, identity.seal)
    except InvalidInput as error:
        if error.reason != "too-large":
            raise
        whole = None
    if whole is None or len(whole.body) + _ROOM > BODY_LIMIT:
        raise InvalidInput("With this translation the post would be too large to be sent.", reason="too-large")
    store.revise(tx, post, new)
    announce(tx, identity, ids, new, author.uri, now)
    tell(tx, ids, [Event(author.id, Told.TRANSLATED, by_id, post.id, post.root_id, False, post.id)], now)


def _shown(post: PostView, one: Translation, machine: str, country: str) -> Beside:
    origin = origin_of(post.uri)
    home = msgspec.structs.replace(one, html=led_home(one.html, post.tags, origin),
                                   parts=parts_led_home(one.parts, post.tags, origin))
    found = fidelity.differences(fidelity.plain(words(post.question, post.html, post.parts)),
                                 fidelity.plain(words(one.question, one.html, one.parts)), base(post.language),
                                 base(one.language))
    return Beside(home, machine, country, found)
