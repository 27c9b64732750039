"""What may be written: the rules a draft, an answer or an edit has to keep before anything else happens with it."""

from __future__ import annotations

import unicodedata

from core import references
from core.conditions import condition
from core.countries import specialties
from core.errors import InvalidInput
from core.text import one_line
from posts import wire
from posts.models import AGE_BANDS, AIMS_OF, SEXES, CaseFacts, Draft, Kind
from posts.parts import CONDITIONS, typed
from posts.rules_parts import check_parts

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
    check_facts(draft.kind, draft.facts)
    check_parts(draft.kind, draft.facts.aim, draft.parts)
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


def with_sources(text: str, sources: str) -> str:
    """A text with the works that are named beside it below, one a line, as links; those that it names itself are not repeated."""
    try:
        found = references.listed(sources)
    except ValueError as error:
        raise InvalidInput("“%(what)s” is no DOI, PMID or NCT number.", values={"what": str(error)[:80]},
                           field="sources") from None
    named = set(references.found_in(text))
    more = [f"- [{one.name}]({one.url})" for one in found if one not in named]
    return "\n".join((text.rstrip(), "", *more)) if more else text


def check_reason(reason: str) -> str:
    """Why something is corrected or recalled, in one line, as it is kept."""
    line = one_line(reason)
    if not line:
        raise InvalidInput("Please say in one line why.", field="reason")
    if len(line) > wire.REASON_LENGTH:
        raise InvalidInput("The reason has at most %(most)s characters.", values={"most": wire.REASON_LENGTH}, field="reason")
    return line


def fields_of(draft: Draft) -> dict[str, str]:
    """What of a draft is free text, by the field it was typed in: whatever could say who a patient is."""
    options = draft.poll.options if draft.poll is not None else ()
    found = {"question": draft.question, "text": draft.text, "options": "\n".join(options)}
    for field, text in typed(draft.parts):
        found[field] = f"{found[field]}\n{text}" if field in found else text
    return found


def option_names(options: tuple[str, ...]) -> list[str]:
    """The options of a poll as they are compared everywhere: trimmed, in NFC, without empty ones."""
    return [unicodedata.normalize("NFC", name.strip()) for name in options if name.strip()]


def check_facts(kind: Kind, facts: CaseFacts) -> None:
    """Codes are codes of ours: what is free text does not hide here."""
    if kind == Kind.CASE and not facts.specialties:
        raise InvalidInput("Name at least one specialty you are asking.", field="specialties")
    if len(facts.specialties) > _SPECIALTIES or not set(facts.specialties) <= set(specialties()):
        raise InvalidInput("Choose up to %(most)s specialties from the list.", values={"most": _SPECIALTIES}, field="specialties")
    for value, known, field in ((facts.age_band, AGE_BANDS, "age_band"), (facts.sex, SEXES, "sex"),
                                (facts.aim, AIMS_OF[kind], "aim")):
        if value and value not in known:
            raise InvalidInput("Choose one of the values offered.", field=field)
    if len(facts.conditions) > CONDITIONS or not all(map(condition, facts.conditions)):
        raise InvalidInput("Choose up to %(most)s conditions from the list.", values={"most": CONDITIONS}, field="conditions")
