"""What a finding is, and the words it explains itself with."""

from __future__ import annotations

from bisect import bisect_left
from enum import StrEnum
from typing import NamedTuple

from core.words import N_, Phrase, Sentence


class Family(StrEnum):
    """What a finding is of; the value is what people read."""

    IDENTIFIER = N_("A number that stands for one person")
    MAIL = N_("A mail address")
    LINK = N_("A link to somebody's page")
    PHONE = N_("A telephone number")
    DATE = N_("An exact date")
    AGE = N_("An age over 89")
    NAME = N_("A name")
    PLACE = N_("An address")
    HOSPITAL = N_("A hospital")


class Finding(NamedTuple):
    """Characters `start` to `end` of a text; why they are marked; what could stand there instead, None where nothing can be
    proposed. `blocks`: with this in it nothing is published, and `kind` is which number it is."""

    start: int
    end: int
    what: Family
    why: Phrase | Sentence
    proposal: str | None = None
    blocks: bool = False
    kind: Phrase | None = None


TAKEN_OUT = "[…]"
"""What is proposed where only leaving something out helps."""


def apart(found: list[Finding]) -> tuple[Finding, ...]:
    """Findings in the order of the text, none over another: what blocks comes before what does not, then the order of
    `Family`, then the longer one."""
    order = {family: place for place, family in enumerate(Family)}
    kept: list[Finding] = []
    for one in sorted(found, key=lambda one: (not one.blocks, order[one.what], one.start - one.end, one.start)):
        place = bisect_left(kept, one.start, key=lambda other: other.start)
        if (place == 0 or kept[place - 1].end <= one.start) and (place == len(kept) or one.end <= kept[place].start):
            kept.insert(place, one)
    return tuple(kept)
