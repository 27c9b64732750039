"""Konsil as something that is installed: its manifest, the worker of its pages, and the page that is shown without a network.

Nothing of these says anything about anybody. The worker keeps a handful of files (`templates/static/sw.js`), and no page with a
case on it ever.
"""

from __future__ import annotations

import hashlib
from functools import cache

import msgspec
from quart import Response, render_template
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from instance.context import language, services
from instance.static import files

_PAPER = "#fbfaf7"
_ICONS = (("icon.svg", "any", "image/svg+xml", "any"), ("icon-192.png", "192x192", "image/png", "any"),
          ("icon-512.png", "512x512", "image/png", "any"), ("icon-maskable.png", "512x512", "image/png", "maskable"))


async def manifest() -> Response:
    """What a browser needs to install it (W3C Web Application Manifest); colours for dark stand on each page."""
    made = {
        "id": "/", "start_url": "/", "scope": "/", "display": "standalone", "name": services().settings.instance.name,
        "short_name": "Konsil", "lang": language(), "background_color": _PAPER, "theme_color": _PAPER, "categories": ["medical"],
        "icons": [{"src": f"/static/{name}", "sizes": sizes, "type": kind, "purpose": purpose}
                  for name, sizes, kind, purpose in _ICONS]}
    return Response(msgspec.json.encode(made), content_type="application/manifest+json",
                    headers={"cache-control": "public, max-age=3600"})


async def page_worker() -> Response:
    """The worker of the pages. It names the state of what it keeps, so that a browser gets it anew when that has changed."""
    return Response(_worker(), content_type="text/javascript; charset=utf-8", headers={"cache-control": "no-cache"})


async def offline() -> ResponseReturnValue:
    """What stands in the place of a page that cannot be had. It is the same for everybody."""
    return await render_template("offline.html")


@cache
def _worker() -> bytes:
    found = files()
    state = hashlib.sha256(b"\0".join(found[name] for name in sorted(found))).hexdigest()[:12]
    return found["sw.js"].replace(b"{state}", state.encode())


ROUTES = (
    Route("/manifest.webmanifest", ("GET",), manifest, Access.VISITOR),
    Route("/sw.js", ("GET",), page_worker, Access.VISITOR),
    Route("/offline", ("GET",), offline, Access.VISITOR),
)
