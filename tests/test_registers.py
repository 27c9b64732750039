"""A check digit finds typing errors and proves nothing: every number has a verdict, and none is an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.registers import IDENTIFIERS, Outcome, how_written, normalise, verdict

RIGHT = {
    "rpps": ("99700218896", "899700218896", "81000000000"),
    "lanr": ("123456601", "123456628", "838382202", "754236701", "582369858", "776299002", "222791803", "999999900"),
    "efn": ("802760900000018", "802760012345673"), "gln": ("7601000000002", "7601888888884", "7601000201041"),
    "npi": ("1234567893", "1558598797"), "pwz": ("5425740",), "riziv": ("10829059001", "10000007001", "10000036001"),
}
WRONG = {
    "rpps": ("10003461033", "10101201234"), "lanr": ("123456789",), "efn": ("802760012345674",), "gln": ("7601000000003",),
    "npi": ("1234567890", "1234567839"), "pwz": ("1234567",), "riziv": ("14567891000", "19876543201"),
}
SHAPE_ONLY = {"gmc": "7654321", "colegiado": "282812345", "albo": "MI 43210", "oeak": "12345-06"}


@pytest.mark.parametrize(("identifier", "number"), [(name, one) for name, numbers in RIGHT.items() for one in numbers])
def test_numbers_out_of_the_registers_documents_are_right_and_known_as_examples(identifier: str, number: str) -> None:
    found = verdict(identifier, number)
    assert (found.outcome, found.sample, found.passes) == (Outcome.SAMPLE, True, False)


@pytest.mark.parametrize(("identifier", "number"), [(name, one) for name, numbers in WRONG.items() for one in numbers])
def test_a_check_digit_that_does_not_fit_is_said(identifier: str, number: str) -> None:
    found = verdict(identifier, number)
    assert found.outcome == Outcome.CHECK_DIGIT and not found.passes and "check digit does not fit" in found.explanation


def test_examples_of_the_french_register_that_break_its_own_rule_are_known_as_examples_too() -> None:
    assert verdict("rpps", "10003461033").sample and verdict("rpps", "10101201234").sample


@pytest.mark.parametrize(("identifier", "number", "place"), [
    ("rpps", "10007654320", 10), ("lanr", "765432028", 6), ("efn", "802760107654320", 14), ("gln", "7601007654320", 12),
    ("npi", "1976543210", 9), ("pwz", "1765433", 0)])
def test_of_ten_digits_one_fits_and_a_number_that_is_too_long_or_too_short_has_another_form(
        identifier: str, number: str, place: int) -> None:
    tried = [verdict(identifier, f"{number[:place]}{digit}{number[place + 1:]}").outcome for digit in range(10)]
    assert tried.count(Outcome.OK) == 1 and set(tried) <= {Outcome.OK, Outcome.CHECK_DIGIT, Outcome.FORMAT}
    assert {verdict(identifier, number + "0").outcome, verdict(identifier, number[:-1]).outcome} == {Outcome.FORMAT}


@pytest.mark.parametrize(("identifier", "number"), SHAPE_ONLY.items())
def test_where_a_register_has_no_check_digit_that_is_said(identifier: str, number: str) -> None:
    found = verdict(identifier, number)
    assert found.outcome == Outcome.UNCHECKED and found.passes and "no public check digit" in found.explanation
    assert verdict(identifier, "X").outcome == Outcome.FORMAT


def test_what_is_no_number_of_a_register_is_told_how_one_looks() -> None:
    found = verdict("efn", "123456789123456")
    assert found.outcome == Outcome.FORMAT and "15 digits that begin with 80276" in found.explanation


def test_numbers_are_compared_however_they_are_typed() -> None:
    for identifier, typed, compared in (
            ("efn", " 80276 0012 345673 ", "802760012345673"), ("rpps", "8 99 70 02 18 896", "99700218896"),
            ("gln", "7601.0000-0000/2", "7601000000002"), ("lanr", "１２３４５６６０１", "123456601"),
            ("albo", "mi/00043210", "MI43210"), ("oeak", "0012345 – 06", "12345-06"), ("gmc", "7654321", "7654321"),
            ("riziv", "1-08290-59-001", "10829059001")):
        assert normalise(identifier, typed) == verdict(identifier, typed).number == compared
    assert len(normalise("gmc", "9" * 1000)) == 40


def test_what_nobody_knows_is_not_judged() -> None:
    assert verdict("nothing", "12").outcome == Outcome.UNCHECKED and how_written("nothing") == ""


@given(st.sampled_from((*IDENTIFIERS, "", "none")), st.text(max_size=60))
def test_whatever_is_typed_has_a_verdict(identifier: str, number: str) -> None:
    found = verdict(identifier, number)
    assert found.explanation and normalise(identifier, found.number) == found.number
