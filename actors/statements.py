"""What an applicant says of herself, and whether it can be taken: the country pack decides what is asked and what counts.

A number that fails its check is taken: it holds the application for a closer look, it never rejects.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from actors.applications import Application
from actors.models import Role
from core.countries import CountryPack, Field, specialties
from core.errors import InvalidInput
from core.registers import NUMBER_LIMIT, normalise
from core.vault import KeyVault
from core.words import N_

NAME_LIMIT, ANSWER_LIMIT, SPECIALTIES_LIMIT = 120, 200, 3
"""The most characters of a name and of an answer, and the most specialties."""
NO_NUMBER = "none"
"""What stands for the register of who has no number yet."""

ROLES = {Role.DOCTOR: N_("Doctor"), Role.RESIDENT: N_("Resident, in specialist training"), Role.STUDENT: N_("Medical student")}
"""As what somebody can apply, in words."""
CONSENTS = {
    "privacy": N_("I have read what is kept and for how long, and agree that operators look at my documents."),
    "truth": N_("What I have said is true, and the documents are mine."),
    "secrecy": N_("I keep secret what I read here, as I do in my practice, also after I have left."),
}
"""What everybody agrees to and promises, in words."""
VERSION = "version"
"""Beside the consents: the day the words are of."""

_YEAR = re.compile(r"(?:19[4-9]|20[0-6])[0-9]", re.ASCII)


class Person(NamedTuple):
    """Who she is."""

    name: str
    birth_name: str
    role: str
    specialties: tuple[str, ...]


class Entry(NamedTuple):
    """Where she is registered: the identifier's code, the chamber's where there are chambers, the number as she writes it, and
    answers to what else is asked, by the fields' codes."""

    register: str
    chamber: str
    number: str
    answers: dict[str, str]


class Statements:
    """Reads what applicants of this country say."""

    def __init__(self, pack: CountryPack, vault: KeyVault) -> None:
        self._pack, self._vault = pack, vault

    def person(self, said: Person) -> Person:
        """The same, clean; `InvalidInput` names the field, here and below."""
        name, birth_name = _line(said.name), _line(said.birth_name)
        if not 0 < len(name) <= NAME_LIMIT:
            raise InvalidInput("Give your name as it is registered, in at most %(most)s characters.", values={"most": NAME_LIMIT},
                               field="name")
        if len(birth_name) > NAME_LIMIT:
            raise InvalidInput("A name has at most %(most)s characters.", values={"most": NAME_LIMIT}, field="birth_name")
        if said.role not in ROLES:
            raise InvalidInput("Say as what you apply.", field="role")
        chosen = tuple(dict.fromkeys(code for code in said.specialties if code))
        if len(chosen) > SPECIALTIES_LIMIT or not set(chosen) <= set(specialties()):
            raise InvalidInput("Choose at most %(most)s specialties from the list.", values={"most": SPECIALTIES_LIMIT},
                               field="specialties")
        return Person(name, birth_name, said.role, chosen)

    def entry(self, said: Entry, role: str) -> Entry:
        """What somebody of this role says of her register."""
        number = _line(said.number)
        if said.register != NO_NUMBER and self._pack.identifier(said.register) is None:
            raise InvalidInput("Choose which number you have, or that you have none.", field="register")
        if said.register == NO_NUMBER:
            number = ""
        elif not number:
            raise InvalidInput("Type the number, or choose that you have none.", field="number")
        if len(number) > NUMBER_LIMIT:
            raise InvalidInput("A number has at most %(most)s characters.", values={"most": NUMBER_LIMIT}, field="number")
        if said.chamber and self._pack.chamber(said.chamber) is None:
            raise InvalidInput("Choose one from the list.", field="chamber")
        if not said.chamber and self.asks_chamber(role):
            raise InvalidInput("Say where you are registered.", field="chamber")
        return Entry(said.register, said.chamber, number, {
            field.id: _answer(field, said.answers.get(field.id, "")) for field in self.fields(role)})

    def fields(self, role: str) -> tuple[Field, ...]:
        """What else somebody of this role is asked; a doctor, as long as nothing is said."""
        return self._pack.fields.get(role or Role.DOCTOR, ())

    def asks_chamber(self, role: str) -> bool:
        """Whether somebody of this role belongs to a chamber; students do not yet."""
        return bool(self._pack.chambers) and role != Role.STUDENT

    def consents(self, given: frozenset[str], now: int) -> dict[str, int]:
        """When each was given, and the day its words are of; only all together."""
        if not given >= set(CONSENTS):
            raise InvalidInput("Nobody can be let in without all of these.", field="consents")
        return {code: now for code in CONSENTS} | {VERSION: self._pack.consents}

    def number_key(self, register: str, number: str) -> bytes | None:
        """By what the same number is found again when it is not kept itself."""
        normalised = normalise(register, number)
        return self._vault.mac("register number", f"{register} {normalised}".encode()) if normalised else None

    def done(self, application: Application) -> set[str]:
        """Which steps are done, of those that are said here."""
        asked = self.fields(application.role)
        return {step for step, whole in (
            ("person", application.name and application.role),
            ("register", application.register and all(application.answers.get(field.id) for field in asked)
             and (application.chamber or not self.asks_chamber(application.role))),
            ("consents", application.consents.get(VERSION) == self._pack.consents),
        ) if whole}


def _answer(field: Field, said: str) -> str:
    answer = _line(said)
    if not 0 < len(answer) <= ANSWER_LIMIT:
        raise InvalidInput("Please answer this in at most %(most)s characters.", values={"most": ANSWER_LIMIT}, field=field.id)
    if field.kind == "year" and not _YEAR.fullmatch(answer):
        raise InvalidInput("Type a year in four digits.", field=field.id)
    return answer


def _line(said: str) -> str:
    """One line of text, without what cannot be seen in it."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in said[:1000]).split())
