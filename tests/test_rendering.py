"""Templates run in one go and speak the page's language; what fills a sentence is never taken for a part of it."""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, select_autoescape
from quart import Quart

from core.i18n import Translations, Translator
from instance.rendering import Synchronous, speak


class _Shouting(gettext.NullTranslations):
    def gettext(self, message: str) -> str:
        return message.replace("answer", "ANSWER")

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return (singular if number == 1 else plural).replace("answer", "ANSWER")


class _Two(Translations):
    """English, and a language that shouts."""

    def translator(self, language: str) -> Translator:
        return Translator(language, _Shouting()) if language == "loud" else super().translator(language)


@pytest.fixture
def jinja(tmp_path: Path) -> Iterator[Environment]:
    made = Environment(autoescape=select_autoescape(["html"], default_for_string=True))
    speak(made, _Two(tmp_path))
    yield made


def test_a_sentence_is_ours_and_what_fills_it_is_escaped(jinja: Environment) -> None:
    page = jinja.from_string('{{ _("An <em>answer</em> of %(name)s, 100 %%", name=name) }}')
    assert page.render(page_language="en", name="<b>") == "An <em>answer</em> of &lt;b&gt;, 100 %"


def test_a_sentence_without_places_still_writes_its_percent_sign_once(jinja: Environment) -> None:
    assert jinja.from_string('{{ _("100 %%") }} {{ _("none") }}').render(page_language="en") == "100 % none"


def test_each_page_is_in_its_own_language(jinja: Environment) -> None:
    page = jinja.from_string('{{ _("an answer") }}, {{ ngettext("%(num)s answer", "%(num)s answers", n) }}')
    assert page.render(page_language="loud", n=2) == "an ANSWER, 2 ANSWERs"
    assert page.render(page_language="en", n=1) == "an answer, 1 answer"


def test_a_text_that_is_not_html_is_not_escaped(jinja: Environment) -> None:
    said = '{{ _("from %(name)s", name=name) }}, {{ ngettext("%(name)s", "%(name)s", 1, name=name) }}'
    page = jinja.from_string(f"{{% autoescape false %}}{said}{{% endautoescape %}}")
    assert page.render(page_language="en", name="A & B") == "from A & B, A & B"


async def test_what_a_template_shows_is_there_when_it_runs() -> None:
    app = Quart(__name__)
    app.jinja_environment = Synchronous
    page = app.jinja_env.from_string("{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}{{ twice(word) }}")
    assert await page.render_async(word="a") == page.render(word="a") == "aa"
