"""What an author does to a picture before anybody sees it: parts blacked out, drawn over, pointed at, cut away.

These are words only, in pixels of the picture as it is when their turn comes: after something was cut away, counting begins at
the new corner. `core.burning` puts them into the pixels, in the process of `core.darkroom`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, NamedTuple

import msgspec

from core.errors import InvalidInput

MARKS = 100
"""The most marks on one picture."""
POINTS = 2_000
"""The most points of one stroke."""
THICKEST = 400
"""The thickest brush, in pixels."""
LEAST = 16
"""What is left of a picture has at least so many pixels on each side."""

_BETWEEN = re.compile(r"[;\s]+")

Place = Annotated[int, msgspec.Meta(ge=-20_000, le=20_000)]
Length = Annotated[int, msgspec.Meta(ge=1, le=20_000)]


class Box(msgspec.Struct, frozen=True, tag="box", array_like=True):
    """A rectangle that becomes black, from its upper left corner."""

    x: Place
    y: Place
    width: Length
    height: Length


class Crop(msgspec.Struct, frozen=True, tag="crop", array_like=True):
    """What is kept; everything around it is cut away."""

    x: Place
    y: Place
    width: Length
    height: Length


class Brush(msgspec.Struct, frozen=True, tag="brush", array_like=True):
    """A black stroke with round ends through its points."""

    thickness: Annotated[int, msgspec.Meta(ge=1, le=THICKEST)]
    points: Annotated[tuple[tuple[Place, Place], ...], msgspec.Meta(min_length=1, max_length=POINTS)]


class Arrow(msgspec.Struct, frozen=True, tag="arrow", array_like=True):
    """An arrow whose tip is at x, y, and which comes from `across` and `down` beside it."""

    x: Place
    y: Place
    across: Place
    down: Place


Mark = Box | Crop | Brush | Arrow
Marks = Annotated[tuple[Mark, ...], msgspec.Meta(max_length=MARKS)]


class Size(NamedTuple):
    """Of a picture, in pixels."""

    width: int
    height: int


def kept(crop: Crop, size: Size) -> Crop:
    """The part of it that lies within a picture; one of no extent when nothing does."""
    left, top = min(max(crop.x, 0), size.width), min(max(crop.y, 0), size.height)
    right, bottom = min(max(crop.x + crop.width, left), size.width), min(max(crop.y + crop.height, top), size.height)
    return Crop(left, top, right - left, bottom - top)


def size_after(marks: Iterable[Mark], size: Size) -> Size:
    """How large a picture of this size is after these marks."""
    for mark in marks:
        if isinstance(mark, Crop):
            part = kept(mark, size)
            size = Size(part.width, part.height)
    return size


def added(marks: tuple[Mark, ...], mark: Mark, size: Size) -> tuple[Mark, ...]:
    """The marks of a picture of this size with one more. `InvalidInput` when there are enough, when it lies beside the picture,
    or leaves too little of it."""
    now = size_after(marks, size)
    if len(marks) >= MARKS:
        raise InvalidInput("A picture can have %(most)s marks. Please take one back first.", values={"most": MARKS},
                           reason="marks", field="tool")
    match mark:
        case Box():
            part = kept(Crop(mark.x, mark.y, mark.width, mark.height), now)
            beside = not (part.width and part.height)
        case Crop():
            part = kept(mark, now)
            if part.width < LEAST or part.height < LEAST:
                raise InvalidInput("Too little would be left of the picture: at least %(least)s pixels on each side.",
                                   values={"least": LEAST}, reason="crop", field="width")
            beside = False
        case Brush():
            half = mark.thickness // 2
            beside = not any(-half <= x <= now.width + half and -half <= y <= now.height + half for x, y in mark.points)
        case Arrow():
            if not (mark.across or mark.down):
                raise InvalidInput("An arrow needs a direction: give it a width, a height, or both.", reason="arrow",
                                   field="width")
            beside = not (0 <= mark.x < now.width and 0 <= mark.y < now.height)
    if beside:
        raise InvalidInput("This lies beside the picture, which is %(width)s × %(height)s pixels.",
                           values={"width": now.width, "height": now.height}, reason="beside", field="x")
    return (*marks, mark)


def typed(fields: Mapping[str, str], size: Size) -> Mark:
    """A mark as it was typed into a form, for a picture that is so large now: `tool`, `x`, `y`, `width`, `height` in the `unit`
    `px` or `%`; for a brush `points` (pairs with a comma, and spaces between them) and `thickness` in pixels. `InvalidInput`."""
    tool = fields.get("tool", "")
    across, down = (size.width / 100, size.height / 100) if fields.get("unit") == "%" else (1.0, 1.0)
    if tool == "brush":
        thickness = _number(fields, "thickness", 1.0, 1, THICKEST)
        points = [tuple(pair.split(",")) for pair in _BETWEEN.split(fields.get("points", "").strip()) if pair]
        if not 0 < len(points) <= POINTS or any(len(pair) != 2 for pair in points):
            raise InvalidInput("Give the brush its points as pairs, such as “120,40 160,44”: from left and from above.",
                               reason="points", field="points")
        return Brush(thickness, tuple((_number({"points": x}, "points", across), _number({"points": y}, "points", down))
                                      for x, y in points))
    x, y = _number(fields, "x", across), _number(fields, "y", down)
    if tool == "arrow":
        return Arrow(x, y, _number(fields, "width", across), _number(fields, "height", down))
    if tool not in ("box", "crop"):
        raise InvalidInput("Choose what to do: black out, brush, arrow or cut.", reason="tool", field="tool")
    made = Box if tool == "box" else Crop
    return made(x, y, _number(fields, "width", across, 1), _number(fields, "height", down, 1))


def _number(fields: Mapping[str, str], name: str, unit: float, least: int = -20_000, most: int = 20_000) -> int:
    """A number of pixels; what is no number or beyond all bounds is refused."""
    try:
        value = float(fields.get(name, "").strip().replace("−", "-").replace(",", ".")) * unit
    except ValueError:
        value = math.nan
    if not least - 0.5 <= value <= most:
        raise InvalidInput("This is not a number that fits. Count from the upper left corner: to the right, and down.",
                           reason="number", field=name)
    return max(least, round(value))

