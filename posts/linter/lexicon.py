"""Words of the five languages that the rules know, and what is proposed in each."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

LANGUAGES = ("de", "fr", "it", "es", "en")

_MONTHS = {
    1: "januar jänner jan janvier janv gennaio gen enero ene january",
    2: "februar feber feb février fevrier févr fév febbraio febrero february",
    3: "märz maerz mär mrz mars marzo mar march",
    4: "april apr avril avr aprile abril abr",
    5: "mai maggio mag mayo may",
    6: "juni jun juin giugno giu junio june",
    7: "juli jul juillet juil luglio lug julio july",
    8: "august aug août aout agosto ago",
    9: "september sept sep septembre settembre set septiembre setiembre",
    10: "oktober okt octobre oct ottobre ott octubre october",
    11: "november nov novembre noviembre",
    12: "dezember dez décembre decembre déc dicembre dic diciembre december dec",
}
MONTHS = {word: number for number, words in _MONTHS.items() for word in words.split()}
"""Names of months and how they are shortened, in lower case, by number."""
SHORT_MONTHS = frozenset(word for word in MONTHS if len(word) <= 4) - {
    "mai", "mars", "juin", "août", "aout", "märz", "juni", "juli"}
"""Those that are words or abbreviations of something else as well: they need a year beside them."""


class Words(NamedTuple):
    """What is proposed in a language. `day` takes a number; `years_later` takes one too; `band` is an age band as lower and upper
    bound; the ages are put in the place of a number with its unit. What stands after articles and prepositions of every kind is
    in brackets."""

    day: str
    years_later: str
    band: str
    old: str
    he: str
    she: str
    they: str
    he_bent: str
    she_bent: str
    colleague: str
    hospital: str
    place: str


WORDS = {
    "de": Words("Tag {n}", "etwa {n} Jahre später", "Altersgruppe {band}", "mindestens 90 Jahre", "dieser Patient",
                "diese Patientin", "diese Person", "diesem Patienten", "dieser Patientin", "jemand aus dem Kollegium",
                "[Krankenhaus]", "[Adresse]"),
    "fr": Words("J{n}", "environ {n} ans plus tard", "tranche d'âge {band}", "90 ans ou plus", "ce patient", "cette patiente",
                "cette personne", "ce patient", "cette patiente", "un confrère", "[hôpital]", "[adresse]"),
    "it": Words("giorno {n}", "circa {n} anni dopo", "fascia d'età {band}", "90 anni o più", "questo paziente", "questa paziente",
                "questa persona", "questo paziente", "questa paziente", "un collega", "[ospedale]", "[indirizzo]"),
    "es": Words("día {n}", "unos {n} años después", "grupo de edad {band}", "90 años o más", "este paciente", "esta paciente",
                "esta persona", "este paciente", "esta paciente", "un colega", "[hospital]", "[dirección]"),
    "en": Words("day {n}", "about {n} years later", "age band {band}", "90 years or over", "this patient", "this patient",
                "this person", "this patient", "this patient", "a colleague", "[hospital]", "[address]"),
}


def words(language: str) -> Words:
    """What is proposed in a language (BCP 47), in English for one that is not known here."""
    return WORDS.get(language[:2].lower(), WORDS["en"])


def vocabulary(name: str) -> frozenset[str]:
    """A list of words by its name in `vocabulary.toml`; folded (`core.text.folded`), like what is looked up in it."""
    return _lists()[name]


@cache
def _lists() -> Mapping[str, frozenset[str]]:
    text = resources.files(__package__).joinpath("vocabulary.toml").read_text("utf-8")
    return {name: frozenset(words) for name, words in tomllib.loads(text).items()}
