"""The part of a text that answers a search, in pieces that say which were looked for. Plain text: escape it when shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from core.terms import fold, words_with_places

LENGTH = 260
_BEFORE = 70
_LOOKED_AT = 10_000


class Piece(NamedTuple):
    """Some of a text; `marked`: it is what was looked for."""

    text: str
    marked: bool = False


class Marks(NamedTuple):
    """What is looked for: folded words, also several in a row with a space between them, and how words begin."""

    words: frozenset[str]
    beginnings: tuple[str, ...] = ()


class _Spot(NamedTuple):
    """Where a word that is looked for stands in a text."""

    start: int
    end: int
    word: str


def marked(text: str, marks: Marks) -> tuple[Piece, ...]:
    """The whole text, with what is looked for marked."""
    return _pieces(text, 0, len(text), _spots(text, marks))


def excerpt(text: str, marks: Marks) -> tuple[Piece, ...]:
    """About two lines of a text, marked: those with most of what is looked for in them, else its beginning."""
    text = unicodedata.normalize("NFC", text[:_LOOKED_AT])
    spots = _spots(text, marks)
    begin = _begin(text, _fullest(spots) - _BEFORE) if spots else 0
    end = len(text) if len(text) <= begin + LENGTH else _end(text, begin + LENGTH)
    pieces = _pieces(text, begin, end, spots)
    return (*((Piece("… "),) if begin else ()), *pieces, *((Piece(" …"),) if end < len(text) else ()))


def _pieces(text: str, begin: int, end: int, spots: Sequence[_Spot]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    done = begin
    for spot in spots:
        if begin <= spot.start and spot.end <= end:
            pieces += (Piece(text[done:spot.start]), Piece(text[spot.start:spot.end], True))
            done = spot.end
    return tuple(piece for piece in (*pieces, Piece(text[done:end])) if piece.text)


def _spots(text: str, marks: Marks) -> list[_Spot]:
    """Where what is looked for stands. Nearly always a text is as long as its folded form, letter by letter."""
    pattern = _pattern(marks)
    folded = fold(text)
    if len(folded) == len(text):
        return [_Spot(found.start(), found.end(), found[0]) for found in pattern.finditer(folded)]
    return [_Spot(*place) for place in words_with_places(text) if pattern.fullmatch(place[2])]


@lru_cache(maxsize=256)
def _pattern(marks: Marks) -> re.Pattern[str]:
    """What finds these words in a folded text."""
    whole, begun = ("|".join(word.replace(" ", r"[\W_]+") for word in sorted(words, key=len, reverse=True))
                    for words in (marks.words, marks.beginnings))
    kinds = [*((f"(?:{whole})(?![^\\W_])",) if whole else ()), *((f"(?:{begun})[^\\W_]*",) if begun else ())]
    return re.compile(r"(?<![^\W_])(?:" + "|".join(kinds) + ")" if kinds else r"(?!)")


def _fullest(spots: Sequence[_Spot]) -> int:
    """From where on most different words follow within an excerpt."""
    best, most = spots[0].start, 0
    for first, spot in enumerate(spots[:100]):
        count = len({other.word for other in spots[first:first + 40] if other.start < spot.start + LENGTH - _BEFORE})
        if count > most:
            best, most = spot.start, count
    return best


def _begin(text: str, at: int) -> int:
    """The beginning of a word at or after a place."""
    if at <= 0:
        return 0
    space = text.find(" ", at, at + _BEFORE)
    return space + 1 if space >= 0 else at


def _end(text: str, at: int) -> int:
    """The end of a word at or before a place."""
    space = text.rfind(" ", at - _BEFORE, at)
    return space if space >= 0 else at
