"""Pictures on the wire: `Image` objects in a post's `attachment` (ActivityStreams 2.0, section 4; FEP-ef61 for the digest).

They name where a picture lies and what it shows; the pixels stay at home. What is not exactly so is refused: a picture nobody
has described, or one that lies anywhere else, would be shown to doctors here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from core.errors import InvalidInput
from core.papers import SIDE
from core.plates import Film
from core.text import visible
from federation.signatures.multikey import multibase, read_multibase
from posts.linter.gate import check_fields
from posts.models import ALT_LENGTH, PICTURES, SORTS, WARNINGS, Picture

JPEG = "image/jpeg"
PATH = "/media/"
_SHA256 = b"\x12\x20"  # multihash: sha2-256, 32 bytes
_NAME = re.compile(r"[A-Za-z0-9_-]{16,64}")


class _Image(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    media_type: str
    url: str
    name: str
    width: int
    height: int
    digest_multibase: str
    image_class: str
    content_warning: str = ""
    film: Film | None = None


def described(typed: str, field: str = "alt") -> str:
    """What its author says that a picture shows, in one line; `InvalidInput` names the field it came from."""
    alt = " ".join(visible(typed.replace("\0", "")).split())
    if not any(map(str.isalnum, alt)) or len(alt) > ALT_LENGTH:
        raise InvalidInput("Say in 1 to %(most)s characters what the picture shows: colleagues who cannot see it read this.",
                           values={"most": ALT_LENGTH}, field=field, reason="alt")
    check_fields(((field, alt),))
    return alt


def document(pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """The attachments of a post."""
    return [{
        "type": "Image", "mediaType": JPEG, "url": picture.url, "name": picture.alt, "width": picture.width,
        "height": picture.height, "digestMultibase": multibase(_SHA256 + bytes.fromhex(picture.digest)),
        "imageClass": picture.sort,
    } | ({"contentWarning": picture.warning, "sensitive": True} if picture.warning else {})
        | ({"film": msgspec.to_builtins(picture.film)} if picture.film else {}) for picture in pictures]


def read(attachment: Any, origin: str) -> tuple[Picture, ...]:
    """The pictures of a post that lives at `origin`; `InvalidInput` for whatever is not one, and for more than eight."""
    try:
        found = msgspec.convert(attachment if isinstance(attachment, list) else [attachment], list[_Image])
    except msgspec.ValidationError as error:
        raise _bad(str(error)) from None
    if len(found) > PICTURES:
        raise _bad(f"{len(found)} pictures")
    return tuple(_picture(image, origin) for image in found)


def _picture(image: _Image, origin: str) -> Picture:
    place, name = image.url[:len(origin + PATH)], image.url[len(origin + PATH):]
    if (image.type, image.media_type) != ("Image", JPEG) or place != origin + PATH or not _NAME.fullmatch(name):
        raise _bad("no JPEG of its own instance")
    alt = visible(image.name).strip()
    if not any(map(str.isalnum, alt)) or len(image.name) > ALT_LENGTH or image.image_class not in SORTS \
            or image.content_warning not in ("", *WARNINGS):
        raise _bad("not described")
    if not (0 < image.width <= SIDE and 0 < image.height <= SIDE):
        raise _bad(f"{image.width} x {image.height}")
    try:
        digest = read_multibase(image.digest_multibase)
    except ValueError as error:
        raise _bad(str(error)) from None
    if digest[:2] != _SHA256 or len(digest) != 34:
        raise _bad("no digest")
    if image.film is not None and (image.width % image.film.columns or image.height % image.film.rows):
        raise _bad("frames that do not fill their sheet")
    return Picture(image.url, alt, image.image_class, image.width, image.height, digest[2:].hex(), image.content_warning,
                   image.film)


def _bad(cause: str) -> InvalidInput:
    return InvalidInput("A picture in it is not described, or does not lie at its own instance.", reason="bad-attachment",
                        cause=cause)
