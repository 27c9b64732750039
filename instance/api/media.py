"""Pictures that an app hands in: drawn anew like all others, described in the app, confirmed on our page before they go out."""

from __future__ import annotations

from contextlib import ExitStack

from quart import Response, request

from core.access import Access, Route
from core.errors import InvalidInput
from core.papers import BYTES
from core.pictures import refused
from instance.api import bodies
from instance.api.answers import answer
from instance.api.entities import MediaAttachment, Meta, Size
from instance.api.guard import author, doctor, writes_in
from instance.api.pictures import upload_address
from instance.api.second_steps import are_clean
from instance.context import services
from posts.models import ALT_LENGTH
from posts.shelves import Upload

_PATIENCE = 3.0
"""Seconds that an app waits for a picture before it is told to ask again."""
_FIELD_BYTES = 4 * ALT_LENGTH + 8
_BODY_LIMIT = BYTES + (64 << 10)


async def second() -> Response:
    """Take a picture in: 200 where it is drawn at once, 202 where `one` says when it is."""
    name, done = await _hand_in(_PATIENCE)
    return await _shown(name) if done else answer(_at_work(name), 202)


async def first() -> Response:
    """The same, however long it takes."""
    name, _ = await _hand_in(None)
    return await _shown(name)


async def one(media_id: str) -> Response:
    """A picture in work; 206 while it is drawn."""
    return await _shown(media_id)


async def describe(media_id: str) -> Response:
    """Say what it shows."""
    fields = await bodies.sent()
    me = doctor()
    if "description" in fields:
        alt = fields.text("description", 2 * ALT_LENGTH)
        settled = await are_clean({"alt": alt}, writes_in())
        await services().trays.describe(me.actor, media_id, alt, settled=settled)
    return await _shown(media_id)


async def _hand_in(patience: float | None) -> tuple[str, bool]:
    me = (await author("reply")).actor
    await services().media.begin(me)
    with ExitStack() as stack:
        place = stack.enter_context(services().uploads.place())
        with refused():
            received = await place.receive(request, "file", _FIELD_BYTES)
        if not received.file:
            raise InvalidInput("No file was chosen, or there is nothing in it.", field="file", reason="file")
        kept = stack.pop_all()  # until the file is needed no more, which may be after this request
    return await services().trays.hand_in(me, received.file, received.fields.get("description", ""), patience=patience,
                                          after=kept.close)


async def _shown(name: str) -> Response:
    found = await services().trays.one(doctor().actor, name)
    return answer(_at_work(name), 206) if found is None else answer(_attachment(found))


def _attachment(upload: Upload) -> MediaAttachment:
    me, width, height = doctor().actor, upload.width, upload.height
    return MediaAttachment(
        id=upload.name, url=upload_address(me, upload.name, "large"), preview_url=upload_address(me, upload.name, "small"),
        description=upload.alt or None, meta=Meta(Size(width, height, f"{width}x{height}", width / height if height else 1.0)))


def _at_work(name: str) -> MediaAttachment:
    return MediaAttachment(id=name, url=None, preview_url=None, description=None, meta=None)


ROUTES = (
    Route("/api/v2/media", ("POST",), second, Access.CLIENT, scopes=("write:media",), body_limit=_BODY_LIMIT),
    Route("/api/v1/media", ("POST",), first, Access.CLIENT, scopes=("write:media",), body_limit=_BODY_LIMIT),
    Route("/api/v1/media/<media_id>", ("GET",), one, Access.CLIENT, scopes=("write:media",)),
    Route("/api/v1/media/<media_id>", ("PUT",), describe, Access.CLIENT, scopes=("write:media",)),
)
