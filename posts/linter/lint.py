"""What could identify a patient in one text, all families together. Pure; a text of 20 000 characters takes some milliseconds."""

from __future__ import annotations

from datetime import date

from posts.linter import ages, contacts, dates, identifiers, names, places, source
from posts.linter.findings import Finding, apart
from posts.linter.hospitals import Hospitals


def lint(text: str, language: str, hospitals: Hospitals, today: date, first: date | None = None) -> tuple[Finding, ...]:
    """The findings of a text, in its order. `language` (BCP 47) is what is proposed in; all rules are tried whatever it is, but
    for titles that are something else in other languages. Days are counted from `first`, or from the first one here."""
    read = source.read(text)
    return apart([
        *identifiers.hard(read), *identifiers.soft(read), *contacts.findings(read), *dates.findings(read, language, today, first),
        *ages.findings(read, language), *names.findings(read, language), *hospitals.findings(read, language),
        *places.findings(read, language)])


def hard(text: str) -> tuple[Finding, ...]:
    """Only what blocks: numbers whose check digit is right."""
    return apart(identifiers.hard(source.read(text)))
