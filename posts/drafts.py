"""Drafts: what a doctor has begun to write, kept for her alone until she sends or discards it.

A form that writes a draft is a `Sheet`. It knows the version it was filled from and has a mark of its own: it may save if
nobody has saved since, or if the last to save was itself (an answer that never came back is no reason to stop). So of two
tabs the one that knows less never overwrites the other. A draft that is sent or discarded is overwritten on the disk, the
write-ahead log included; while it is alive, what was taken out of it goes with the next such moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from actors import aliases
from actors.models import Actor
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import Conflict, InvalidInput, NotFound
from core.ids import Ids, number, public
from posts import shelves, store
from posts.models import AIMS_OF, CaseFacts, Kind
from posts.parts import NO_PARTS, SECTION_LENGTH, TEXTS, Parts
from posts.reading import readable
from posts.shelves import Desk

MOST = 50
"""How many drafts a doctor has at once."""
PAGE = 20
_END = (1 << 63) - 1
_TITLE_LENGTH = 80
_REST_BYTES = 32_000
_MARK_LENGTH = 64
_COLUMNS = "what, about, title, fields, version, updated_at"


class What(StrEnum):
    """What a draft becomes: a new post, the answer to a post, another text of a post, the outcome of a case."""

    NEW = "new"
    REPLY = "reply"
    EDIT = "edit"
    OUTCOME = "outcome"


class Written(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fields of a form as they were typed. A new post has nearly all of them, an answer a text, its language, what it is and
    its sources, an edit what is said, the revision it began with, and whether and why it corrects advice, an outcome a text.
    `kind` is the form's: a `posts.models.Kind` or, of a note, what it is for. `patient` to `perspective` are the texts of a case
    report (`posts.parts.Heading`), `days` and `happened` the rows of its timeline side by side, `doi` to `funding` a study's,
    `sponsored` whether a piece of news is (yes, no or not chosen), `starts` to `link` a congress's. `doctors` are handles, `desk`
    that of the desk it is written for, `asked_from` the post at home that is asked about abroad, `sought` a condition by name.
    `signature` is name, role or not chosen yet, `looked` the digest of the text whose findings were looked at
    (`posts.linter.looking`); `ground` a `posts.bases.Ground`, and `no_name` that no patient is named. `pictured` and `alts` are
    the names of the pictures an edited post has and what they show, side by side."""

    kind: str = "case"
    question: str = ""
    text: str = ""
    language: str = ""
    specialties: tuple[str, ...] = ()
    age_band: str = ""
    sex: str = ""
    aim: str = ""
    options: str = ""
    multiple: str = ""
    hours: str = "72"
    reach: str = ""
    origins: tuple[str, ...] = ()
    doctors: tuple[str, ...] = ()
    asked_from: str = ""
    revision: str = ""
    signature: str = ""
    ground: str = ""
    no_name: str = ""
    desk: str = ""
    conditions: tuple[str, ...] = ()
    sought: str = ""
    patient: str = ""
    history: str = ""
    findings: str = ""
    days: tuple[str, ...] = ()
    happened: tuple[str, ...] = ()
    assessment: str = ""
    interventions: str = ""
    followup: str = ""
    discussion: str = ""
    perspective: str = ""
    doi: str = ""
    design: str = ""
    participants: str = ""
    measure: str = ""
    effect: str = ""
    low: str = ""
    high: str = ""
    level: str = "95"
    funding: str = ""
    sponsored: str = ""
    sponsor: str = ""
    starts: str = ""
    ends: str = ""
    place: str = ""
    link: str = ""
    reply_kind: str = ""
    sources: str = ""
    corrects: str = ""
    reason: str = ""
    looked: str = ""
    pictured: tuple[str, ...] = ()
    alts: tuple[str, ...] = ()

    @property
    def sections(self) -> dict[str, str]:
        """The texts of the case report by their heading."""
        return {str(heading): getattr(self, heading) for heading in TEXTS}

    @property
    def blank(self) -> bool:
        """Whether there are no words in it."""
        return not any(text.strip() for text in (self.question, self.text, self.options, *self.sections.values(), *self.happened))

    @property
    def title(self) -> str:
        """The question, else how the text begins."""
        words = (self.question, self.text, self.options, *self.sections.values(), *self.happened)
        first = next((line.strip() for text in words for line in text.splitlines() if line.strip()), "")
        return first if len(first) <= _TITLE_LENGTH else first[: _TITLE_LENGTH - 1].rstrip() + "…"


def form_of(kind: Kind, facts: CaseFacts) -> str:
    """The `Written.kind` of the form that makes a post like this."""
    return facts.aim if facts.aim in AIMS_OF[Kind.NOTE] else str(kind)


def written_again(kind: Kind, question: str, source: str, language: str, facts: CaseFacts, parts: Parts = NO_PARTS) -> Written:
    """A post that is there, as the form that makes one like it would hold it."""
    study, congress = parts.study, parts.congress
    effect = study.effect if study is not None else None
    made = Written(
        kind=form_of(kind, facts), question=question, text=source,
        language=language, specialties=facts.specialties, age_band=facts.age_band, sex=facts.sex, aim=facts.aim,
        conditions=facts.conditions, days=tuple(str(row.day) for row in parts.timeline),
        happened=tuple(row.what for row in parts.timeline),
        sponsored="" if parts.sponsor is None else "yes" if parts.sponsor else "no", sponsor=parts.sponsor or "")
    fields: dict[str, str] = {str(heading): parts.source_of(heading) for heading in TEXTS}
    if study is not None:
        fields |= {"doi": study.doi, "design": study.design, "funding": study.funding,
                   "participants": str(study.participants) if study.participants is not None else ""}
    if effect is not None:
        fields |= {"measure": effect.measure, "effect": effect.value, "low": effect.low, "high": effect.high,
                   "level": str(effect.level)}
    if congress is not None:
        fields |= {"starts": congress.starts, "ends": congress.ends, "place": congress.place, "link": congress.link}
    return msgspec.structs.replace(made, **fields)


class Sheet(NamedTuple):
    """A form that writes a draft: which one, the version it knows (empty: none yet) and its own mark. `about` is public."""

    what: What
    about: str
    version: str = ""
    mark: str = ""


def desk_of(owner: Actor, sheet: Sheet) -> Desk:
    """Where the pictures of a form are in work."""
    return Desk(owner.id, sheet.what, number(sheet.about) or 0)


class Kept(msgspec.Struct, frozen=True):
    """A draft as it lies here; `at` in milliseconds. Of an answer or edit: the question of the conversation and its language,
    and whether the post is `gone`, so that this can be sent no more."""

    what: What
    about: str
    title: str
    written: Written
    version: str
    at: int
    question: str = ""
    language: str = ""
    gone: bool = False


class Title(NamedTuple):
    """A draft in a short list."""

    what: What
    about: str
    title: str


class DraftPage(NamedTuple):
    """Drafts, last saved first, and the cursor of the next page or None."""

    drafts: tuple[Kept, ...]
    before: str | None


class Drafts:
    """Keeps, lists and discards the drafts of doctors of this instance."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, text_limit: int) -> None:
        self._database, self._clock, self._ids, self._text_limit = database, clock, ids, text_limit

    async def keep(self, owner: Actor, sheet: Sheet, written: Written) -> Kept | None:
        """Save what a form holds; one that holds no words any more ends the draft, and None is returned.

        `Conflict` where another form has saved since (`reason` elsewhere) or has sent or discarded it (gone); then nothing
        was changed. `InvalidInput` with the reason too-long or too-many.
        """
        self._check_sizes(written)
        now, version = self._clock.ms(), self._ids.new()

        def write(tx: Tx) -> Kept | None:
            key = (owner.id, sheet.what, _about(tx, owner, sheet))
            before = tx.row("SELECT version, mark FROM drafts WHERE actor_id = ? AND what = ? AND about = ?", key)
            if before is None and sheet.version:
                raise Conflict("This draft was sent or discarded elsewhere. What you wrote is still here.", reason="gone")
            if before is not None and not _knows(sheet, before):
                raise Conflict("This draft was saved elsewhere since you opened it. What you wrote is still here and was not"
                               " saved over it.", reason="elsewhere")
            if written.blank:
                _erase(tx, key)
                return None
            if before is None and _count(tx, owner) >= MOST:
                raise InvalidInput("You have %(most)s drafts already. Send or discard one, then this can be kept.",
                                   values={"most": MOST}, reason="too-many")
            tx.run("INSERT INTO drafts (actor_id, what, about, title, fields, version, mark, updated_at)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (actor_id, what, about) DO UPDATE SET"
                   " title = excluded.title, fields = excluded.fields, version = excluded.version, mark = excluded.mark,"
                   " updated_at = excluded.updated_at",
                   (*key, written.title, msgspec.json.encode(written).decode(), version, sheet.mark[:_MARK_LENGTH], now))
            return Kept(sheet.what, sheet.about, written.title, written, public(version), now)

        return await self._database.write(write)

    async def of(self, owner: Actor, what: What, about: str) -> Kept | None:
        """The draft of a new post by its own id, or that of the answer to a post or of its edit; None where there is none."""
        def look(tx: Tx) -> Kept | None:
            row = tx.row(f"SELECT {_COLUMNS} FROM drafts WHERE actor_id = ? AND what = ? AND about = ?",
                         (owner.id, what, number(about)))
            return _placed(tx, owner, [_kept(row)])[0] if row is not None else None

        return await self._database.read(look)

    async def page(self, owner: Actor, before: str | None) -> DraftPage:
        """Twenty drafts, last saved first, older than the cursor."""
        key = (number(before) if before else None) or _END

        def look(tx: Tx) -> DraftPage:
            rows = tx.rows(f"SELECT {_COLUMNS} FROM drafts WHERE actor_id = ? AND version < ? ORDER BY version DESC LIMIT ?",
                           (owner.id, key, PAGE + 1))
            found = _placed(tx, owner, [_kept(row) for row in rows[:PAGE]])
            return DraftPage(found, found[-1].version if len(rows) > PAGE else None)

        return await self._database.read(look)

    async def discard(self, owner: Actor, what: What, about: str) -> None:
        """Erase a draft; `NotFound` where there is none."""
        def write(tx: Tx) -> None:
            if not _erase(tx, (owner.id, what, number(about))):
                raise NotFound("This draft was sent or discarded.")
            shelves.drop(tx, Desk(owner.id, what, number(about) or 0), self._clock.ms())

        await self._database.write(write)

    def _check_sizes(self, written: Written) -> None:
        """What a form can hold: the text and each part of a case report what a post may have, everything else little."""
        if len(written.text) > self._text_limit:
            raise InvalidInput("A post has at most %(most)s characters.", values={"most": self._text_limit}, field="text",
                               reason="too-long")
        rest = msgspec.structs.replace(written, text="", **dict.fromkeys(map(str, TEXTS), ""))
        if max(map(len, written.sections.values())) > SECTION_LENGTH or len(msgspec.json.encode(rest)) > _REST_BYTES:
            raise InvalidInput("This is too long to be kept.", reason="too-long")


def newest(tx: Tx, owner: Actor, most: int) -> tuple[Title, ...]:
    """The drafts a doctor saved last."""
    return tuple(Title(What(row["what"]), public(row["about"]), row["title"]) for row in tx.rows(
        "SELECT what, about, title FROM drafts WHERE actor_id = ? ORDER BY version DESC LIMIT ?", (owner.id, most)))


def put_back(tx: Tx, owner_id: int, written: Written, reply_to: int | None, about: int, version: int, now: int) -> None:
    """Give a doctor back what she wrote, among her drafts: an answer as one to the post `reply_to`, unless she is writing one to
    it already; anything else, and that, as a new post with the key `about`."""
    fields = msgspec.json.encode(written if reply_to is None else msgspec.structs.replace(written, kind="note")).decode()
    answers = reply_to is not None and tx.row("SELECT 1 FROM drafts WHERE actor_id = ? AND what = ? AND about = ?",
                                              (owner_id, What.REPLY, reply_to)) is None
    tx.run("INSERT INTO drafts (actor_id, what, about, title, fields, version, mark, updated_at) VALUES"
           " (?, ?, ?, ?, ?, ?, '', ?)",
           (owner_id, What.REPLY if answers else What.NEW, reply_to if answers else about, written.title, fields, version, now))


def let_go(tx: Tx, owner: Actor, sheet: Sheet | None, now: int) -> None:
    """The form was sent: erase the draft it wrote, unless another form has saved since. What was in work for it and not sent
    goes, too."""
    if sheet is None:
        return
    shelves.drop(tx, desk_of(owner, sheet), now)
    key = (owner.id, sheet.what, number(sheet.about))
    row = tx.row("SELECT version, mark FROM drafts WHERE actor_id = ? AND what = ? AND about = ?", key)
    if row is not None and _knows(sheet, row):
        _erase(tx, key)


def _knows(sheet: Sheet, row: Row) -> bool:
    return public(row["version"]) == sheet.version or (sheet.mark != "" and row["mark"] == sheet.mark[:_MARK_LENGTH])


def _about(tx: Tx, owner: Actor, sheet: Sheet) -> int:
    """The key of a sheet's draft. What is answered may have been deleted meanwhile; it has to be something she may read."""
    about = number(sheet.about)
    if about is None:
        raise NotFound("There is no such draft here.")
    if sheet.what != What.NEW:
        post = readable(tx, sheet.about, owner, erased=sheet.what == What.REPLY,
                        hidden=sheet.what == What.REPLY)
        if sheet.what in (What.EDIT, What.OUTCOME) and not aliases.is_hers(tx, post.author_id, owner):
            raise NotFound("There is no such post here.")
    return about


def _erase(tx: Tx, key: tuple[int, What, int | None]) -> int:
    gone = tx.run("DELETE FROM drafts WHERE actor_id = ? AND what = ? AND about = ?", key)
    if gone:
        tx.scrub()
    return gone


def _count(tx: Tx, owner: Actor) -> int:
    row = tx.row("SELECT count(*) AS n FROM drafts WHERE actor_id = ?", (owner.id,))
    return int(row["n"]) if row is not None else 0


def _kept(row: Row) -> Kept:
    return Kept(What(row["what"]), public(row["about"]), row["title"], msgspec.json.decode(row["fields"], type=Written),
                public(row["version"]), row["updated_at"])


def _placed(tx: Tx, owner: Actor, drafts: Sequence[Kept]) -> tuple[Kept, ...]:
    """Say of answers and edits which conversation they belong to, and whether their post is still there."""
    posts = store.by_many(tx, [number(draft.about) or 0 for draft in drafts if draft.what != What.NEW])
    roots = store.by_many(tx, sorted({post.root_id for post in posts.values()}))

    def place(draft: Kept) -> Kept:
        post = posts.get(number(draft.about) or 0)
        if draft.what == What.NEW:
            return draft
        gone = post is None or post.erased_at is not None or not post.audience.admits(owner)
        root = roots.get(post.root_id) if post is not None and not gone else None
        if root is not None and root.hidden_at is not None and root.author_id != owner.id:
            root = None
        if root is None:
            return msgspec.structs.replace(draft, gone=gone)
        return msgspec.structs.replace(draft, question=root.question, language=root.language)

    return tuple(place(draft) for draft in drafts)
