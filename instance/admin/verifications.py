"""Who is verified until when; and one doctor's verification: what was decided, and how it can be ended or taken up again."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors.models import AccountState
from actors.verifications import Method
from core.access import Access, Route
from core.errors import InvalidInput, KonsilError, NotFound
from instance.admin.applications import cursor
from instance.context import me, services

_DAY_MS = 86_400_000
SOON_DAYS = 30
TEXT_LIMIT = 2_000


async def verifications_page() -> ResponseReturnValue:
    """The calendar; or the doctor whose handle somebody has typed."""
    sought, missing = request.args.get("handle", "").strip()[:60], None
    if sought:
        try:
            return redirect(f"/admin/verifications/{(await services().standings.doctor(sought)).account.handle}", 303)
        except NotFound as error:
            missing = error
    calendar = await services().standings.calendar(cursor(request.args.get("after", "")))
    page = await render_template(
        "admin_verifications.html", calendar=calendar, sought=sought, error=missing, paged="after" in request.args,
        soon=services().clock.ms() + SOON_DAYS * _DAY_MS)
    return await make_response(page, missing.status if missing is not None else 200)


async def verification_page(doctor: str) -> ResponseReturnValue:
    """One doctor's verification."""
    return await _page(doctor, None, {})


async def _page(handle: str, error: KonsilError | None, typed: dict[str, str]) -> ResponseReturnValue:
    page = await render_template(
        "admin_verification.html", file=await services().standings.doctor(handle), error=error, typed=typed, states=AccountState,
        methods=tuple(Method), limit=TEXT_LIMIT)
    return await make_response(page, error.status if error is not None else 200)


async def verification_change(doctor: str) -> ResponseReturnValue:
    """End it, take it back, or let it hold again."""
    form, handle = await request.form, doctor.strip().lower()[:60]
    typed = {name: form.get(name, "")[:2 * TEXT_LIMIT] for name in ("act", "reason", "method", "evidence")}
    accounts, by = services().accounts, me().account.handle
    try:
        if len(typed["reason"]) > TEXT_LIMIT or len(typed["evidence"]) > TEXT_LIMIT:
            raise InvalidInput("The text is too long.", field="reason")
        match typed["act"]:
            case "suspend":
                await accounts.suspend(handle, typed["reason"], by)
            case "withdraw":
                if not form.get("sure"):
                    raise InvalidInput("Say that you mean it: tick the box.", field="sure")
                await accounts.withdraw(handle, typed["reason"], by)
            case "resume":
                await accounts.resume(handle, by)
            case "again":
                await accounts.look_again(handle, typed["method"], typed["evidence"], by)
            case "verify":
                await accounts.approve(handle, typed["method"], typed["evidence"], by)
            case _:
                raise InvalidInput("Choose what to do.")
    except NotFound:
        raise
    except KonsilError as error:
        return await _page(handle, error, typed)
    return redirect(f"/admin/verifications/{handle}", 303)


ROUTES = (
    Route("/admin/verifications", ("GET",), verifications_page, Access.OPERATOR),
    Route("/admin/verifications/<doctor>", ("GET",), verification_page, Access.OPERATOR),
    Route("/admin/verifications/<doctor>", ("POST",), verification_change, Access.OPERATOR),
)
