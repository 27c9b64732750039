"""What an author does to a picture before anybody sees it: parts blacked out, drawn over, pointed at, cut away.

These are words only, in pixels of the picture as it is when their turn comes: after something was cut away, counting begins at
the new corner. `core.burning` puts them into the pixels, in the process of `core.darkroom`.
"""

from __future__ import annotations

from collections.abc import Iterable
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


def hides(mark: Mark) -> bool:
    """Whether it takes something away that was to be seen."""
    return not isinstance(mark, Arrow)
