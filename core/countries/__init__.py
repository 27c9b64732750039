"""The country packs: what differs between countries, as data. No code asks which country it is in."""

from __future__ import annotations

import tomllib
import unicodedata
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from core.errors import Misconfigured
from core.words import Phrase

CODES = ("de", "fr", "it", "es", "gb", "at", "ch")


class Identifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A register's number: what it is called in short and in each language, and where one can be looked up ('': nowhere in
    public). How it is written and checked is in `core.registers`."""

    id: str
    name: str
    lookup: str
    titles: dict[str, str]

    def title_in(self, language: str) -> str:
        """Its title in a language, else in English."""
        return _in(self.titles, language) or self.titles["en"]


class Chamber(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the bodies that keep a country's register between them; `url` is where it can be asked."""

    code: str
    name: str
    url: str = ""


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something else that an applicant is asked; `kind` is text or year."""

    id: str
    kind: str
    titles: dict[str, str]

    def title_in(self, language: str) -> str:
        """What is asked, in a language, else in English."""
        return _in(self.titles, language) or self.titles["en"]


class CountryPack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One country. `languages`: the first is the default, and that of the names of its register and of its supervisory
    authority for data protection; `student_may`: of read, reply, post, vote.

    Of applicants: `identifiers` are the numbers of the country's own registers, `abroad` those of others that it takes as well;
    `documents` and `fields` say by role what proves it, each by its code, and what else is asked; `chambers` is empty where one
    body keeps the register. `secrecy_law` is what the undertaking of secrecy names, `consents` the day (yyyymmdd) its words are
    of."""

    code: str
    name: str
    names: dict[str, str]
    languages: tuple[str, ...]
    time_zone: str
    register_name: str
    register_url: str
    authority_name: str
    authority_url: str
    identifiers: tuple[Identifier, ...]
    abroad: tuple[Identifier, ...]
    secrecy_law: str
    consents: int
    documents: dict[str, tuple[str, ...]]
    fields: dict[str, tuple[Field, ...]]
    emergency_number: str
    emergency_notice: dict[str, str]
    student_may: tuple[str, ...]
    role_posts: bool
    chamber_titles: dict[str, str] = {}
    chambers: tuple[Chamber, ...] = ()

    def identifier(self, code: str) -> Identifier | None:
        """A register's number that applicants may name here."""
        return next((one for one in (*self.identifiers, *self.abroad) if one.id == code), None)

    def documents_of(self, role: str) -> tuple[str, ...]:
        """The codes of the documents that prove a role; of all of them, where no role is said yet."""
        return self.documents.get(role) or tuple(dict.fromkeys(code for codes in self.documents.values() for code in codes))

    def chamber_title_in(self, language: str) -> str:
        """What a chamber is asked for as, in a language, else in English; '' where there are none."""
        return _in(self.chamber_titles, language) or self.chamber_titles.get("en", "")

    def chamber(self, code: str) -> Chamber | None:
        """One of the country's chambers."""
        return next((one for one in self.chambers if one.code == code), None)

    @property
    def zone(self) -> ZoneInfo:
        """The clock on the country's walls."""
        return ZoneInfo(self.time_zone)

    def name_in(self, language: str) -> str:
        """The country's name in a language, else in English."""
        return _in(self.names, language) or self.name

    def notice_in(self, language: str) -> str:
        """What to do in an emergency, in a language, else in English."""
        return _in(self.emergency_notice, language) or self.emergency_notice["en"]


class CountryName(Phrase):
    """A country as a value in an error's sentence: its name in English, and in the page's language where it is shown."""

    __slots__ = ("code",)
    code: str

    def __new__(cls, code: str) -> CountryName:
        made = super().__new__(cls, pack(code).name if code in CODES else code.upper())
        made.code = code
        return made

    def name_in(self, language: str) -> str:
        """The name in a language; of a country that has no pack, its code."""
        return pack(self.code).name_in(language) if self.code in CODES else str(self)


@cache
def pack(code: str) -> CountryPack:
    """The pack of a country; `Misconfigured` for one that has none."""
    if code not in CODES:
        raise Misconfigured("There is no country %(code)s; there are %(codes)s.",
                            values={"code": repr(code), "codes": ", ".join(CODES)})
    written = _read(f"{code}.toml")
    for numbers in ("identifiers", "abroad"):
        written[numbers] = [_table("identifiers.toml")[one] | {"id": one} for one in written[numbers]]
    for role, fields in written["fields"].items():
        written["fields"][role] = [_table("fields.toml")[one] | {"id": one} for one in fields]
    return msgspec.convert(written, CountryPack, strict=True)


@cache
def _table(name: str) -> dict[str, dict[str, Any]]:
    return _read(name)


def document_title(code: str, language: str) -> str:
    """What a document that proves something is called in a language, else in English, else its code."""
    titles = _table("documents.toml").get(code, {})
    return _in(titles, language) or titles.get("en") or code


@cache
def languages() -> tuple[str, ...]:
    """The languages of all countries, in the order of their packs."""
    return tuple(dict.fromkeys(language for code in CODES for language in pack(code).languages))


@cache
def specialties() -> tuple[str, ...]:
    """The codes of all specialties."""
    return tuple(_table("specialties.toml"))


@cache
def specialties_in(language: str) -> tuple[str, ...]:
    """The codes of all specialties, by their titles in a language."""
    return tuple(sorted(_table("specialties.toml"), key=lambda code: _sorted_by(specialty_title(code, language))))


def specialty_title(code: str, language: str) -> str:
    """A specialty's title in a language, else in English, else its code."""
    titles = _table("specialties.toml").get(code, {})
    return _in(titles, language) or titles.get("en") or code


def _sorted_by(title: str) -> str:
    """As all languages here sort their words: without case, an accented letter beside its plain one."""
    letters = unicodedata.normalize("NFKD", title).casefold()
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _in(texts: dict[str, str], language: str) -> str | None:
    return texts.get(language.partition("-")[0])


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("core.countries").joinpath(name).read_text("utf-8"))
