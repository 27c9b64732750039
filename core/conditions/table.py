"""The table of conditions: a code of our own, names in five languages, and where each stands in the registers.

It is data (`data/*.tsv`; docs/conditions.md says what is in it and where it comes from), read when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources

import msgspec

from core.text import folded

LANGUAGES = ("en", "de", "fr", "it", "es")
_COLUMNS = ("code", "orpha", "mesh", "icd11", "entity", "specialties", *LANGUAGES)
_ORPHANET_SPEAKS = ("en", "fr", "de", "es", "it")


class Link(msgspec.Struct, frozen=True):
    """Where a condition stands in a public register; `id` is what it is called there. Nothing of it is ever fetched."""

    register: str
    id: str
    url: str


class Condition(msgspec.Struct, frozen=True, gc=False):
    """One condition. `orpha`, `mesh` and `icd11` are its number, descriptor and code in Orphanet, MeSH and ICD-11, `entity`
    what the ICD-11 browser calls it; each is empty where it has none, or none that we could verify. `names` has the label and
    then the synonyms of each of `LANGUAGES`; `quiet` are those of them that mean something else in running text as well."""

    code: str
    orpha: str
    mesh: str
    icd11: str
    entity: str
    specialties: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    quiet: frozenset[str] = frozenset()

    def label(self, language: str) -> str:
        """What it is called in a language (BCP 47), else in English."""
        return self.names_in(language)[0]

    def names_in(self, language: str) -> tuple[str, ...]:
        """Its label and synonyms in a language, else in English."""
        short = language.partition("-")[0]
        return self.names[LANGUAGES.index(short) if short in LANGUAGES else 0]

    def links(self, language: str) -> tuple[Link, ...]:
        """Its pages at Orphanet, in MeSH and in the ICD-11 browser; Orphanet's in the language, if it speaks it."""
        short = language.partition("-")[0]
        orphanet = short if short in _ORPHANET_SPEAKS else "en"
        found = []
        if self.orpha:
            found.append(Link("Orphanet", f"ORPHA:{self.orpha}", f"https://www.orpha.net/{orphanet}/disease/detail/{self.orpha}"))
        if self.mesh:
            found.append(Link("MeSH", self.mesh, f"https://meshb.nlm.nih.gov/record/ui?ui={self.mesh}"))
        if self.icd11:
            found.append(Link("ICD-11", self.icd11, f"https://icd.who.int/browse/latest-release/mms/en#{self.entity}"))
        return tuple(found)


@cache
def conditions() -> dict[str, Condition]:
    """All conditions by code, in the order of the files and of their rows."""
    folder = resources.files("core.conditions").joinpath("data")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".tsv")), key=lambda file: file.name)
    return {one.code: one for file in files for one in read(file.read_text("utf-8"))}


def condition(code: str) -> Condition | None:
    """The condition of a code, if there is one."""
    return conditions().get(code)


def of_specialty(specialty: str, language: str) -> tuple[Condition, ...]:
    """The conditions of a specialty, by their labels in a language."""
    those = (one for one in conditions().values() if specialty in one.specialties)
    return tuple(sorted(those, key=lambda one: folded(one.label(language))))


def label(code: str, language: str) -> str:
    """What a condition is called in a language, else in English; of a code that is not known here, the code."""
    found = conditions().get(code)
    return found.label(language) if found else code


def names_of(code: str) -> tuple[str, ...]:
    """What a condition is called in all languages, each name once; () for a code that is not known here."""
    found = conditions().get(code)
    return tuple(dict.fromkeys(name for names in found.names for name in names)) if found else ()


def read(table: str) -> Iterator[Condition]:
    """The rows of one file of ours: tab-separated `_COLUMNS`, names separated by ' | '; comments ('#') and the line of titles
    are passed over. A name with '~' before it is found by whoever types it and not taken to name the condition in a text."""
    for line in table.splitlines():
        if not line or line.startswith(("#", _COLUMNS[0] + "\t")):
            continue
        code, orpha, mesh, icd11, entity, specialties, *names = line.split("\t")
        written = tuple(tuple(one.split(" | ")) for one in names)
        yield Condition(
            code, orpha, mesh, icd11, entity, tuple(specialties.split()),
            tuple(tuple(name.removeprefix("~") for name in one) for one in written),
            frozenset(name[1:] for one in written for name in one if name.startswith("~")))
