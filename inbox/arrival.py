"""An activity that has passed the door: signed, parsed, its authority checked; not yet believed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from core.errors import InvalidInput
from federation.allowlist import Sibling
from federation.contexts import check_context
from posts import counts, flags
from posts.counts import Result, Tally
from posts.matters import Said, Verdict
from posts.models import NO_TAGS, Audience, Picture, Reach, Tags
from posts.parts import NO_PARTS, Parts
from posts.translated import Translation
from posts.wire import Note, audience_of, note, pictures_of, poll_of, said_of, tags_of, translations_of
from posts.wire_translations import read_offer

_NOTES = frozenset({"Note", "Question"})
_URI_LENGTH = 1024
_WORD_LENGTH = 64
_KEYWORDS = frozenset({"@graph", "@included", "@id", "@type", "@reverse", "@value", "@list", "@set", "@nest", "@base", "@vocab"})
NOBODY = Audience(Reach.NAMED, ())


class Arrival(msgspec.Struct):
    """One activity from one sibling. `object_id` is the id of what it is about, or empty; where that is a post, `note` is
    the post, `html` its text after the gate, `parts` what it holds beside that, `tags` what that points at, `pictures` what lies
    with it at its instance and `audience` whom it is for; `tally` is what a `Count` carries, its proof checked, and `result` that
    of a poll; `said` what a `Flag` says and `verdict` what is answered to one; `translations` are those that come with a post,
    `offered` the one that an `Offer` brings; `digest` is SHA-256 of the raw body; `now` in milliseconds; `sequence` its number
    where it came in a bundle. All that needs no database is worked out before the writer gets it."""

    sibling: Sibling
    uri: str
    type: str
    actor: str
    object: Any
    object_id: str
    body: bytes
    digest: bytes
    now: int
    note: Note | None = None
    html: str = ""
    parts: Parts = NO_PARTS
    audience: Audience = NOBODY
    tags: Tags = NO_TAGS
    pictures: tuple[Picture, ...] = ()
    sequence: int | None = None
    tally: Tally | None = None
    result: Result | None = None
    said: Said | None = None
    verdict: Verdict | None = None
    translations: tuple[Translation, ...] = ()
    offered: Translation | None = None

    @property
    def by_instance(self) -> bool:
        """Whether the sibling itself speaks, and not a doctor of it."""
        return self.actor == self.sibling.actor_uri

    @property
    def about(self) -> str:
        """The post whose deletion takes this activity along: a vote's or a tally's poll, else what it is about."""
        if self.tally is not None:
            return self.tally.question
        return (self.note.in_reply_to or "") if self.note is not None and self.note.is_vote else self.object_id


@dataclass(frozen=True, slots=True)
class Stored:
    """It had its effect."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """It had its effect before."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """It is in order and changes nothing here: an unknown type, an old revision, something deleted meanwhile.

    `for_good`: what it is about can never have a place here, so what answers that cannot either.
    """

    why: str
    for_good: bool = False


class Wanted(StrEnum):
    """What something that is missing has to be."""

    ACTOR = "actor"
    POST = "post"


@dataclass(frozen=True, slots=True)
class Held:
    """It waits, unseen, for something that has to be fetched from its own origin first."""

    missing: str
    wanted: Wanted


Outcome = Stored | Duplicate | Ignored | Held


def is_note(document: Any) -> bool:
    """Whether a document says that it is one of the kinds of post that are exchanged."""
    kind = document.get("type") if isinstance(document, dict) else None
    return isinstance(kind, str) and kind in _NOTES


def arrival(sibling: Sibling, document: dict[str, Any], body: bytes, digest: bytes, now: int) -> Arrival:
    """The envelope of an activity: one type, one actor, an id (ActivityStreams 2.0, section 4.1), a context that is known, and
    at most one activity in it; else `InvalidInput`."""
    uri, kind, actor = document.get("id"), document.get("type"), document.get("actor")
    if isinstance(actor, dict):
        actor = actor.get("id")
    if not isinstance(uri, str) or not 0 < len(uri) <= _URI_LENGTH:
        raise InvalidInput("An activity has an id.", reason="envelope")
    if not isinstance(kind, str) or len(kind) > _WORD_LENGTH or not (kind.isascii() and kind.isalpha()):
        raise InvalidInput("An activity has exactly one type, a plain word.", reason="envelope")
    if not isinstance(actor, str) or len(actor) > _URI_LENGTH:
        raise InvalidInput("An activity has exactly one actor.", reason="envelope")
    content = document.get("object")
    if not _KEYWORDS.isdisjoint(document) or (isinstance(content, dict) and not _KEYWORDS.isdisjoint(content)):
        raise InvalidInput("JSON-LD is not processed: documents are read in their compact form.", reason="envelope")
    check_context(document)
    if isinstance(content, dict) and isinstance(inner := content.get("object"), dict) and "object" in inner:
        raise InvalidInput("An activity holds one other activity at most.", reason="too-deep")
    named = content.get("id") if isinstance(content, dict) else content
    about = named if isinstance(named, str) else ""
    if len(about) > _URI_LENGTH:
        raise InvalidInput("An id is too long.", reason="envelope")
    made = Arrival(sibling, uri, kind, actor, content, about, body, digest, now)
    if kind in ("Create", "Update") and is_note(content):
        made.note, made.object = note(content), None  # one of the two: what was parsed is not carried to the writer twice
        said = made.html, made.parts = said_of(made.note)
        made.translations = translations_of(made.note, said)
        made.audience = audience_of(made.note, sibling.origin)
        made.tags = tags_of(made.note)
        made.pictures = pictures_of(made.note)
        if made.note.result is not None and made.note.type == "Question":
            made.result = counts.read_result(made.note.result, sibling, made.note.id, poll_of(made.note))
    elif kind == counts.COUNT:
        made.tally = counts.read_tally(content, sibling)
    elif kind == "Offer":
        made.offered = read_offer(content, actor, now)
    elif kind == "Flag":
        made.said = flags.read_flag(document)
    elif kind in ("Accept", "Reject"):
        made.verdict = flags.read_answer(document, kind)
    return made
