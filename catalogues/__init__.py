"""The translators' tool: which sentences there are, and catalogues that hold exactly these. Nothing of it runs in an instance.

`make catalogues` brings `templates/locale/*/LC_MESSAGES/konsil.po` up to date; tests/promises/test_catalogues.py says whether
they are complete.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

import core.errors
from core import VERSION
from core.errors import KonsilError
from core.i18n import catalogue_path

ROOT = Path(__file__).parent.parent
PACKAGES = ("core", "federation", "actors", "posts", "inbox", "instance")
LANGUAGES = ("de", "fr", "it", "es")
"""What is translated; English is the message id and needs no catalogue."""

ERRORS = {name for name, found in vars(core.errors).items() if isinstance(found, type) and issubclass(found, KonsilError)}
KEYWORDS: dict[str, Any] = {name: None for name in (*ERRORS, "N_", "_", "gettext")} | {
    "ngettext": (1, 2), "pgettext": ((1, "c"), 2), "npgettext": ((1, "c"), 2, 3)}
"""What a sentence is handed to where it is written (Babel's form)."""

_WIDTH = 120
_HEAD = "# `make catalogues` keeps this file in step with the sentences; their translations are written here, by hand."


Sentence: TypeAlias = str | tuple[str, ...]
"""A message id; a plural is the pair of its forms."""


def extracted() -> frozenset[Sentence]:
    """Every sentence of all packages and templates."""
    return frozenset(places())


@cache
def places() -> dict[Sentence, tuple[str, ...]]:
    """The files in which each sentence stands."""
    found: dict[Sentence, list[str]] = {}
    for folder, pattern, method in (*((package, "**.py", "python") for package in PACKAGES),
                                    ("templates", "**.html", "jinja2"), ("templates", "**.txt", "jinja2")):
        for name, _, message, _, _ in extract_from_dir(
                ROOT / folder, [(pattern, method)], {pattern: {"silent": "false"}}, keywords=KEYWORDS):
            files = found.setdefault(message, [])
            if f"{folder}/{name}" not in files:
                files.append(f"{folder}/{name}")
    return {message: tuple(files) for message, files in found.items()}


def update(directory: Path, language: str) -> Catalog:
    """Bring a language's catalogue up to date and return it.

    New sentences come in without a translation, those that are gone go. One that was changed is a new one: a guess at its
    translation would look finished. A file that says the same already is not touched.
    """
    path = catalogue_path(directory, language)
    before = path.read_bytes() if path.exists() else b""
    known = read_po(BytesIO(before), locale=language, abort_invalid=True) if before else Catalog(locale=language)
    made = Catalog(
        locale=language, header_comment=_HEAD, project="Konsil", version=VERSION, last_translator="Konsil",
        language_team="Konsil", msgid_bugs_address="Konsil", creation_date=known.creation_date,
        revision_date=known.creation_date, fuzzy=False)
    for message, files in sorted(places().items(), key=_by_place):
        kept = known.get(message)
        done = kept is not None and not kept.fuzzy and kept.pluralizable == isinstance(message, tuple)
        made.add(message, kept.string if done else None, [(file, 0) for file in files],
                 user_comments=kept.user_comments if kept is not None else ())
    after = BytesIO()
    write_po(after, made, width=_WIDTH, include_lineno=False)
    if after.getvalue() != before:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(after.getvalue())
    return made


def _by_place(found: tuple[Sentence, tuple[str, ...]]) -> tuple[tuple[str, ...], str]:
    message, files = found
    return files, message if isinstance(message, str) else message[0]


def untranslated(catalogue: Catalog) -> int:
    """How many sentences still wait for their translation."""
    return sum(not _whole(message) for message in catalogue if message.id)


def _whole(message: Message) -> bool:
    return all(message.string) if isinstance(message.string, tuple) else bool(message.string)
