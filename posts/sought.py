"""What is looked for, as the index understands it: words and facts of which a post has to have all, any or none.

A word that names a condition is also looked for by its code, so that *Sarkoidose* finds what says *sarcoidosi*.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

import msgspec

from core.terms import fold, terms
from posts.excerpts import Marks
from posts.indexed import ANSWERED, QUESTION
from posts.queries import Part, Query, parse

_CODE = 60
_FIRST_MONTH = (2020, 1)
_MARKED = 3


class Conditions(Protocol):
    """The conditions the program knows, by their codes: those a text names in any language, and what one is called."""

    def named_in(self, text: str, /) -> Collection[str]: ...
    def names_of(self, code: str, /) -> Collection[str]: ...


class Filters(msgspec.Struct, frozen=True):
    """What besides words is asked for; empty is everything. `kind`, `aim`, `specialty`, `country`, `language`, `state`, `sex`,
    `age_band` and `condition` are codes; `answers` is `with` or `without`; `since` and `until` are months (`2026-11`), both
    included; `whose` is `mine`, `following` or `consults`."""

    kind: str = ""
    aim: str = ""
    specialty: str = ""
    country: str = ""
    language: str = ""
    state: str = ""
    age_band: str = ""
    sex: str = ""
    answers: str = ""
    since: str = ""
    until: str = ""
    whose: str = ""
    condition: str = ""


class Group(NamedTuple):
    """All of `words` and a word for each of `beginnings`; or any one of `codes`, which may stand for them."""

    words: tuple[str, ...] = ()
    beginnings: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()

    def bits(self, found: Mapping[str, int]) -> int:
        """Where it is in a block, of which it is known where each word is."""
        held = -1 if self.words or self.beginnings else 0
        for word in self.words:
            held &= found.get(word, 0)
        for beginning in self.beginnings:
            held &= found.get(f"{beginning}*", 0)
        for code in self.codes:
            held |= found.get(code, 0)
        return held


class Sought(NamedTuple):
    """A post has to have every one of `groups` and none of `without`, every one of `rows` in one of its texts, and none of
    `no_rows` in any: words in a row, which the index knows only one by one. `marks` is what is marked where it is shown."""

    groups: tuple[Group, ...]
    without: tuple[Group, ...]
    rows: tuple[Part, ...]
    no_rows: tuple[Part, ...]
    marks: Marks
    codes: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Every word and fact that is looked up."""
        return tuple(dict.fromkeys(
            word for group in (*self.groups, *self.without) for word in (*group.words, *group.codes)))

    @property
    def beginnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(beginning for group in (*self.groups, *self.without) for beginning in group.beginnings))

    def has_rows(self, texts: Sequence[str]) -> bool:
        """Whether a post that has all the words has them in the right order, where that was asked for."""
        folded = [fold(text) for text in texts]
        return (all(any(map(_row(part).search, folded)) for part in self.rows)
                and not any(any(map(_row(part).search, folded)) for part in self.no_rows))


def sought(typed: str, filters: Filters, conditions: Conditions) -> Sought | None:
    """What is looked for; None where nothing is: no word and no filter."""
    query = parse(typed)
    groups: list[Group] = []
    rows: list[Part] = []
    codes: list[str] = []
    for parts, named in _by_condition(query.parts, conditions):
        codes += named
        words = tuple(word for part in parts for word in _whole(part))
        beginnings = tuple(part.words[-1] for part in parts if part.goes_on)
        groups.append(Group(words, beginnings, tuple(f"code:{code}" for code in named)))
        rows += [part for part in parts if len(part.words) > 1 and not named]
    facts = _facts(filters)
    if not groups and not facts and not query.without and filters.whose not in ("mine", "following", "consults"):
        return None
    if filters.condition:
        codes.append(filters.condition)
    without = [Group(_whole(part), (part.words[-1],) if part.goes_on else ()) for part in query.without if len(part.words) == 1]
    if filters.answers == "without":
        without.append(Group((ANSWERED,)))
    if not groups and not facts:
        facts = [Group(beginnings=("kind:",))]
    return Sought((*groups, *facts), tuple(without), tuple(rows), tuple(part for part in query.without if len(part.words) > 1),
                  _marks(query, codes, conditions), tuple(dict.fromkeys(codes)))


def _whole(part: Part) -> tuple[str, ...]:
    return part.words[:-1] if part.goes_on else part.words


def _by_condition(parts: Sequence[Part], conditions: Conditions) -> list[tuple[Sequence[Part], tuple[str, ...]]]:
    """The parts, those together that name a condition, the longest names first, and its codes."""
    done: list[tuple[Sequence[Part], tuple[str, ...]]] = []
    at = 0
    while at < len(parts):
        for end in range(len(parts), at, -1):
            some = parts[at:end]
            if not all(part.said for part in some):
                continue
            named = tuple(sorted(conditions.named_in(" ".join(part.said for part in some))))
            if named and (end == at + 1 or not _shorter(some, named, conditions)):
                break
        else:
            some, named, end = parts[at:at + 1], (), at + 1
        done.append((some, named))
        at = end
    return done


def _shorter(parts: Sequence[Part], named: tuple[str, ...], conditions: Conditions) -> bool:
    """Whether fewer of the parts name the same."""
    return any(tuple(sorted(conditions.named_in(" ".join(part.said for part in some)))) == named
               for some in (parts[1:], parts[:-1]))


def _facts(filters: Filters) -> list[Group]:
    """The filters as groups. Answers are asked for of questions."""
    single = (("kind", filters.kind), ("aim", filters.aim), ("for", filters.specialty), ("from", filters.country),
              ("lang", filters.language), ("state", filters.state), ("age", filters.age_band), ("sex", filters.sex),
              ("code", filters.condition))
    groups = [Group((f"{name}:{value[:_CODE] if value.isprintable() else ''}",)) for name, value in single if value]
    if filters.answers == "with":
        groups.append(Group((ANSWERED,)))
    elif filters.answers == "without":
        groups.append(Group((QUESTION,)))
    since, until = _month(filters.since), _month(filters.until)
    if since is not None or until is not None:
        groups.append(Group(codes=_months(since or _FIRST_MONTH, until)))
    return groups


def _month(text: str) -> tuple[int, int] | None:
    """The year and month that `2026-11` means; None for what is none."""
    year, _, month = text.partition("-")
    if not (text.isascii() and year.isdecimal() and month.isdecimal() and len(year) == 4 and 1 <= int(month) <= 12):
        return None
    return int(year), int(month)


def _months(since: tuple[int, int], until: tuple[int, int] | None) -> tuple[str, ...]:
    """The months between two, both included; of an endless time the next twenty years."""
    first = since[0] * 12 + since[1] - 1
    last = until[0] * 12 + until[1] - 1 if until is not None else first + 240
    return tuple(f"month:{count // 12:04d}-{count % 12 + 1:02d}" for count in range(first, min(last, first + 240) + 1))


def _marks(query: Query, codes: Collection[str], conditions: Conditions) -> Marks:
    words = {word for part in query.parts for word in part.words}
    words |= {name for code in codes for name in (" ".join(terms(said)) for said in conditions.names_of(code))
              if len(name) > _MARKED}
    return Marks(frozenset(words), tuple(part.words[-1] for part in query.parts if part.goes_on))


@lru_cache(maxsize=256)
def _row(part: Part) -> re.Pattern[str]:
    """What finds these words in a row in a folded text."""
    return re.compile(r"(?<![^\W_])" + r"[\W_]+".join(part.words) + ("" if part.goes_on else r"(?![^\W_])"))
