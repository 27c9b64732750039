"""Style sheet and icons: a handful of files, read once and served from memory; no path is ever taken from a request."""

from __future__ import annotations

from functools import cache
from importlib import resources

from quart import Response

from core.access import Access, Route
from core.errors import NotFound

SIGN = "/static/icon-192.png"
"""The picture that stands for this instance, and for who has none of her own."""
BAND = "/static/missing.png"
"""What stands above a profile in an app: plain, by the name by which apps know that nobody has chosen it and leave it out."""
_TYPES = {"css": "text/css; charset=utf-8", "png": "image/png", "svg": "image/svg+xml", "js": "text/javascript; charset=utf-8"}


@cache
def files() -> dict[str, bytes]:
    """All of them by name."""
    folder = resources.files("templates").joinpath("static")
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.rpartition(".")[2] in _TYPES}


async def static_file(name: str) -> Response:
    """One of the files by its name."""
    body = files().get(name)
    if body is None:
        raise NotFound("There is no such file.")
    return Response(body, content_type=_TYPES[name.rpartition(".")[2]], headers={"cache-control": "public, max-age=3600"})


ROUTES = (Route("/static/<name>", ("GET",), static_file, Access.VISITOR),)
