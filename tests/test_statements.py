"""What an applicant says is taken as her country asks it; what cannot be taken names its field."""

from __future__ import annotations

import pytest

from actors.statements import CONSENTS, NO_NUMBER, VERSION, Entry, Person, Statements
from core.countries import CODES, pack
from core.errors import InvalidInput
from core.vault import KeyVault
from tests.test_joining import ENTRY, PERSON

VAULT = KeyVault.holding(b"k" * 32)
GERMANY = Statements(pack("de"), VAULT)


def field_of(work: object) -> str | None:
    with pytest.raises(InvalidInput) as caught:
        work()  # type: ignore[operator]
    return caught.value.field


def test_names_are_one_line_without_what_cannot_be_seen() -> None:
    said = GERMANY.person(Person("  Vera \u202e\t Beispiel\x00 ", " Müster\n", "student", ("", "cardiology", "cardiology", "")))
    assert said == Person("Vera Beispiel", "Müster", "student", ("cardiology",))


@pytest.mark.parametrize(("change", "field"), [
    ({"name": " "}, "name"), ({"name": "x" * 121}, "name"), ({"birth_name": "x" * 121}, "birth_name"), ({"role": ""}, "role"),
    ({"role": "editor"}, "role"), ({"role": "operator"}, "role"), ({"specialties": ("nothing",)}, "specialties"),
    ({"specialties": ("cardiology", "urology", "neurology", "haematology")}, "specialties")])
def test_what_is_wrong_with_a_person_names_its_field(change: dict[str, object], field: str) -> None:
    assert field_of(lambda: GERMANY.person(PERSON._replace(**change))) == field  # type: ignore[arg-type]


@pytest.mark.parametrize(("change", "field"), [
    ({"register": ""}, "register"), ({"register": "nothing"}, "register"), ({"number": " "}, "number"),
    ({"number": "9" * 41}, "number"), ({"chamber": ""}, "chamber"), ({"chamber": "xx"}, "chamber"),
    ({"answers": {}}, "university"), ({"answers": ENTRY.answers | {"licence-year": "09"}}, "licence-year"),
    ({"answers": ENTRY.answers | {"licence-year": "2９09"}}, "licence-year"),
    ({"answers": ENTRY.answers | {"university": "x" * 201}}, "university")])
def test_what_is_wrong_with_an_entry_names_its_field(change: dict[str, object], field: str) -> None:
    assert field_of(lambda: GERMANY.entry(ENTRY._replace(**change), "doctor")) == field  # type: ignore[arg-type]


def test_an_entry_holds_what_was_asked_and_nothing_else() -> None:
    said = GERMANY.entry(ENTRY._replace(answers=ENTRY.answers | {"other": "x"}), "doctor")
    assert said == ENTRY
    assert GERMANY.entry(ENTRY._replace(register=NO_NUMBER), "doctor").number == ""


def test_students_belong_to_no_chamber_and_are_asked_something_else() -> None:
    said = GERMANY.entry(Entry(NO_NUMBER, "", "", {"university": "Charité", "graduation": "2028"}), "student")
    assert said.chamber == "" and set(said.answers) == {"university", "graduation"}


@pytest.mark.parametrize("code", CODES)
def test_every_country_takes_its_own_numbers_and_those_from_abroad(code: str) -> None:
    country = pack(code)
    here = Statements(country, VAULT)
    answers = {field.id: "2009" if field.kind == "year" else "x" for field in here.fields("doctor")}
    chamber = country.chambers[0].code if country.chambers else ""
    for identifier in (*country.identifiers, *country.abroad):
        assert here.entry(Entry(identifier.id, chamber, "12", answers), "doctor").register == identifier.id


def test_all_consents_are_given_or_none() -> None:
    for code in CONSENTS:
        assert field_of(lambda code=code: GERMANY.consents(frozenset(CONSENTS) - {code}, 5)) == "consents"  # type: ignore[misc]
    assert GERMANY.consents(frozenset({*CONSENTS, "other"}), 5) == dict.fromkeys(CONSENTS, 5) | {VERSION: pack("de").consents}
