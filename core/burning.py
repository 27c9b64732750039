"""Marks become pixels: what was blacked out or cut away is not in the picture any more, and nothing else is changed.

Only the process of `core.darkroom` may run this, because Pillow is imported here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from PIL import Image, ImageDraw

from core.markings import Arrow, Box, Brush, Crop, Mark, Size, kept

_HEAD = 0.5  # radians between an arrow's shaft and the sides of its head


def burned(image: Image.Image, marks: Iterable[Mark]) -> Image.Image:
    """A picture (`L` or `RGB`) with marks in its pixels, one after the other. A mark that leaves nothing of it is passed over."""
    made = image.copy()
    for mark in marks:
        match mark:
            case Box():
                part = kept(Crop(mark.x, mark.y, mark.width, mark.height), Size(*made.size))
                if part.width and part.height:
                    made.paste(0, (part.x, part.y, part.x + part.width, part.y + part.height))
            case Crop():
                part = kept(mark, Size(*made.size))
                if part.width and part.height:
                    made = made.crop((part.x, part.y, part.x + part.width, part.y + part.height))
            case Brush():
                _stroke(made, mark)
            case Arrow():
                _arrow(made, mark)
    return made


def _stroke(image: Image.Image, brush: Brush) -> None:
    draw, radius = ImageDraw.Draw(image), brush.thickness // 2
    draw.point(brush.points, 0)  # an ellipse without extent has no pixel
    if len(brush.points) > 1:
        draw.line(brush.points, 0, brush.thickness, "curve")
    for x, y in brush.points:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), 0)


def _arrow(image: Image.Image, arrow: Arrow) -> None:
    """White on black, so that it is seen on every ground."""
    draw = ImageDraw.Draw(image)
    shaft = max(2, round(max(image.size) / 250))
    head = max(8.0, min(shaft * 6.0, math.hypot(arrow.across, arrow.down) * 0.6))
    angle = math.atan2(arrow.down, arrow.across)
    sides = [(arrow.x + head * math.cos(angle + turn), arrow.y + head * math.sin(angle + turn)) for turn in (_HEAD, -_HEAD)]
    tip, tail = (arrow.x, arrow.y), (arrow.x + arrow.across, arrow.y + arrow.down)
    ink: int | tuple[int, int, int]
    for ink, width in ((0, shaft * 3), (255 if image.mode == "L" else (255, 255, 255), shaft)):
        draw.line((tail, tip), ink, width)
        for side in sides:
            draw.line((side, tip), ink, width)
        draw.ellipse((tip[0] - width / 2, tip[1] - width / 2, tip[0] + width / 2, tip[1] + width / 2), ink)
