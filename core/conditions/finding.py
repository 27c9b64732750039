"""Conditions found by what somebody types, in any language, and in what somebody has written.

Both compare words without case and accents; an umlaut may be typed with or without its e. The index is built when it is first
asked, once per process.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from functools import cache
from typing import NamedTuple

from core.conditions.table import LANGUAGES, Condition, conditions

_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"(?<=\w)['’]s\b")
_MORBUS = re.compile(r"\bmb?\.\s*(?=[^\W\d_])", re.IGNORECASE)
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "Œ": "oe", "Æ": "ae", "ø": "o", "Ø": "o", "ł": "l", "Ł": "l"})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
_LONGEST = 64
"""The characters of a word beyond which it names nothing of ours."""
_TYPED = 200
"""The characters that are looked for at most."""


class _Name(NamedTuple):
    place: int
    language: int
    text: str


class _Index(NamedTuple):
    """`names` are all names, each folded; `words` all their words, sorted, and `standing` by word the numbers of the names it
    is in. `whole` leads from a folded name to its conditions, `reach` from the first word of one to the most words such a
    name has; `written` are abbreviations, as they are written."""

    all: tuple[Condition, ...]
    names: tuple[_Name, ...]
    words: tuple[str, ...]
    standing: tuple[tuple[int, ...], ...]
    whole: dict[str, int]
    reach: dict[str, int]
    written: dict[str, int]
    ids: dict[str, int]


def find(text: str, language: str, most: int = 10) -> tuple[Condition, ...]:
    """The conditions with a name, in any language, that has words beginning with all words of a text, best first: a name that
    is the text, one that begins with it, any other; within these the reader's language and then short names first. An
    Orphanet number, a MeSH descriptor and an ICD-11 code find theirs as well."""
    index = _index()
    typed = _words(text[:_TYPED])
    if not typed or most < 1:
        return ()
    sought = " ".join(typed)
    own = LANGUAGES.index(short) if (short := language.partition("-")[0]) in LANGUAGES else 0
    best: dict[int, tuple[int, bool, int, str]] = {}
    for number in _beginning(index, typed):
        place, spoken, name = index.names[number]
        how = 0 if name == sought else 1 if name.startswith(sought) else 2
        rank = (how, spoken != own, len(name), index.all[place].code)
        best[place] = min(best.get(place, rank), rank)
    by_id = index.ids.get(sought.removeprefix("orpha "))
    if by_id is not None:
        best[by_id] = (-1, False, 0, "")
    return tuple(index.all[place] for place in sorted(best, key=best.__getitem__)[:most])


def named_in(text: str) -> tuple[str, ...]:
    """The codes of the conditions that a text names in whole words, in any language, in the order they appear. The longest
    name counts where several begin; an abbreviation counts as it is written. Takes time in proportion to the text."""
    index = _index()
    raw = _split(text)
    folded = [_fold(word) for word in raw]
    found: dict[int, None] = {}
    at = 0
    while at < len(raw):
        place = index.written.get(raw[at])
        step = 1
        for length in range(min(index.reach.get(folded[at], 0), len(raw) - at), 0, -1):
            longer = index.whole.get(" ".join(folded[at:at + length]))
            if longer is not None:
                place, step = longer, length
                break
        if place is not None:
            found[place] = None
        at += step
    return tuple(index.all[place].code for place in found)


@cache
def _index() -> _Index:
    every = tuple(conditions().values())
    names: list[_Name] = []
    whole: dict[str, int] = {}
    reach: dict[str, int] = {}
    written: dict[str, int] = {}
    ids: dict[str, int] = {}
    standing: dict[str, list[int]] = {}
    for place, one in enumerate(every):
        for one_id in filter(None, (one.orpha, one.mesh, one.icd11)):
            ids.setdefault(" ".join(_words(one_id)), place)
        for spoken, group in enumerate(one.names):
            for name in group:
                for spelled in {name: None, name.translate(_UMLAUTS): None}:
                    words = _words(spelled)
                    folded = " ".join(words)
                    for word in dict.fromkeys(words):
                        standing.setdefault(word, []).append(len(names))
                    names.append(_Name(place, spoken, folded))
                    if name in one.quiet:
                        continue
                    if abbreviated(name):
                        written[name] = place
                    else:
                        whole[folded] = place
                        reach[words[0]] = max(reach.get(words[0], 0), len(words))
    order = tuple(sorted(standing))
    return _Index(every, tuple(names), order, tuple(tuple(standing[word]) for word in order), whole, reach, written, ids)


def _beginning(index: _Index, typed: tuple[str, ...]) -> set[int]:
    """The numbers of the names that have, for each word typed, one that begins with it."""
    found: set[int] | None = None
    for word in sorted(set(typed), key=len, reverse=True):
        at = bisect_left(index.words, word)
        those: set[int] = set()
        while at < len(index.words) and index.words[at].startswith(word):
            those.update(index.standing[at])
            at += 1
        found = those if found is None else found & those
        if not found:
            break
    return found or set()


def abbreviated(name: str) -> bool:
    """Whether a name is an abbreviation, one word with two capitals at least: it is told from other words by its case."""
    return not name[1:].islower() and _WORD.fullmatch(name) is not None and sum(map(str.isupper, name)) >= 2


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(_fold, _split(text))))


def _split(text: str) -> list[str]:
    """The words of a text as they are written; 'M.' before a word is Morbus, a possessive s is none."""
    composed = text if text.isascii() else unicodedata.normalize("NFC", text)
    if "'" in composed or "’" in composed:
        composed = _POSSESSIVE.sub("", composed)
    if "." in composed:
        composed = _MORBUS.sub("morbus ", composed)
    return _WORD.findall(composed)


def _fold(word: str) -> str:
    """A word without case and accents; what is too long to be of a name is nothing."""
    if len(word) > _LONGEST:
        return ""
    if word.isascii():
        return word.lower()
    letters = unicodedata.normalize("NFKD", word.translate(_LIGATURES)).casefold()
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
