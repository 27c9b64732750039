"""What somebody has set for herself. Each section of the page is a form of its own, with a route of its own."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput
from instance.context import me, offered, services, wished_language


async def settings_page() -> ResponseReturnValue:
    """All sections as they are set."""
    return await _page()


async def _page(section: str = "", error: InvalidInput | None = None) -> ResponseReturnValue:
    """The page; `section` is the one that could not be saved, and `error` says why."""
    page = await render_template("settings.html", section=section, error=error, wished=wished_language())
    return await make_response(page, error.status if error is not None else 200)


async def save_language() -> ResponseReturnValue:
    """Speak another language from the next page on."""
    language = (await request.form).get("language", "")
    try:
        if language and language not in offered():
            raise InvalidInput("Choose one of the languages offered.", field="language")
        await services().accounts.choose_language(me().account, language)
    except InvalidInput as error:
        return await _page("language", error)
    return _saved("language")


def _saved(section: str) -> ResponseReturnValue:
    """Back to the section, which says that it is saved."""
    return redirect(f"/settings?saved={section}#{section}", 303)


ROUTES = (
    Route("/settings", ("GET",), settings_page, Access.MEMBER),
    Route("/settings/language", ("POST",), save_language, Access.MEMBER, frees=True),
)
