"""What route functions and templates can reach: the assembled instance, who is looking, and the words."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup
from quart import Quart, current_app, g

from actors.models import Account, Actor
from core.clock import rfc3339
from core.countries import CODES, pack, specialties, specialty_title
from core.i18n import Translations, Translator, format_date, format_time
from instance.assembly import Assembly


class Viewer(msgspec.Struct, frozen=True):
    """Who is signed in."""

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


def prepare(app: Quart, assembly: Assembly) -> None:
    """Give the templates gettext, filters and what every page shows."""
    translations = Translations(Path(__file__).parent.parent / "templates" / "locale")

    def words() -> Translator:
        return translations.translator("en")

    jinja = app.jinja_env
    jinja.add_extension("jinja2.ext.i18n")
    jinja.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: words().gettext(text), lambda one, many, count: words().ngettext(one, many, count), newstyle=True)
    jinja.trim_blocks = jinja.lstrip_blocks = True
    jinja.filters.update({
        "country": _country, "specialty": lambda code: specialty_title(code, "en"), "html": Markup,
        "rfc3339": rfc3339, "date": lambda ms: format_date(ms, "en"),
        "moment": lambda ms: f"{format_date(ms, 'en')}, {format_time(ms, 'en')} UTC",
        "clock": lambda ms: format_time(ms, "en"), "ago": _ago(words), "codes": lambda codes: ", ".join(c.upper() for c in codes),
    })

    async def shared() -> dict[str, Any]:
        looking = viewer()
        shown: dict[str, Any] = {
            "pack": assembly.pack, "instance": assembly.settings.instance, "viewer": looking, "specialty_codes": specialties(),
            "now": assembly.clock.ms(), "languages": ("de", "fr", "it", "es", "en"),
        }
        if looking is not None and looking.account.kind == "doctor":
            shown["network"] = await assembly.compose.destinations()
        return shown

    app.context_processor(shared)


def _country(code: str) -> str:
    return pack(code).names["en"] if code in CODES else code


def _ago(words: Callable[[], Translator]) -> Callable[[int], str]:
    def ago(ms: int) -> str:
        minutes = max(0, int(time.time() * 1000) - ms) // 60_000
        say = words()
        if minutes < 1:
            return say.gettext("just now")
        if minutes < 60:
            return say.gettext("%(n)s min", n=minutes)
        if minutes < 48 * 60:
            return say.gettext("%(n)s h", n=minutes // 60)
        return say.gettext("%(n)s days", n=minutes // 1440)

    return ago
