"""What anybody may read: who runs this instance, what it keeps, its rules, and the form for notices from outside.

These pages know the settings and the country pack and nothing else: no member is named, and nothing is counted.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors import signins
from core.access import Access, Route
from core.countries import CODES
from core.errors import InvalidInput, TooMany
from core.settings import Imprint
from core.words import N_
from instance.context import language, services
from posts.outside import CONCERNS, CONTACT_LIMIT, TEXT_LIMIT

_REFERENCE = re.compile(r"[0-9A-Z]{4}-[0-9A-Z]{4}")


class Entry(NamedTuple):
    """A line of the imprint: its label, what the operators have entered, and what makes a link of it."""

    label: str
    value: str
    scheme: str = ""


async def imprint() -> ResponseReturnValue:
    """Who runs this instance."""
    entered = services().settings.imprint
    return await render_template("imprint.html", entries=_entries(entered), authority=entered.authority)


def _entries(entered: Imprint) -> tuple[Entry, ...]:
    return (
        Entry(N_("Operator"), entered.operator),
        Entry(N_("Address"), entered.address),
        Entry(N_("Mail"), entered.email, "mailto:"),
        Entry(N_("Telephone"), entered.phone, "tel:"),
        Entry(N_("Register entry"), entered.registration),
        Entry(N_("Represented by, and responsible for what is published"), entered.responsible),
        Entry(N_("Doctor for medical questions"), entered.medical_contact),
        Entry(N_("Data protection officer"), entered.dpo),
        Entry(N_("Hosting"), entered.hosting),
    )


async def privacy() -> ResponseReturnValue:
    """What is kept, why and for how long; the times are those of the settings."""
    settings = services().settings
    return await render_template(
        "privacy.html", translated_by=services().translator.name,
        imprint=settings.imprint, authority=settings.imprint.authority, countries=CODES,
        session_hours=settings.accounts.session_hours, app_days=settings.clients.unused_days, event_days=signins.KEPT_DAYS,
        attempt_minutes=-(-settings.accounts.login_window_seconds // 60),
        held_days=settings.federation.held_days, refusal_days=settings.federation.refusal_days,
        notice_days=settings.retention.notice_days, reading_days=settings.retention.reading_days,
        idle_days=settings.joining.idle_days,
        document_days=settings.joining.document_days, report_days=settings.reports.keep_days,
        appeal_days=settings.reports.appeal_days)


async def terms() -> ResponseReturnValue:
    """The rules of the house."""
    return await render_template("terms.html", imprint=services().settings.imprint)


async def notice_form() -> ResponseReturnValue:
    """The form; after it was sent, the reference and what happens next."""
    reference = request.args.get("reference", "")
    if _REFERENCE.fullmatch(reference):
        settings = services().settings
        return await render_template("notice_taken.html", reference=reference, imprint=settings.imprint,
                                     notice_days=settings.retention.notice_days)
    return await _form(None, {})


async def notice() -> ResponseReturnValue:
    """Take a notice in."""
    form = await request.form
    typed = {name: form.get(name, "")[:2 * most] for name, most in (  # browsers send a line's end as two characters
        ("concern", 20), ("text", TEXT_LIMIT + 1), ("contact", CONTACT_LIMIT + 1))}
    try:
        reference = await services().outside.take(
            typed["concern"], typed["text"], typed["contact"], language(), request.remote_addr or "")
    except (InvalidInput, TooMany) as error:
        return await _form(error, typed)
    return redirect(f"/notice?reference={reference}", 303)


async def _form(error: InvalidInput | TooMany | None, typed: dict[str, str]) -> ResponseReturnValue:
    page = await render_template("notice.html", error=error, typed=typed, concerns=CONCERNS, text_limit=TEXT_LIMIT,
                                 contact_limit=CONTACT_LIMIT)
    response = await make_response(page, error.status if error is not None else 200)
    if error is not None and error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response


ROUTES = (
    Route("/imprint", ("GET",), imprint, Access.VISITOR),
    Route("/privacy", ("GET",), privacy, Access.VISITOR),
    Route("/terms", ("GET",), terms, Access.VISITOR),
    Route("/notice", ("GET",), notice_form, Access.VISITOR),
    Route("/notice", ("POST",), notice, Access.VISITOR),
)
