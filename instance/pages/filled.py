"""A filled-in form as what it says: the coded part of a post and its parts, out of fields that are texts."""

from __future__ import annotations

import re

from core.conditions import find, named_in
from core.errors import InvalidInput
from core.numbers import whole
from posts.drafts import Written
from posts.models import Aim, CaseFacts, Kind
from posts.parts import DAYS, PARTICIPANTS, Congress, Effect, Parts, Row, Section, Study, doi_of

KINDS = {"case": Kind.CASE, "poll": Kind.POLL, "study": Kind.NOTE, "note": Kind.NOTE, "news": Kind.NOTE, "congress": Kind.NOTE}
"""The forms there are, and what their post is by its shape."""
_AIMS = {"poll": Aim.OPINION, "study": Aim.STUDY, "news": Aim.NEWS, "congress": Aim.CONGRESS}
_OFFERED = 8
_DAY = re.compile(r"[-\u2212+]?\d{1,5}")


def facts_of(written: Written) -> CaseFacts:
    """The coded part. Of a patient there is something to say only in a case."""
    if KINDS[written.kind] != Kind.CASE:
        return CaseFacts(written.specialties, aim=_AIMS.get(written.kind, ""), conditions=written.conditions)
    return CaseFacts(written.specialties, written.age_band, written.sex, written.aim, written.conditions)


def conditions_for(written: Written, language: str) -> tuple[str, ...]:
    """The conditions to choose from in a form: those that are chosen, what was looked for by name, what the text names."""
    found = (one.code for one in find(written.sought, language, _OFFERED))
    texts = " ".join((written.question, written.text, *written.sections.values()))
    return tuple(dict.fromkeys((*written.conditions, *found, *named_in(texts))))[:len(written.conditions) + _OFFERED]


def parts_of(written: Written) -> Parts:
    """The parts that belong to this kind of post; what was typed for another kind waits in the form. `InvalidInput` where a field
    cannot be read as what it is for."""
    match written.kind:
        case "case":
            return Parts(tuple(Section(heading, source=text) for heading, text in written.sections.items() if text.strip()),
                         _timeline(written))
        case "study":
            return Parts(study=_study(written))
        case "news":
            return Parts(sponsor=_sponsor(written))
        case "congress":
            return Parts(congress=Congress(written.starts.strip(), written.ends.strip() or written.starts.strip(),
                                           written.place.strip(), written.link.strip()))
        case _:
            return Parts()


def _timeline(written: Written) -> tuple[Row, ...]:
    """The rows in the order of their days; a row without anything in it is none."""
    rows = []
    for day, what in zip(written.days, written.happened, strict=False):
        if not day.strip() and not what.strip():
            continue
        if _DAY.fullmatch(day.strip()) is None or int(day.strip().replace("\u2212", "-")) not in DAYS:
            raise InvalidInput("A day is a number of days from the first visit, which is day 0.", field="timeline")
        rows.append(Row(int(day.strip().replace("\u2212", "-")), " ".join(what.split())))
    return tuple(sorted(rows, key=lambda row: row.day))


def _study(written: Written) -> Study:
    typed = written.doi.strip()
    if typed and not doi_of(typed):
        raise InvalidInput("A DOI begins with 10. and a number, like 10.1000/182.", field="doi")
    participants = whole(written.participants.strip(), PARTICIPANTS[-1]) if written.participants.strip() else None
    if written.participants.strip() and not participants:
        raise InvalidInput("The number of participants is a whole number.", field="participants")
    return Study(doi_of(typed), written.design, participants, _effect(written), " ".join(written.funding.split()))


def _effect(written: Written) -> Effect | None:
    """What was found, where anything of it was said; decimals may have a comma."""
    value, low, high = (text.strip().replace(",", ".").replace("\u2212", "-") for text in (
        written.effect, written.low, written.high))
    if not (value or low or high):
        return None
    level = whole(written.level.strip(), 99)
    if level is None:
        raise InvalidInput("The interval is one of 50 to 99 percent.", field="level")
    return Effect(written.measure, value, low, high, level)


def _sponsor(written: Written) -> str:
    """Who sponsors a piece of news; nobody is an answer, none is not."""
    named = " ".join(written.sponsor.split())
    if written.sponsored == "no" and not named:
        return ""
    if written.sponsored == "yes" and named:
        return named
    raise InvalidInput("Say who sponsors this, or that nobody does. Readers see either.", field="sponsor")
