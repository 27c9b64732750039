"""Pictures drawn anew from their pixels: whatever else was in a file (places, names of cameras, thumbnails, comments, scripts)
is not in what is made of it.

Only the process of `core.darkroom` may run this: it decodes what strangers have sent. Pillow and libheif are imported here and
nowhere else but in `core.pdf`.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont, ImageOps

from core.papers import PAGE_BYTES, PIXELS, SIDE, Media, Trouble

Drawn = Image.Image
"""Pixels, for those that may not know the library."""
EDGE = 2_000
"""The longer side of a page as it is kept: A4 at 170 dots an inch, where the smallest print can still be read."""
SMALL = 640
"""The longer side of a picture of a post where it stands in a conversation."""
SQUARES = (400, 120)
"""The sides of a portrait: on a profile, and beside a post at twice the density."""

_FORMATS = {Media.JPEG: "JPEG", Media.PNG: "PNG", Media.HEIC: "HEIF", Media.WEBP: "WEBP"}
_QUALITIES = (85, 70, 50)
_FINE = (92, 85, 75, 60)
_INK, _HALO = (20, 30, 60, 88), (255, 255, 255, 104)
_TURN = 24
_SHRINKS = ("L", "LA", "RGB", "RGBA", "CMYK")
_ORIENTATION = 0x0112
_TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
          8: Image.Transpose.ROTATE_90}


class Undevelopable(Exception):
    """What is wrong with a file."""

    def __init__(self, trouble: Trouble, cause: str = "") -> None:
        super().__init__(cause)
        self.trouble = trouble


def prepare(media: Media) -> None:
    """Load what reads and writes such files, because later nothing can be loaded; a picture over the bounds is an error."""
    warnings.simplefilter("ignore")  # of what is not as it should be and can be read all the same
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = PIXELS
    if media is Media.HEIC:
        import pillow_heif

        pillow_heif.register_heif_opener()
    for name in ("TiffImagePlugin", "MpoImagePlugin"):  # what a telephone says of a photograph, and several in one file
        import_module(f"PIL.{name}")
    for name in ("utf_16", "utf_16_be", "utf_16_le", "cp1252"):
        import_module(f"encodings.{name}")
    exif = Image.Exif()
    exif[_ORIENTATION] = 1
    for name in ("JPEG", "PNG", "WEBP")[:3 if media is Media.WEBP else 2]:
        into = BytesIO()
        Image.new("RGB", (8, 8)).save(into, name, exif=exif)
        with Image.open(BytesIO(into.getvalue()), formats=(name,)) as image:
            image.load()
            _turn(image)
    _font(12)


def page(data: bytes, media: Media) -> bytes:
    """A picture as a page that is kept: a JPEG, upright, its longer side at most `EDGE`."""
    return kept(_upright(data, media, (EDGE, EDGE)))


def picture(data: bytes, media: Media, edge: int) -> tuple[bytes, bytes]:
    """A picture of a post as it is kept, its longer side at most `edge`, and smaller as it stands in a conversation; JPEG."""
    whole = _upright(data, media, (edge, edge))
    return both(whole)


def both(whole: Image.Image) -> tuple[bytes, bytes]:
    """Pixels as they are kept for a post: whole, finer than a page because small signs matter, and small."""
    made = kept(whole, _FINE)
    whole.thumbnail((SMALL, SMALL), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return made, kept(whole)


def portrait(data: bytes, media: Media) -> tuple[bytes, ...]:
    """The middle of a picture as squares of the sizes `SQUARES`, JPEG."""
    least = SQUARES[0] * 2
    image = _upright(data, media, (least, least) if media is Media.JPEG else None)
    return tuple(kept(ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)) for side in SQUARES)


def marked(data: bytes, text: str) -> bytes:
    """A page that is kept, with a text across all of it: it can be read on white and on black, and what lies below it as well."""
    image = _upright(data, Media.JPEG, None)
    longer = max(image.size)
    font, halo = _font(max(11, longer // 70)), max(1, longer // 1000)
    width, height = (round(side) + 2 * halo for side in font.getbbox(text, stroke_width=halo)[2:])
    stamp = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    ImageDraw.Draw(stamp).text((halo, halo), text, _INK, font, stroke_width=halo, stroke_fill=_HALO)
    stamp = stamp.rotate(_TURN, Image.Resampling.BICUBIC, expand=True)
    across, down = stamp.width + longer // 20, stamp.height * 7 // 8
    for row, top in enumerate(range(-stamp.height // 2, image.height, down)):
        for left in range(-across * 2 // 3 * (row % 2), image.width, across):
            image.paste(stamp, (left, top), stamp)
    return kept(image)


def kept(image: Image.Image, qualities: tuple[int, ...] = _QUALITIES) -> bytes:
    """The pixels as a JPEG of at most `PAGE_BYTES`, with nothing but them."""
    for quality in qualities:
        into = BytesIO()
        image.save(into, "JPEG", quality=quality, optimize=True)
        if into.tell() <= PAGE_BYTES:
            return into.getvalue()
    raise Undevelopable(Trouble.HEAVY, "a page is too large")


def _upright(data: bytes, media: Media, within: tuple[int, int] | None) -> Image.Image:
    """The pixels as RGB, turned as the camera was held, transparent ones white; made smaller first if they are to be `within`."""
    try:
        with Image.open(BytesIO(data), formats=(_FORMATS[media],)) as image:
            if image.width * image.height > PIXELS or max(image.size) > SIDE:
                raise Undevelopable(Trouble.PIXELS, f"{image.width} x {image.height}")
            image.seek(0)
            if within is not None and media is Media.JPEG:
                image.draft("RGB", within)
            turn = _turn(image)
            image.load()
            if within is not None and image.mode in _SHRINKS:  # first, so that there is never a second one of this size
                image.thumbnail(within, Image.Resampling.LANCZOS, reducing_gap=2.0)
            plain = _plain(image)
            if within is not None:
                plain.thumbnail(within, Image.Resampling.LANCZOS, reducing_gap=2.0)
            turned = plain if turn is None else plain.transpose(turn)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Undevelopable(Trouble.PIXELS, str(error)) from None
    except MemoryError:
        raise Undevelopable(Trouble.HEAVY, "memory") from None
    except Undevelopable:
        raise
    except Exception as error:  # whatever a decoder trips over is the file's fault
        raise Undevelopable(Trouble.DAMAGED, f"{type(error).__name__}: {error}") from None
    turned.info.clear()
    return turned


def _turn(image: Image.Image) -> Image.Transpose | None:
    """How a picture has to be turned, as far as it says that in a way that can be read."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        return None


def _plain(image: Image.Image) -> Image.Image:
    """The same pixels as RGB, on white."""
    if image.mode.startswith(("I", "F")):
        made = image.point(lambda value: value / 256).convert("L").convert("RGB")
    elif image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        clear = image if image.mode == "RGBA" else image.convert("RGBA")
        made = Image.new("RGB", image.size, (255, 255, 255))
        made.paste(clear, (0, 0), clear)
    else:
        made = image.convert("RGB")
    return made


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font

