"""Names as registers write them: without accents, with another letter for an umlaut, in Latin letters, in another order, under
the name somebody was born with. All of it are hints for whoever looks her up; none decides anything."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from core.text import folded
from core.words import N_

_TITLES = frozenset((
    "doc", "docteur", "doctor", "doktor", "dott", "dottssa", "dr", "dra", "dre", "med", "miss", "mr", "mrs", "ms", "pd", "pr",
    "priv", "prof", "professor", "ssa", "univ"))
_LETTERS = str.maketrans({
    "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "å": "aa", "æ": "ae", "ø": "oe", "œ": "oe", "þ": "th", "ð": "d", "ł": "l",
    "đ": "d", "ı": "i"})
_LATIN = str.maketrans(dict(zip(
    "абвгґдеєжзиіїйклмнопрстуфхцчшщъыьэюяαβγδεζηθικλμνξοπρσςτυφχψω",
    ("a b v g g d e ye zh z i i yi y k l m n o p r s t u f kh ts ch sh shch - y - e yu ya"
     " a v g d e z i th i k l m n x o p r s s t y f ch ps o").replace("-", "").split(" "), strict=True)) | {"ё": "e"})
_SPELLINGS = 8


class Likeness(StrEnum):
    """How two names are like each other."""

    SAME = N_("the same name")
    SPELLING = N_("the same name in another spelling")
    ORDER = N_("the same names in another order")
    PART = N_("one name has parts that the other lacks")
    DIFFERENT = N_("different names")


def compared(one: str, other: str) -> Likeness:
    """How two names are like each other, titles left out."""
    if _words(one) == _words(other):
        exact = [_bare(name) for name in (one, other)]
        return Likeness.SAME if exact[0] == exact[1] else Likeness.SPELLING
    here, there = _forms(one), _forms(other)
    if here & there:
        return Likeness.SPELLING
    if {tuple(sorted(form)) for form in here} & {tuple(sorted(form)) for form in there}:
        return Likeness.ORDER
    if any(set(a) <= set(b) or set(b) <= set(a) for a in here for b in there if min(len(a), len(b)) > 1):
        return Likeness.PART
    return Likeness.DIFFERENT


def stands_in(name: str, text: str) -> bool:
    """Whether every part of a name stands in a text, in whatever spelling and order: the register's own words, say."""
    words = {word for form in _forms(text) for word in form}
    return any(form and set(form) <= words for form in _forms(name))


def spellings(name: str, birth_name: str = "") -> tuple[str, ...]:
    """What else to look for in a register: plain letters, a umlaut as two, Latin letters, each half of a double name; and the
    same with the name she was born with. What the name says already is left out."""
    found: dict[str, None] = {}
    for given in filter(None, (name, _with(name, birth_name))):
        parts = _bare(given).split()
        plain = (" ".join(word.capitalize() for word in form) for form in sorted(_forms(given)))
        found |= dict.fromkeys((" ".join(parts), *plain))
        if parts and "-" in parts[-1]:
            found |= dict.fromkeys(" ".join((*parts[:-1], half)) for half in parts[-1].split("-") if half)
    said = {name.strip(), _bare(name)}
    return tuple(one for one in found if one and one not in said)[:_SPELLINGS]


def suggested_handle(name: str, taken: Iterable[str]) -> str:
    """A handle out of a name: `anna.mueller`, with a number where that is taken; nothing where no letter is left."""
    words = [word for word in _latin(_bare(name).lower()).replace("-", " ").split() if word]
    plain = ["".join(letter for letter in folded(word.translate(_LETTERS)) if letter.isascii() and letter.isalnum())
             for word in words]
    kept = [word for word in plain if word]
    base = ".".join((kept[0], kept[-1]) if len(kept) > 1 else kept)[:36]
    others = frozenset(taken)
    return next((handle for handle in (base, *(f"{base}{number}" for number in range(2, 100))) if handle not in others), "") \
        if base else ""


def _with(name: str, birth_name: str) -> str:
    """The first names, and the name she was born with; or that alone, where it has several words."""
    if not birth_name.strip():
        return ""
    first = _bare(name).split()[:-1]
    return birth_name.strip() if len(birth_name.split()) > 1 else " ".join((*first, birth_name.strip()))


def _bare(name: str) -> str:
    """The name without the titles it begins or ends with; its order turned where a comma says so."""
    last, comma, first = name.partition(",")
    words = (f"{first} {last}" if comma else name).split()
    return " ".join(word for word in words if folded(word).replace(" ", "") not in _TITLES) or name.strip()


def _latin(text: str) -> str:
    return text.translate(_LATIN)


def _words(name: str) -> tuple[str, ...]:
    return tuple(folded(_latin(_bare(name).lower())).split())


def _forms(name: str) -> set[tuple[str, ...]]:
    """The name in plain letters: accents dropped, and umlauts as two letters."""
    plain = _bare(name).lower()
    return {tuple(folded(_latin(text)).split()) for text in (plain, plain.translate(_LETTERS))}
