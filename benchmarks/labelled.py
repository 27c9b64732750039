"""Sentences with what in them could identify a patient labelled, and how much of that the linter finds.

`tests/linter/LANGUAGE.txt` has one sentence a line, those with something in them first, then, below `===`, those without. A
label is `{LETTER TEXT}`. Every second sentence of a file was not looked at while the rules were made: `held`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from posts.linter.findings import Family, Finding
from posts.linter.hospitals import Hospitals
from posts.linter.lint import lint

LANGUAGES = ("de", "fr", "it", "es", "en")
SENTENCES = Path(__file__).resolve().parent.parent / "tests" / "linter"
TODAY = date(2024, 6, 30)
"""The day on which the sentences are read: ages are counted to it."""
_FAMILIES = {"H": Family.IDENTIFIER, "i": Family.IDENTIFIER, "m": Family.MAIL, "l": Family.LINK, "p": Family.PHONE,
             "d": Family.DATE, "a": Family.AGE, "n": Family.NAME, "o": Family.HOSPITAL, "c": Family.PLACE}
_LABEL = re.compile(r"\{(\w) ([^{}]+)\}")


class Label(NamedTuple):
    """What stands in a sentence, from `start` to `end`; `hard`: its check digit is right, so it has to block."""

    start: int
    end: int
    family: Family
    hard: bool


class Labelled(NamedTuple):
    """A sentence without its marks, and its labels."""

    text: str
    labels: tuple[Label, ...]
    held: bool


class Score(NamedTuple):
    """How many findings were right, how many were wrong, and how many labels were found by none."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    def plus(self, other: Score) -> Score:
        return Score(self.right + other.right, self.wrong + other.wrong, self.missed + other.missed)


class Slip(NamedTuple):
    """A finding or a label that has no counterpart, for whoever looks at the rules."""

    sentence: Labelled
    what: str
    text: str
    family: Family


def sentences(language: str) -> list[Labelled]:
    """The sentences of a language, in the order of their file."""
    lines = (SENTENCES / f"{language}.txt").read_text("utf-8").splitlines()
    return [_read(line, held=number % 2 == 1) for number, line in enumerate(line for line in lines if line and line != "===")]


def findings(sentence: Labelled, language: str, hospitals: Hospitals) -> tuple[Finding, ...]:
    """What the linter finds in a sentence."""
    return lint(sentence.text, language, hospitals, TODAY)


def measure(some: Sequence[Labelled], language: str, hospitals: Hospitals) -> tuple[dict[Family, Score], list[Slip]]:
    """The score of each family, and everything that was wrong or missed. A finding is right where it touches a label of its
    family; whatever else is found is wrong, each time."""
    scores = dict.fromkeys(Family, Score())
    slips: list[Slip] = []
    for sentence in some:
        found = findings(sentence, language, hospitals)
        for family, score, slip in _compared(sentence, found):
            scores[family] = scores[family].plus(score)
            if slip is not None:
                slips.append(slip)
    return scores, slips


def blocked(some: Sequence[Labelled], language: str, hospitals: Hospitals) -> Score:
    """The same for what has to block: a number whose check digit is right, and nothing else."""
    total = Score()
    for sentence in some:
        hard = [one for one in findings(sentence, language, hospitals) if one.blocks]
        wanted = [label for label in sentence.labels if label.hard]
        right = sum(any(_touch(one, label) for one in hard) for label in wanted)
        wrong = sum(not any(_touch(one, label) for label in wanted) for one in hard)
        total = total.plus(Score(right, wrong, len(wanted) - right))
    return total


def _compared(sentence: Labelled, found: Sequence[Finding]) -> Iterator[tuple[Family, Score, Slip | None]]:
    for label in sentence.labels:
        if any(one.what == label.family and _touch(one, label) for one in found):
            yield label.family, Score(right=1), None
        else:
            yield label.family, Score(missed=1), Slip(sentence, "missed", sentence.text[label.start:label.end], label.family)
    for one in found:
        if not any(one.what == label.family and _touch(one, label) for label in sentence.labels):
            yield one.what, Score(wrong=1), Slip(sentence, "wrong", sentence.text[one.start:one.end], one.what)


def _touch(one: Finding, label: Label) -> bool:
    return one.start < label.end and label.start < one.end


def _read(line: str, *, held: bool) -> Labelled:
    text, labels, last = "", [], 0
    for match in _LABEL.finditer(line):
        text += line[last: match.start()]
        labels.append(Label(len(text), len(text) + len(match[2]), _FAMILIES[match[1]], match[1] == "H"))
        text += match[2]
        last = match.end()
    return Labelled(text + line[last:], tuple(labels), held)
