"""The forms in which doctors write: from their fields to what was written, and to the draft that keeps it."""

from __future__ import annotations

from typing import Any

from core.errors import InvalidInput, NotFound, NotSignedIn
from core.ids import public
from core.vault import token
from instance.context import doctor, services
from instance.pages.filled import KINDS
from posts.bases import Basis
from posts.drafts import Kept, Sheet, What, Written
from posts.models import ALT_LENGTH, PICTURES
from posts.parts import CONDITIONS, ROW_LENGTH, ROWS, SECTION_LENGTH, TEXTS

_LISTS = {"specialties": "specialties", "origins": "origin", "doctors": "doctor", "conditions": "condition"}
_ROWS = {"days": "day", "happened": "happened"}
_SHOWN = {"pictured": "pictured", "alts": "alt"}
_TEXTS = tuple(name for name in Written.__struct_fields__ if name not in _LISTS | _ROWS | _SHOWN)


def written_of(form: Any) -> Written:
    """The fields as they were typed, each bounded."""
    limits = {"text": services().settings.posts.text_limit + 1, "options": 8_000} | dict.fromkeys(TEXTS, SECTION_LENGTH + 1)
    values = {name: form.get(name, "")[: limits.get(name, 1000)] for name in _TEXTS}
    if values["kind"] not in KINDS:
        values["kind"] = "case"
    lists = {name: tuple(dict.fromkeys(value[:500] for value in form.getlist(field) if value)) for name, field in _LISTS.items()}
    rows = [(day[:20], happened[:ROW_LENGTH + 1]) for day, happened in zip(
        form.getlist(_ROWS["days"]), form.getlist(_ROWS["happened"]), strict=False) if day.strip() or happened.strip()]
    days, happened = zip(*rows[:ROWS + 1], strict=True) if rows else ((), ())
    pictured, alts = ([value[:ALT_LENGTH + 1] for value in form.getlist(field)[:PICTURES]] for field in _SHOWN.values())
    return Written(**values, specialties=lists["specialties"][:8], origins=lists["origins"][:100], doctors=lists["doctors"][:100],
                   conditions=lists["conditions"][:CONDITIONS + 1], days=days, happened=happened,
                   pictured=tuple(pictured), alts=tuple(alts) if len(alts) == len(pictured) else ())


def basis_of(form: Any) -> Basis | None:
    """What an author says it rests on that something leaves the country; None where she was not asked, or has not said."""
    ground = form.get("ground", "")[:20]
    return Basis(ground, form.get("no_name") == "1") if ground else None


def sheet_of(form: Any, what: What = What.NEW, about: str = "") -> Sheet:
    """Which draft a form writes; a form that does not say so writes a new one."""
    known = about or form.get("draft", "")[:13]
    return Sheet(what, known or public(services().ids.new()), form.get("version", "")[:13], form.get("mark", "")[:64] or token())


def fresh_sheet(what: What, about: str = "", kept: Kept | None = None) -> Sheet:
    """For a form that is drawn anew, from a draft if there is one."""
    return Sheet(what, about or public(services().ids.new()), kept.version if kept is not None else "", token())


def is_hers(form: Any) -> bool:
    """Whether the form was drawn for the doctor who sends it: on a ward's computer somebody else may have signed in."""
    return bool(form.get("by", public(doctor().id)) == public(doctor().id))


def check_hers(form: Any) -> None:
    """`NotSignedIn` unless `is_hers`."""
    if not is_hers(form):
        raise NotSignedIn("Somebody else has signed in here since this page was opened.")


async def rescued(sheet: Sheet, written: Written) -> bool:
    """Keep as a draft what can be sent no more; whether that worked."""
    try:
        return await services().drafts.keep(doctor(), sheet, written) is not None
    except (InvalidInput, NotFound):
        return False


async def caught_up(sheet: Sheet) -> Sheet:
    """The sheet as of now, after its author was told that the draft has moved on: saving again replaces it."""
    kept = await services().drafts.of(doctor(), sheet.what, sheet.about)
    return sheet._replace(version=kept.version if kept is not None else "")


async def carried_on(sheet: Sheet, written: Written) -> Sheet:
    """Bring a draft that exists along from step to step. Where that fails the steps go on: what they carry is newer."""
    if not sheet.version:
        return sheet
    try:
        kept = await services().drafts.keep(doctor(), sheet, written)
    except InvalidInput:
        return sheet
    return sheet._replace(version=kept.version if kept is not None else "")
