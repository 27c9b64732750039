"""What may be written: the rules a draft, an answer or an edit has to keep before anything else happens with it."""

from __future__ import annotations

import unicodedata

from core.countries import specialties
from core.errors import InvalidInput
from posts import wire
from posts.models import AGE_BANDS, AIMS, SEXES, CaseFacts, Draft, Kind

_DAY_MS = 86_400_000
_SPECIALTIES = 8
CONSULTED = range(1, 21)
"""How many colleagues a consult goes to."""


def check_draft(draft: Draft, text_limit: int, now: int) -> None:
    """`InvalidInput` with the field that breaks a rule; `text_limit` in characters, `now` in milliseconds."""
    if draft.kind == Kind.REPLY:
        raise InvalidInput("A reply answers something.", field="kind")
    check_question(draft.question)
    check_text(draft.text, draft.language, text_limit, may_be_empty=draft.kind == Kind.POLL)
    _check_facts(draft.facts)
    if draft.kind == Kind.CASE and not draft.facts.specialties:
        raise InvalidInput("Name at least one specialty you are asking.", field="specialties")
    if (draft.kind == Kind.POLL) != (draft.poll is not None):
        raise InvalidInput("A poll has options, and only a poll.", field="options")
    if draft.poll is not None:
        names = option_names(draft.poll.options)
        if len(names) not in wire.OPTIONS or len(set(names)) != len(names):
            raise InvalidInput("A poll has 2 to 20 different options.", field="options")
        if any(len(name) > wire.OPTION_LENGTH for name in names):
            raise InvalidInput("An option has at most %(most)s characters.",
                               values={"most": wire.OPTION_LENGTH}, field="options")
        if not now < draft.poll.ends_at <= now + 366 * _DAY_MS:
            raise InvalidInput("A poll ends in the future, within a year.", field="ends_at")


def check_question(question: str) -> None:
    """One sentence, neither missing nor endless."""
    if not 0 < len(question.strip()) <= wire.QUESTION_LENGTH:
        raise InvalidInput("The question has 1 to %(most)s characters.",
                           values={"most": wire.QUESTION_LENGTH}, field="question")


def check_text(text: str, language: str, limit: int, *, may_be_empty: bool = False) -> None:
    """Some lines, in a language that is named (BCP 47)."""
    if not may_be_empty and not text.strip():
        raise InvalidInput("Please write a few lines.", field="text")
    if len(text) > limit:
        raise InvalidInput("A post has at most %(most)s characters.", values={"most": limit}, field="text")
    if not (2 <= len(language) <= 20 and language.isascii() and all(part.isalnum() for part in language.split("-"))):
        raise InvalidInput("Say which language this is written in.", field="language")


def fields_of(draft: Draft) -> dict[str, str]:
    """What of a draft is free text, by the field it was typed in: whatever could say who a patient is."""
    options = draft.poll.options if draft.poll is not None else ()
    return {"question": draft.question, "text": draft.text, "options": "\n".join(options)}


def option_names(options: tuple[str, ...]) -> list[str]:
    """The options of a poll as they are compared everywhere: trimmed, in NFC, without empty ones."""
    return [unicodedata.normalize("NFC", name.strip()) for name in options if name.strip()]


def _check_facts(facts: CaseFacts) -> None:
    """Codes are codes of ours: what is free text does not hide here."""
    if len(facts.specialties) > _SPECIALTIES or not set(facts.specialties) <= set(specialties()):
        raise InvalidInput("Choose up to %(most)s specialties from the list.", values={"most": _SPECIALTIES}, field="specialties")
    for value, known, field in ((facts.age_band, AGE_BANDS, "age_band"), (facts.sex, SEXES, "sex"), (facts.aim, AIMS, "aim")):
        if value and value not in known:
            raise InvalidInput("Choose one of the values offered.", field=field)
