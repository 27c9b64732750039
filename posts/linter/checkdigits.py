"""Numbers that a country gives one person, by the rules they keep (python-stdnum), and how far a check digit can be trusted.

`alone` is set where few strings of digits pass by chance; the others are only believed beside a word that says what they are. The
share of random strings that pass, measured: ch.ssn 0.01 %, be.nn 0.25 %, de.idnr 0.34 %, fr.nir 0.9 %, pl.pesel 2.0 %, dk.cpr
3.2 %; at.vnr 7.9 %, pt.nif 8.9 %, nl.bsn 9.0 %, gb.nhs 9.2 %, us.ssn 88.6 %. Those with letters have a form of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from stdnum.at import vnr
from stdnum.be import nn
from stdnum.ch import ssn as ahv
from stdnum.de import idnr
from stdnum.dk import cpr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.pt import nif
from stdnum.us import ssn

from core.words import N_, Phrase


class Rule(NamedTuple):
    """One kind of number: what it is called, how many digits it has, in which groups it is written (one group is all of them
    together), whether a number passes, in which form that says enough by itself, and the words it is called by (folded)."""

    name: Phrase
    digits: int
    groups: frozenset[tuple[int, ...]]
    passes: Callable[[str], bool]
    alone: re.Pattern[str] | None
    called: re.Pattern[str]


class Lettered(NamedTuple):
    """A kind with letters in it: its form is looked for as it stands."""

    name: Phrase
    form: re.Pattern[str]
    passes: Callable[[str], bool]


def _is_codice(number: str) -> bool:
    """A codice fiscale has seven digits; where two people would have the same, the tax office writes letters for a few of them.
    With hardly any digit left it is words that happen to fit."""
    return sum(map(str.isdigit, number)) >= 3 and codicefiscale.is_valid(number)


def _called(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{words})(?![a-z])")


def _groups(*groups: tuple[int, ...]) -> frozenset[tuple[int, ...]]:
    return frozenset(groups)


def _kvnr(number: str) -> bool:
    """The German insurance number: a letter as its two digits, then nine, by Luhn's rule counted from the left."""
    digits = f"{ord(number[0].upper()) - 64:02d}{number[1:]}"
    total = 0
    for place, digit in enumerate(digits[:-1]):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == int(digits[-1])


_ALONE = re.compile(r".", re.DOTALL)
_DASHED = re.compile(r"\d{3}-\d{2}-\d{4}")
RULES = (
    Rule(N_("a French social security number (NIR)"), 15,
         _groups((15,), (13, 2), (1, 2, 2, 2, 3, 3, 2), (1, 12, 2), (1, 4, 2, 3, 3, 2), (1, 2, 2, 5, 3, 2)), nir.is_valid, _ALONE,
         _called(r"nir|secu(?:rite sociale)?|num(?:ero)? (?:de )?secu|nss|carte vitale|immatriculation")),
    Rule(N_("a German tax identification number"), 11, _groups((11,), (2, 3, 3, 3)), idnr.is_valid, _ALONE,
         _called(r"steuer ?id(?: ?nr|entifikationsnummer)?|idnr|steuernummer")),
    Rule(N_("a Swiss social insurance number (AHV, AVS)"), 13, _groups((13,), (3, 4, 4, 2)), ahv.is_valid, _ALONE,
         _called(r"ahv(?: ?n(?:umme)?r)?|avs|navs(?:13)?|ahvn(?:13)?")),
    Rule(N_("a Polish PESEL number"), 11, _groups((11,), (6, 5)), pesel.is_valid, _ALONE, _called("pesel")),
    Rule(N_("a Belgian national number"), 11, _groups((11,), (2, 2, 2, 3, 2), (6, 3, 2)), nn.is_valid, _ALONE,
         _called(r"niss|insz|rijksregister(?:nummer)?|registre national|numero national")),
    Rule(N_("a Danish CPR number"), 10, _groups((10,), (6, 4)), cpr.is_valid, _ALONE, _called(r"cpr(?: ?n(?:umme)?r)?")),
    Rule(N_("a British NHS number"), 10, _groups((10,), (3, 3, 4)), nhs.is_valid, None,
         _called(r"nhs|chi")),
    Rule(N_("a Dutch citizen number (BSN)"), 9, _groups((9,), (3, 3, 3), (4, 2, 3), (4, 5)), bsn.is_valid, None,
         _called(r"bsn(?: ?n(?:umme)?r)?|burgerservicenummer|sofinummer")),
    Rule(N_("an Austrian social insurance number"), 10, _groups((10,), (4, 6), (4, 2, 2, 2)), vnr.is_valid, None,
         _called(r"sv ?n(?:umme)?r|vsnr|vnr|(?:sozial)?versicherungs ?n(?:umme)?r|e card|sv")),
    Rule(N_("a Portuguese tax number (NIF)"), 9, _groups((9,), (3, 3, 3)), nif.is_valid, None,
         _called(r"nif|contribuinte|numero fiscal")),
    Rule(N_("a US social security number"), 9, _groups((9,), (3, 2, 4)), ssn.is_valid, _DASHED,
         _called(r"ssn|social security(?: (?:no|number))?")),
)
LETTERED = (
    Lettered(N_("an Italian codice fiscale"),
             re.compile(r"(?<!\w)[A-Z]{3} ?[A-Z]{3} ?[\dLMNP-V]{2}[A-EHLMPRST][\dLMNP-V]{2} ?[A-Z][\dLMNP-V]{3} ?[A-Z](?!\w)",
                        re.IGNORECASE),
             _is_codice),
    Lettered(N_("a Spanish DNI"),
             re.compile(r"(?<![\w.-])\d{2}\.?\d{3}\.?\d{3}[ -]?[A-HJ-NP-TV-Z](?!\w)", re.IGNORECASE), dni.is_valid),
    Lettered(N_("a Spanish NIE"), re.compile(r"(?<!\w)[XYZ][ -]?\d{7}[ -]?[A-Z](?!\w)", re.IGNORECASE), nie.is_valid),
    Lettered(N_("a French social security number (NIR)"),
             re.compile(r"(?<!\w)[12][ .]?\d\d[ .]?\d\d[ .]?2[AB][ .]?\d{3}[ .]?\d{3}[ .]?\d\d(?!\w)", re.IGNORECASE),
             nir.is_valid),
    Lettered(N_("a German health insurance number (KVNR)"), re.compile(r"(?<!\w)[A-Z] ?\d{3} ?\d{3} ?\d{3}(?!\w)"), _kvnr),
)


def bare(number: str) -> str:
    """A number without what only separates."""
    return re.sub(r"[ .\-/\n]", "", number)


