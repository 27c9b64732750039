"""What a post can hold beside its question and its text: the parts of a case report, how a case ended, the facts of a study, a
piece of news, a congress.

They are what an author may fill in and nobody has to. Whatever is a code is one of a closed list here; a code that arrives and is
in no list is kept and shown as nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Heading(StrEnum):
    """The headings of a case report in their order, after the CARE guidelines (Gagnier et al., J Med Case Rep 2013, 7:223;
    items 5 to 12). The timeline has rows instead of a text."""

    PATIENT = "patient"
    HISTORY = "history"
    FINDINGS = "findings"
    TIMELINE = "timeline"
    ASSESSMENT = "assessment"
    INTERVENTIONS = "interventions"
    FOLLOW_UP = "followup"
    DISCUSSION = "discussion"
    PERSPECTIVE = "perspective"


TEXTS = tuple(heading for heading in Heading if heading != Heading.TIMELINE)
"""The headings that have a text under them."""
DESIGNS = ("meta-analysis", "systematic-review", "randomised", "non-randomised", "cohort", "case-control", "cross-sectional",
           "diagnostic-accuracy", "case-series", "qualitative", "guideline", "other")
"""How a study was made."""
MEASURES = ("rr", "or", "hr", "rd", "md", "smd", "nnt", "auc", "proportion", "other")
"""What an effect is measured in: risk ratio, odds ratio, hazard ratio, risk difference, mean difference, standardised mean
difference, number needed to treat, area under the curve, a share, something else."""

SECTION_LENGTH = 8_000
"""The most characters that are written under one heading, and of an outcome."""
DAYS = range(-36_500, 36_501)
"""How far from the first visit a day may be: beyond these nobody lives."""
ROWS = 40
ROW_LENGTH = 300
LINE_LENGTH = 300
"""The most characters of what is one line: who paid, who sponsors, where a congress is."""
LINK_LENGTH = 1_000
PARTICIPANTS = range(1, 1_000_000_001)
LEVELS = range(50, 100)
CONDITIONS = 5
"""How many conditions a post is about."""
_DOI = re.compile(r"10\.[0-9]{4,9}/[!-~]{1,200}")
_DECIMAL = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,6})?")
_DOI_PREFIX = re.compile(r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)", re.IGNORECASE)
CONDITION = re.compile(r"[A-Za-z0-9:.-]{1,60}")


class Section(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands under a heading: HTML that has passed the gate and, where it was written here, its Markdown."""

    heading: str
    html: str = ""
    source: str = ""


class Row(msgspec.Struct, frozen=True):
    """What happened on a day, counted from the first visit, which is day 0; plain text."""

    day: int
    what: str


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a case ended, and since when (ms) that stands here; HTML and Markdown as in a `Section`."""

    html: str = ""
    source: str = ""
    at: int = 0


class Effect(msgspec.Struct, frozen=True, omit_defaults=True):
    """An effect in one of `MEASURES` with its interval at a level (percent); decimal numbers as they were typed, because 0.80
    says more than 0.8. No interval: both ends are empty."""

    measure: str
    value: str
    low: str = ""
    high: str = ""
    level: int = 95


class Study(msgspec.Struct, frozen=True, omit_defaults=True):
    """A study: its DOI, one of `DESIGNS`, how many took part, what was found and who paid, as far as that is said."""

    doi: str = ""
    design: str = ""
    participants: int | None = None
    effect: Effect | None = None
    funding: str = ""


class Congress(msgspec.Struct, frozen=True, omit_defaults=True):
    """A congress from its first day to its last (YYYY-MM-DD, at its place)."""

    starts: str
    ends: str
    place: str = ""
    link: str = ""


class Parts(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of it. `sponsor` is who has paid for a piece of news: None where that is not asked, '' where nobody has."""

    sections: tuple[Section, ...] = ()
    timeline: tuple[Row, ...] = ()
    outcome: Outcome | None = None
    study: Study | None = None
    sponsor: str | None = None
    congress: Congress | None = None

    def html_of(self, heading: str) -> str:
        """What stands under a heading."""
        return next((section.html for section in self.sections if section.heading == heading), "")

    def source_of(self, heading: str) -> str:
        """The Markdown of what stands under a heading."""
        return next((section.source for section in self.sections if section.heading == heading), "")

    @property
    def ordered(self) -> tuple[Section, ...]:
        """The sections as they are read, the timeline among them (without a text) if it has rows. What stands under a heading
        that is not known here comes last."""
        order = {str(heading): place for place, heading in enumerate(Heading)}
        rows = (Section(Heading.TIMELINE),) if self.timeline else ()
        return tuple(sorted((*self.sections, *rows), key=lambda section: order.get(section.heading, len(order))))


NO_PARTS = Parts()


class Typed(NamedTuple):
    """A text somebody typed, and the field of the form it stands in."""

    field: str
    text: str


def typed(parts: Parts) -> Iterator[Typed]:
    """Every text of an author's in the parts as she typed it: what has words can name a patient."""
    for section in parts.sections:
        yield Typed(section.heading, section.source)
    for row in parts.timeline:
        yield Typed("timeline", row.what)
    if parts.outcome is not None:
        yield Typed("outcome", parts.outcome.source)
    if parts.study is not None:
        yield Typed("funding", parts.study.funding)
    if parts.sponsor:
        yield Typed("sponsor", parts.sponsor)
    if parts.congress is not None:
        yield Typed("place", parts.congress.place)


def htmls(parts: Parts) -> Iterator[str]:
    """Every piece of HTML in the parts."""
    for section in parts.sections:
        yield section.html
    if parts.outcome is not None:
        yield parts.outcome.html


def doi_of(typed: str) -> str:
    """A DOI as it is written without an address around it, or '' for what is none (ISO 26324; letters are taken as one case)."""
    found = _DOI_PREFIX.sub("", typed.strip(), count=1)
    return found.lower() if is_doi(found) else ""


def is_doi(text: str) -> bool:
    return _DOI.fullmatch(text) is not None


def is_decimal(text: str) -> bool:
    """Whether a number is written as we write it: digits, a point, at most six places."""
    return _DECIMAL.fullmatch(text) is not None
