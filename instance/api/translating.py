"""A post in the reader's language, where an app asks for that: as a colleague has confirmed it, else as a machine makes it.

An app's button does not say where a text goes. So from there a machine is asked that runs beside the instance; a text leaves for
another one from our page alone, where the button says so.
"""

from __future__ import annotations

from core.access import Access, Route
from core.errors import Conflict, InvalidInput
from instance.api import bodies
from instance.api.entities import Translation
from instance.api.entities_posts import translated
from instance.api.guard import doctor
from instance.api.statuses import found
from instance.context import language, services
from posts.models import PostView
from posts.translations import Beside


async def translate(status_id: str) -> Translation:
    """The post in another language: the one that is asked for, else her own."""
    post, wanted = await found(status_id), (await bodies.sent()).text("lang", 20) or language()
    made = await _beside(post, wanted)
    if made is None:
        _check_stays_here(post, wanted)
        await services().translations.translate(doctor().actor, post.id, wanted)
        made = await _beside(post, wanted)
    if made is None:
        raise Conflict("The text was changed just now. Please try again.")
    return Translation(content=translated(post, made), language=made.said.language, detected_source_language=post.language,
                       provider=made.machine or made.said.name)


async def languages() -> dict[str, list[str]]:
    """From which languages into which others a machine translates here."""
    known = services().translations.translator.languages
    return {one: [other for other in known if other != one] for one in known}


async def _beside(post: PostView, wanted: str) -> Beside | None:
    read = (await services().translations.beside(doctor().actor, (post,), wanted)).get(post.id)
    return read.own if read is not None else None


def _check_stays_here(post: PostView, wanted: str) -> None:
    translator = services().translations.translator
    if translator.can(post.language, wanted) and not translator.near and not (post.named or post.recalled):
        raise InvalidInput("To be translated, the text is sent to %(name)s. Ask for that on our page: %(url)s",
                           values={"name": translator.name, "url": f"{services().identity.origin}/p/{post.id}#t-{post.id}"},
                           reason="leaves")


ROUTES = (
    Route("/api/v1/statuses/<status_id>/translate", ("POST",), translate, Access.CLIENT, scopes=("read:statuses",)),
    Route("/api/v1/instance/translation_languages", ("GET",), languages, Access.APP),
)
