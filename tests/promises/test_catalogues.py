"""A language that is offered is whole: every sentence, every place in it, every plural form, and nothing but words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

import catalogues
from catalogues import extracted, untranslated, update
from core.i18n import Translations, catalogue_path
from instance.context import LOCALE

_PLACE = re.compile(r"%\(\w+\)s")
_MARKUP = re.compile(r"<[^>]*>?|&\w+;|&#\w+;")


def wrong(directory: Path, language: str) -> Iterator[str]:
    """What is wrong with a catalogue, a sentence for each mistake."""
    with catalogue_path(directory, language).open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    rule = Catalog(locale=language)
    if (catalogue.locale, catalogue.num_plurals, catalogue.plural_expr) != (rule.locale, rule.num_plurals, rule.plural_expr):
        yield f"the plural rule is that of {catalogue.locale}: {catalogue.plural_forms}"
    yield from (f"obsolete: {message}" for message in catalogue.obsolete)
    messages = {message.id: message for message in catalogue if message.id}
    yield from (f"nobody says any more: {message}" for message in messages.keys() - extracted())
    for msgid in extracted():
        if msgid in messages:
            yield from (f"{mistake}: {msgid!r}" for mistake in _mistakes(messages[msgid], catalogue.num_plurals))
        else:
            yield f"missing: {msgid!r}"


def _mistakes(message: Message, plurals: int) -> Iterator[str]:
    wanted = [message.id] if isinstance(message.id, str) else list(message.id)
    forms = [message.string] if isinstance(message.string, str) else list(message.string)
    if message.fuzzy:
        yield "fuzzy"
    if len(forms) != (1 if isinstance(message.id, str) else plurals) or not all(forms):
        yield "not translated in all its forms"
        return
    for form in forms:
        if all(Counter(_PLACE.findall(form)) != Counter(_PLACE.findall(one)) for one in wanted):
            yield f"other places in “{form}”"
        if all(_PLACE.sub("", form).count("%") != _PLACE.sub("", one).count("%") for one in wanted):
            yield f"another percent sign in “{form}”"
        if set(_MARKUP.findall(form)) - set(_MARKUP.findall(" ".join(wanted))):
            yield f"markup in “{form}”"
        if (form[:1].isspace(), form[-1:].isspace()) != (wanted[0][:1].isspace(), wanted[0][-1:].isspace()):
            yield f"other space around “{form}”"


def test_every_catalogue_that_is_there_is_whole() -> None:
    for language in Translations(LOCALE).languages[1:]:
        assert list(wrong(LOCALE, language)) == [], language


@pytest.fixture
def german(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """A whole German catalogue of few sentences; `saved` writes it."""
    sentences = {"Answer": ("a.html",), "Hello %(name)s": ("a.html",), "<b>Bold</b>": ("b.html",), "100 %% of it": ("b.html",),
                 ("%(num)s vote", "%(num)s votes"): ("c.py",)}
    monkeypatch.setattr(catalogues, "places", lambda: sentences)
    made = Catalog(locale="de", fuzzy=False)
    for msgid, msgstr in zip(sentences, ("Antwort", "Guten Tag %(name)s", "<b>Fett</b>", "100 %% davon",
                                         ("%(num)s Stimme", "%(num)s Stimmen")), strict=True):
        made.add(msgid, msgstr)
    return made


def saved(directory: Path, catalogue: Catalog) -> Path:
    path = catalogue_path(directory, "de")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue)
    return path


def test_a_whole_catalogue_has_nothing_wrong(tmp_path: Path, german: Catalog) -> None:
    saved(tmp_path, german)
    assert list(wrong(tmp_path, "de")) == []


@pytest.mark.parametrize(("msgid", "msgstr", "mistake"), [
    ("Answer", "", "not translated"),
    ("Answer", " Antwort", "space"),
    ("Answer", "<i>Antwort</i>", "markup"),
    ("Answer", "Antwort&nbsp;", "markup"),
    ("Answer", "Antwort < Frage", "markup"),
    ("Answer", "%(name)s antwortet", "places"),
    ("Hello %(name)s", "Guten Tag", "places"),
    ("Hello %(name)s", "Guten Tag %(nam)s", "places"),
    ("Hello %(name)s", "Guten Tag %(name)s, %(name)s", "places"),
    ("Hello %(name)s", "Guten Tag %(name) s", "places"),
    ("100 %% of it", "100 % davon", "percent"),
    ("<b>Bold</b>", "<b onclick=''>Fett</b>", "markup"),
    (("%(num)s vote", "%(num)s votes"), ("%(num)s Stimme", ""), "all its forms"),
    (("%(num)s vote", "%(num)s votes"), ("%(num)s Stimme", "Stimmen"), "places"),
])
def test_each_mistake_of_a_translator_is_named(
        tmp_path: Path, german: Catalog, msgid: str | tuple[str, str], msgstr: str | tuple[str, ...], mistake: str) -> None:
    message = german.get(msgid)
    assert message is not None
    message.string = msgstr
    saved(tmp_path, german)
    found = list(wrong(tmp_path, "de"))
    assert any(mistake in sentence for sentence in found) and all(repr(msgid) in sentence for sentence in found)


def test_what_is_missing_guessed_or_left_over_is_named(tmp_path: Path, german: Catalog) -> None:
    german.delete("Answer")
    german.add("Reply", "Antwort")
    german.add("Hello %(name)s", "Guten Tag %(name)s", flags=["fuzzy"])
    path = saved(tmp_path, german)
    path.write_text(path.read_text("utf-8") + '\n#~ msgid "Old"\n#~ msgstr "Alt"\n', "utf-8")
    assert sorted(sentence.split(":")[0] for sentence in wrong(tmp_path, "de")) == [
        "fuzzy", "missing", "nobody says any more", "obsolete"]
    path.write_text(path.read_text("utf-8").replace("plural=(n != 1)", "plural=(n > 1)"), "utf-8")
    assert any("plural rule" in sentence for sentence in wrong(tmp_path, "de"))


def test_bringing_up_to_date_keeps_what_is_right_takes_what_is_gone_and_guesses_nothing(tmp_path: Path, german: Catalog) -> None:
    german.delete("Answer")
    german.add("Answers", "Antworten")
    german.add("Hello %(name)s", "Hallo?", flags=["fuzzy"])
    path = saved(tmp_path, german)
    assert untranslated(update(tmp_path, "de")) == 2
    text = path.read_text("utf-8")
    assert "Antworten" not in text and "Hallo?" not in text and "fuzzy" not in text and "<b>Fett</b>" in text
    assert [sentence.split(":")[0] for sentence in wrong(tmp_path, "de")] == ["not translated in all its forms"] * 2
    before = path.stat().st_mtime_ns
    update(tmp_path, "de")
    assert path.stat().st_mtime_ns == before and path.read_text("utf-8") == text
    assert untranslated(update(tmp_path, "fr")) == 5 and Translations(tmp_path).languages == ("en", "de", "fr")


def test_every_language_of_the_network_is_there() -> None:
    assert set(Translations(LOCALE).languages) == {"en", *catalogues.LANGUAGES}
