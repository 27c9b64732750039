"""Words in a text that point somewhere: mentions, `@name@domain` or `@name`, and hashtags, `#Sepsis`.

They are looked for in HTML that has passed `core.text.clean`, between its tags: what comes out of the gate is well formed and
has no `<` or `>` but those of tags. What stands in a link or in code is left alone. Whom a mention means, and whether there is
anybody of that name, is not known here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from html import escape, unescape
from typing import NamedTuple
from urllib.parse import quote

from core.errors import InvalidInput
from core.text import LINK_REL, clean

MENTIONS, HASHTAGS = 20, 20
"""The most of each in one text."""
_LENGTH = 60

_LETTER = r"\w\u0300-\u036f"  # an accent may be a character of its own
_HANDLE = r"[^\W_](?:[\w.-]{0,58}\w)?"
_LOOPBACK = r"(?:127(?:\.[0-9]{1,3}){3}|(?:[\w-]{1,63}\.){0,4}localhost)(?::[0-9]{1,5})?(?![.-]?\w)"  # the only ones with a port
_DOMAIN = r"\w(?:[\w.-]{0,251}\w)?"
_MENTION = re.compile(rf"@({_HANDLE})(?:@({_LOOPBACK}|{_DOMAIN}))?")
_POINTS = re.compile(
    rf"(?<![{_LETTER}@#/&.+-]){_MENTION.pattern}(?![{_LETTER}@])"
    rf"|(?<![{_LETTER}@#/&])#([{_LETTER}]{{1,{_LENGTH}}})(?![{_LETTER}])")
_HASHTAG = re.compile(rf"[{_LETTER}]{{1,{_LENGTH}}}")
_TAG = re.compile(r"<(/?)([a-z0-9]+)[^<>]*>")
_CLOSED = frozenset(("a", "code", "pre"))
_INLINE = frozenset(("a", "code", "em", "strong", "del", "sub", "sup"))


class Found(NamedTuple):
    """What a text points at, each once and in order: mentions as `@name@domain` or `@name` in lower case, hashtags as
    `hashtag` makes them."""

    mentions: tuple[str, ...]
    hashtags: tuple[str, ...]


def hashtag(word: str) -> str | None:
    """A word, without its `#`, as hashtags are compared: case-folded, in NFC; None for what is none. One has 1 to 60 letters,
    digits and underscores, and at least one letter, so that `#1` is a number."""
    if len(word) > _LENGTH:
        return None
    name = _nfc(unicodedata.normalize("NFD", word).casefold())
    return name if _HASHTAG.fullmatch(name) and any(map(str.isalpha, name)) else None


def handle(mention: str) -> str | None:
    """The handle in a mention, `ada` in `@ada@de.example` and in `@ada`; None for what is no mention."""
    found = _MENTION.fullmatch(mention)
    return found[1] if found is not None else None


def find(html: str) -> Found:
    """What a text points at; `InvalidInput` when that is more than anybody means."""
    mentions: dict[str, None] = {}
    hashtags: dict[str, None] = {}
    for text, before, free in _pieces(html):
        if free and ("@" in text or "#" in text):
            for point in _points(text, before):
                if point[1]:
                    mentions[_written(point)] = None
                elif name := hashtag(point[3]):
                    hashtags[name] = None
    if len(mentions) > MENTIONS:
        raise InvalidInput("A text names at most %(most)s colleagues. Take some of the @ out.", values={"most": MENTIONS},
                           reason="too-many", field="text")
    if len(hashtags) > HASHTAGS:
        raise InvalidInput("A text has at most %(most)s hashtags. Take some of the # out.", values={"most": HASHTAGS},
                           reason="too-many", field="text")
    return Found(tuple(mentions), tuple(hashtags))


def link(html: str, mentions: Mapping[str, tuple[str, str]], hashtags_at: str) -> str:
    """The text with links: a mention, as `find` names it, to (URI, what the link says), one that is not among `mentions`
    stays text; a hashtag to its name behind `hashtags_at`. What comes out has passed the gate again."""
    made: list[str] = []
    for text, before, free in _pieces(html):
        if not free or ("@" not in text and "#" not in text):
            made.append(text)
            continue
        joined, done = before + unescape(text), len(before)
        for point in _points(text, before):
            if point[1]:
                href, says = mentions.get(_written(point), ("", ""))
            else:
                name = hashtag(point[3])
                href, says = (hashtags_at + quote(name), point[0]) if name else ("", "")
            if href:
                made += (escape(joined[done:point.start()], quote=False), f'<a href="{escape(href)}">{escape(says)}</a>')
                done = point.end()
        made.append(escape(joined[done:], quote=False))
    return clean("".join(made))


def led(html: str, places: Iterable[tuple[str, str]]) -> str:
    """The text with its links to some addresses led to paths of this site instead, (address, path) each: for showing, since
    nothing that is stored may hold such a link. Only a link exactly as `clean` leaves it is changed."""
    for href, path in places:
        html = html.replace(*_links(href, path))
    return html


@lru_cache(maxsize=4096)
def _links(href: str, path: str) -> tuple[str, str]:
    """A link as it is stored, and as it is shown."""
    return f'<a href="{escape(href, quote=False)}" rel="{LINK_REL}">', f'<a href="{escape(path)}">'


def _written(point: re.Match[str]) -> str:
    """A mention as it is looked up."""
    return _nfc(f"@{point[1]}@{point[2]}" if point[2] else f"@{point[1]}").lower()


def _points(text: str, before: str) -> Iterator[re.Match[str]]:
    """The mentions (groups 1 and 2) and hashtags (group 3) in a piece of text; positions count from the start of `before`."""
    return _POINTS.finditer(before + unescape(text), len(before))


def _pieces(html: str) -> Iterator[tuple[str, str, bool]]:
    """The HTML piece by piece: the piece, the last character before it on its line, and whether it is text outside of links
    and code. A text is still escaped."""
    closed, at, before = 0, 0, ""
    for tag in _TAG.finditer(html):
        text = html[at:tag.start()]
        yield text, before, closed == 0
        yield tag[0], "", False
        at = tag.end()
        before = (text[-1:] or before) if tag[2] in _INLINE else ""
        if tag[2] in _CLOSED:
            closed += -1 if tag[1] else 1
    yield html[at:], before, closed == 0


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
