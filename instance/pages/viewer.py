"""A post's pictures one by one, whole, beside another one; with the name of whoever looks and when."""

from __future__ import annotations

from quart import Response, make_response, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import KonsilError, NotFound
from core.numbers import whole
from instance.context import doctor, services
from instance.media import picture as answered


async def viewer(post_id: str, number: str) -> ResponseReturnValue:
    """One picture whole; with another one beside it (`?with=`), and behind its warning unless it is asked for (`?show=1`)."""
    found = await services().threads.thread(doctor(), post_id)
    post = next((one for one in found.posts if one.id == post_id), None)
    at = whole(number, 99)
    if post is None or at is None or not 1 <= at <= len(post.pictures):
        raise NotFound("There is no such picture.")
    beside = whole(request.args.get("with"), 99)
    if beside is None or beside == at or not 1 <= beside <= len(post.pictures):
        beside = None
    troubles: dict[int, KonsilError] = {}
    for one in (at, beside):
        if one is not None:
            try:
                await services().gallery.picture(doctor(), post_id, one)
            except KonsilError as error:
                troubles[one] = error
    page = await render_template("viewer.html", post=post, at=at, beside=beside, troubles=troubles,
                                 show=request.args.get("show") == "1")
    return await make_response(page, 200)


async def pixels(post_id: str, number: str, size: str) -> Response:
    """A picture of a post: `size` is whole or small."""
    at = whole(number, 99)
    if at is None or size not in ("whole", "small"):
        raise NotFound("There is no such picture.")
    return answered(await services().gallery.picture(doctor(), post_id, at, small=size == "small"))


ROUTES = (
    Route("/p/<post_id>/pictures/<number>", ("GET",), viewer, Access.DOCTOR),
    Route("/p/<post_id>/pictures/<number>/<size>", ("GET",), pixels, Access.DOCTOR),
)
