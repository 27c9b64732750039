"""Numbers of doctors' registers: how each is written, and what its form and its check digit say about one.

A check digit finds typing errors and proves nothing: anybody can compute one, and a register's own examples break its rule. So
a verdict holds an application for a look and never rejects it. Pure functions; nobody is asked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from stdnum import ean, luhn

from core.words import N_, Phrase, Sentence

NUMBER_LIMIT = 40
"""The most characters of a number as it is typed."""



class Outcome(StrEnum):
    """`format`: no number of this register is written so; `check_digit`: it is, and the check digit does not fit; `sample`: it
    is right, and printed as an example in public documents; `unchecked`: it is written as it should, and has no check digit."""

    OK = "ok"
    FORMAT = "format"
    CHECK_DIGIT = "check_digit"
    SAMPLE = "sample"
    UNCHECKED = "unchecked"


class Verdict(NamedTuple):
    """What can be said about a number: `number` as numbers of this register are compared, `sample` whether it is printed as an
    example, whatever else is wrong with it."""

    outcome: Outcome
    explanation: Phrase | Sentence
    number: str
    sample: bool = False

    @property
    def passes(self) -> bool:
        """Whether nobody has to look at it because of this."""
        return self.outcome in (Outcome.OK, Outcome.UNCHECKED)


class _Rule(NamedTuple):
    """How a register's numbers are written, once what only separates is left out; the check digit, where there is one; and
    numbers printed in its documents."""

    shape: str
    how: Phrase
    check: Callable[[str], bool] | None
    samples: tuple[str, ...] = ()


def _lanr(number: str) -> bool:
    total = sum(int(digit) * (9 if place % 2 else 4) for place, digit in enumerate(number[:6]))
    return (10 - total % 10) % 10 == int(number[6])


def _pwz(number: str) -> bool:
    key = sum(int(digit) * place for place, digit in enumerate(number[1:], start=1)) % 11
    return key != 0 and str(key) == number[0]


def _riziv(number: str) -> bool:
    serial, check = int(number[:6]), int(number[6:8])
    return check in (97 - serial % 97, 89 - serial % 89)


_RULES = {
    "rpps": _Rule(r"\d{11}", N_("11 digits, or 12 with the 8 in front"), luhn.is_valid,
                  ("99700218896", "81000000000", "10003461033", "10101201234")),
    "lanr": _Rule(r"\d{9}", N_("9 digits: six and a check digit, then two for the specialty"), _lanr,
                  ("123456601", "123456628", "838382202", "754236701", "582369858", "776299002", "222791803", "999999900",
                   "123456789")),
    "efn": _Rule(r"80276\d{10}", N_("15 digits that begin with 80276"), luhn.is_valid,
                 ("802760900000018", "802760012345673", "123456789123456")),
    "gln": _Rule(r"\d{13}", N_("13 digits, for people mostly 7601 and nine more"), ean.is_valid,
                 ("7601000000002", "7601888888884", "7601000201041")),
    "gmc": _Rule(r"\d{7}", N_("7 digits"), None),
    "colegiado": _Rule(r"\d{9}", N_("9 digits"), None),
    "albo": _Rule(r"[A-Z]{2}\d{1,6}", N_("the two letters of the province, then up to 6 digits"), None),
    "oeak": _Rule(r"\d{1,6}-\d{2}", N_("up to 6 digits, a dash and 2 digits"), None),
    "npi": _Rule(r"[12]\d{9}", N_("10 digits that begin with 1 or 2"), lambda number: bool(luhn.is_valid(f"80840{number}")),
                 ("1234567893", "1558598797")),
    "pwz": _Rule(r"[1-9]\d{6}", N_("7 digits, the first of them a check digit"), _pwz, ("5425740", "1234567")),
    "riziv": _Rule(r"\d{11}", N_("11 digits: six, two check digits and three for the qualification"), _riziv,
                   ("10829059001", "10000007001", "10000036001")),
}
IDENTIFIERS = tuple(_RULES)
"""What `verdict` knows, as country packs name it."""

_NOT_SO = N_("No number of this register is written like this: it has %(how)s.")
_RIGHT = N_("It is written as it should, and its check digit is right.")
_PLAIN = N_("It is written as it should. This register has no public check digit.")
_WRONG_DIGIT = N_("The check digit does not fit: perhaps one digit is mistyped, or two have changed places.")
_EXAMPLE = N_("This number is printed as an example in public documents.")
_UNKNOWN = N_("Nothing is known here about how this register writes its numbers.")


def normalise(identifier: str, number: str) -> str:
    """The number as numbers of this register are compared: without what only separates, leading zeros of a serial, and the 8
    that stands before an RPPS number on some cards. What is too long is cut."""
    typed = unicodedata.normalize("NFKC", number[:NUMBER_LIMIT]).upper()
    typed = re.sub(r"[\u2010-\u2015\u2212]", "-", typed)
    found = re.sub(r"[^A-Z0-9]", "", typed) if identifier != "oeak" else re.sub(r"[^0-9-]", "", typed).strip("-")
    if identifier == "rpps" and re.fullmatch(r"8\d{11}", found, re.ASCII):
        return found[1:]
    if identifier == "albo" and (parts := re.fullmatch(r"([A-Z]+)0*([0-9]+)", found)):
        return parts[1] + parts[2]
    if identifier == "oeak" and (parts := re.fullmatch(r"0*([0-9]+)-([0-9]+)", found)):
        return f"{parts[1]}-{parts[2]}"
    return found


def how_written(identifier: str) -> Phrase:
    """How a register's numbers look, in a few words; '' for one that is not known."""
    rule = _RULES.get(identifier)
    return rule.how if rule is not None else Phrase("")


def verdict(identifier: str, number: str) -> Verdict:
    """What form and check digit say about a number as somebody has typed it. Never an error: whatever comes has a verdict."""
    rule, found = _RULES.get(identifier), normalise(identifier, number)
    if rule is None:
        return Verdict(Outcome.UNCHECKED, _UNKNOWN, found)
    sample = found in rule.samples
    if not re.fullmatch(rule.shape, found, re.ASCII):
        return Verdict(Outcome.FORMAT, Sentence(_NOT_SO, {"how": rule.how}), found, sample)
    if rule.check is not None and not rule.check(found):
        return Verdict(Outcome.CHECK_DIGIT, _WRONG_DIGIT, found, sample)
    if sample:
        return Verdict(Outcome.SAMPLE, _EXAMPLE, found, sample)
    return Verdict(Outcome.UNCHECKED, _PLAIN, found) if rule.check is None else Verdict(Outcome.OK, _RIGHT, found)
