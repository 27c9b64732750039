"""Asking colleagues, in three steps without a script: write, choose who may read, look once more and send."""

from __future__ import annotations

from typing import Any

import msgspec
from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors import aliases
from actors.models import Actor, Author
from core.access import Access, Route
from core.countries import specialties
from core.errors import Conflict, InvalidInput, NotFound
from core.numbers import whole
from core.text import folded
from core.vault import token
from federation.addresses import origin_of
from instance.context import doctor, language, me, services
from instance.pages.filled import KINDS, conditions_for, facts_of, parts_of
from instance.pages.linting import look_at, replaced
from instance.pages.sheets import carried_on, fresh_sheet, is_hers, sheet_of, written_of
from posts.bases import Basis, checked
from posts.colleagues import handles, party_digest
from posts.compose import Preview
from posts.drafts import Sheet, What, Written, written_again
from posts.linter.looking import NOTHING, Look
from posts.models import Audience, Destination, Draft, Kind, PollDraft, Reach
from posts.network import party
from posts.rules_parts import BY_DESKS, OF_DESKS

_HOUR_MS = 3_600_000
_TELLING = 3


async def write_form() -> ResponseReturnValue:
    """Step one: empty, from a draft (`?draft=`), to colleagues (`?to=`), or about a post at home (`?abroad=`)."""
    await services().credentials.author(me().account, "post")
    asked = request.args
    if "draft" in asked:
        kept = await services().drafts.of(doctor(), What.NEW, asked["draft"])
        if kept is None and (sheet := await _pictures_only(asked["draft"])) is not None:
            return await write_page(Written(language=services().pack.languages[0]), sheet)
        if kept is None:
            raise NotFound("This draft was sent or discarded.")
        return await write_page(kept.written, fresh_sheet(What.NEW, kept.about, kept), at=kept.at)
    if "abroad" in asked:
        return await write_page(await _asked_at_home(asked["abroad"]), fresh_sheet(What.NEW))
    written = Written(kind=asked.get("kind", "")[:20], language=services().pack.languages[0])
    desks = await services().desks.of(doctor())
    asked_desk = next((desk.handle for desk in desks if desk.handle == asked.get("desk", "")), "")
    if written.kind in BY_DESKS and desks:
        asked_desk = asked_desk or desks[0].handle
    if written.kind not in KINDS or (written.kind in BY_DESKS and not desks):
        written = msgspec.structs.replace(written, kind="case")
    written = msgspec.structs.replace(written, desk=asked_desk if written.kind in OF_DESKS else "")
    if asked.get("specialty", "") in specialties():
        written = msgspec.structs.replace(written, specialties=(asked["specialty"],))
    if "to" in asked:
        named = tuple(handle[:500] for handle in asked.getlist("to") if handle)[:20]
        written = msgspec.structs.replace(written, reach="named", doctors=named)
    return await write_page(written, fresh_sheet(What.NEW))


async def _pictures_only(about: str) -> Sheet | None:
    """A draft that has pictures and no words yet."""
    sheet = fresh_sheet(What.NEW, about[:13])
    return sheet if await services().media.in_work(doctor(), sheet) else None


async def write_step() -> ResponseReturnValue:
    """From any step to the next, or back; nothing is sent before the last one."""
    author = await services().credentials.author(me().account, "post")
    form = await request.form
    written, sheet = written_of(form), sheet_of(form)
    step = form.get("step", "write")
    if form.get("turn") in KINDS:  # another kind with what has been typed so far
        return await write_page(msgspec.structs.replace(written, kind=form["turn"]), sheet)
    if form.get("rows") or form.get("look_up"):
        step = "write"
    if written.desk:
        author = await services().credentials.desk(me().account, written.desk)
    if is_hers(form):
        sheet = await carried_on(sheet, written) if step != "publish" else sheet
    elif step == "publish":
        step = "confirm"
    if "apply" in form:
        written = await replaced(written, written.language, form["apply"])
        return await write_page(written, sheet, look=await look_at(written, written.language), replaced=True)
    if step == "write":
        return await write_page(written, sheet)
    look = await look_at(written, written.language)
    try:
        draft = _draft(written, services().clock.ms())
        await services().compose.preview(draft)
        await services().media.check_ready(doctor(), sheet)
    except InvalidInput as error:
        return await write_page(written, sheet, error, look=look if error.reason == "identifies" else NOTHING)
    if not look.settled(written.looked):
        return await write_page(written, sheet, look=look)
    if step == "audience":
        return await _choose(written, sheet)
    try:
        _check_choice(written, form.get("was", ""))
        if written.reach == "named":
            return await _named(author, written, sheet, draft, form if step == "publish" else None)
        return await _shared(author, written, sheet, draft, form if step == "publish" else None)
    except InvalidInput as error:
        return await _choose(written, sheet, error, form.get("was", ""))
    except NotFound:
        if not written.asked_from:
            raise
        gone = Conflict("What you ask about abroad is not at home any more. Nothing was sent; it can go out on its own.")
        return await _choose(msgspec.structs.replace(written, asked_from=""), sheet, gone)


async def _named(author: Author, written: Written, sheet: Sheet, draft: Draft, sent: Any) -> ResponseReturnValue:
    """The last look at a consult, or, with the form that is `sent` from there, the consult."""
    doctors = await services().colleagues.named(author.actor, written.doctors)
    if sent is None:
        await services().asking.check(doctors)
    _check_signature(written)
    going = tuple(place for place in await services().compose.destinations()
                  if place.origin in {origin_of(doctor.uri) for doctor in doctors})
    basis = _basis(written, leaves=bool(going))
    if sent is not None:
        if sent.get("seen") != party_digest(doctors):
            raise Conflict("One of these handles stands for somebody else now. Nothing was sent; please look once more.",
                           reason="audience-changed", field="doctors")
        made = await services().compose.consult(author, draft, doctors, sent.get("form", ""), sheet, basis)
        return redirect(f"/p/{made}", 303)
    html = await services().compose.preview(draft, party(services().identity.origin, author.actor, doctors))
    return await _confirm(written, sheet, draft, html, author, doctors=doctors, seen=party_digest(doctors),
                          instances=await services().colleagues.instances(doctors), going=going)


async def _shared(author: Author, written: Written, sheet: Sheet, draft: Draft, sent: Any) -> ResponseReturnValue:
    """The last look at a post for home, some countries or all, or, with the form that is `sent` from there, the post."""
    places = await services().compose.destinations()
    reach, origins = _audience(written, places, chosen_before=sent is not None)
    _check_signature(written)
    basis = _basis(written, leaves=bool(origins))
    if sent is not None:
        made = await services().compose.publish(author, draft, origins, reach, sent.get("seen", ""), sent.get("form", ""),
                                                written.asked_from, sheet, by_role=written.signature == "role", basis=basis)
        return redirect(f"/p/{made}", 303)
    written = msgspec.structs.replace(written, reach=str(reach))
    html = await services().compose.preview(draft, Audience(reach, (services().identity.origin, *origins)),
                                            hidden=author.actor if written.signature == "role" and not written.desk else None)
    chosen = tuple(place for place in places if place.origin in origins)
    return await _confirm(written, sheet, draft, html, author, seen=services().compose.network_digest(places), chosen=chosen,
                          going=chosen)


async def write_page(written: Written, sheet: Sheet, error: InvalidInput | None = None, *, at: int | None = None,
                     look: Look = NOTHING, replaced: bool = False) -> ResponseReturnValue:
    """Step one; readers chosen before wait in it for the way forward. `at` (ms) is when its draft was saved, `look` what in it
    could identify the patient, some of which was just `replaced`."""
    desks = await services().desks.of(doctor())
    if written.kind not in OF_DESKS:
        written = msgspec.structs.replace(written, desk="")
    elif written.kind in BY_DESKS and not written.desk and desks:
        written = msgspec.structs.replace(written, desk=desks[0].handle)
    page = await render_template("compose_write.html", written=written, sheet=sheet, error=error, at=at, look=look,
                                 replaced=replaced, desks=desks, conditions=conditions_for(written, language()),
                                 uploads=await services().media.in_work(doctor(), sheet))
    return await make_response(page, error.status if error is not None else 200)


async def _choose(written: Written, sheet: Sheet, error: InvalidInput | None = None, was: str = "") -> ResponseReturnValue:
    """Step two. Home is set, unless something is asked abroad; `was` is what the page had set before."""
    reach = written.reach or ("" if written.asked_from else "home")
    role = aliases.alias_of(services().identity, doctor(), "", services().clock.ms())
    page = await render_template(
        "compose_audience.html", role=role, alike=await services().directory.alike(role.badge), written=written,
        sheet=sheet, error=error, reach=reach, was=was or reach,
        unfound=_unfound(written, error), places=await services().compose.destinations(),
        suggested=await services().colleagues.suggested(doctor()),
        similar=await services().similar.to(doctor(), written.question, written.text))
    return await make_response(page, error.status if error is not None else 200)


def _unfound(written: Written, error: InvalidInput | None) -> int:
    """Which of the fields for colleagues an error is about: the one with the handle it names, else the first."""
    wrong = str(error.values.get("name", "")) if error is not None else ""
    return next((place for place, typed in enumerate(written.doctors)
                 if any(wrong == handle or wrong.startswith(f"{handle}@") for handle in handles([typed]))), 0)


async def _confirm(written: Written, sheet: Sheet, draft: Draft, preview: Preview, author: Author, *, seen: str,
                   chosen: tuple[Destination, ...] = (), doctors: tuple[Actor, ...] = (),
                   instances: tuple[str, ...] = (), going: tuple[Destination, ...]) -> ResponseReturnValue:
    """The last look; `going` are the other countries it goes to."""
    by_role = written.signature == "role" and not written.desk
    speaker = aliases.alias_of(services().identity, author.actor, "", services().clock.ms()) if by_role else author.actor
    return await render_template(
        "compose_confirm.html", look=await look_at(written, written.language), speaker=speaker,
        tomorrow=() if doctors else await _tomorrow(draft, author),
        uploads=await services().media.in_work(doctor(), sheet), told=_told(written, author.actor) if speaker.alias else "",
        written=written, sheet=sheet, draft=draft, html=preview.html, parts=preview.parts, author=author, chosen=chosen,
        doctors=doctors, instances=instances, seen=seen, form=token(), later=[one for one in going if one.state != "up"])


async def _tomorrow(draft: Draft, author: Author) -> tuple[Actor, ...]:
    """Whom a new post names and who has been asked by name often enough today."""
    named = await services().compose.named(draft)
    return await services().asking.later(one for one in named if one.id != author.actor.id)


async def _asked_at_home(post_id: str) -> Written:
    """One's own question at home, as a new one for other countries."""
    post, source = await services().threads.source(doctor(), post_id)
    if post.audience.reach != Reach.HOME or post.parent_id is not None:
        raise NotFound("There is no such post here.")
    poll = post.poll
    return msgspec.structs.replace(
        written_again(post.kind, post.question, source, post.language, post.facts, post.parts),
        options="\n".join(option.name for option in poll.options) if poll is not None else "",
        multiple="1" if poll is not None and poll.multiple else "", asked_from=post.id)


def _draft(written: Written, now: int) -> Draft:
    kind = KINDS[written.kind]
    poll = None
    if kind == Kind.POLL:
        hours = whole(written.hours, 24 * 90)
        if not hours:
            raise InvalidInput("A poll is open for 1 hour to 90 days.", field="hours")
        options = tuple(line.strip() for line in written.options.splitlines() if line.strip())
        poll = PollDraft(options, bool(written.multiple), now + hours * _HOUR_MS)
    return Draft(kind, written.question, written.text, written.language, facts_of(written), poll, parts_of(written))


def _check_choice(written: Written, was: str) -> None:
    """A choice left as it `was` beside something that was filled in for another one is a slip, and one that could tell more
    people than was meant."""
    if written.reach == was == "home" and written.origins:
        raise InvalidInput("Countries are ticked, but home only is chosen. Choose one of the two.", field="audience")
    if written.reach != "named" and was != "named" and written.doctors:
        raise InvalidInput("Colleagues are named, but another choice is marked. Choose one of the two.", field="audience")


def _check_signature(written: Written) -> None:
    """Whoever asks abroad says how she signs, where her country allows more than one way; a consult names who asks."""
    if not services().pack.role_posts or written.desk:
        return
    if written.reach == "named":
        if written.signature == "role":
            raise InvalidInput("Colleagues whom you ask know who asks them: a consult is signed with your name.",
                               field="signature")
    elif written.reach != "home" and written.signature not in ("name", "role"):
        raise InvalidInput("Choose how you sign. Nothing is set for you when a post goes to other countries.",
                           field="signature")


def _basis(written: Written, *, leaves: bool) -> Basis | None:
    """On what it rests that this leaves the country: a case says so always, anything else where it has pictures (then it is asked
    for when it is stored) or where its author has chosen something."""
    if not leaves or not (written.kind == "case" or written.ground):
        return None
    return checked(Basis(written.ground, bool(written.no_name)), patient=written.kind == "case")


def _told(written: Written, author: Actor) -> str:
    """A word of her name that stands in what she has written."""
    texts = (written.question, written.text, written.options, *written.sections.values(), *written.happened)
    words = set(folded(" ".join(texts)).split())
    own = author.name.replace(".", " ").replace("-", " ").split()
    return next((word for word in own if len(word) >= _TELLING and folded(word) in words), "")


def _audience(written: Written, places: tuple[Destination, ...], *, chosen_before: bool) -> tuple[Reach, tuple[str, ...]]:
    """Home, the whole network, or the countries ticked. What is asked abroad goes to countries."""
    reach = written.reach
    if reach == "home" and not written.asked_from:
        return Reach.HOME, ()
    if reach == "network":
        return Reach.NETWORK, written.origins if chosen_before else tuple(place.origin for place in places)
    if written.origins and (reach == "countries" or (written.asked_from and not reach)):
        return Reach.COUNTRIES, written.origins
    raise InvalidInput("Choose who may read this.", field="audience")


ROUTES = (
    Route("/compose", ("GET",), write_form, Access.DOCTOR),
    Route("/compose", ("POST",), write_step, Access.DOCTOR),
)
