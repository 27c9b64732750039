"""What route functions and templates can reach: the assembled instance, who is looking, and the words."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from quart import Quart, current_app, g, request

from actors.models import Account, Actor
from core.clock import rfc3339
from core.countries import CODES, pack, specialties, specialty_title
from core.errors import KonsilError, NotFound, Refused
from core.i18n import Translations, Translator, format_date, format_list, format_time, language_name, negotiate
from core.ids import public
from core.words import Sentence
from instance.assembly import Assembly
from instance.sidebar import Sidebars

LOCALE = Path(__file__).parent.parent / "templates" / "locale"
"""Where the catalogues are."""


class Viewer(msgspec.Struct, frozen=True):
    """Who is signed in, and the language she is spoken to."""

    account: Account
    actor: Actor | None
    language: str


def services() -> Assembly:
    """The instance this request belongs to."""
    assembly: Assembly = current_app.config["KONSIL"]
    return assembly


def viewer() -> Viewer | None:
    """Who is looking, if anybody is signed in."""
    found: Viewer | None = g.get("viewer")
    return found


def me() -> Viewer:
    """Who is looking, on a route that lets only signed-in people pass."""
    found = viewer()
    assert found is not None
    return found


def doctor() -> Actor:
    """The doctor who is looking, on a route for doctors."""
    found = me().actor
    assert found is not None
    return found


def owner() -> Actor:
    """Whose own posts a page for members is about; operators have none, and no such page."""
    found = me().actor
    if found is None:
        raise NotFound("There is no such page.")
    return found


async def verified() -> bool:
    """Whether the viewer's verification is in force."""
    try:
        await services().credentials.require_verified(me().account)
    except Refused:
        return False
    return True


def language() -> str:
    """The language of this page: the viewer's; a visitor's browser asks for it."""
    looking = viewer()
    return looking.language if looking is not None else wished_language()


def wished_language() -> str:
    """What this request's Accept-Language chooses among the languages offered; worked out once per request.

    Offered are those of the settings, else the country's, as far as they have a catalogue, so that everything on a page is
    in one language. Where the browser asks for none of them it is the first; where none has a catalogue, English.
    """
    found: str | None = g.get("wished_language")
    if found is None:
        known = _translations().languages
        wanted = services().settings.instance.languages or services().pack.languages
        found = g.wished_language = negotiate(
            request.headers.get("accept-language", ""), [code for code in wanted if code in known])
    return found


def prepare(app: Quart, assembly: Assembly) -> None:
    """Give the templates gettext, filters and what every page shows."""
    app.config["KONSIL_WORDS"] = Translations(LOCALE)
    zone = assembly.pack.zone
    sidebars = Sidebars(assembly)
    jinja = app.jinja_env
    jinja.add_extension("jinja2.ext.i18n")
    jinja.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: _words().gettext(text), lambda one, many, count: _words().ngettext(one, many, count), newstyle=True)
    jinja.trim_blocks = jinja.lstrip_blocks = True
    jinja.filters.update({
        "said": pass_context(lambda _, text: _said(text)),
        "country": _spoken(lambda code, language: pack(code).name_in(language) if code in CODES else code),
        "specialty": _spoken(specialty_title),
        "topic": _spoken(lambda topic, language: topic if topic.startswith("#") else specialty_title(topic, language)),
        "date": _spoken(lambda ms, language: format_date(ms, language, zone)),
        "clock": _spoken(lambda ms, language: format_time(ms, language, zone)),
        "moment": _spoken(lambda ms, language: f"{format_date(ms, language, zone)}, {format_time(ms, language, zone)}"),
        "ago": pass_context(lambda _, ms: _ago(ms, _words())), "language": language_name, "html": Markup,
        "listed": _spoken(lambda words, language: format_list([*words], language)),
        "rfc3339": rfc3339, "public": public, "codes": lambda codes: ", ".join(c.upper() for c in codes),
    })

    async def shared() -> dict[str, Any]:
        looking = viewer()
        shown: dict[str, Any] = {
            "pack": assembly.pack, "instance": assembly.settings.instance, "viewer": looking, "specialty_codes": specialties(),
            "now": assembly.clock.ms(), "languages": ("de", "fr", "it", "es", "en"), "page_language": language(),
            "emergency_notice": assembly.pack.notice_in(language()),
        }
        if looking is not None and looking.actor is not None:
            shown["sidebar"] = await sidebars.of(looking.actor)
        return shown

    app.context_processor(shared)


def _translations() -> Translations:
    found: Translations = current_app.config["KONSIL_WORDS"]
    return found


def _words() -> Translator:
    return _translations().translator(language())


def _spoken(say: Callable[[Any, str], str]) -> Callable[[Context, Any], str]:
    """A filter that speaks the page's language. It takes the context, or Jinja would compile one language's answer in."""
    return pass_context(lambda _, value: say(value, language()))


def _said(text: KonsilError | str) -> str:
    """An error's sentence, a `Sentence`, or a word marked with `N_`, in the page's language."""
    return text.said(_words().gettext) if isinstance(text, KonsilError | Sentence) else _words().gettext(text)


def _ago(ms: int, words: Translator) -> str:
    minutes = max(0, int(time.time() * 1000) - ms) // 60_000
    if minutes < 1:
        return words.gettext("just now")
    if minutes < 60:
        return words.gettext("%(n)s min", n=minutes)
    if minutes < 48 * 60:
        return words.gettext("%(n)s h", n=minutes // 60)
    return words.gettext("%(n)s days", n=minutes // 1440)
