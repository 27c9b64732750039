"""Mail: where a doctor is told and how often, and the two links that mails hold. Who has the link needs no session, and learns
nothing but what it does: not whose address it is, nor whether anybody has an account."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors.mailboxes import Rhythm
from core.access import Access, Route
from core.errors import InvalidInput, NotFound, TooMany
from instance.context import me, services


async def mail_settings() -> ResponseReturnValue:
    """Address and rhythm as they are."""
    box = await services().mailboxes.of(me().account)
    return await render_template("mail_settings.html", box=box, address=box.asked.address if box.asked else box.address,
                                 rhythm=box.rhythm, error=None, on=services().mailer.on)


async def change_mail() -> ResponseReturnValue:
    """Another address or rhythm; a new address is sent a link."""
    form = await request.form
    if not services().mailer.on:
        raise NotFound("This instance sends no mail.")
    address, wanted = form.get("address", "")[:400], form.get("rhythm", "")
    rhythm = Rhythm(wanted) if wanted in tuple(Rhythm) else Rhythm.NONE
    try:
        if rhythm != Rhythm.NONE and not address.strip():
            raise InvalidInput("Say at which address you want to be told.", field="address")
        await services().mailboxes.change(me().account, address, rhythm)
    except (InvalidInput, TooMany) as error:
        page = await render_template("mail_settings.html", box=await services().mailboxes.of(me().account), address=address,
                                     rhythm=rhythm, error=error, on=True)
        return await make_response(page, error.status)
    return redirect("/settings/mail?saved=mail", 303)


async def confirm_form(token: str) -> ResponseReturnValue:
    """Ask for a click: programs that look into mails open links too."""
    return await render_template("mail_link.html", link="confirm", done=False)


async def confirm_mail(token: str) -> ResponseReturnValue:
    """The address counts from now on."""
    if not await services().mailboxes.confirm(token):
        raise NotFound("This link was used before or has run out. You can ask for another one in your settings.")
    return await render_template("mail_link.html", link="confirm", done=True)


async def stop_form(token: str) -> ResponseReturnValue:
    """Ask for a click."""
    return await render_template("mail_link.html", link="stop", done=False)


async def stop_mail(token: str) -> ResponseReturnValue:
    """No more digests; mail programs do this by themselves (RFC 8058), so nothing more is asked."""
    await services().mailboxes.stop(token)
    return await render_template("mail_link.html", link="stop", done=True)


ROUTES = (
    Route("/settings/mail", ("GET",), mail_settings, Access.DOCTOR),
    Route("/settings/mail", ("POST",), change_mail, Access.DOCTOR),
    Route("/mail/confirm/<token>", ("GET",), confirm_form, Access.VISITOR),
    Route("/mail/confirm/<token>", ("POST",), confirm_mail, Access.VISITOR),
    Route("/mail/stop/<token>", ("GET",), stop_form, Access.VISITOR),
    Route("/mail/stop/<token>", ("POST",), stop_mail, Access.VISITOR, from_anywhere=True),
)
