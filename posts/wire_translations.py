"""Translations on the wire: beside the original in `contentMap` and `nameMap`, and in `translations` who has confirmed each; and
the `Offer` by which a doctor's word about a post of another instance gets there.

Software that knows nothing of `translations` reads the maps. Whoever does takes an entry with the text it stands for, or passes
it over: a post is never refused for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from core.clock import parse_rfc3339, rfc3339
from core.errors import InvalidInput
from core.i18n import is_language
from core.text import visible
from federation.addresses import origin_of
from federation.documents import dumps
from federation.identity import CONTEXT
from federation.signatures.cavage import digest
from federation.store import Outgoing
from posts import degraded, wire_parts
from posts.parts import NO_PARTS
from posts.translated import MOST, Translation, digest_of, holding, same_links, whole, words

if TYPE_CHECKING:
    from posts.store import Post

_QUESTION_LENGTH, _NAME_LENGTH, _URI_LENGTH, _LANGUAGE_LENGTH, _DIGEST_LENGTH = 600, 200, 1024, 20, 64


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    language: str
    confirmed_by: str
    name: str
    published: str
    parts: Any = None


class _Offered(msgspec.Struct, frozen=True, rename="camel"):
    """The object of an `Offer`."""

    id: str
    content_map: dict[str, str]
    translates: str
    name_map: Any = None
    parts: Any = None


def add(made: dict[str, Any], post: Post) -> None:
    """Put the translations of a post into its document, the original first."""
    found = holding(post.translations, post.question, post.html, post.parts)
    if not found:
        return
    if post.question:
        made["nameMap"] = {post.language: post.question} | {one.language: one.question for one in found}
    made["translations"] = []
    for one in found:
        content = degraded.content(one.question, one.html, post.facts, post.state, whole(post.parts, one), one.language)
        made["contentMap"][one.language] = content
        entry: dict[str, Any] = {"language": one.language, "confirmedBy": one.by, "name": one.name, "published": rfc3339(one.at)}
        if content != one.html or one.parts != NO_PARTS:
            entry["parts"] = wire_parts.parts_out(one.html, one.parts)
        made["translations"].append(entry)


def languages_of(raw: Any) -> frozenset[str]:
    """The languages that a post's translations say they are in."""
    entries = raw[:MOST] if isinstance(raw, list) else []
    found = (entry.get("language") for entry in entries if isinstance(entry, Mapping))
    return frozenset(language for language in found if isinstance(language, str))


def read(raw: Any, contents: Mapping[str, str], names: Any, language: str, question: str, said: wire_parts.Read,
         ) -> tuple[Translation, ...]:
    """The translations of a post that says this in this language; of each language the first, and of very many the first ones."""
    found: dict[str, Translation] = {}
    original, stands_for = words(question, *said), digest_of(question, *said)
    for entry in raw[:MOST] if isinstance(raw, list) else ():
        try:
            one = msgspec.convert(entry, _Entry)
            origin_of(one.confirmed_by)
            if one.language == language or len(one.confirmed_by) > _URI_LENGTH or not _is_line(one.name, _NAME_LENGTH):
                continue
            made = _made(one.language, contents, names, one.parts, stands_for)
            at = parse_rfc3339(one.published)
        except (msgspec.ValidationError, InvalidInput, ValueError, OverflowError):
            continue
        if bool(made.question) == bool(question) and same_links(original, words(made.question, made.html, made.parts)):
            found.setdefault(one.language, msgspec.structs.replace(made, by=one.confirmed_by, name=one.name, at=at))
    return tuple(found.values())


def offer(uri: str, actor_uri: str, to: str, post: Post, one: Translation) -> Outgoing:
    """A doctor's word that a translation of a sibling's post says the same, for that sibling. The post's deletion takes it
    along."""
    made: dict[str, Any] = {"id": post.uri, "type": "Note", "contentMap": {one.language: one.html}, "translates": one.digest}
    if one.question:
        made["nameMap"] = {one.language: one.question}
    if one.parts != NO_PARTS:
        made["parts"] = wire_parts.parts_out(one.html, one.parts)
    body = dumps({"@context": CONTEXT, "id": uri, "type": "Offer", "actor": actor_uri, "to": [to], "object": made})
    return Outgoing(uri, "Offer", uri, body, digest(body), about_uri=post.uri)


def read_offer(raw: Any, actor_uri: str, now: int) -> Translation:
    """The translation that an `Offer` brings, in the name of whoever sends it; `InvalidInput` for what is none."""
    try:
        found = msgspec.convert(raw, _Offered)
        if len(found.content_map) != 1 or len(found.translates) > _DIGEST_LENGTH:
            raise ValueError("one language at a time")
        made = _made(next(iter(found.content_map)), found.content_map, found.name_map, found.parts, found.translates)
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidInput("This is no translation of a post.", reason="bad-object", cause=str(error)) from None
    return msgspec.structs.replace(made, by=actor_uri, at=now)


def _made(language: str, contents: Mapping[str, str], names: Any, parts: Any, stands_for: str) -> Translation:
    question = names.get(language, "") if isinstance(names, Mapping) else ""
    if not is_language(language) or len(language) > _LANGUAGE_LENGTH or language not in contents or not (
            isinstance(question, str) and (not question or _is_line(question, _QUESTION_LENGTH))):
        raise ValueError("no language, or a question that is none")
    html, found = wire_parts.read(contents[language], parts)
    return Translation(language, stands_for, question, html, msgspec.structs.replace(
        found, study=None, sponsor=None, congress=None))


def _is_line(text: str, most: int) -> bool:
    return 0 < len(text) <= most and visible(text) == text and text.isprintable()
