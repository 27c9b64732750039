"""Posts as they come over the wire, `Note` and `Question`: read strictly, into what is stored. `posts.outgoing` writes them."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

import msgspec

from core import tags
from core.clock import parse_rfc3339
from core.errors import InvalidInput
from core.text import one_line
from federation.addresses import domain_of, origin_of
from federation.documents import one_or_many
from federation.identity import PUBLIC, members_of
from posts import attachments, seals, wire_parts, wire_translations
from posts.models import (
    NO_TAGS,
    Audience,
    CaseFacts,
    Correction,
    CorrectionKind,
    Kind,
    Mention,
    Picture,
    Reach,
    ReplyKind,
    State,
    Tags,
)
from posts.store import Poll
from posts.translated import Translation
from posts.wire_parts import FactsOnTheWire

OPTIONS = range(2, 21)
OPTION_LENGTH = 300
QUESTION_LENGTH = 300
REASON_LENGTH = 300
"""The most characters that say why something was corrected or recalled."""
_HTML_LENGTH = 120_000
_FEW, _FEW_LENGTH = 16, 2048
_READERS, _URI_LENGTH = 64, 1024
_COUNT = 1 << 40
_TAGS, _TAG_NAME_LENGTH = 100, 200
_TALLIES = 100
_STATES = {str(state): state for state in State}
_REPLY_KINDS = {str(kind): kind for kind in ReplyKind}


class _Count(msgspec.Struct, frozen=True, rename="camel"):
    total_items: int = 0


class _Option(msgspec.Struct, frozen=True):
    name: str
    replies: _Count = _Count()


class _Correction(msgspec.Struct, frozen=True):
    kind: str
    reason: str
    revision: int


class _Tag(msgspec.Struct, frozen=True):
    type: str
    name: str
    href: str = ""


class Note(msgspec.Struct, frozen=True, rename="camel"):
    """A `Note` or `Question` as it arrives; unknown members are ignored."""

    id: str
    type: str
    attributed_to: str
    content: str | None = None
    content_map: dict[str, str] | None = None
    name: str | None = None
    name_map: Any = None
    translations: Any = None
    in_reply_to: str | None = None
    to: Any = ()
    cc: Any = ()
    tag: Any = None
    attachment: Any = None
    published: str | None = None
    updated: str | None = None
    revision: int = 1
    facts: FactsOnTheWire | None = None
    parts: Any = None
    helpful: Any = None
    state: str | None = None
    one_of: list[_Option] | None = None
    any_of: list[_Option] | None = None
    end_time: str | None = None
    closed: str | bool | None = None
    voters_count: int = 0
    tallies: list[str] | None = None
    result: dict[str, Any] | None = None
    lapsed_voters: int = 0
    seal: str = ""
    forgets_earlier: bool = False
    reply_kind: str = ""
    correction: _Correction | None = None

    @property
    def is_vote(self) -> bool:
        """A vote is a named Note without content that answers a Question."""
        return self.type == "Note" and self.name is not None and self.content is None and self.in_reply_to is not None


def note(document: Any) -> Note:
    """A `Note` or `Question` out of a parsed document, bounds checked; `InvalidInput` says which rule it breaks."""
    try:
        parsed = msgspec.convert(document, Note)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise InvalidInput("The object is not a Note or Question.", reason="bad-object", cause=str(error)) from None
    if parsed.type not in ("Note", "Question"):
        raise InvalidInput("Only Note and Question are exchanged.", reason="unknown-object")
    if len(parsed.content or "") > _HTML_LENGTH or len(parsed.name or "") > QUESTION_LENGTH:
        raise InvalidInput("The text is too long.", reason="too-long")
    if len(parsed.seal) > seals.LENGTH:
        raise InvalidInput("The seal of the post is none.", reason="bad-object")
    if not 1 <= parsed.revision < 1 << 53:
        raise InvalidInput("A revision is a positive number.", reason="bad-revision")
    if (correction := parsed.correction) is not None:
        if len(correction.reason) > REASON_LENGTH:
            raise InvalidInput("The text is too long.", reason="too-long")
        if not 1 <= correction.revision <= parsed.revision:
            raise InvalidInput("What corrects a post is one of its revisions.", reason="bad-revision")
    if parsed.type == "Question":
        _check_poll(parsed)
    return parsed


def _check_poll(parsed: Note) -> None:
    if parsed.in_reply_to is not None:
        raise InvalidInput("A poll is no answer to something.", reason="bad-poll")
    if (parsed.one_of is None) == (parsed.any_of is None):
        raise InvalidInput("A poll has either oneOf or anyOf.", reason="bad-poll")
    options = parsed.one_of or parsed.any_of or []
    if len(options) not in OPTIONS:
        raise InvalidInput("A poll has 2 to 20 options.", reason="bad-poll")
    names = [unicodedata.normalize("NFC", option.name) for option in options]
    if len(set(names)) != len(names) or not all(0 < len(name) <= OPTION_LENGTH for name in names):
        raise InvalidInput("Options are different texts of 1 to 300 characters.", reason="bad-poll")
    counts = (parsed.voters_count, parsed.lapsed_voters, *(option.replies.total_items for option in options))
    if not all(0 <= count <= _COUNT for count in counts):
        raise InvalidInput("A count is of people: not negative, and not beyond everybody alive.", reason="bad-poll")
    if parsed.end_time is None:
        raise InvalidInput("A poll has an end.", reason="bad-poll")
    moment(parsed.end_time)
    if isinstance(parsed.closed, str):
        moment(parsed.closed)
    if len(parsed.tallies or ()) > _TALLIES or any(len(uri) > _URI_LENGTH for uri in parsed.tallies or ()):
        raise InvalidInput("Too many entries in one property.", reason="too-many")


def moment(text: str) -> int:
    """A wire time in milliseconds; `InvalidInput` for anything that is not RFC 3339."""
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        raise InvalidInput("A time is not RFC 3339.", reason="bad-time") from None


def poll_of(parsed: Note) -> Poll:
    """The poll of a checked `Question`, with the author's counts. `closed` may be a time or just true (ActivityStreams)."""
    options = parsed.one_of if parsed.one_of is not None else parsed.any_of or []
    ends_at = moment(parsed.end_time or "")
    return Poll(
        parsed.any_of is not None, ends_at,
        moment(parsed.closed) if isinstance(parsed.closed, str) else ends_at if parsed.closed else None,
        parsed.voters_count,
        tuple((unicodedata.normalize("NFC", option.name), option.replies.total_items) for option in options),
        tuple(parsed.tallies or ()), lapsed=min(parsed.lapsed_voters, parsed.voters_count))


def audience_of(parsed: Note, author_origin: str) -> Audience:
    """Who a note is for: the instances whose members collections it names, its author's first. One that names none but names
    actors is a consult between these and its author. `as:Public` never widens anything, and recipients written in other
    ways are ignored."""
    recipients = one_or_many(parsed.to) + (one_or_many(parsed.cc) if parsed.cc else ())
    few = len(recipients) <= _FEW and sum(map(len, recipients)) <= _FEW_LENGTH
    found = (_few_recipients if few else _recipients)(recipients, author_origin)
    if found.reach == Reach.NAMED:
        return msgspec.structs.replace(found, readers=tuple(sorted({parsed.attributed_to, *found.readers})))
    return found


def _recipients(recipients: tuple[str, ...], author_origin: str) -> Audience:
    members, actors = {author_origin}, dict[str, str]()
    for recipient in recipients:
        if recipient in PUBLIC:
            continue
        try:
            origin = origin_of(recipient)
        except InvalidInput:
            continue
        if recipient == members_of(origin):
            members.add(origin)
        elif len(actors) < _READERS and len(recipient) <= _URI_LENGTH:
            actors[recipient] = origin
    if len(members) == 1 and actors:
        origins = {author_origin, *actors.values()}
        return Audience(Reach.NAMED, (author_origin, *sorted(origins - {author_origin})), tuple(actors))
    return Audience(Reach.COUNTRIES, (author_origin, *sorted(members - {author_origin})))


_few_recipients = lru_cache(maxsize=256)(_recipients)  # what a network of some countries names again and again


def tags_of(parsed: Note) -> Tags:
    """What a note points at. Of very many the first ones; what is no mention of a doctor and no hashtag is passed over, and
    so is a mention without a name, which only says once more whom a note is addressed to."""
    if not parsed.tag:
        return NO_TAGS
    mentions: dict[str, Mention] = {}
    hashtags: dict[str, None] = {}
    for entry in (parsed.tag if isinstance(parsed.tag, list) else [parsed.tag])[:_TAGS]:
        try:
            tag = msgspec.convert(entry, _Tag)
        except msgspec.ValidationError:
            continue
        if len(tag.name) > _TAG_NAME_LENGTH or len(tag.href) > _URI_LENGTH:
            continue
        if tag.type == "Hashtag" and (name := tags.hashtag(tag.name.removeprefix("#"))):
            hashtags[name] = None
        elif tag.type == "Mention" and (found := _mention(tag)) is not None:
            mentions.setdefault(found.uri, found)
    return Tags(tuple(mentions.values())[:tags.MENTIONS], tuple(hashtags)[:tags.HASHTAGS])


def _mention(tag: _Tag) -> Mention | None:
    """Whom a tag names: the handle it says, at the domain its address really has."""
    handle = tags.handle(tag.name if tag.name.startswith("@") else f"@{tag.name}")
    try:
        return Mention(tag.href, f"@{handle}@{domain_of(origin_of(tag.href))}") if handle is not None else None
    except InvalidInput:
        return None


def pictures_of(parsed: Note) -> tuple[Picture, ...]:
    """The pictures of a note; `InvalidInput` unless all lie at its own instance and are described."""
    return attachments.read(parsed.attachment, origin_of(parsed.id)) if parsed.attachment else ()


def language_of(parsed: Note) -> str:
    """The language a note says it is in, or `und`."""
    translated = wire_translations.languages_of(parsed.translations)
    for tag in parsed.content_map or ():
        if tag not in translated and 1 < len(tag) <= 20 and tag.isascii() and all(part.isalnum() for part in tag.split("-")):
            return tag
    return "und"


def facts_of(parsed: Note) -> CaseFacts:
    """The coded part of a post."""
    return wire_parts.facts_of(parsed.facts)


def said_of(parsed: Note) -> wire_parts.Read:
    """What a post says, its text apart from its parts."""
    return wire_parts.read(parsed.content or "", parsed.parts)


def translations_of(parsed: Note, said: wire_parts.Read) -> tuple[Translation, ...]:
    """The translations that came with a note, each confirmed by a colleague whom it names."""
    if not parsed.translations:
        return ()
    question = (parsed.name or "") if parsed.in_reply_to is None else ""
    return wire_translations.read(parsed.translations, parsed.content_map or {}, parsed.name_map, language_of(parsed), question,
                                  said)


def helpful_of(parsed: Note) -> tuple[str, ...]:
    """Which answers the author of a case has marked as helpful."""
    return wire_parts.helpful_of(parsed.helpful) if parsed.helpful is not None else ()


def state_of(parsed: Note) -> State | None:
    return _STATES.get(parsed.state or "")


def reply_kind_of(parsed: Note) -> ReplyKind:
    """What an answer is; whatever does not say so in words of ours is an answer."""
    return _REPLY_KINDS.get(parsed.reply_kind, ReplyKind.ANSWER) if parsed.in_reply_to is not None else ReplyKind.ANSWER


def correction_of(parsed: Note, at: int) -> Correction | None:
    """What a note says of a correction or recall, as of a moment (ms). Only answers are recalled."""
    told = parsed.correction
    if told is None:
        return None
    recalls = told.kind == CorrectionKind.RECALL and parsed.in_reply_to is not None
    return Correction(CorrectionKind.RECALL if recalls else CorrectionKind.CORRECTION, one_line(told.reason), told.revision, at)


def kind_of(parsed: Note) -> Kind:
    """Which kind of post it is."""
    if parsed.in_reply_to is not None:
        return Kind.REPLY
    if parsed.type == "Question":
        return Kind.POLL
    return Kind.CASE if parsed.facts is not None and parsed.state is not None else Kind.NOTE
