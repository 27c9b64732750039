"""Pictures drawn anew from their pixels: whatever else was in a file (places, names of cameras, thumbnails, comments, scripts)
is not in what is made of it.

Only the process of `core.darkroom` may run this: it decodes what strangers have sent. Pillow and libheif are imported here and
nowhere else but in `core.pdf`.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from io import BytesIO

import pillow_heif
from PIL import Image, ImageDraw, ImageFont, ImageOps

from core.papers import PAGE_BYTES, PIXELS, SIDE, Media, Trouble

EDGE = 2_000
"""The longer side of a page as it is kept: A4 at 170 dots an inch, where the smallest print can still be read."""
SQUARES = (400, 120)
"""The sides of a portrait: on a profile, and beside a post at twice the density."""

_FORMATS = {Media.JPEG: "JPEG", Media.PNG: "PNG", Media.HEIC: "HEIF"}
_QUALITIES = (85, 70, 50)
_INK, _HALO = (20, 30, 60, 88), (255, 255, 255, 104)
_TURN = 24
_ORIENTATION = 0x0112
_TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
          8: Image.Transpose.ROTATE_90}


class Undevelopable(Exception):
    """What is wrong with a file."""

    def __init__(self, trouble: Trouble, cause: str = "") -> None:
        super().__init__(cause)
        self.trouble = trouble


def prepare() -> None:
    """Load what reads and writes files, because later nothing can be loaded; a picture over the bounds is an error."""
    warnings.simplefilter("ignore")  # of what is not as it should be and can be read all the same
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = PIXELS
    pillow_heif.register_heif_opener()
    for name in ("TiffImagePlugin", "MpoImagePlugin"):  # what a telephone says of a photograph, and several in one file
        import_module(f"PIL.{name}")
    for name in ("utf_16", "utf_16_be", "utf_16_le", "cp1252"):
        import_module(f"encodings.{name}")
    exif = Image.Exif()
    exif[_ORIENTATION] = 1
    for name in ("JPEG", "PNG"):
        into = BytesIO()
        Image.new("RGB", (8, 8)).save(into, name, exif=exif)
        with Image.open(BytesIO(into.getvalue()), formats=(name,)) as image:
            image.load()
            _turn(image)
    _font(12)


def page(data: bytes, media: Media) -> bytes:
    """A picture as a page that is kept: a JPEG, upright, its longer side at most `EDGE`."""
    return kept(_upright(data, media, (EDGE, EDGE)))


def portrait(data: bytes, media: Media) -> tuple[bytes, ...]:
    """The middle of a picture as squares of the sizes `SQUARES`, JPEG."""
    least = SQUARES[0] * 2
    image = _upright(data, media, (least, least) if media is Media.JPEG else None)
    return tuple(kept(ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)) for side in SQUARES)


def marked(data: bytes, text: str) -> bytes:
    """A page that is kept, with a text across all of it: it can be read on white and on black, and what lies below it as well."""
    image = _upright(data, Media.JPEG, None)
    longer = max(image.size)
    font = _font(max(11, longer // 70))
    width, height = (round(side) for side in font.getbbox(text)[2:])
    tile = Image.new("RGBA", (width + longer // 9, height * 9), (0, 0, 0, 0))
    draw = ImageDraw.Draw(tile)
    for left, top in ((0, 0), (tile.width // 2, tile.height // 2), (tile.width // 2 - tile.width, tile.height // 2)):
        draw.text((left, top), text, _INK, font, stroke_width=max(1, longer // 1000), stroke_fill=_HALO)
    reach = round(longer * 1.5)  # as much as stays covered when it is turned
    sheet = Image.new("RGBA", (reach, reach), (0, 0, 0, 0))
    for top in range(0, reach, tile.height):
        for left in range(0, reach, tile.width):
            sheet.paste(tile, (left, top))
    left, top = (reach - image.width) // 2, (reach - image.height) // 2
    sheet = sheet.rotate(_TURN, Image.Resampling.BILINEAR).crop((left, top, left + image.width, top + image.height))
    image.paste(sheet, (0, 0), sheet)
    return kept(image)


def kept(image: Image.Image) -> bytes:
    """The pixels as a JPEG of at most `PAGE_BYTES`, with nothing but them."""
    for quality in _QUALITIES:
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
            image.load()
            plain = _plain(image)
            if within is not None:
                plain.thumbnail(within, Image.Resampling.LANCZOS, reducing_gap=2.0)
            turn = _turn(image)
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
        clear = image.convert("RGBA")
        made = Image.new("RGB", image.size, (255, 255, 255))
        made.paste(clear, (0, 0), clear)
    else:
        made = image.convert("RGB")
    return made


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font

