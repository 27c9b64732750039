"""Where in a picture something looks like writing: sharp strokes on flat ground, several beside each other.

It is there to ask somebody to look, and to propose where to cut; what it overlooks she is asked to look for all the same. Only
the process of `core.darkroom` may run this, because Pillow is imported here.
"""

from __future__ import annotations

from PIL import Image, ImageChops

from core.markings import LEAST, Box, Crop
from core.plates import Seen

_TILE = 8
_STEP, _FLAT = 48, 4
"""Neighbours of writing differ by so much; those of flat ground by no more than this."""
_FEW, _FEWEST, _MOST, _GROUND = 0.05, 0.16, 0.60, 0.30
"""The shares of a tile that are edges of strokes (one of several strokes, of any, and at most), and flat ground."""
_RUN, _GAP = 4, 2
"""Writing has so many such tiles in a row; so many may be empty between its words."""
_BAND = 0.30
"""How far from an edge a strip may reach, as a share of the side."""
_BOXES = 60


def seen(image: Image.Image) -> Seen:
    """What there is to be seen in a print."""
    found = lettered(image)
    return Seen(image.width, image.height, 1, 1, found, crops(found, image.width, image.height))


def lettered(image: Image.Image) -> tuple[Box, ...]:
    """The places that look like writing, from above; at most `_BOXES` of them."""
    grey = image.convert("L")
    across, down = grey.width // _TILE, grey.height // _TILE
    if not across or not down:
        return ()
    edges, flat = _shares(grey, across, down)
    rows: list[Box] = []
    for row in range(down):
        at = row * across
        strokes = {column: edges[at + column] / 255 for column in range(across)
                   if _FEW <= edges[at + column] / 255 <= _MOST and flat[at + column] / 255 >= _GROUND}
        rows += [Box(first * _TILE, row * _TILE, (last - first + 1) * _TILE, _TILE) for first, last in _runs(strokes)]
    return tuple(_padded(box, grey.width, grey.height) for box in _joined(rows)[:_BOXES])


def crops(boxes: tuple[Box, ...], width: int, height: int) -> tuple[Crop, ...]:
    """What to keep so that a strip with writing along an edge falls away: above, below, left, right."""
    top, bottom, left, right = 0, height, 0, width
    for box in boxes:
        if box.y + box.height <= _BAND * height:
            top = max(top, box.y + box.height)
        elif box.y >= (1 - _BAND) * height:
            bottom = min(bottom, box.y)
        elif box.x + box.width <= _BAND * width:
            left = max(left, box.x + box.width)
        elif box.x >= (1 - _BAND) * width:
            right = min(right, box.x)
    if right - left < LEAST or bottom - top < LEAST:
        return ()
    made = [(0, top, width, height - top), (0, 0, width, bottom), (left, 0, width - left, height), (0, 0, right, height)]
    return tuple(Crop(*one) for one in made if one != (0, 0, width, height))


def _shares(grey: Image.Image, across: int, down: int) -> tuple[bytes, bytes]:
    """For every tile: how much of it are edges of strokes, and how much is flat (0 to 255)."""
    differences = ImageChops.difference(grey, ImageChops.offset(grey, 1, 0))
    size, box = (across, down), (0, 0, across * _TILE, down * _TILE)
    edges = differences.point([255 if value >= _STEP else 0 for value in range(256)])
    flat = differences.point([255 if value <= _FLAT else 0 for value in range(256)])
    return (edges.resize(size, Image.Resampling.BOX, box).tobytes(), flat.resize(size, Image.Resampling.BOX, box).tobytes())


def _runs(strokes: dict[int, float]) -> list[tuple[int, int]]:
    """The first and the last of columns that stand together, where they are enough to be writing: the outline of a bone has one
    stroke in a tile, letters have several."""
    runs: list[list[int]] = []
    for column in strokes:
        if runs and column - runs[-1][-1] <= _GAP:
            runs[-1].append(column)
        else:
            runs.append([column])
    return [(run[0], run[-1]) for run in runs if sum(strokes[one] >= _FEWEST for one in run) >= _RUN]


def _joined(rows: list[Box]) -> list[Box]:
    """Rows that stand above each other, as one place."""
    made: list[Box] = []
    for row in rows:
        for at, one in enumerate(made):
            if row.y - (one.y + one.height) <= _TILE and row.x < one.x + one.width and one.x < row.x + row.width:
                left, right = min(one.x, row.x), max(one.x + one.width, row.x + row.width)
                made[at] = Box(left, one.y, right - left, row.y + row.height - one.y)
                break
        else:
            made.append(row)
    return made


def _padded(box: Box, width: int, height: int) -> Box:
    left, top = max(0, box.x - _TILE), max(0, box.y - _TILE)
    right, bottom = min(width, box.x + box.width + _TILE), min(height, box.y + box.height + _TILE)
    return Box(left, top, right - left, bottom - top)
