"""The conditions: a whole table in five languages, with ids of the right form, found by whatever is typed or written."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.conditions import LANGUAGES, condition, conditions, find, label, named_in, names_of
from core.conditions.finding import abbreviated
from core.conditions.table import read
from core.countries import languages, specialties

_ROWS = tuple(conditions().values())
_NAMES = tuple(
    (one.code, spoken, name) for one in _ROWS for spoken, names in zip(LANGUAGES, one.names, strict=True) for name in names)
_LOUD = tuple((code, name) for code, _, name in _NAMES if name not in conditions()[code].quiet)

WANTED = {
    "sarcoidosis": ("797", "D012507", "4B20"), "giant-cell-arteritis": ("397", "D013700", "4A44.2"),
    "behcet-disease": ("117", "D001528", "4A62"), "adult-onset-still-disease": ("829", "D016706", "FA23"),
    "thrombotic-thrombocytopenic-purpura": ("54057", "D011697", "3B64.14"), "fabry-disease": ("324", "D000795", "5C56.01"),
    "igg4-related-disease": ("284264", "", "4A43.0"), "al-amyloidosis": ("85443", "", "5D00.0"),
    "myasthenia-gravis": ("589", "D009157", "8C60"), "cystic-fibrosis": ("586", "D003550", "CA25"),
    "wilson-disease": ("905", "D006527", "5C64.00"), "amyotrophic-lateral-sclerosis": ("803", "D000690", "8B60.0"),
    "tuberculosis": ("3389", "D014376", ""), "type-1-diabetes": ("", "D003922", "5A10"), "asthma": ("", "D001249", "CA23"),
    "myocardial-infarction": ("", "D009203", "BA41"), "depression": ("", "D003866", ""), "covid-19": ("", "D000086382", "RA01"),
    "measles": ("", "D008457", "1F03"), "pre-eclampsia": ("", "D011225", "JA24"), "melanoma": ("", "D008545", ""),
}
"""Some from every part of medicine, with the number, the descriptor and the code that each has in the registers."""


def test_there_are_conditions_of_every_part_of_medicine() -> None:
    assert len(_ROWS) > 700 and sum(bool(one.orpha) for one in _ROWS) > 250
    assert set(WANTED) <= set(conditions())
    asked = Counter(code for one in _ROWS for code in one.specialties)
    assert set(asked) <= set(specialties())
    assert {code for code, count in asked.items() if count >= 10} >= {
        "cardiology", "dermatology", "dermato-venereology", "emergency-medicine", "endocrinology", "gastroenterology",
        "general-practice", "geriatrics", "haematology", "infectious-diseases", "internal-medicine", "medical-oncology",
        "nephrology", "neurology", "neurosurgery", "obstetrics-gynaecology", "ophthalmology", "orthopaedics",
        "otorhinolaryngology", "paediatrics", "psychiatry", "respiratory-medicine", "rheumatology", "tropical-medicine",
        "urology", "vascular-surgery"}


def test_each_condition_is_whole() -> None:
    for row in _ROWS:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row.code) and len(row.code) <= 60, row.code
        assert row.specialties and len(set(row.specialties)) == len(row.specialties), row.code
        assert len(row.names) == len(LANGUAGES), row.code
        for names in row.names:
            assert names and len(set(names)) == len(names), row.code
            assert all(name == name.strip() and 2 <= len(name) <= 110 and "~" not in name and "  " not in name for name in names)
        assert row.quiet <= {name for names in row.names for name in names}, row.code
        assert re.fullmatch(r"([1-9]\d{0,5})?", row.orpha), row.code
        assert re.fullmatch(r"(D\d{6}(\d{3})?)?", row.mesh), row.code
        assert re.fullmatch(r"([0-9A-W][0-9A-Z]{3}(\.[0-9A-Z]{1,3})?)?", row.icd11), row.code
        assert bool(row.icd11) == bool(re.fullmatch(r"\d{6,10}", row.entity)), row.code


def test_no_two_conditions_share_a_name_or_an_id() -> None:
    owners: dict[str, set[str]] = {}
    for code, _, name in _NAMES:
        owners.setdefault(name if abbreviated(name) else name.casefold(), set()).add(code)
    assert {name: codes for name, codes in owners.items() if len(codes) > 1} == {}
    for field in ("orpha", "mesh", "icd11", "entity"):
        counted = Counter(getattr(one, field) for one in _ROWS if getattr(one, field))
        assert [held for held, count in counted.items() if count > 1] == []


def test_ids_are_those_of_the_registers() -> None:
    assert {code: (one.orpha, one.mesh, one.icd11) for code in WANTED if (one := conditions()[code])} == WANTED


def test_labels_are_in_the_languages_of_the_network() -> None:
    assert set(languages()) <= set(LANGUAGES)
    assert [label("giant-cell-arteritis", language) for language in ("de", "fr", "it", "es", "en")] == [
        "Riesenzellarteriitis", "Artérite à cellules géantes", "Arterite a cellule giganti", "Arteritis de células gigantes",
        "Giant cell arteritis"]
    assert label("sarcoidosis", "de-AT") == "Sarkoidose" and label("sarcoidosis", "pl") == "Sarcoidosis"
    assert label("unheard-of", "de") == "unheard-of" and condition("unheard-of") is None and names_of("unheard-of") == ()
    assert {"Sarcoidosis", "Sarkoidose", "Sarcoïdose", "Sarcoidosi"} <= set(names_of("sarcoidosis"))
    assert len(names_of("sarcoidosis")) == len(set(names_of("sarcoidosis")))


def test_links_lead_to_the_registers_in_the_readers_language_where_they_have_it() -> None:
    found = conditions()["sarcoidosis"]
    assert [(link.register, link.id, link.url) for link in found.links("it-CH")] == [
        ("Orphanet", "ORPHA:797", "https://www.orpha.net/it/disease/detail/797"),
        ("MeSH", "D012507", "https://meshb.nlm.nih.gov/record/ui?ui=D012507"),
        ("ICD-11", "4B20", "https://icd.who.int/browse/latest-release/mms/en#330792642")]
    assert found.links("ja")[0].url == "https://www.orpha.net/en/disease/detail/797"
    assert [link.register for link in conditions()["asthma"].links("de")] == ["MeSH", "ICD-11"]
    assert conditions()["minoca"].links("de") == ()


@pytest.mark.parametrize("typed", [
    "Sarkoidose", "sarkoid", "sarcoïdose", "SARCOIDOSI", "sarcoidosis", "M. Boeck", "m.boeck", "Mb. Boeck", "Morbus Boeck",
    "Besnier-Boeck", "besnier boeck", "Besnier‑Boeck‑Schaumann", "Boeck Morbus", "ORPHA:797", "797", "d012507", "4b20"])
def test_the_same_condition_is_found_whatever_it_is_called(typed: str) -> None:
    assert find(typed, "de")[0].code == "sarcoidosis"


def test_umlauts_are_found_with_and_without_their_e() -> None:
    for typed in ("Haemophilie", "Hämophilie", "Hamophilie", "haemophilia", "hemophilia", "hémophilie"):
        assert find(typed, "de")[0].code.startswith("haemophilia"), typed
    for typed in ("Sjoegren", "Sjogren", "Sjögren", "SJÖGREN"):
        assert find(typed, "fr")[0].code == "sjogren-syndrome"
    assert find("Oedeme de Quincke", "fr") == () and find("œsophage de barrett", "fr")[0].code == "barrett-oesophagus"
    assert find("Oesophage de Barrett", "fr")[0].code == "barrett-oesophagus"


def test_what_is_typed_whole_comes_first_then_what_begins_with_it_then_the_rest() -> None:
    assert [one.code for one in find("Hepatitis E", "de", 1)] == ["hepatitis-e"]
    assert [one.code for one in find("arterit gigant", "it")] == ["giant-cell-arteritis"]
    assert [one.code for one in find("Sarkoidose", "de")][:2] == ["sarcoidosis", "cardiac-sarcoidosis"]
    many = [one.code for one in find("morbus", "de", 200)]
    assert many[:7] == [one.code for one in find("morbus", "de", 7)] and len(set(many)) == len(many) > 40
    assert find("gota", "es")[0].code == "gout" and find("rage", "fr")[0].code == "rabies"


def test_what_is_nothing_finds_nothing() -> None:
    for typed in ("", " ", "…", "-", "~", "qwrtz", "Sarkoidose qwrtz", "\0", "🫀"):
        assert find(typed, "de") == ()
    assert find("sarko", "de", 0) == find("sarko", "de", -1) == ()


def test_every_name_finds_its_condition_first() -> None:
    assert [name for code, spoken, name in _NAMES if find(name, spoken, 1)[0].code != code] == []
    assert [name for code, name in _LOUD if named_in(name) != (code,)] == []


def test_a_text_is_searched_for_conditions_in_any_language() -> None:
    assert named_in("Patientin mit Löfgren-Syndrom, V. a. M. Crohn; sospetta arterite a cellule giganti.") == (
        "sarcoidosis", "crohn-disease", "giant-cell-arteritis")
    assert named_in("Crohn's disease, maladie de Crohn, MORBUS CROHN") == ("crohn-disease",)
    assert named_in("Une\tGRANULOMATOSE\navec   polyangéite — probable.") == ("granulomatosis-with-polyangiitis",)
    assert named_in("") == named_in("Wie würden Sie weiter vorgehen?") == ()


def test_the_longest_name_counts() -> None:
    assert named_in("kardiale Sarkoidose") == ("cardiac-sarcoidosis",)
    assert named_in("Sarkoidose, kardiale Sarkoidose") == ("sarcoidosis", "cardiac-sarcoidosis")
    assert named_in("atypisches hämolytisch-urämisches Syndrom") == ("atypical-haemolytic-uraemic-syndrome",)


def test_words_that_mean_something_else_in_a_text_name_nothing() -> None:
    for text in (
            "une goutte de sang", "la rage de dents", "goût métallique", "les radios lues", "hypertonie spastique",
            "brûlures mictionnelles", "als der Patient kam", "ALS DER PATIENT KAM", "ST-Depression in V4",
            "stroke volume 60 ml", "Sarkoidoseverdacht"):
        assert named_in(text) == (), text
    assert named_in("angine de poitrine") == ("angina-pectoris",)
    assert named_in("ictus amnésique") == ("transient-global-amnesia",)


def test_an_abbreviation_counts_as_it_is_written() -> None:
    assert named_in("V. a. GCA, TTP oder aHUS") == (
        "giant-cell-arteritis", "thrombotic-thrombocytopenic-purpura", "atypical-haemolytic-uraemic-syndrome")
    assert named_in("gca ttp ahus AHUS Ttp") == ()
    assert find("ttp", "de")[0].code == "thrombotic-thrombocytopenic-purpura"


@given(st.text(max_size=300), st.sampled_from(("de", "fr", "it", "es", "en", "pl", "")), st.integers(-2, 30))
def test_whatever_is_typed_is_taken(typed: str, language: str, most: int) -> None:
    found = find(typed, language, most)
    assert len(found) <= max(most, 0) and len({one.code for one in found}) == len(found)


@given(st.sampled_from(_LOUD), st.sampled_from(_LOUD), st.sampled_from((", ", ". ", "\n", " – ", " (", "; ")),
       st.sampled_from(("", "xq ", "Qx: ", "12 ")))
def test_what_a_text_names_is_found_wherever_it_stands(
        one: tuple[str, str], other: tuple[str, str], between: str, before: str) -> None:
    text = f"{before}{one[1]}{between}xq{between}{other[1]}"
    assert named_in(text) == tuple(dict.fromkeys((one[0], other[0])))


_OF_NAMES = st.sampled_from([word for _, name in _LOUD[::3] for word in name.split()])


@given(st.text(max_size=400) | st.lists(_OF_NAMES, max_size=40).map(" ".join))
def test_whatever_a_text_says_only_conditions_it_names_are_found(text: str) -> None:
    found = named_in(text)
    assert len(set(found)) == len(found) and set(found) <= set(conditions())
    assert all(code in {one.code for one in find(name, "de", 50)} for code in found for name in names_of(code)[:1])


def test_a_long_text_takes_time_in_proportion() -> None:
    def took(text: str) -> float:
        started = time.process_time()
        named_in(text)
        return time.process_time() - started

    named_in("warm")
    for piece in ("Morbus Morbus Crohn ", "syndrome de de la ", "amyotrophic lateral ", "a" * 50 + " ", "m. m. ", "Sarkoidose "):
        few, many = (min(took(piece * count) for _ in range(3)) for count in (1_000, 8_000))
        assert many < 8 * 3 * few + 0.02, piece


def test_a_row_is_read_as_it_stands() -> None:
    rows = tuple(read("# about\ncode\torpha\nx-y\t1\tD000001\t1A00\t257068234\tcardiology urology\tX y | ~XY\tX\tX\tX\tX\n\n"))
    assert [(one.code, one.names[0], one.quiet, one.specialties) for one in rows] == [
        ("x-y", ("X y", "XY"), frozenset({"XY"}), ("cardiology", "urology"))]
