"""What a doctor is told: the list, and the buttons that say she has read it."""

from __future__ import annotations

from quart import redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from instance.context import doctor, services


async def notifications() -> ResponseReturnValue:
    """A page of them; `?show=unread` leaves out what is read. Looking at the list changes nothing."""
    only_unread = request.args.get("show") == "unread"
    page = await services().notifications.page(doctor(), request.args.get("before"), only_unread=only_unread)
    return await render_template("notifications.html", page=page, show="unread" if only_unread else "all",
                                 mail=bool(services().settings.mail.host))


async def read_notification(notification_id: str) -> ResponseReturnValue:
    """One is read."""
    await services().notifications.read(doctor(), notification_id)
    return await _back()


async def read_notifications() -> ResponseReturnValue:
    """All are read, as far as they stood on the page."""
    form = await request.form
    await services().notifications.read_all(doctor(), form.get("newest", ""))
    return await _back()


async def _back() -> ResponseReturnValue:
    """To the list as it was."""
    form = await request.form
    return redirect("/notifications?show=unread" if form.get("show") == "unread" else "/notifications", 303)


ROUTES = (
    Route("/notifications", ("GET",), notifications, Access.DOCTOR),
    Route("/notifications/read", ("POST",), read_notifications, Access.DOCTOR),
    Route("/notifications/<notification_id>/read", ("POST",), read_notification, Access.DOCTOR),
)
