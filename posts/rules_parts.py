"""What may be written beside a text: the parts of a case, of a study, news or a congress; and who may publish which."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from actors.models import Actor
from core.errors import InvalidInput, Refused
from core.text import visible
from posts.models import Aim, Kind
from posts.parts import (
    DAYS,
    DESIGNS,
    LEVELS,
    LINE_LENGTH,
    MEASURES,
    PARTICIPANTS,
    ROW_LENGTH,
    ROWS,
    SECTION_LENGTH,
    TEXTS,
    Congress,
    Effect,
    Parts,
    Study,
    is_decimal,
    is_doi,
)
from posts.wire_parts import is_link

BY_DESKS = frozenset({Aim.NEWS, Aim.CONGRESS})
"""What desks alone publish."""
OF_DESKS = BY_DESKS | {Aim.STUDY}
"""What they may publish."""


def may_publish(actor: Actor, aim: str) -> bool:
    """Whether somebody may publish a post of this aim: news and congresses come from desks, and nothing from them but these and
    studies."""
    return aim in OF_DESKS if actor.desk else aim not in BY_DESKS


def check_publisher(actor: Actor, aim: str) -> None:
    """`Refused` unless `may_publish`."""
    if may_publish(actor, aim):
        return
    if actor.desk:
        raise Refused("A desk publishes news, studies and congresses. A case is asked by a person.", reason="no-desk")
    raise Refused("News and congresses are published by editorial desks.", reason="desks-only")


def check_parts(kind: Kind, aim: str, parts: Parts) -> None:
    """`InvalidInput` with the field that breaks a rule."""
    if kind != Kind.CASE and (parts.sections or parts.timeline):
        raise InvalidInput("Only a case has the parts of a case report.", field="text")
    headings = [section.heading for section in parts.sections]
    if not set(headings) <= set(TEXTS) or len(set(headings)) != len(headings):
        raise InvalidInput("Choose one of the values offered.", field="text")
    for section in parts.sections:
        _check_length(section.source, SECTION_LENGTH, section.heading)
    _check_timeline(parts)
    for wanted, there, field in ((Aim.STUDY, parts.study is not None, "doi"), (Aim.NEWS, parts.sponsor is not None, "sponsor"),
                                 (Aim.CONGRESS, parts.congress is not None, "starts")):
        if (aim == wanted) != there:
            raise InvalidInput("What is said here belongs to another kind of post.", field=field)
    if parts.study is not None:
        _check_study(parts.study)
    if parts.sponsor is not None:
        check_line(parts.sponsor, "sponsor")
    if parts.congress is not None:
        _check_congress(parts.congress)


def check_outcome(text: str) -> None:
    """How a case ended, in some lines."""
    _check_length(text, SECTION_LENGTH, "outcome")


def check_line(text: str, field: str, most: int = LINE_LENGTH) -> None:
    """One line of plain text."""
    _check_length(text, most, field)
    if not text.isprintable() or visible(text) != text:
        raise InvalidInput("Write this on one line.", field=field)


def _check_length(text: str, most: int, field: str) -> None:
    if len(text) > most:
        raise InvalidInput("At most %(most)s characters.", values={"most": most}, field=field, reason="too-long")


def _check_timeline(parts: Parts) -> None:
    if len(parts.timeline) > ROWS:
        raise InvalidInput("A timeline has at most %(most)s days.", values={"most": ROWS}, field="timeline")
    for row in parts.timeline:
        if row.day not in DAYS:
            raise InvalidInput("A day is a number of days from the first visit, which is day 0.", field="timeline")
        if not row.what.strip():
            raise InvalidInput("Say what happened on day %(day)s, or leave the day out.", values={"day": row.day},
                               field="timeline")
        check_line(row.what, "timeline", ROW_LENGTH)


def _check_study(study: Study) -> None:
    if study.doi and not is_doi(study.doi):
        raise InvalidInput("A DOI begins with 10. and a number, like 10.1000/182.", field="doi")
    if study.design not in DESIGNS:
        raise InvalidInput("Say how the study was made.", field="design")
    if study.participants is not None and study.participants not in PARTICIPANTS:
        raise InvalidInput("The number of participants is a whole number.", field="participants")
    check_line(study.funding, "funding")
    if study.effect is not None:
        _check_effect(study.effect)


def _check_effect(effect: Effect) -> None:
    if effect.measure not in MEASURES:
        raise InvalidInput("Say what the effect is measured in.", field="measure")
    if not is_decimal(effect.value):
        raise InvalidInput("Write the effect as a number, like 0.81.", field="effect")
    if bool(effect.low) != bool(effect.high):
        raise InvalidInput("An interval has two ends.", field="low")
    if effect.low and not (is_decimal(effect.low) and is_decimal(effect.high)):
        raise InvalidInput("Write both ends of the interval as numbers, like 0.70 and 0.94.", field="low")
    if effect.low and not Decimal(effect.low) <= Decimal(effect.value) <= Decimal(effect.high):
        raise InvalidInput("The effect lies outside its interval.", field="low")
    if effect.level not in LEVELS:
        raise InvalidInput("The interval is one of 50 to 99 percent.", field="level")


def _check_congress(congress: Congress) -> None:
    days = []
    for text, field in ((congress.starts, "starts"), (congress.ends, "ends")):
        try:
            days.append(date.fromisoformat(text))
        except ValueError:
            raise InvalidInput("Give the day as year, month and day.", field=field) from None
    if days[1] < days[0]:
        raise InvalidInput("It ends before it starts.", field="ends")
    check_line(congress.place, "place")
    if congress.link and not is_link(congress.link):
        raise InvalidInput("A link begins with https://.", field="link")
