"""What waits for each sibling, and what can be done about it: try it again, or end it for a reason."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, KonsilError, NotFound
from core.numbers import whole
from federation.queue import LANES, OPEN
from instance.context import me, services

_PAGE = 50
_MOST = (1 << 63) - 1
_REASON = 200


async def queue_page() -> ResponseReturnValue:
    """Every line, in a row each."""
    return await render_template("admin_queue.html", lines=await services().queues.all(), lanes=LANES)


async def line_page(domain: str) -> ResponseReturnValue:
    """One sibling's line: what is wrong, what has ended, what waits."""
    return await _line(domain)


async def _line(domain: str, error: KonsilError | None = None) -> ResponseReturnValue:
    queues, asked = services().queues, request.args
    after, ended = asked.get("after", "")[:60], whole(asked.get("ended"), _MOST) or 0
    waiting = await queues.waiting(domain, after, _PAGE + 1)
    parked = await queues.parked(domain, (0, ended), _PAGE + 1)
    page = await render_template(
        "admin_line.html", line=await queues.of(domain), error=error, lanes=LANES,
        put_off=await queues.waiting(domain, limit=_PAGE, again=True) if not after else (),
        waiting=waiting[:_PAGE], more=waiting[_PAGE - 1].cursor if len(waiting) > _PAGE else "", after=after,
        parked=parked[:_PAGE], more_parked=parked[_PAGE - 1].sequence if len(parked) > _PAGE else 0, ended=ended,
        sent=whole(asked.get("sent"), _MOST), kept=whole(asked.get("kept"), _MOST))
    return await make_response(page, error.status if error is not None else 200)


async def line_change(domain: str) -> ResponseReturnValue:
    """Try something again: the whole line now (`line`), everything that was parked (`parked`), or one of it (`item`)."""
    form = await request.form
    act, by, queues = form.get("act", ""), me().account.handle, services().queues
    try:
        if act == "parked":
            found = await queues.retry_parked(domain, by)
            return redirect(f"/admin/queue/{domain}?sent={found.sent}&kept={found.erased}", 303)
        if act == "item":
            await queues.retry(domain, _sequence(form.get("sequence", "")), by)
            return redirect(f"/admin/queue/{domain}?sent=1", 303)
        if act == "line":
            await queues.retry_line(domain, by)
    except NotFound:
        raise
    except KonsilError as error:
        return await _line(domain, error)
    return redirect(f"/admin/queue/{domain}", 303)


async def drop_form(domain: str, sequence: str) -> ResponseReturnValue:
    """What dropping it means, and the form."""
    return await _drop(domain, sequence, None, "")


async def drop(domain: str, sequence: str) -> ResponseReturnValue:
    """End it, for a reason."""
    why = (await request.form).get("reason", "").strip()
    try:
        if len(why) > _REASON:
            raise InvalidInput("At most %(most)s characters.", values={"most": _REASON}, field="reason")
        await services().queues.drop(domain, _sequence(sequence), why, me().account.handle)
    except NotFound:
        raise
    except KonsilError as error:
        return await _drop(domain, sequence, error, why)
    return redirect(f"/admin/queue/{domain}", 303)


async def _drop(domain: str, sequence: str, error: KonsilError | None, why: str) -> ResponseReturnValue:
    page = await render_template(
        "admin_drop.html", line=await services().queues.of(domain), error=error, why=why, lanes=LANES, most=_REASON,
        item=await services().queues.item(domain, _sequence(sequence)))
    return await make_response(page, error.status if error is not None else 200)


def _sequence(text: str) -> int:
    found = whole(text, _MOST)
    if found is None:
        raise NotFound("There is no such page.")
    return found


async def deletions_page() -> ResponseReturnValue:
    """Every deletion that a sibling has not confirmed."""
    asked = {name: request.args.get(name, "").strip()[:100] for name in ("sibling", "state")}
    lines = await services().queues.all()
    sibling = asked["sibling"] if asked["sibling"] in {line.domain for line in lines} else ""
    state = asked["state"] if asked["state"] in OPEN else ""
    found = await services().queues.deletions(sibling, state, request.args.get("before", "")[:60], _PAGE + 1)
    return await render_template(
        "admin_deletions.html", lines=lines, by_domain={line.domain: line for line in lines}, states=OPEN, found=found[:_PAGE],
        asked={"sibling": sibling, "state": state}, more=found[_PAGE - 1].cursor if len(found) > _PAGE else "")


ROUTES = (
    Route("/admin/queue", ("GET",), queue_page, Access.OPERATOR),
    Route("/admin/queue/<domain>", ("GET",), line_page, Access.OPERATOR),
    Route("/admin/queue/<domain>", ("POST",), line_change, Access.OPERATOR),
    Route("/admin/queue/<domain>/<sequence>/drop", ("GET",), drop_form, Access.OPERATOR),
    Route("/admin/queue/<domain>/<sequence>/drop", ("POST",), drop, Access.OPERATOR),
    Route("/admin/deletions", ("GET",), deletions_page, Access.OPERATOR),
)
