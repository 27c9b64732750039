"""People: a doctor's profile and what one can do there, the directory, one's followers and requests, one's own profile."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors.directory import Wish
from actors.models import Actor
from actors.profiles import Said
from actors.relations import Circle, Shun
from core.access import Access, Route
from core.errors import InvalidInput, KonsilError, TooSlow, Unavailable
from core.numbers import whole
from federation.addresses import origin_of
from instance.context import doctor, me, services
from instance.pages.looking import is_looked_at, settle
from instance.uploads import BODY_LIMIT

_HOUR_MS = 3_600_000
_LONGEST_MUTE = 24 * 366
_TYPED = 120
_SPOKEN = 100


async def profile(mention: str) -> ResponseReturnValue:
    """Somebody's page, and one's own. Who may not be seen and who is not there are the same 404; nobody is asked for."""
    return await _profile(await services().directory.known(mention))


async def _profile(other: Actor, error: InvalidInput | None = None) -> ResponseReturnValue:
    relation = await services().relations.between(doctor(), other)
    hidden = relation.shun is not None and request.args.get("posts") != "1"
    before = request.args.get("before")
    page = None if hidden else await services().timelines.of(doctor(), other, before)
    pinned = await services().timelines.pinned(doctor(), other) if page is not None and not before else ()
    places, home = await services().threads.network(), (origin_of(other.uri),)
    shown = await render_template("profile.html", other=other, mine=other.id == doctor().id, relation=relation, page=page,
                                  pinned=pinned, shun=Shun, error=error, outside=places.outside(home), paused=places.paused(home),
                                  stuck=places.stuck(home, services().clock.ms()))
    return await make_response(shown, error.status if error is not None else 200)


async def relate(mention: str) -> ResponseReturnValue:
    """Do one thing about somebody: ask, consent, take back, shut out. Goes back to the list it came from, or the profile."""
    other = await services().directory.known(mention)
    form = await request.form
    try:
        await _do(form.get("do", ""), other, form.get("hours", ""))
    except InvalidInput as error:
        return await _profile(other, error)
    tab = form.get("tab", "")
    return redirect(f"/follows?tab={tab}" if tab in tuple(Circle) else f"/{other.mention}", 303)


async def _do(what: str, other: Actor, hours: str) -> None:
    """What a button says. `hours` is how long a mute lasts; empty: until it is ended."""
    its = services().relations
    match what:
        case "follow":
            await its.follow(await services().credentials.require_verified(me().account), other)
        case "accept":
            await its.accept(await services().credentials.require_verified(me().account), other)
        case "unfollow":
            await its.unfollow(doctor(), other)
        case "dismiss":
            await its.dismiss(doctor(), other)
        case "mute":
            lasts = whole(hours, _LONGEST_MUTE)
            if hours and not lasts:
                raise InvalidInput("Say for how long.", field="hours")
            await its.mute(doctor(), other, services().clock.ms() + lasts * _HOUR_MS if lasts else None)
        case "block":
            await its.block(doctor(), other)
        case "end":
            await its.end_shun(doctor(), other)
        case _:
            raise InvalidInput("This button is not known here. Nothing was done.", field="do")


async def directory() -> ResponseReturnValue:
    """Colleagues by name, of one's own country unless another one, or all, is asked for."""
    return await _directory(Wish(request.args.get("country", services().identity.country), request.args.get("specialty", ""),
                                 request.args.get("name", "")[:_TYPED]))


async def _directory(wish: Wish, error: InvalidInput | None = None) -> ResponseReturnValue:
    page = await services().directory.page(wish, request.args.get("after"))
    shown = await render_template("directory.html", wish=wish, page=page, error=error)
    return await make_response(shown, error.status if error is not None else 200)


async def find_doctor() -> ResponseReturnValue:
    """Go to the profile at an address. It asks her instance, if need be, which is why it is not a link."""
    typed = (await request.form).get("name", "")
    try:
        found = await services().directory.resolve(typed)
    except InvalidInput as error:
        error.field = "name"
        return await _directory(Wish(services().identity.country, "", typed[:_TYPED]), error)
    return redirect(f"/{found.mention}", 303)


async def circles() -> ResponseReturnValue:
    """Who asks to follow, who does, whom one follows and whom one shuts out."""
    given = request.args.get("tab", "")
    tab = Circle(given) if given in tuple(Circle) else Circle.REQUESTS
    told = await services().notifications.requests(doctor()) if tab == Circle.REQUESTS else None
    page = await services().relations.circle(doctor(), tab, request.args.get("before"))
    if told is not None and is_looked_at():
        await settle(told)
    return await render_template("follows.html", page=page, tab=tab)


async def own_profile() -> ResponseReturnValue:
    """What one says about oneself, to be changed."""
    mine = doctor()
    return await _own_profile(Said(mine.about, mine.workplace, mine.speaks, mine.discoverable))


async def _own_profile(said: Said, error: KonsilError | None = None) -> ResponseReturnValue:
    page = await render_template("profile_edit.html", said=said, error=error)
    return await make_response(page, error.status if error is not None else 200)


async def save_profile() -> ResponseReturnValue:
    """Change it, here and at the siblings."""
    form = await request.form
    said = Said(form.get("about", ""), form.get("workplace", ""), tuple(form.getlist("speaks"))[:_SPOKEN],
                form.get("discoverable") == "1")
    try:
        await services().profiles.change(await services().credentials.require_verified(me().account), said)
    except InvalidInput as error:
        return await _own_profile(said, error)
    return redirect(f"/{doctor().mention}", 303)


async def save_portrait() -> ResponseReturnValue:
    """Take in another picture of oneself."""
    who = await services().credentials.require_verified(me().account)
    try:
        with services().uploads.place() as place:
            await services().portraits.change(who, (await place.receive(request)).file)
    except (InvalidInput, Unavailable, TooSlow) as error:
        mine = doctor()
        return await _own_profile(Said(mine.about, mine.workplace, mine.speaks, mine.discoverable), error)
    return redirect("/settings/profile#portrait", 303)


async def remove_portrait() -> ResponseReturnValue:
    """Take one's picture away, here and at the siblings."""
    await services().portraits.remove(await services().credentials.require_verified(me().account))
    return redirect("/settings/profile#portrait", 303)


ROUTES = (
    Route("/@<mention>", ("GET",), profile, Access.DOCTOR),
    Route("/@<mention>/relation", ("POST",), relate, Access.DOCTOR),
    Route("/directory", ("GET",), directory, Access.DOCTOR),
    Route("/directory", ("POST",), find_doctor, Access.DOCTOR),
    Route("/follows", ("GET",), circles, Access.DOCTOR),
    Route("/settings/profile", ("GET",), own_profile, Access.DOCTOR),
    Route("/settings/profile", ("POST",), save_profile, Access.DOCTOR),
    Route("/settings/portrait", ("POST",), save_portrait, Access.DOCTOR, body_limit=BODY_LIMIT),
    Route("/settings/portrait/remove", ("POST",), remove_portrait, Access.DOCTOR, frees=True),
)
