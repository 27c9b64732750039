"""How templates are run: in one go, and speaking the page's language.

Nothing in them waits, and Jinja's asynchronous mode would cost half of a page's time for asking every value whether it
does. Sentences are looked up by the shortest way there is: a page of a list has three hundred.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from jinja2 import Environment as JinjaEnvironment
from jinja2 import Template, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from quart import Quart
from quart.templating import Environment

from core.i18n import Translations


class _Template(Template):
    async def render_async(self, *args: Any, **values: Any) -> str:
        return self.render(*args, **values)


class Synchronous(Environment):
    """Quart's environment without the asynchronous mode; what templates show is gathered before they are run."""

    template_class = _Template

    def __init__(self, app: Quart, **options: Any) -> None:
        super().__init__(app, **options)
        self.is_async = False


def speak(jinja: JinjaEnvironment, translations: Translations) -> None:
    """Give templates `_`, `gettext` and `ngettext` in the language that their context's `page_language` names.

    As with Jinja's own (newstyle) functions a sentence is ours and therefore safe, what fills its places is escaped, and a
    percent sign of its own is written twice.
    """
    @lru_cache(maxsize=8192)
    def found(language: str, message: str) -> Markup:
        return Markup(translations.translator(language).gettext(message))

    @pass_context
    def gettext(page: Context, message: str, /, **values: object) -> str:
        sentence: str = found(page["page_language"], message)
        if not page.eval_ctx.autoescape:
            sentence = str(sentence)
        return sentence % values if values or "%" in sentence else sentence

    @pass_context
    def ngettext(page: Context, singular: str, plural: str, num: int, /, **values: object) -> str:
        sentence = translations.translator(page["page_language"]).ngettext(singular, plural, num)
        return (Markup(sentence) if page.eval_ctx.autoescape else sentence) % {"num": num, **values}

    jinja.globals.update(_=gettext, gettext=gettext, ngettext=ngettext)
