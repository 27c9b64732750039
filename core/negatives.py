"""Negatives: the values of a DICOM file's frames and nothing else of it, and the prints that are made of them.

A negative is a row of pieces: its head, then one for each frame, each behind its length (4 bytes, big endian). Grey frames are
unsigned 16-bit values (little endian, zlib), so that another window can be chosen without the file; colours are JPEGs. It is made
here of numbers that were decoded; no byte of the file is copied into it.

Only the process of `core.darkroom` may run this, because Pillow is imported here; printing needs no numpy.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from io import BytesIO
from math import exp

import msgspec
from PIL import Image

from core.burning import burned
from core.images import SMALL, Undevelopable
from core.lettering import seen
from core.papers import PAGE_BYTES, Trouble
from core.plates import ALL_PIXELS, FRAMES, LENGTH, MAGIC, SHEET_EDGE, Order, Seen, Window

_QUALITIES = (90, 80, 65, 45)
_NEGATIVE_QUALITY = 95
_BLOCK = 16
_SHARES = (1.0, 0.7, 0.5)
_LOOKED_AT = 20  # each 20th frame: what devices write stands still


class Curve(StrEnum):
    """How values within a window become grey (PS3.3 C.11.2.1.2 and .3)."""

    LINEAR = "LINEAR"
    EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


class Head(msgspec.Struct, frozen=True):
    """What is needed to print: the frames' size, whether they are grey; of grey ones how stored values become those in which a
    window is told (`slopes`, `intercepts`: one for all, or one for each frame), the window, its curve, whether low is white."""

    width: int
    height: int
    frames: int
    grey: bool
    slopes: tuple[float, ...] = ()
    intercepts: tuple[float, ...] = ()
    window: Window = Window(0, 1)
    curve: Curve = Curve.LINEAR
    low_is_white: bool = False


def grey(values: bytes) -> bytes:
    """The piece of a grey frame."""
    return zlib.compress(values, 1)


def coloured(image: Image.Image) -> bytes:
    """The piece of a frame in colours."""
    return _jpeg(image, (_NEGATIVE_QUALITY,))


def printed(plate: bytes, order: Order) -> tuple[bytes, bytes, Seen]:
    """What was ordered as it is kept: whole, small, and what there is to be seen in the frame with most writing."""
    frames, found = [], None
    for number, image in enumerate(prints(plate, order)):
        if number % _LOOKED_AT == 0:
            looked = seen(image)
            if found is None or len(looked.lettered) > len(found.lettered):
                found = looked
        frames.append(image)
    if found is None:
        raise Undevelopable(Trouble.DAMAGED, "no such frame")
    whole, columns = _sheet(frames)
    small = _small(frames[len(frames) // 2]) if len(frames) == 1 else middle(whole, len(frames), columns)
    return whole, small, msgspec.structs.replace(found, frames=len(frames), columns=columns)


def looked_at(picture: bytes) -> bytes:
    """What there is to be seen in a picture that was drawn anew (JSON)."""
    return msgspec.json.encode(seen(_picture(picture)))


def middle(sheet: bytes, frames: int, columns: int) -> bytes:
    """The middle one of the frames on a sheet, small."""
    whole = _picture(sheet)
    across, down, at = whole.width // columns, whole.height // -(-frames // columns), frames // 2
    left, top = at % columns * across, at // columns * down
    return _small(whole.crop((left, top, left + across, top + down)))


def _small(image: Image.Image) -> bytes:
    made = image.copy()
    made.thumbnail((SMALL, SMALL), Image.Resampling.LANCZOS)
    return _jpeg(made, _QUALITIES)


def _sheet(frames: list[Image.Image]) -> tuple[bytes, int]:
    """All frames on one sheet as large as may be, and its columns; of one frame, that frame."""
    if len(frames) == 1:
        return _jpeg(frames[0], _QUALITIES), 1
    for share in _SHARES:
        sheet, columns = _laid_out(frames, share)
        try:
            return _jpeg(sheet, _QUALITIES), columns
        except Undevelopable:
            continue
    raise Undevelopable(Trouble.HEAVY, "a sheet is too large")


def _laid_out(frames: list[Image.Image], share: float) -> tuple[Image.Image, int]:
    """The frames side by side, and in how many columns. A cell's sides are multiples of what JPEG puts into one block, so that
    nothing of a frame is in the cell of another one."""
    width, height = frames[0].size
    columns = min(range(1, len(frames) + 1), key=lambda many: max(many * width, -(-len(frames) // many) * height))
    rows = -(-len(frames) // columns)
    scale = share * min(1.0, (SHEET_EDGE - columns * _BLOCK) / (columns * width), (SHEET_EDGE - rows * _BLOCK) / (rows * height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    across, down = (-(-side // _BLOCK) * _BLOCK for side in size)
    sheet = Image.new(frames[0].mode, (columns * across, rows * down))
    for number, frame in enumerate(frames):
        cell = frame if frame.size == size else frame.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        sheet.paste(cell, (number % columns * across, number // columns * down))
    return sheet, columns


def prints(plate: bytes, order: Order) -> Iterator[Image.Image]:
    """What was ordered, frame by frame; of a plate that is no negative, its only one."""
    if not plate.startswith(MAGIC):
        yield burned(_picture(plate), order.marks)
        return
    pieces = _pieces(plate)
    head = msgspec.json.decode(next(pieces), type=Head)
    size = (head.width, head.height)
    if not (0 < head.frames <= FRAMES and min(size) > 0 and head.width * head.height <= ALL_PIXELS):
        raise Undevelopable(Trouble.DAMAGED, "the negative's head")
    for number, piece in enumerate(pieces):
        if order.only is None or order.only == number:
            image = _grey(piece, head, number, order) if head.grey else _turned(_picture(piece), order.inverted)
            yield burned(image, order.marks)


def _jpeg(image: Image.Image, qualities: tuple[int, ...]) -> bytes:
    for quality in qualities:
        into = BytesIO()
        image.save(into, "JPEG", quality=quality, optimize=True, subsampling=0)
        if into.tell() <= PAGE_BYTES:
            return into.getvalue()
    raise Undevelopable(Trouble.HEAVY, "a print is too large")


def _pieces(plate: bytes) -> Iterator[bytes]:
    at = len(MAGIC)
    while at < len(plate):
        [size] = LENGTH.unpack_from(plate, at)
        at += LENGTH.size
        if at + size > len(plate):
            raise Undevelopable(Trouble.DAMAGED, "a negative that is cut short")
        yield plate[at:at + size]
        at += size


def _picture(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data), formats=("JPEG",)) as image:
        if image.width * image.height > SHEET_EDGE * SHEET_EDGE:
            raise Undevelopable(Trouble.PIXELS, f"{image.width} x {image.height}")
        made = image.copy() if image.mode == "L" else image.convert("RGB")
    made.info.clear()
    return made


def _turned(image: Image.Image, inverted: bool) -> Image.Image:
    return image.point([255 - value for value in range(256)] * len(image.getbands())) if inverted else image


def _grey(piece: bytes, head: Head, number: int, order: Order) -> Image.Image:
    expected = head.width * head.height * 2
    values = zlib.decompressobj().decompress(piece, expected)
    if len(values) != expected:
        raise Undevelopable(Trouble.DAMAGED, "a frame's size")
    at = number if len(head.slopes) > 1 else 0
    table = _table(head.slopes[at], head.intercepts[at], order.window or head.window, head.curve,
                   head.low_is_white != order.inverted)
    return Image.frombytes("I;16", (head.width, head.height), values).convert("I").point(table, "L")


@lru_cache(maxsize=4)
def _table(slope: float, intercept: float, window: Window, curve: Curve, inverted: bool) -> list[int]:
    """The grey (0 to 255) of every stored value."""
    level, width = window.level, window.width
    if curve is Curve.SIGMOID:
        steps = (4 * (slope * value + intercept - level) / width for value in range(65_536))
        shares = [1 / (1 + exp(-max(-60.0, min(60.0, step)))) for step in steps]
    elif curve is Curve.EXACT or width <= 1:
        shares = [(slope * value + intercept - level) / width + 0.5 for value in range(65_536)]
    else:
        shares = [(slope * value + intercept - (level - 0.5)) / (width - 1) + 0.5 for value in range(65_536)]
    made = [round(255 * min(1.0, max(0.0, share))) for share in shares]
    return [255 - one for one in made] if inverted else made
