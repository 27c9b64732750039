"""What a post holds beside its text, on the wire: the members `facts`, `parts` and `helpful` of a `Note` or `Question`.

`content` says everything, for whoever cannot read these. Whoever can reads the text alone out of `parts` (`text`), each part with
its own HTML through the gate, and never `content`: so nothing stands twice on a page, and nothing is cut out of HTML that another
version has made in another language. `parts` is read whole or not at all: where it holds a member that is not known here or a
value that breaks a rule, `content` is shown instead, and no word of it is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec

from core.clock import parse_rfc3339, rfc3339
from core.errors import InvalidInput
from core.text import clean, visible
from federation.addresses import origin_of
from posts.models import NO_FACTS, CaseFacts
from posts.parts import (
    CONDITION,
    CONDITIONS,
    DAYS,
    LEVELS,
    LINE_LENGTH,
    LINK_LENGTH,
    NO_PARTS,
    PARTICIPANTS,
    ROW_LENGTH,
    ROWS,
    Congress,
    Effect,
    Outcome,
    Parts,
    Row,
    Section,
    Study,
    is_decimal,
    is_doi,
)

CLEAN_LENGTH = 65_536
"""The most characters of HTML that a text has after the gate: every instance takes this much, so none sends more."""
MARKED = 20
"""How many answers to a case can be marked as helpful."""
_SECTIONS = 12
_WORD_LENGTH = 40
_URI_LENGTH = 1024


class FactsOnTheWire(msgspec.Struct, frozen=True, rename="camel"):
    """The coded part as it arrives."""

    specialties: list[str] = []
    age_band: str = ""
    sex: str = ""
    aim: str = ""
    conditions: list[str] = []


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    heading: str
    content: str


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    day: int
    content: str


class _Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    content: str
    published: str


class _Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    measure: str
    value: str
    low: str = ""
    high: str = ""
    level: int = 95


class _Study(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    doi: str = ""
    design: str = ""
    participants: int | None = None
    effect: _Effect | None = None
    funding: str = ""


class _Congress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    starts: str
    ends: str
    place: str = ""
    link: str = ""


class _Parts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    sections: list[_Section] = []
    timeline: list[_Row] = []
    outcome: _Outcome | None = None
    study: _Study | None = None
    sponsor: str | None = None
    congress: _Congress | None = None


class Read(NamedTuple):
    """What a post says: its text alone, and its parts; all HTML in them has passed the gate."""

    html: str
    parts: Parts


def facts_of(facts: FactsOnTheWire | None) -> CaseFacts:
    """The coded part of a post. Codes are kept as they are; one that is in no list is shown as nothing."""
    if facts is None:
        return NO_FACTS
    conditions = tuple(code for code in facts.conditions[:CONDITIONS] if CONDITION.fullmatch(code))
    return CaseFacts(tuple(code[:60] for code in facts.specialties[:8]), facts.age_band[:10], facts.sex[:1], facts.aim[:20],
                     conditions)


def facts_out(facts: CaseFacts) -> dict[str, Any]:
    made: dict[str, Any] = {"specialties": list(facts.specialties), "ageBand": facts.age_band, "sex": facts.sex, "aim": facts.aim}
    if facts.conditions:
        made["conditions"] = list(facts.conditions)
    return made


def helpful_of(found: Any) -> tuple[str, ...]:
    """The answers that a post names as helpful; of very many the first ones, and nothing that is no address."""
    named = (entry for entry in (found if isinstance(found, list) else [found])[:MARKED] if isinstance(entry, str))
    return tuple(dict.fromkeys(uri for uri in named if len(uri) <= _URI_LENGTH and _is_address(uri)))


def read(content: str, raw: Any) -> Read:
    """A post as it says it itself: out of its `parts` if it has any that can be read, else `content`. `InvalidInput` (too-long,
    too-complex) where that is larger than any post."""
    found = _read(raw) if raw is not None else None
    html = found.html if found is not None else clean(content)
    if len(html) > CLEAN_LENGTH:
        raise InvalidInput("The text is too long.", reason="too-long")
    return found or Read(html, NO_PARTS)


def parts_out(html: str, parts: Parts) -> dict[str, Any]:
    """The member `parts` of a post with this text."""
    made: dict[str, Any] = {"text": html}
    if parts.sections:
        made["sections"] = [{"heading": section.heading, "content": section.html} for section in parts.sections]
    if parts.timeline:
        made["timeline"] = [{"day": row.day, "content": row.what} for row in parts.timeline]
    if parts.outcome is not None:
        made["outcome"] = {"content": parts.outcome.html, "published": rfc3339(parts.outcome.at)}
    if parts.study is not None:
        made["study"] = msgspec.to_builtins(parts.study)
    if parts.sponsor is not None:
        made["sponsor"] = parts.sponsor
    if parts.congress is not None:
        made["congress"] = msgspec.to_builtins(parts.congress)
    return made


def _read(raw: Any) -> Read | None:
    """The parts of a post; None where they are not all in order."""
    try:
        found = msgspec.convert(raw, _Parts)
        made = Parts(
            tuple(Section(_code(one.heading), clean(one.content)) for one in _few(found.sections, _SECTIONS)),
            tuple(Row(one.day, _line(one.content, ROW_LENGTH)) for one in _few(found.timeline, ROWS) if one.day in DAYS),
            Outcome(clean(found.outcome.content), at=parse_rfc3339(found.outcome.published)) if found.outcome else None,
            _study(found.study) if found.study is not None else None,
            _line(found.sponsor, LINE_LENGTH) if found.sponsor is not None else None,
            _congress(found.congress) if found.congress is not None else None)
        html = clean(found.text)
    except (msgspec.ValidationError, InvalidInput, ValueError, OverflowError):
        return None
    whole = len(html) + sum(len(section.html) for section in made.sections) + (len(made.outcome.html) if made.outcome else 0)
    in_order = whole <= CLEAN_LENGTH and len(made.timeline) == len(found.timeline) and len(
        {section.heading for section in made.sections}) == len(made.sections)
    return Read(html, made) if in_order else None


def _study(found: _Study) -> Study:
    effect = found.effect
    if (found.doi and not is_doi(found.doi)) or (found.participants is not None and found.participants not in PARTICIPANTS):
        raise ValueError("a study says something impossible")
    if effect is not None:
        ends = (effect.low, effect.high)
        if not is_decimal(effect.value) or effect.level not in LEVELS or not (ends == ("", "") or all(map(is_decimal, ends))):
            raise ValueError("an effect is no number")
    measured = Effect(_code(effect.measure), effect.value, effect.low, effect.high, effect.level) if effect is not None else None
    return Study(found.doi, _code(found.design), found.participants, measured, _line(found.funding, LINE_LENGTH))


def _congress(found: _Congress) -> Congress:
    starts, ends = date.fromisoformat(found.starts), date.fromisoformat(found.ends)
    if ends < starts or (found.link and not is_link(found.link)):
        raise ValueError("a congress ends before it starts, or its link is none")
    return Congress(starts.isoformat(), ends.isoformat(), _line(found.place, LINE_LENGTH), found.link)


def is_link(text: str) -> bool:
    """Whether something can stand behind a link: an https address of ordinary length, which the gate leaves as it is."""
    return text.startswith("https://") and len(text) <= LINK_LENGTH and f'<a href="{text}"' in clean(f'<a href="{text}">x</a>')


def _few(entries: Sequence[Any], most: int) -> Sequence[Any]:
    if len(entries) > most:
        raise ValueError("too many of one part")
    return entries


def _code(word: str) -> str:
    if len(word) > _WORD_LENGTH or not all(letter.isalnum() or letter == "-" for letter in word) or not word.isascii():
        raise ValueError("a code is a short word")
    return word


def _line(text: str, most: int) -> str:
    if len(text) > most or visible(text) != text or not text.isprintable():
        raise ValueError("one line of text is too long or has what nobody sees in it")
    return text


def _is_address(uri: str) -> bool:
    try:
        return bool(origin_of(uri))
    except InvalidInput:
        return False
