"""Words as they are searched for: folded, so that case and accents make no difference, and found again in their text."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LONGEST = 40
"""Letters of a word that count; what is longer is found by its beginning."""
FOLDED_BY = f"1, Unicode {unicodedata.unidata_version}"
"""What words are folded by: where this differs, an index has to be made anew."""

_APART = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})  # what Unicode does not take apart
_ACCENTS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
_WORD = re.compile(r"[^\W_]+")
_WRITTEN = re.compile("[^\\W_](?:[^\\W_]|[\u0300-\u036f])*")


def fold(text: str) -> str:
    """The text without case and accents; `Größe` is `grosse`."""
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_APART)
    return _ACCENTS.sub("", letters)


def terms(text: str) -> list[str]:
    """The words of a text in their order, folded; digits are letters here, everything else is between words."""
    return [word[:LONGEST] for word in _WORD.findall(fold(text))]


def words_with_places(text: str) -> list[tuple[int, int, str]]:
    """Where the words of a text stand in it, (start, end, folded) each."""
    return [(found.start(), found.end(), _folded(found[0])) for found in _WRITTEN.finditer(text)]


@lru_cache(maxsize=16_384)
def _folded(word: str) -> str:
    return fold(word)[:LONGEST]
