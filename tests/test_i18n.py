"""Languages: English is complete without a catalogue, others come from theirs, and the reader's wish decides."""

from __future__ import annotations

from datetime import timedelta, timezone
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po
from hypothesis import given
from hypothesis import strategies as st

from core.i18n import (
    Translations,
    catalogue_path,
    format_date,
    format_number,
    format_percent,
    format_time,
    language_name,
    negotiate,
)
from core.words import N_

_NOON = 1_795_521_600_000  # 2026-11-24T12:00:00Z


def _german(directory: Path) -> Translations:
    catalogue = Catalog(locale="de")
    catalogue.add("Answer", "Antworten")
    catalogue.add("Answer", "Antwort", context="noun")
    catalogue.add("Hello %(name)s", "Guten Tag %(name)s")
    catalogue.add(("%(num)s vote", "%(num)s votes"), ("%(num)s Stimme", "%(num)s Stimmen"))
    path = catalogue_path(directory, "de")
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        write_po(file, catalogue)
    return Translations(directory)


def test_a_marked_word_is_a_plain_text_in_every_language(tmp_path: Path) -> None:
    words = _german(tmp_path)
    assert [type(words.translator(code).gettext(N_("Answer"))) for code in ("en", "de")] == [str, str]


def test_english_needs_no_catalogue(tmp_path: Path) -> None:
    translations = Translations(tmp_path / "none")
    assert translations.languages == ("en",)
    for language in ("en", "de", "../../etc"):
        english = translations.translator(language)
        assert english.language == "en"
        assert english.gettext("Answer") == english.pgettext("noun", "Answer") == "Answer"
        assert english.ngettext("one vote", "many votes", 1) == "one vote"
        assert english.npgettext("noun", "one vote", "many votes", 2) == "many votes"


def test_a_catalogue_translates_with_plural_and_context(tmp_path: Path) -> None:
    translations = _german(tmp_path)
    german = translations.translator("de")
    assert translations.languages == ("en", "de") and translations.translator("de") is german
    assert (german.gettext("Answer"), german.pgettext("noun", "Answer")) == ("Antworten", "Antwort")
    assert german.gettext("Hello %(name)s", name="Dr. Roth") == "Guten Tag Dr. Roth"
    assert german.ngettext("%(num)s vote", "%(num)s votes", 2, num=2) == "2 Stimmen"
    assert german.gettext("Not translated, 100 %") == "Not translated, 100 %"


def test_dates_times_and_shares_are_written_as_the_language_does() -> None:
    assert format_date(_NOON, "de") == "24.11.2026"
    assert format_date(_NOON, "en") == "24 Nov 2026"
    assert format_time(_NOON, "de") == "12:00"
    assert format_time(_NOON, "fr", timezone(timedelta(hours=1))) == "13:00"
    assert format_date(_NOON, "de", timezone(timedelta(hours=13))) == "25.11.2026"
    assert format_percent(0.42, "de") == "42\N{NO-BREAK SPACE}%" and format_percent(0.42, "en") == "42%"
    assert format_date(_NOON, "xx-nonsense") == format_date(_NOON, "en")
    assert [format_number(12_345, language) for language in ("en", "de", "it")] == ["12,345", "12.345", "12.345"]
    assert format_number(12_345, "fr") == "12\N{NARROW NO-BREAK SPACE}345" and format_number(7, "es") == "7"


def test_a_language_is_called_by_its_own_name() -> None:
    names = [language_name(code) for code in ("de", "fr", "it", "es", "en", "pt-BR")]
    assert names == ["Deutsch", "Français", "Italiano", "Español", "English", "Português (Brasil)"]
    for unknown in ("xx-nonsense", "", "../../etc", "zz"):
        assert language_name(unknown) == unknown


def _written(directory: Path, language: str, head: str, body: str) -> Translations:
    """A catalogue as a translator leaves it."""
    path = catalogue_path(directory, language)
    path.parent.mkdir(parents=True)
    head = "".join(f'"{line}\\n"\n' for line in ("Content-Type: text/plain; charset=utf-8", f"Language: {language}", head))
    path.write_text(f'msgid ""\nmsgstr ""\n{head}\n{body}', "utf-8")
    return Translations(directory)


def test_plural_forms_are_chosen_by_the_catalogues_own_rule_as_gettext_does(tmp_path: Path) -> None:
    polish = _written(
        tmp_path, "pl", "Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);",
        'msgid "%(num)s vote"\nmsgid_plural "%(num)s votes"\n'
        'msgstr[0] "%(num)s głos"\nmsgstr[1] "%(num)s głosy"\nmsgstr[2] "%(num)s głosów"\n').translator("pl")
    for count, said in ((1, "1 głos"), (3, "3 głosy"), (12, "12 głosów"), (22, "22 głosy"), (0, "0 głosów")):
        assert polish.ngettext("%(num)s vote", "%(num)s votes", count, num=count) == said


def test_what_is_not_finished_stays_english(tmp_path: Path) -> None:
    german = _written(tmp_path, "de", "Plural-Forms: nplurals=2; plural=(n != 1);",
                      '#, fuzzy\nmsgid "Answer"\nmsgstr "Anwort?"\n\nmsgid "Question"\nmsgstr ""\n\n'
                      '#~ msgid "Gone"\n#~ msgstr "Weg"\n').translator("de")
    assert [german.gettext(word) for word in ("Answer", "Question", "Gone")] == ["Answer", "Question", "Gone"]


def test_a_catalogue_is_read_once_for_the_process_and_only_when_it_is_needed(tmp_path: Path) -> None:
    first = _german(tmp_path)
    again = Translations(tmp_path)
    catalogue_path(tmp_path, "fr").parent.mkdir(parents=True)
    catalogue_path(tmp_path, "fr").write_text("this is no catalogue", "utf-8")
    assert again.languages == ("en", "de", "fr") and again.translator("de").gettext("Answer") == "Antworten"
    catalogue_path(tmp_path, "de").write_text("neither is this", "utf-8")
    assert first.translator("de").gettext("Answer") == Translations(tmp_path).translator("de").gettext("Answer") == "Antworten"


def test_the_head_of_a_catalogue_is_no_sentence(tmp_path: Path) -> None:
    assert _german(tmp_path).translator("de").gettext("") == ""


def test_the_direction_is_the_languages_own(tmp_path: Path) -> None:
    assert Translations(tmp_path).translator("en").direction == "ltr"


@pytest.mark.parametrize(("header", "chosen"), [
    ("de", "de"), ("fr;q=0.5, it;q=0.9", "it"), ("de-CH, fr;q=0.9", "de"), ("es, fr;q=0.1", "fr"), ("es", "en"),
    ("", "en"), ("*", "en"), ("en;q=0, *", "de"), ("de;q=0, *;q=0.1", "en"), ("FR", "fr"), ("de;q=2", "en"),
    (";;;,,,q=", "en"), ("pt-BR-x, pt;q=0.2", "pt-BR"), ("fr, de", "fr"),
])
def test_the_readers_wish_decides(header: str, chosen: str) -> None:
    assert negotiate(header, ("en", "de", "fr", "it", "pt-BR")) == chosen


@given(st.text(alphabet="deenfr,;q=0.15*- ", max_size=600), st.lists(st.sampled_from(["de", "en", "fr"]), unique=True))
def test_a_header_never_chooses_what_is_not_offered(header: str, offered: list[str]) -> None:
    assert negotiate(header, offered) in (offered or ["en"])
