"""The gate: a number that stands for one person is not published, at home or abroad, whoever hands the text in.

It repeats what the pages have said already, on what is stored and sent: on the HTML, because Markdown can hide a number in its
source, and on every member of a document that is not known to hold none, so that a new one is looked at from its first day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import unescape
from typing import Any

from core.errors import InvalidInput
from posts.linter.lint import hard

_HTML = frozenset(("content", "contentMap", "parts", "translations"))
_NO_WORDS = frozenset((
    "@context", "id", "type", "actor", "attributedTo", "to", "cc", "inReplyTo", "published", "updated", "endTime", "closed",
    "revision", "seal", "tallies", "result", "href", "mediaType", "digestMultibase", "proof", "signature", "replies",
    "votersCount", "lapsedVoters", "facts", "state", "helpful", "confirmedBy", "language", "replyKind", "doi", "starts", "ends",
    "url", "imageClass", "contentWarning"))
_FIELDS = {"name": "question", "oneOf": "options", "anyOf": "options"}
_BLOCK = re.compile(r"</?(?:p|br|hr|h\d|li|ul|ol|tr|td|th|table|thead|tbody|pre|blockquote)\b[^<>]*+>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*+>")
_LEADS = re.compile(r'href="([^"<>]{1,2048})"')


def check_fields(fields: Iterable[tuple[str, str]]) -> None:
    """`InvalidInput` for the first field, by its name, that holds a number which must not be published."""
    for field, text in fields:
        if text and (found := hard(text)):
            # the sentence names the kind and not the number: errors are written to logs
            raise InvalidInput("This holds %(kind)s, whose check digit is right: it stands for one person. Nothing was published;"
                               " please take the number out.", values={"kind": found[0].kind}, field=field, reason="identifies")


def check_html(*htmls: str) -> None:
    """The same for texts as they were set."""
    check_fields(("text", plain(html)) for html in htmls)


def check_document(made: Mapping[str, Any]) -> None:
    """`InvalidInput` for a `Note` or `Question` that holds such a number in any member that could hold words."""
    for member in sorted(made, key=lambda member: member not in _FIELDS):  # content says once more what the others say
        value = made[member]
        if member in _NO_WORDS:
            continue
        for text in _strings(value):
            check_fields(((_FIELDS.get(member, "text"), plain(text) if member in _HTML else text),))


def plain(html: str) -> str:
    """What a reader sees of clean HTML, each block on a line of its own, and where its links lead."""
    return "\n".join((unescape(_TAG.sub("", _BLOCK.sub("\n", html))), *map(unescape, _LEADS.findall(html))))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member, inner in value.items():
            if member not in _NO_WORDS:
                yield from _strings(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _strings(inner)
