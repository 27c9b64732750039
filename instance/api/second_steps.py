"""What an app cannot do in one step: confirm that one has looked, at a text or at a picture, and cross a border.

A text is confirmed by sending it again. Pictures, and what leaves the country, are confirmed on our pages: what was written waits
there as a draft, and the refusal says where.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NoReturn

from actors.models import Actor
from core.countries import CODES, pack
from core.errors import Conflict, InvalidInput
from core.i18n import format_list
from core.ids import public
from core.words import N_
from instance.api.guard import doctor
from instance.context import in_words, language, services
from instance.looks import MINUTES
from instance.pages.drafts import address
from instance.pages.linting import looked_over
from posts.drafts import Sheet, What, Written
from posts.linter.gate import check_fields
from posts.trays import MARK

_NAMED, _LONGEST = 5, 60
_FOUND = N_("“%(text)s” (%(what)s)")


async def look_twice(texts: Mapping[str, str], spoken: str) -> None:
    """`InvalidInput` for a text that holds what could say who a patient is, with what that is. Sent again, some seconds and at
    most ten minutes later, exactly the same text has been looked at; a number that stands for one person never has."""
    check_fields(texts.items())
    look = await looked_over(texts, spoken)
    if not look.marked or services().second_looks.given(doctor().actor.id, look.digest):
        return
    found = list(dict.fromkeys(in_words(_FOUND) % {"text": one.text[:_LONGEST], "what": in_words(one.what)}
                               for one in look.marked))
    raise InvalidInput("This could say who the patient is: %(found)s. Please take it out. If it says nothing of the kind, send"
                       " exactly the same again within %(minutes)s minutes: that confirms that you have looked.",
                       values={"found": "; ".join((*found[:_NAMED], *["…"][:len(found) > _NAMED])), "minutes": MINUTES},
                       reason="look")


async def are_clean(texts: Mapping[str, str], spoken: str) -> bool:
    """Whether nothing in some texts could say who a patient is."""
    return not (await looked_over(texts, spoken)).marked


async def pictures_for(names: Sequence[str], place: Sheet, written: Written | None, *, leaves: bool = False) -> Sheet | None:
    """The form that pictures of an app go along with, None for no pictures; `place` is where they are looked at, and `written`
    what waits there with them. `InvalidInput` where one of them has no description (not every app can still say one), where they
    were not confirmed on our page, and where the post `leaves` the country, because that is said there, too."""
    me = doctor().actor
    if not names:
        return None
    if len(names) > services().settings.media.per_post:
        raise InvalidInput("A post has at most %(most)s pictures.", values={"most": services().settings.media.per_post},
                           field="media_ids")
    tray = await services().trays.look(me, names)
    mute = next((which for which, upload in enumerate(tray.uploads, 1) if not upload.alt), None)
    if not leaves and all(upload.ready for upload in tray.uploads):
        return tray.sheet or await services().trays.lay(me, names)
    if place.what == What.NEW and tray.sheet is not None and tray.sheet.what == What.NEW:
        place = tray.sheet
    if written is not None:
        await _keep(place, written)
    await services().trays.lay(me, names, place)
    origin = services().identity.origin
    link = f"{origin}/drafts/{place.what}/{place.about}/pictures"
    if mute is not None:
        raise InvalidInput("Picture %(place)s has no description. Say what it shows, in the app or on our page, where it waits:"
                           " %(link)s", values={"place": mute, "link": link}, reason="alt", field="media_ids")
    if leaves:
        raise InvalidInput("With pictures this leaves the country, and on our page you say on what that rests. It waits there:"
                           " %(link)s", values={"link": origin + address(place.what, place.about)}, reason="border",
                           field="media_ids")
    raise InvalidInput("Before a picture goes out, you look at it on our page as others will see it, and confirm that it shows no"
                       " patient. It waits there: %(link)s Then send the same again, or send it from there.",
                       values={"link": link}, reason="picture", field="media_ids")


async def send_over_there(written: Written, place: Sheet, countries: Collection[str]) -> NoReturn:
    """Keep what would cross a border as a draft, and say where it is sent."""
    await _keep(place, written)
    names = format_list(sorted(pack(code).name_in(language()) for code in set(countries) if code in CODES), language())
    raise InvalidInput("This goes to another country (%(countries)s), so you look at it once more on our page. It waits there as"
                       " a draft: %(link)s", values={
                           "countries": names, "link": services().identity.origin + address(place.what, place.about)},
                       reason="border", field="visibility")


def sheet_for(about: int) -> Sheet:
    """The draft of a new post of an app."""
    return Sheet(What.NEW, public(about), "", MARK)


async def _keep(place: Sheet, written: Written) -> None:
    me: Actor = doctor().actor
    try:
        await services().drafts.keep(me, place, written)
    except Conflict:
        raise Conflict("You have begun to write this on our pages. Send or discard it there first.", reason="elsewhere") from None
