"""When nothing is to reach a doctor, how many questions a day do by name, and whether this browser tells her of news."""

from __future__ import annotations

import re

from quart import jsonify, make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors.attention import ASKS_LIMIT, Attention
from core.access import Access, Route
from core.errors import InvalidInput, NotFound, NotSignedIn
from core.numbers import whole
from instance.context import me, services, session

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


async def attention() -> ResponseReturnValue:
    """Everything as it is set."""
    return await _page(_shown(await services().attentions.of(me().account)))


async def change_attention() -> ResponseReturnValue:
    """Set quiet hours, weekends and the number of asks."""
    form = await request.form
    typed = {name: form.get(name, "")[:20] for name in ("quiet", "from", "until", "weekends", "asks")}
    try:
        await services().attentions.change(me().account, _wanted(typed))
    except InvalidInput as error:
        return await _page(typed, error)
    return redirect("/settings/attention?saved=attention", 303)


async def subscribe() -> ResponseReturnValue:
    """This browser shows signs from now on, as long as its session lives; for its script."""
    form = await request.form
    await services().pushes.subscribe(_here(), form.get("endpoint", ""), form.get("key", ""), form.get("secret", ""))
    return jsonify(on=True)


async def unsubscribe() -> ResponseReturnValue:
    """It shows none any more."""
    await services().pushes.unsubscribe(_here())
    return jsonify(on=False)


def _here() -> int:
    """The session of the browser, where signs are offered at all."""
    if not services().pushes.on:
        raise NotFound("This instance sends no signs to browsers.")
    found = session()
    if found is None:
        raise NotSignedIn("Your session has ended.")
    return found.id


def _wanted(typed: dict[str, str]) -> Attention:
    asks = whole(typed["asks"], ASKS_LIMIT)
    if asks is None:
        raise InvalidInput("Give a number from 0 to %(most)s.", values={"most": ASKS_LIMIT}, field="asks")
    begins, ends = _minute(typed["from"], "from"), _minute(typed["until"], "until")
    if not typed["quiet"]:
        begins = ends = 0
    elif begins == ends:
        raise InvalidInput("Quiet hours cannot end when they begin. Give two different times.", field="until")
    return Attention(begins, ends, bool(typed["weekends"]), asks)


def _minute(text: str, field: str) -> int:
    """The minute of the day that a time like 22:00 means."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise InvalidInput("Give a time of the day, like 22:00.", field=field)
    return int(found[1]) * 60 + int(found[2])


def _shown(found: Attention) -> dict[str, str]:
    """What was set, as the form says it; quiet hours that nobody has set are those that many would."""
    quiet = found.quiet_from != found.quiet_until
    begins, ends = (found.quiet_from, found.quiet_until) if quiet else (22 * 60, 7 * 60)
    return {"quiet": "1" if quiet else "",
            "from": f"{begins // 60:02}:{begins % 60:02}", "until": f"{ends // 60:02}:{ends % 60:02}",
            "weekends": "1" if found.weekends else "", "asks": str(found.asks)}


async def _page(typed: dict[str, str], error: InvalidInput | None = None) -> ResponseReturnValue:
    told = services().pushes.on and await services().pushes.is_told(_here())
    page = await render_template("attention.html", typed=typed, error=error, most=ASKS_LIMIT, told=told)
    return await make_response(page, error.status if error is not None else 200)


ROUTES = (
    Route("/settings/attention", ("GET",), attention, Access.DOCTOR),
    Route("/settings/attention", ("POST",), change_attention, Access.DOCTOR, frees=True),
    Route("/settings/push", ("POST",), subscribe, Access.DOCTOR),
    Route("/settings/push/remove", ("POST",), unsubscribe, Access.DOCTOR, frees=True),
)
