"""What a translation may not change: numbers with their units, codes and denials, compared between two texts in two languages.

It finds what a machine changes without a trace: a decimal comma that moves, milligrams that become grams, an antibody of another
number, a `not` that is gone. It knows nothing else of language; that nothing differs here does not make a translation right. Each
way over a text is linear in its length.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from enum import StrEnum
from html import unescape
from itertools import zip_longest
from typing import NamedTuple

from core.text import lines
from core.words import Sentence
from posts import fidelity_words as words

MOST = 40
"""As many differences are named; a text with more of them is another text."""
_LENGTH = 200_000
_SHOWN = 80
_TOKEN = re.compile(
    r"(?P<doi>10\.[0-9]{4,9}/[^\s<>\"]{1,200})"
    r"|(?P<number>(?:[<>≤≥±][ ]?)?(?:(?<![\w.,/])[-−\u2013])?(?<![\w])[0-9]{1,3}"
    r"(?:[ \u00a0\u2009\u202f'’][0-9]{3})+(?![0-9])(?:[.,][0-9]{1,9})?"
    r"|(?:[<>≤≥±][ ]?)?(?:(?<![\w.,/])[-−\u2013])?(?<![\w])[0-9]{1,18}(?:[.,][0-9]{1,18})*)(?P<power>\^[-−]?[0-9]{1,3})?"
    r"|(?P<word>[^\W_]+(?:[-‐‑][^\W_]+)*)")
_UNIT = re.compile(r"[ \u00a0\u2009\u202f]?[-‐‑]?((?:[iu]\.\s?[eui]\.)|[%°]C?|[^\W\d_]+[0-9]?o?\.?)", re.IGNORECASE)
_STROKE = re.compile(r"[ ]?/[ ]?([^\W\d_]+)")
_NEXT = re.compile(r"[ \u00a0]([^\W\d_]+)")
_ORDINAL = re.compile(r"(?:st|nd|rd|th|er|ère|re|e|è|ème|eme|o|a|º|ª)(?!\w)")
_RANGE = re.compile(r"\s*(?:[-−\u2013\u2014]|([^\W\d_]{1,5})\s)\s*")
_SENTENCES = re.compile(r"(?<=[.!?;])\s+")
_CLAUSES = re.compile(r"[.;:,!?()]")
_SUPERSCRIPT = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_FRACTIONS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅛": "1/8"}
_FRACTION = re.compile("[" + "".join(_FRACTIONS) + "]")
_DIGITS = "0123456789"
_ROMAN = re.compile(r"(?:II|III|IV|VI|VII|VIII|IX|XI|XII)[ab]?")
_SUP = re.compile(r"<sup>\s*([-−]?[0-9]{1,3})\s*</sup>")


class What(StrEnum):
    """What a difference is of."""

    NUMBER = "number"
    UNIT = "unit"
    CODE = "code"
    DENIAL = "denial"


class Difference(NamedTuple):
    """What stands in the original and what in the translation; '' where nothing does."""

    what: What
    here: str
    there: str

    @property
    def sentence(self) -> Sentence:
        """The difference in words."""
        values = {"here": self.here, "there": self.there}
        match self.what, bool(self.here), bool(self.there):
            case What.UNIT, _, _:
                return Sentence("The original says “%(here)s”, the translation “%(there)s”: another unit.", values)
            case What.DENIAL, _, _:
                return Sentence("Something is denied here more or less often than there. The original: “%(here)s”."
                                " The translation: “%(there)s”.", values)
            case _, True, True:
                return Sentence("The original says “%(here)s”, the translation “%(there)s”.", values)
            case _, True, False:
                return Sentence("“%(here)s” stands in the original and not in the translation.", values)
            case _:
                return Sentence("“%(there)s” stands in the translation and not in the original.", values)


class _Amount(NamedTuple):
    """A number in one form whatever the language, its unit, and how it was written. `sure`: it can be nothing else."""

    value: str
    unit: str
    shown: str
    sure: bool = True


class _Read(NamedTuple):
    amounts: list[_Amount]
    codes: Counter[str]
    shown: dict[str, str]


def plain(html: str) -> str:
    """The words of HTML as they are compared here: a line a paragraph, and what is raised marked as that."""
    return "\n".join(lines(_SUP.sub(r"^\1", html)))


def differences(original: str, translated: str, source: str, target: str) -> tuple[Difference, ...]:
    """What differs between a text in the language `source` and its translation into `target` (both of `LANGUAGES`): of plain
    text, by kind and in the order of the original."""
    here, there = _prepared(original), _prepared(translated)
    read, made = _read(here, source), _read(there, target)
    found = [*_of_amounts(read.amounts, made.amounts), *_of_codes(read, made), *_of_denials(here, there, source, target)]
    return tuple(found[:MOST])


def _prepared(text: str) -> str:
    text = _SUPERSCRIPT.sub(lambda found: "^" + found[0].translate(_RAISED), unescape(text[:_LENGTH]))
    return _FRACTION.sub(lambda found: f" {_FRACTIONS[found[0]]}", text)


# Numbers and codes

def _read(text: str, language: str) -> _Read:
    read = _Read([], Counter(), {})
    numbers, unsure = words.NUMBERS.get(language, {}), words.UNSURE.get(language, frozenset())
    pending: tuple[int, int] | None = None  # the amount before, and where it ends: a range gives it its unit
    place = 0
    while (found := _TOKEN.search(text, place)) is not None:
        place = found.end()
        if found["doi"]:
            _code(read, found["doi"].rstrip(".,;:)]").lower(), found["doi"])
            continue
        word = found["word"]
        if word is not None and (small := numbers.get(word.casefold())) is not None:
            value, sure = str(small), word.casefold() not in unsure and small != words.PAIR
        elif word is not None:
            if word[0] in _DIGITS:
                place = found.start() + _leading(word)
                value, sure = _value(word[:_leading(word)], language), True
            else:
                _codes_in(read, word)
                continue
        else:
            value, sure = _value(found["number"], language) + (found["power"] or "").replace("−", "-"), True
        unit, end = _unit(text, place)
        start = found.start()
        if pending is not None and unit and (between := _RANGE.fullmatch(text, pending[1], start)) is not None and (
                between[1] is None or between[1].casefold() in words.RANGES):
            before = read.amounts[pending[0]]
            if not before.unit:
                read.amounts[pending[0]] = before._replace(unit=unit)
            value = value.lstrip("-")
        read.amounts.append(_Amount(value, unit, text[start:end].strip(), sure))
        pending, place = (len(read.amounts) - 1, place), max(place, end)
    return read


def _leading(word: str) -> int:
    """How many digits a word begins with."""
    return len(word) - len(word.lstrip(_DIGITS))


def _value(written: str, language: str) -> str:
    """A number as every language would write it: its sign or comparison, digits, a point. Which of point and comma stands
    before thousands, the language says."""
    written = written.replace(" ", "").replace("−", "-").replace("\u2013", "-")
    mark = written[0] if written[0] in "<>≤≥±-" else ""
    rest = written[len(mark):].lstrip("-")
    mark = "-" if not mark and written.startswith("-") else mark
    digits = re.sub(r"[ \u00a0\u2009\u202f'’]", "", rest)
    decimal, thousands = (".", ",") if language == "en" else (",", ".")
    if digits.count(thousands) and _grouped(digits.partition(decimal)[0], thousands):
        digits = digits.replace(thousands, "")
    if digits.count(decimal) > 1 and _grouped(digits, decimal):
        digits = digits.replace(decimal, "")
    digits = digits.replace(",", ".")
    if digits.count(".") > 1:  # a date, a version: no number, and compared as it stands
        return mark + digits
    whole, _, part = digits.partition(".")
    part = part.rstrip("0")
    return mark + (whole.lstrip("0") or "0") + (f".{part}" if part else "")


def _grouped(digits: str, by: str) -> bool:
    first, *groups = digits.split(by)
    return 0 < len(first) <= 3 and not first.startswith("0") and all(len(group) == 3 and group.isdigit() for group in groups)


def _unit(text: str, place: int) -> tuple[str, int]:
    """The unit that stands behind a number, in the form of the table, and where it ends."""
    if (ordinal := _ORDINAL.match(text, place)) is not None:
        return "", ordinal.end()
    near = text[place:place + 14].lower().replace("\u00a0", " ")
    for whole, unit in words.WHOLE:
        for gap in (" ", ""):
            if near.startswith(gap + whole):
                return _rate(text, unit, place + len(gap + whole))
    found = _UNIT.match(text, place)
    if found is None:
        return "", place
    unit = _called(found[1])
    return _rate(text, unit, found.end() - (found[1].endswith(".") and found[1] not in words.UNITS)) if unit else ("", place)


def _called(word: str) -> str:
    if word in words.CASED:
        return words.CASED[word]
    small = word.casefold()
    if any(small.startswith(aged) for aged in words.AGED):
        return "year"
    return words.UNITS.get(word.lower()) or words.UNITS.get(small.rstrip(".")) or ""


def _rate(text: str, unit: str, place: int) -> tuple[str, int]:
    """A unit with those it is per, however that is said: mg/kg/day, mg per day, mg daily."""
    for _ in range(2):
        per, end = "", place
        if (found := _STROKE.match(text, place)) is not None:
            per, end = _per(found[1]), found.end()
        elif (found := _NEXT.match(text, place)) is not None:
            if (rate := words.RATES.get(found[1].casefold())) is not None:
                per, end = rate, found.end()
            elif found[1].casefold() in words.PER and (of := _NEXT.match(text, found.end())) is not None:
                per, end = _per(of[1]), of.end()
        if not per:
            break
        unit, place = f"{unit}/{per}", end
    return unit, place


def _per(word: str) -> str:
    return words.PER_ONLY.get(word) or _called(word)


def _codes_in(read: _Read, word: str) -> None:
    """Codes are words of letters and digits, and Roman numbers; a hyphen in or before one makes no difference."""
    pieces = re.split(r"[-‐‑]", word)
    for before, piece in zip_longest(["", *pieces[:-1]], pieces, fillvalue=""):
        if any(map(str.isdigit, piece)) and any(map(str.isalpha, piece)):
            _code(read, piece.casefold(), word)
        elif piece.isdigit() and before:
            if sum(map(str.isupper, before)) > 1 or before.casefold() == "covid":
                _code(read, before.casefold() + piece, word)
            else:
                read.amounts.append(_Amount(piece.lstrip("0") or "0", "", word))
        elif _ROMAN.fullmatch(piece):
            _code(read, piece.casefold(), word)


def _code(read: _Read, code: str, shown: str) -> None:
    read.codes[code] += 1
    read.shown.setdefault(code, shown[:_SHOWN])


def _of_amounts(here: Sequence[_Amount], there: Sequence[_Amount]) -> Iterable[Difference]:
    """Equal ones are struck out, then those that differ in a unit that may be missing; what is left is paired by its value (then
    the unit is another one), and then by its unit."""
    left, right = _struck(here, there, lambda one: (one.value, one.unit))
    for ours, theirs in (("", None), (None, "")):
        left, right = _struck(left, right, lambda one: one.value,
                              lambda one, wanted=ours: _is_soft(one, wanted),  # type: ignore[misc]
                              lambda one, wanted=theirs: _is_soft(one, wanted))  # type: ignore[misc]
    made: list[tuple[_Amount | None, _Amount | None, What]] = []
    keys: tuple[tuple[What, Callable[[_Amount], Hashable]], ...] = (
        (What.UNIT, lambda one: one.value), (What.NUMBER, lambda one: one.unit))
    for what, key in keys:
        waiting = _by(right, key)
        paired, rest = set[int](), []
        for one in left:
            if waiting.get(key(one)):
                other = waiting[key(one)].popleft()
                paired.add(id(other))
                made.append((one, other, what))
            else:
                rest.append(one)
        left, right = rest, [one for one in right if id(one) not in paired]
    made += [*((one, None, What.NUMBER) for one in left), *((None, one, What.NUMBER) for one in right)]
    return [Difference(what, one.shown if one else "", other.shown if other else "") for one, other, what in made
            if (one is not None and one.sure) or (other is not None and other.sure)]


def _is_soft(one: _Amount, wanted: str | None) -> bool:
    return one.unit in words.SOFT if wanted is None else one.unit == wanted


def _by(amounts: Sequence[_Amount], key: Callable[[_Amount], Hashable]) -> dict[Hashable, deque[_Amount]]:
    found: dict[Hashable, deque[_Amount]] = {}
    for one in amounts:
        found.setdefault(key(one), deque()).append(one)
    return found


def _struck(left: Sequence[_Amount], right: Sequence[_Amount], key: Callable[[_Amount], Hashable],
            of_left: Callable[[_Amount], bool] = lambda _: True, of_right: Callable[[_Amount], bool] = lambda _: True,
            ) -> tuple[list[_Amount], list[_Amount]]:
    """Both without those that are the same by a key, each struck out against one."""
    waiting = _by([one for one in right if of_right(one)], key)
    struck, kept = set[int](), []
    for one in left:
        if of_left(one) and waiting.get(key(one)):
            struck.add(id(waiting[key(one)].popleft()))
        else:
            kept.append(one)
    return kept, [one for one in right if id(one) not in struck]


def _of_codes(here: _Read, there: _Read) -> Iterable[Difference]:
    lost, new = [*(here.codes - there.codes).elements()], [*(there.codes - here.codes).elements()]
    return [Difference(What.CODE, here.shown.get(one, ""), there.shown.get(other, ""))
            for one, other in zip_longest(lost, new, fillvalue="")]


# Denials

def _of_denials(here: str, there: str, source: str, target: str) -> Iterable[Difference]:
    """Sentence by sentence where both texts have as many of them, else line by line, else of the whole."""
    for split in (_SENTENCES.split, str.splitlines, lambda text: [text]):
        ours, theirs = ([*filter(str.strip, split(text))] for text in (here, there))
        if len(ours) == len(theirs):
            break
    return [Difference(What.DENIAL, _cut(one), _cut(other)) for one, other in zip(ours, theirs, strict=False)
            if denials(one, source) != denials(other, target)]


def denials(text: str, language: str) -> int:
    """How often something is denied. What only agrees with a denial, or carries it on, counts no second time."""
    if language not in words.DENIALS:
        return 0
    count = 0
    for sentence in _SENTENCES.split(text):
        within = 0
        for clause in _CLAUSES.split(sentence):
            said = [found[0].casefold() for found in words.DENIALS[language].finditer(clause)]
            opened = any(word in words.OPENING[language] for word in said)
            only = words.ONLY.get(language)
            if only is not None and said and opened and all(word in words.OPENING[language] for word in said) \
                    and only.search(clause):
                continue
            for word in said:
                if not ((opened and word in words.AGREEING[language]) or (within and word in words.LINKING[language])):
                    within += 1
        count += within
    return count


def _cut(text: str) -> str:
    said = " ".join(text.split()).rstrip(".")
    return said if len(said) <= 2 * _SHOWN else f"{said[:2 * _SHOWN - 1]}…"
