"""A country is data: seven packs, each whole, and nobody asks in code which country it is."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.countries import CODES, document_title, pack, specialties, specialty_title
from core.errors import Misconfigured
from core.i18n import is_language
from core.registers import IDENTIFIERS

_ROOT = Path(__file__).parent.parent
_SPOKEN = ("de", "fr", "it", "es", "en")


@pytest.mark.parametrize("code", CODES)
def test_a_pack_is_whole(code: str) -> None:
    found = pack(code)
    assert found.code == code and found.languages and all(is_language(language) for language in found.languages)
    assert set(found.names) == set(found.emergency_notice) == set(_SPOKEN)
    assert all(found.emergency_number in notice for notice in found.emergency_notice.values())
    assert found.register_url.startswith("https://") and found.identifiers and found.secrecy_law
    assert found.authority_url.startswith("https://") and found.authority_name
    assert set(found.student_may) <= {"read", "reply", "post", "vote"}


@pytest.mark.parametrize("code", CODES)
def test_a_pack_says_what_an_applicant_is_asked_and_what_proves_it(code: str) -> None:
    found = pack(code)
    assert set(found.documents) == set(found.fields) == {"doctor", "resident", "student"}
    for accepted in found.documents.values():
        assert accepted and all(document_title(document, language) != document for document in accepted for language in _SPOKEN)
    asked = [*found.identifiers, *found.abroad, *(field for fields in found.fields.values() for field in fields)]
    assert all(set(one.titles) == set(_SPOKEN) and one.title_in("pl") == one.titles["en"] for one in asked)
    numbers = [identifier.id for identifier in (*found.identifiers, *found.abroad)]
    assert sorted(numbers) == sorted(IDENTIFIERS) and all(found.identifier(one) is not None for one in numbers)
    assert found.identifier("none") is None and found.chamber("none") is None
    assert bool(found.chambers) == bool(found.chamber_titles)
    assert len({chamber.code for chamber in found.chambers}) == len(found.chambers)
    assert all(not chamber.url or chamber.url.startswith("https://") for chamber in found.chambers)


def test_germany_has_its_seventeen_chambers_each_with_where_it_is_asked() -> None:
    assert len(pack("de").chambers) == 17 and all(chamber.url for chamber in pack("de").chambers)


def test_each_country_has_the_clock_on_its_walls() -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert {code: noon.astimezone(pack(code).zone).hour for code in CODES} == {
        code: 13 if code == "gb" else 14 for code in CODES}


def test_an_unknown_country_is_named() -> None:
    for code in ("xx", "", "DE", "../de"):
        with pytest.raises(Misconfigured, match="no country"):
            pack(code)


def test_a_specialty_is_called_as_in_the_language_and_without_a_title_by_its_code() -> None:
    assert specialty_title("cardiology", "de-AT") == specialty_title("cardiology", "de") != specialty_title("cardiology", "fr")
    assert specialty_title("unheard-of", "de") == "unheard-of"


ANNEX_V = (
    "allergology", "anaesthetics", "biological-chemistry", "biological-haematology", "cardiology", "child-psychiatry",
    "clinical-biology", "clinical-neurophysiology", "dental-oral-maxillofacial-surgery", "dermato-venereology", "dermatology",
    "diagnostic-radiology", "emergency-medicine", "endocrinology", "gastroenterological-surgery", "gastroenterology",
    "general-surgery", "geriatrics", "haematology", "immunology", "infectious-diseases", "internal-medicine",
    "maxillofacial-surgery", "medical-genetics", "medical-oncology", "microbiology", "nephrology", "neurology", "neuropsychiatry",
    "neurosurgery", "nuclear-medicine", "obstetrics-gynaecology", "occupational-medicine", "ophthalmology", "orthopaedics",
    "otorhinolaryngology", "paediatric-surgery", "paediatrics", "pathology", "pharmacology", "physical-medicine-rehabilitation",
    "plastic-surgery", "psychiatry", "public-health", "radiology", "radiotherapy", "respiratory-medicine", "rheumatology",
    "stomatology", "thoracic-surgery", "tropical-medicine", "urology", "vascular-surgery", "venereology")
"""The 54 headings of Directive 2005/36/EC, Annex V, 5.1.3."""


def test_the_specialties_are_those_of_the_directive_and_general_practice() -> None:
    assert len(ANNEX_V) == 54 and set(specialties()) == {*ANNEX_V, "general-practice"}
    for language in _SPOKEN:
        titles = {code: specialty_title(code, language) for code in specialties()}
        assert all(title != code and title == title.strip() for code, title in titles.items())
        assert len(set(titles.values())) == len(titles), language
    assert [specialty_title("emergency-medicine", language) for language in _SPOKEN] == [
        "Notfallmedizin", "Médecine d'urgence", "Medicina d'emergenza-urgenza", "Medicina de urgencias y emergencias",
        "Emergency medicine"]
    assert [specialty_title("general-practice", language) for language in _SPOKEN] == [
        "Allgemeinmedizin", "Médecine générale", "Medicina generale", "Medicina familiar y comunitaria", "General practice"]


def test_no_code_asks_which_country_it_is_in() -> None:
    asked = []
    for package in ("core", "federation", "actors", "posts", "inbox", "instance"):
        for path in sorted((_ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Compare) and any(
                        isinstance(side, ast.Constant) and side.value in CODES for side in (node.left, *node.comparators)):
                    asked.append(f"{path.relative_to(_ROOT)}:{node.lineno}")
    assert asked == []
