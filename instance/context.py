"""What route functions and templates can reach: the assembled instance, who is looking, and the words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from quart import Quart, current_app, g, request

from actors.devices import Visit, visit_of
from actors.login import Session
from actors.models import Account, Actor
from core.clock import rfc3339
from core.conditions import condition
from core.conditions import label as condition_label
from core.countries import CODES, CountryName, document_title, languages, pack, specialties_in, specialty_title
from core.errors import KonsilError, NotFound, Refused
from core.i18n import (
    Translations,
    Translator,
    format_date,
    format_day,
    format_list,
    format_month,
    format_number,
    format_percent,
    format_time,
    language_in,
    language_name,
    negotiate,
)
from core.ids import public
from core.references import unlinked
from core.text import LINK_REL
from core.vault import token
from core.words import Sentence
from instance.assembly import Assembly
from instance.cookies import language_cookie
from instance.rendering import speak
from instance.sidebar import Sidebars
from posts.degraded import CODED, day, doi_link, interval, period

T = TypeVar("T")
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


def viewer_of(session: Session) -> Viewer:
    """Who looks, in a session."""
    return Viewer(session.account, session.actor, language_of(session.account))


def session() -> Session | None:
    """The session a browser came with, also while it is idle and nobody is looking."""
    found: Session | None = g.get("session")
    return found


def visit() -> Visit:
    """Where this request comes from, as coarse as it is kept."""
    return visit_of(request.headers.get("user-agent", ""), request.remote_addr or "")


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


def language_of(account: Account) -> str:
    """The language somebody is spoken to: the one she has chosen, else what her browser asks for."""
    return account.language if account.language in offered() else wished_language()


def language_for(account: Account, accept_language: str) -> str:
    """The same outside of a request, for an app that sends this header."""
    choices = offered()
    return account.language if account.language in choices else negotiate(accept_language, choices)


def offered() -> tuple[str, ...]:
    """The languages pages can be had in, best first: those of the settings, else the country's and then all others.

    Only such as have a catalogue, so that everything on a page is in one language.
    """
    known = _translations().languages
    return _among(services(), known)


def _among(assembly: Assembly, known: Iterable[str]) -> tuple[str, ...]:
    wanted = assembly.settings.instance.languages or (*assembly.pack.languages, *known)
    return tuple(code for code in dict.fromkeys(wanted) if code in known)


def speaker(app: Quart, assembly: Assembly) -> Callable[[KonsilError, str], str]:
    """What puts an error into the words of an Accept-Language header, outside of any request to `app`."""
    translations: Translations = app.config["KONSIL_WORDS"]

    def speak(error: KonsilError, accept_language: str) -> str:
        return error.said(translations.translator(negotiate(accept_language, _among(assembly, translations.languages))).gettext)

    return speak


def wished_language() -> str:
    """The language this request asks for among those offered; worked out once per request.

    A choice made with `?lang=` counts, then the one this browser made before (`guard.finish` has it remember), then its
    Accept-Language. Where it asks for nothing that is offered, it is the first; where none is, English.
    """
    found: str | None = g.get("wished_language")
    if found is None:
        choices, asked = offered(), request.args.get("lang", "")
        if asked in choices:
            g.chosen_language = asked
        else:
            asked = request.cookies.get(language_cookie(services()), "")
        found = g.wished_language = asked if asked in choices else negotiate(
            request.headers.get("accept-language", ""), choices)
    return found


def in_words(text: KonsilError | str) -> str:
    """An error's sentence, or a word marked with `N_`, in the language of whoever asks."""
    return str(_said(text))


def _in_language(code: str) -> str:
    """The address, within this one's path, of the same page in another language."""
    return "?" + urlencode([*((name, value) for name, value in request.args.items(multi=True) if name != "lang"), ("lang", code)])


def prepare(app: Quart, assembly: Assembly) -> None:
    """Give the templates gettext, filters and what every page shows."""
    app.config["KONSIL_WORDS"] = Translations(LOCALE)
    zone = assembly.pack.zone
    written_in = tuple(dict.fromkeys((*assembly.pack.languages, *languages())))
    sidebars = Sidebars(assembly)
    jinja = app.jinja_env
    speak(jinja, app.config["KONSIL_WORDS"])
    jinja.trim_blocks = jinja.lstrip_blocks = True
    jinja.filters.update({
        "said": pass_context(lambda _, text: _said(text)),
        "country": _spoken(lambda code, language: pack(code).name_in(language) if code in CODES else code),
        "specialty": _spoken(specialty_title), "condition": _spoken(condition_label), "document": _spoken(document_title),
        "is_condition": lambda code: condition(code) is not None,
        "topic": _spoken(lambda topic, language: topic if topic.startswith("#") else specialty_title(topic, language)),
        "by_title": _spoken(lambda topics, language: [code for code in specialties_in(language) if code in topics]),
        "date": _spoken(lambda ms, language: format_date(ms, language, zone)),
        "month": lambda ms: format_month(ms, zone),
        "day": _spoken(lambda day, language: format_day(date.fromisoformat(day), language)),
        "clock": _spoken(lambda ms, language: format_time(ms, language, zone)),
        "moment": _spoken(lambda ms, language: f"{format_date(ms, language, zone)}, {format_time(ms, language, zone)}"),
        "number": _spoken(format_number), "percent": _spoken(lambda whole, language: format_percent(whole / 100, language)),
        "references": unlinked,
        "ago": pass_context(lambda _, ms: _ago(ms, words())), "language": language_name, "html": Markup,
        "tongue": _spoken(language_in),
        "listed": _spoken(lambda words, language: format_list([*words], language)),
        "days": pass_context(lambda _, number: day(number, words().gettext)), "doi": doi_link,
        "period": _spoken(period), "interval": pass_context(lambda _, effect: interval(effect, words().gettext)),
        "rfc3339": rfc3339, "public": public, "codes": lambda codes: ", ".join(c.upper() for c in codes),
    })

    async def shared() -> dict[str, Any]:
        looking = viewer()
        shown: dict[str, Any] = {
            "pack": assembly.pack, "instance": assembly.settings.instance, "viewer": looking,
            "specialty_codes": specialties_in(language()), "coded": CODED,
            "now": assembly.clock.ms(), "languages": written_in, "page_language": language(), "offered": offered(),
            "form_token": token, "link_rel": LINK_REL,
            "in_language": _in_language, "idle_seconds": assembly.settings.accounts.idle_minutes * 60,
            "emergency_notice": assembly.pack.notice_in(language()),
        }
        if looking is not None and looking.actor is not None:
            shown["push"] = assembly.pushes.offered(looking.account)
            shown["sidebar"] = await sidebars.of(looking.actor)
        return shown

    app.context_processor(shared)


def _translations() -> Translations:
    found: Translations = current_app.config["KONSIL_WORDS"]
    return found


def words() -> Translator:
    """The sentences of the language of this page."""
    return _translations().translator(language())


def _spoken(say: Callable[[Any, str], T]) -> Callable[[Context, Any], T]:
    """A filter that speaks the page's language. It takes the context, or Jinja would compile one language's answer in."""
    return pass_context(lambda page, value: say(value, page["page_language"]))


def _said(text: KonsilError | str) -> str:
    """An error's sentence, a `Sentence`, or a word marked with `N_`, in the page's language."""
    return text.said(_word) if isinstance(text, KonsilError | Sentence) else words().gettext(text)


def _word(text: str) -> str:
    """A sentence or a word in it, in the page's language."""
    return text.name_in(language()) if isinstance(text, CountryName) else words().gettext(text)


def _ago(ms: int, words: Translator) -> str:
    minutes = max(0, int(time.time() * 1000) - ms) // 60_000
    if minutes < 1:
        return words.gettext("just now")
    if minutes < 60:
        return words.gettext("%(n)s min", n=minutes)
    if minutes < 48 * 60:
        return words.gettext("%(n)s h", n=minutes // 60)
    return words.gettext("%(n)s days", n=minutes // 1440)
