"""A text as the rules read it: one digit, one space and one hyphen for all their looks, and without what only refers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

GONE = "\x02"
"""What stands, character by character, where nothing is looked for."""
_DIGITS = re.compile(r"\d+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]{1,2000}", re.IGNORECASE)
_MENTION = re.compile(r"(?<![\w@])@[\w.-]{1,64}@[\w.-]{1,253}")
_LITERATURE = re.compile(
    r"(?<![\w.])(?:10\.\d{4,9}/[^\s<>\"]{1,300}"
    r"|(?:doi|pmid|pmc(?:id)?|nct|isrctn|drks|eudract|ctis|chictr|actrn|umin|jrct|anzctr|ntr|orpha(?:code|net)?|omim|mim|hgnc"
    r"|isbn|issn|orcid|arxiv|medrxiv|icd(?:-?1[01])?|atc|cas|loinc|snomed(?: ct)?|mesh|awmf|gtin|udi|ean|lot|ch\.-b\.|charge"
    r"|batch|lotto|lote|ref|pzn|cip13|nice|rs|grch)"
    r"(?:[- ]?(?:nr|no|n°|id|code|reg(?:istrierungsnummer)?)\.?)?[ :#._-]{0,3}\d[\w./-]{0,40})", re.IGNORECASE)


class _Alike(dict[int, str]):
    """Each character as the rules know it; fills itself with what it is asked for."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        if kind == "Nd":
            found = str(unicodedata.decimal(character))
        elif kind == "Zs" or character == "\t":
            found = " "
        elif kind == "Pd" or character == "\u2212":
            found = "-"
        else:
            found = "'" if character in "\u2019\u02bc" else character
        self[code] = found
        return found


_ALIKE = _Alike()


class Source(NamedTuple):
    """`text` is the whole, `words` the same without links, mentions and references to literature and registers, each as long as
    the other; `numbers` still has the links. `links` are their places, `digits` where rows of digits begin in `words`, and
    `places` where each character stood, where some were left out because nobody sees them."""

    text: str
    words: str
    numbers: str
    links: tuple[tuple[int, int], ...]
    digits: tuple[int, ...]
    places: tuple[int, ...] | None

    def at(self, start: int, end: int) -> tuple[int, int]:
        """Where that is in the text as it was given."""
        if self.places is None:
            return start, end
        return self.places[start], self.places[end - 1] + 1

    def from_digits(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """The matches of a pattern that begins with a digit, which most of a text does not."""
        last = 0
        for place in self.digits:
            if place >= last and (found := pattern.match(self.words, place)) is not None:
                yield found
                last = found.end()


def read(given: str) -> Source:
    """The text for the rules."""
    places = None
    if not given.isascii() and _INVISIBLE.search(given) is not None:
        places = tuple(place for place, character in enumerate(given) if _INVISIBLE.match(character) is None)
        given = "".join(given[place] for place in places)
    text = given if given.isascii() and "\t" not in given else given.translate(_ALIKE)
    links = tuple(found.span() for found in _LINK.finditer(text)) if "//" in text or "www" in text.lower() else ()
    numbers = _LITERATURE.sub(_gone, text)
    words = _MENTION.sub(_gone, numbers)
    if links:
        words = _LINK.sub(_gone, words)
    return Source(text, words, numbers, links, tuple(found.start() for found in _DIGITS.finditer(words)), places)


def _gone(found: re.Match[str]) -> str:
    return GONE * len(found[0])
