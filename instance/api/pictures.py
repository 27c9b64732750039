"""Pictures for apps, which fetch them as browsers do, without a token: by addresses that hold one.

An address names the token it was handed out under, the picture, and the day after which it ends, sealed by a MAC. It opens
nothing by itself: at each look the token has to be good, its doctor verified, and the post one that she may read at that moment.
"""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode

from quart import Response, g

from actors.models import Actor
from actors.wire import PORTRAIT
from core.access import Access, Route
from core.errors import NotFound, Refused
from core.ids import number, public
from instance import media
from instance.context import services
from instance.static import SIGN
from posts.models import PostView

_DAY_MS = 86_400_000
_PURPOSE = "api picture"
_PICTURE, _PORTRAIT, _UPLOAD = 1, 2, 3
_PATHS = {_PICTURE: "pictures", _PORTRAIT: "portraits", _UPLOAD: "uploads"}
_SEALED = struct.Struct(">BBIqqB")  # of which kind, how large, the last day, the token, the post or doctor, which picture
_MAC = 16
_SIZES = ("small", "large")


def picture_address(post: PostView, which: int, size: str) -> str:
    """Where the app that asks finds a picture of a post (from 1), `small` or `large`."""
    return _address(_PICTURE, number(post.id) or 0, which, size)


def portrait_address(actor: Actor, origin: str) -> str:
    """The same of a doctor; a sign of this instance, at its `origin`, where she has none."""
    if not actor.portrait:
        return origin + SIGN
    return f"{_address(_PORTRAIT, actor.id, 0, 'large')}/{actor.portrait}"


def upload_address(owner: Actor, name: str, size: str) -> str:
    """The same of a picture in work, for its owner."""
    return f"{_address(_UPLOAD, owner.id, 0, size)}/{name}"


async def picture(sealed: str) -> Response:
    """A picture of a post, for the app whose token the address holds."""
    doctor, subject, which, size = await _opened(_PICTURE, sealed)
    body = await services().gallery.picture(doctor, public(subject), which, small=size == "small")
    return media.picture(body)


async def portrait(sealed: str, version: str) -> Response:
    """A doctor's picture, likewise."""
    _, subject, _, size = await _opened(_PORTRAIT, sealed)
    body = await services().portraits.of(public(subject), version, small=size == "small")
    if body is None:
        raise _nothing()
    return Response(body, content_type=PORTRAIT, headers={"cache-control": "private, max-age=86400"})


async def upload(sealed: str, media_id: str) -> Response:
    """A picture in work, likewise, for whoever has handed it in."""
    doctor, subject, _, size = await _opened(_UPLOAD, sealed)
    if subject != doctor.id:
        raise _nothing()
    return media.picture(await services().trays.pixels(doctor, media_id, small=size == "small"))


def _address(kind: int, subject: int, which: int, size: str) -> str:
    last = services().clock.ms() // _DAY_MS + 1
    said = _SEALED.pack(kind, _SIZES.index(size), last, g.bearer.token_id, subject, which)
    sealed = urlsafe_b64encode(said + services().vault.mac(_PURPOSE, said)[:_MAC]).rstrip(b"=").decode()
    return f"{services().identity.origin}/api/konsil/{_PATHS[kind]}/{sealed}"


async def _opened(kind: int, sealed: str) -> tuple[Actor, int, int, str]:
    """Who looks, at what: its id, which picture, which size. One `NotFound` for everything that is not so any more."""
    try:
        found = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)) if sealed.isascii() else b""
    except ValueError:
        found = b""
    said, seal = found[:_SEALED.size], found[_SEALED.size:]
    if len(said) != _SEALED.size or not hmac.compare_digest(seal, services().vault.mac(_PURPOSE, said)[:_MAC]):
        raise _nothing()
    of, size, last, token_id, subject, which = _SEALED.unpack(said)
    if of != kind or last < services().clock.ms() // _DAY_MS:
        raise _nothing()
    try:
        doctor = await services().signing.grants.holding(token_id)
    except Refused:
        doctor = None
    if doctor is None:
        raise _nothing()
    return doctor.actor, subject, which, _SIZES[size]


def _nothing() -> NotFound:
    return NotFound("There is no such picture.")


ROUTES = (
    Route("/api/konsil/pictures/<sealed>", ("GET",), picture, Access.VISITOR),
    Route("/api/konsil/portraits/<sealed>/<version>", ("GET",), portrait, Access.VISITOR),
    Route("/api/konsil/uploads/<sealed>/<media_id>", ("GET",), upload, Access.VISITOR),
)
