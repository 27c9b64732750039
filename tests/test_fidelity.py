"""A translation that changes a number, a unit, a code or a denial is found out; one that changes none of them is left alone."""

from __future__ import annotations

import time
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.text import clean
from posts.fidelity import MOST, Difference, What, denials, differences, plain
from posts.fidelity_words import LANGUAGES

RIGHT: tuple[dict[str, str], ...] = (
    {"de": "Gabe von 1.500 mg Methotrexat, danach 0,5 mg/kg/Tag.",
     "en": "Administration of 1,500 mg methotrexate, then 0.5 mg/kg per day.",
     "fr": "Administration de 1 500 mg de méthotrexate, puis 0,5 mg/kg/jour.",
     "it": "Somministrazione di 1.500 mg di metotrexato, poi 0,5 mg/kg al giorno.",
     "es": "Administración de 1.500 mg de metotrexato, luego 0,5 mg/kg al día."},
    {"de": "45-jährige Patientin, HLA-B27 positiv, seit 3 Wochen 38,5 °C.",
     "en": "45-year-old woman, HLA-B27 positive, 38.5 °C for 3 weeks.",
     "fr": "Patiente de 45 ans, HLA-B27 positif, 38,5 °C depuis 3 semaines.",
     "it": "Paziente di 45 anni, HLA-B27 positivo, 38,5 °C da 3 settimane.",
     "es": "Paciente de 45 años, HLA-B27 positivo, 38,5 °C desde hace 3 semanas."},
    {"de": "Kein Fieber, keine Schmerzen. Sie hat nie geraucht. Ohne Befund.",
     "en": "No fever, no pain. She has never smoked. Without findings.",
     "fr": "Pas de fièvre, pas de douleurs. Elle n'a jamais fumé. Sans particularité.",
     "it": "Nessuna febbre, nessun dolore. Non ha mai fumato. Senza reperti.",
     "es": "Ninguna fiebre, ningún dolor. No ha fumado nunca. Sin hallazgos."},
    {"de": "Weder Husten noch Dyspnoe. 5–10 mg täglich, bei RR 120/80 mmHg.",
     "en": "Neither cough nor dyspnoea. 5 to 10 mg daily, with BP 120/80 mm Hg.",
     "fr": "Ni toux ni dyspnée. 5 à 10 mg par jour, avec PA 120/80 mmHg.",
     "it": "Né tosse né dispnea. 5–10 mg al giorno, con PA 120/80 mmHg.",
     "es": "Ni tos ni disnea. 5 a 10 mg al día, con PA 120/80 mmHg."},
    {"de": "5000 IE Heparin alle 12 Stunden, Leukozyten 4,5 × 10⁹/l, CRP <5 mg/l.",
     "en": "5000 IU heparin every 12 hours, leukocytes 4.5 × 10^9/l, CRP <5 mg/l.",
     "fr": "5000 UI d'héparine toutes les 12 heures, leucocytes 4,5 × 10^9/l, CRP <5 mg/l.",
     "it": "5000 UI di eparina ogni 12 ore, leucociti 4,5 × 10^9/l, PCR <5 mg/l.",
     "es": "5000 UI de heparina cada 12 horas, leucocitos 4,5 × 10^9/l, PCR <5 mg/l."},
    {"de": "Anti-CD20 in Stadium III, IL-6 80 %, siehe NCT01234567 und 10.1000/182.",
     "en": "Anti-CD20 in stage III, IL-6 80%, see NCT01234567 and 10.1000/182.",
     "fr": "Anti-CD20 au stade III, IL-6 80 %, voir NCT01234567 et 10.1000/182.",
     "it": "Anti-CD20 in stadio III, IL-6 80%, vedi NCT01234567 e 10.1000/182.",
     "es": "Anti-CD20 en estadio III, IL-6 80 %, ver NCT01234567 y 10.1000/182."},
    {"de": "Drei Tage lang 2 Tabletten, 250 µg und 40 ml.",
     "en": "2 tablets for three days, 250 mcg and 40 mL.",
     "fr": "2 comprimés pendant trois jours, 250 µg et 40 ml.",
     "it": "2 compresse per tre giorni, 250 microgrammi e 40 ml.",
     "es": "2 comprimidos durante tres días, 250 microgramos y 40 ml."},
    {"de": "Vitamin-B12-Mangel, ½ Tablette, INR 2,0.",
     "en": "Vitamin B12 deficiency, 1/2 tablet, INR 2.0.",
     "fr": "Carence en vitamine B12, ½ comprimé, INR 2,0.",
     "it": "Carenza di vitamina B12, ½ compressa, INR 2,0.",
     "es": "Déficit de vitamina B12, ½ comprimido, INR 2,0."},
)
"""One sentence in five languages each: every one of them is a right translation of every other."""
WRONG: tuple[tuple[str, str, str, str, What], ...] = (
    ("de", "en", "Gabe von 1.500 mg", "Administration of 1.500 mg", What.NUMBER),
    ("de", "en", "0,5 mg Atropin", "5 mg atropine", What.NUMBER),
    ("fr", "de", "10 mg par jour", "10 g pro Tag", What.UNIT),
    ("en", "fr", "250 mcg", "250 mg", What.UNIT),
    ("it", "en", "5 mg/kg/ora", "5 mg/kg/day", What.UNIT),
    ("es", "de", "20 mg cada 12 horas", "20 mg alle 24 Stunden", What.NUMBER),
    ("de", "fr", "CD20-positiv", "CD30 positif", What.CODE),
    ("en", "it", "HLA-B27 positive", "HLA-B51 positivo", What.CODE),
    ("en", "es", "stage III", "estadio II", What.CODE),
    ("fr", "en", "voir NCT01234567", "see NCT01234576", What.CODE),
    ("it", "de", "IgG4 elevata", "IgG erhöht", What.CODE),
    ("de", "en", "kein Hinweis auf Malignität", "evidence of malignancy", What.DENIAL),
    ("fr", "de", "Il n'y a pas de fièvre", "Es besteht Fieber", What.DENIAL),
    ("es", "it", "sin dolor", "con dolore", What.DENIAL),
    ("en", "es", "The patient can't walk", "El paciente puede caminar", What.DENIAL),
    ("it", "fr", "CRP <5 mg/l", "CRP >5 mg/l", What.NUMBER),
    ("de", "it", "−2,5 mmol/l", "2,5 mmol/l", What.NUMBER),
    ("en", "de", "three weeks", "vier Wochen", What.NUMBER),
    ("de", "es", "5 mmol/l", "5 mg/dl", What.UNIT),
    ("en", "fr", "4.5 × 10^9/l", "4,5 × 109/l", What.NUMBER),
    ("fr", "it", "38,5 °C", "385 °C", What.NUMBER),
    ("en", "de", "80% of cases", "18 % der Fälle", What.NUMBER),
    ("es", "en", "500 mg y 250 mg", "500 mg", What.NUMBER),
)


@pytest.mark.parametrize("said", RIGHT, ids=lambda said: said["en"][:30])
@pytest.mark.parametrize(("source", "target"), [*permutations(LANGUAGES, 2)])
def test_a_right_translation_shows_no_difference_in_any_direction(said: dict[str, str], source: str, target: str) -> None:
    assert differences(said[source], said[target], source, target) == ()


@pytest.mark.parametrize(("source", "target", "original", "translated", "what"), WRONG)
def test_a_subtle_mistake_is_found(source: str, target: str, original: str, translated: str, what: What) -> None:
    found = differences(original, translated, source, target)
    assert what in {one.what for one in found}
    assert all(one.here or one.there for one in found) and all(str(one.sentence) for one in found)
    assert {one.what for one in differences(translated, original, target, source)} == {one.what for one in found}


def test_a_difference_says_what_stands_where() -> None:
    [one] = differences("10 mg täglich", "10 g daily", "de", "en")
    assert one == Difference(What.UNIT, "10 mg täglich", "10 g daily")
    assert str(one.sentence) == "The original says “10 mg täglich”, the translation “10 g daily”: another unit."
    [gone] = differences("Zuerst 40 mg.", "First.", "de", "en")
    assert str(gone.sentence) == "“40 mg” stands in the original and not in the translation."
    [new] = differences("Zuerst.", "First 40 mg.", "de", "en")
    assert str(new.sentence) == "“40 mg” stands in the translation and not in the original."


def test_two_mistakes_that_undo_each_other_are_two() -> None:
    found = differences("Kein Fieber. Husten.", "Fever. No cough.", "de", "en")
    assert [(one.here, one.there) for one in found] == [("Kein Fieber", "Fever"), ("Husten", "No cough")]


def test_what_is_raised_in_html_is_no_digit_more() -> None:
    assert plain("<p>10<sup>9</sup>/l &lt; 5</p><p>x</p>") == "10^9/l < 5\nx"
    assert differences(plain("<p>10<sup>9</sup></p>"), plain("<p>109</p>"), "de", "en")


def test_saying_the_same_otherwise_denies_as_often() -> None:
    for text, language, times in (
            ("Elle ne prend que du paracétamol.", "fr", 0), ("Elle n'a ni fièvre ni toux.", "fr", 1),
            ("No tiene ningún dolor ni fiebre.", "es", 1), ("Non ha mai avuto febbre né tosse.", "it", 1),
            ("Neither fever nor cough, not even pain.", "en", 2), ("Nichtraucher ohne Beschwerden", "de", 2),
            ("Nothing", "xx", 0)):
        assert denials(text, language) == times, text


def _written(number: str, language: str) -> str:
    whole, _, part = number.partition(".")
    groups = [whole[max(end - 3, 0):end] for end in range(len(whole), 0, -3)][::-1]
    by, point = {"en": (",", "."), "de": (".", ","), "it": (".", ","), "fr": ("\u202f", ","), "es": (".", ",")}[language]
    return by.join(groups) + (point + part if part else "")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**8), st.sampled_from(("", "5", "25", "125")), st.sampled_from(("mg", "ml", "mmHg"))),
                max_size=8), st.sampled_from(LANGUAGES), st.sampled_from(LANGUAGES))
def test_a_number_is_the_same_however_a_language_writes_it(
        found: list[tuple[int, str, str]], source: str, target: str) -> None:
    def text(language: str) -> str:
        return "; ".join(f"{_written(f'{whole}.{part}' if part else str(whole), language)} {unit}" for whole, part, unit in found)

    assert differences(text(source), text(target), source, target) == ()


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text("0123456789.,-–<>/^%°mgjährig einotpas'’½⁹ABIV"), st.text(), st.sampled_from((*LANGUAGES, "und")),
       st.sampled_from((*LANGUAGES, "und")))
def test_whatever_it_is_given_it_answers(one: str, other: str, source: str, target: str) -> None:
    assert len(differences(one, other, source, target)) <= MOST
    assert differences(one, one, source, source) == ()
    assert isinstance(plain(clean(one)), str)


@pytest.mark.parametrize("piece", ("1", "1 ", "1.", "1,", "- ", "a-", "no ", "ne pas, ", "10.1234/",
                                   "5 mg/", "<", "1 000 ", "½", "i.", "/ ", "^1", "5 à "))
def test_the_time_grows_with_the_length(piece: str) -> None:
    def seconds(times: int) -> float:
        text = piece * (times // len(piece))
        best = 9.0
        for _ in range(3):
            begun = time.thread_time()
            differences(text, f"x{text}y", "fr", "en")
            best = min(best, time.thread_time() - begun)
        return best

    assert seconds(40_000) < max(10 * seconds(10_000), 0.3)
