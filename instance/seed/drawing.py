"""Clinical pictures for the demo, drawn by formula: an ECG, a rash, a radiograph. Nobody was photographed for them.

They are drawn in the demo's own process, which opens no file of anybody; instances take them like any other upload.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from io import BytesIO

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

Point = tuple[float, float]
Shape = Callable[[ImageDraw.ImageDraw], None]

_MM = 6  # pixels
_FINE = 2  # drawn so many times larger and made smaller: smooth lines
_P_SECONDS, _QRS_SECONDS = 60 / 92, 60 / 42
_LEADS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"), ("II",))
_SHAPES = {  # mV: P, Q, R, S, T
    "I": (0.12, -0.05, 0.70, -0.10, 0.20), "II": (0.19, -0.06, 1.05, -0.15, 0.28), "III": (0.09, -0.03, 0.40, -0.12, 0.09),
    "aVR": (-0.15, 0.04, -0.85, 0.10, -0.24), "aVL": (0.03, -0.04, 0.25, -0.08, 0.07), "aVF": (0.15, -0.05, 0.72, -0.13, 0.18),
    "V1": (0.09, 0.0, 0.22, -0.95, -0.08), "V2": (0.10, 0.0, 0.45, -1.25, 0.40), "V3": (0.10, 0.0, 0.80, -0.80, 0.42),
    "V4": (0.11, -0.04, 1.30, -0.45, 0.40), "V5": (0.11, -0.07, 1.20, -0.20, 0.32), "V6": (0.10, -0.08, 0.95, -0.10, 0.25)}
_LUNG = ((300, 120), (375, 190), (392, 330), (385, 520), (370, 700), (330, 800), (200, 830), (120, 850), (100, 700), (115, 480),
         (160, 280), (230, 150))
_WAVES = ((-0.038, 0.011), (0.0, 0.013), (0.034, 0.013), (0.30, 0.055))  # Q, R, S, T: seconds after R, width


def drawn(name: str) -> bytes:
    """A picture by its name in `DRAWINGS`, as PNG."""
    into = BytesIO()
    DRAWINGS[name]().save(into, "PNG")
    return into.getvalue()


def _ecg() -> Image.Image:
    """Twelve leads and a rhythm strip of a complete heart block, 25 mm/s and 10 mm/mV."""
    unit, across, down = _MM * _FINE, 260, 118
    image = Image.new("RGB", (across * unit, down * unit), "#fffaf7")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(4 * unit)
    for step, colour in ((1, "#f8dfd9"), (5, "#ecb4a8")):
        for at in range(0, max(across, down), step):
            draw.line((at * unit, 0, at * unit, image.height), colour, _FINE)
            draw.line((0, at * unit, image.width, at * unit), colour, _FINE)
    for row, leads in enumerate(_LEADS):
        middle, seconds = (18 + 29 * row) * unit, 10 / len(leads)
        draw.line([(x * unit, middle - y * unit) for x, y in ((1, 0), (2, 0), (2, 10), (5, 10), (5, 0), (6, 0))], "#1c2430", 3)
        for column, lead in enumerate(leads):
            begins = column * seconds
            points = [((6 + 25 * (begins + at / 500)) * unit, middle - 10 * unit * _millivolts(lead, begins + at / 500))
                      for at in range(int(500 * seconds))]
            draw.line(points, "#1c2430", 3, joint="curve")
            draw.text(((8 + 25 * begins) * unit, middle - 14 * unit), lead, "#1c2430", font)
    return image.resize((across * _MM, down * _MM), Image.Resampling.LANCZOS)


def _millivolts(lead: str, second: float) -> float:
    """Atria and ventricles beat each at their own pace."""
    p, *others = _SHAPES[lead]
    since = second % _P_SECONDS - 0.1
    made = p * math.exp(-(since / 0.028) ** 2) + 0.012 * math.sin(0.9 * second + len(lead))
    since = second % _QRS_SECONDS - 0.8
    return made + sum(height * math.exp(-((since - at) / width) ** 2) for height, (at, width) in zip(others, _WAVES, strict=True))


def _rash() -> Image.Image:
    """Skin with an oval ring: erythema migrans."""
    size = (1000, 760)
    image = Image.new("RGB", size, "#d9ab8c")
    image.paste("#bb8a69", mask=Image.linear_gradient("L").resize(size, Image.Resampling.BICUBIC))
    image.paste("#e7c3a8", mask=_clouds(size, 9, 3).point([value // 3 for value in range(256)]))
    distance = Image.new("L", size, 255)  # from the middle, in 255ths of the longer side
    distance.paste(Image.radial_gradient("L").resize((860, 660), Image.Resampling.BICUBIC), (80, 40))
    distance = ImageChops.subtract(ImageChops.add(distance, _clouds(size, 7, 5).point([value // 8 for value in range(256)])),
                                   Image.new("L", size, 16))
    for colour, far, wide, strong in (("#d98a77", 50, 60, 90), ("#c05a50", 122, 15, 190), ("#cc7468", 108, 34, 110),
                                      ("#8f2f2c", 0, 7, 200)):
        image.paste(colour, mask=distance.point([int(strong * math.exp(-((value - far) / wide) ** 2)) for value in range(256)]))
    image.paste("#a8755a", mask=_clouds(size, 160, 11).point([max(0, value - 150) // 3 for value in range(256)]))
    return image.filter(ImageFilter.GaussianBlur(1.2))


def _chest() -> Image.Image:
    """A radiograph of a chest with large lymph nodes at both hila."""
    size = (900, 960)
    image = Image.new("L", size, 8)
    _layer(image, 132, 30, _oval(450, 670, 410, 580), _line(190, (450, 0), (450, 260)))
    _layer(image, -92, 16, *_both(lambda turned: lambda draw: draw.polygon(turned(*_LUNG), 255)))
    _layer(image, 30, 12, _line(84, (450, 0), (450, 960)))
    _layer(image, -12, 6, *(_line(9, (412, at), (488, at)) for at in range(44, 960, 62)))  # between vertebrae
    _layer(image, 66, 16, _oval(531, 650, 159, 150), _oval(454, 410, 66, 200))
    _layer(image, 44, 24, _oval(255, 960, 195, 190), _oval(650, 975, 200, 175))
    for rib in range(8):
        half = _arc(280, 260 + 77 * rib, 220, 140 + 3 * rib, 185, 292)
        _layer(image, 20, 4, *_both(lambda turned, half=half: _line(17, *turned(*half))))  # type: ignore[misc]
    _layer(image, 34, 5, *_both(lambda turned: _line(22, *turned((405, 165), (300, 130), (190, 135), (110, 170)))))
    for x, y, far in ((330, 436, 42), (302, 492, 50), (330, 548, 42), (366, 490, 50)):
        _layer(image, 40, 9, _oval(x, y, far, far), _oval(900 - x, y, far, far))
    _layer(image, 16, 5, *(
        one for turn in (-1.1, -0.7, -0.2, 0.3, 0.8, 1.2) for one in _both(lambda turned, turn=turn: _line(  # type: ignore[misc]
            8, *turned((330, 490), (330 - 130 * math.cos(turn), 490 + 190 * math.sin(turn)))))))
    _layer(image, 40, 9, _oval(390, 355, 30, 65))
    grain = _clouds(size, 300, 2).point([value // 16 for value in range(256)])
    return ImageChops.subtract(ImageChops.add(image, grain), Image.new("L", size, 8)).filter(ImageFilter.GaussianBlur(0.8))


def _layer(image: Image.Image, shade: int, soft: float, *shapes: Shape) -> None:
    """Make what some shapes cover lighter, or darker where `shade` is below zero, with soft edges."""
    mask = Image.new("L", image.size, 0)
    for shape in shapes:
        shape(ImageDraw.Draw(mask))
    mask = mask.filter(ImageFilter.GaussianBlur(soft)).point([value * abs(shade) // 255 for value in range(256)])
    image.paste((ImageChops.add if shade > 0 else ImageChops.subtract)(image, mask))


def _oval(x: float, y: float, across: float, down: float) -> Shape:
    return lambda draw: draw.ellipse((x - across, y - down, x + across, y + down), 255)


def _line(width: int, *points: Point) -> Shape:
    return lambda draw: draw.line(points, 255, width, joint="curve")


def _arc(x: float, y: float, across: float, down: float, first: int, last: int) -> list[Point]:
    """Points of an ellipse between two angles, in degrees clockwise from the right."""
    turns = [math.radians(turn) for turn in range(first, last, 3)]
    return [(x + across * math.cos(turn), y + down * math.sin(turn)) for turn in turns]


def _both(shape: Callable[[Callable[..., list[Point]]], Shape]) -> tuple[Shape, Shape]:
    """The same on both sides of the body."""
    return shape(lambda *points: list(points)), shape(lambda *points: [(900 - x, y) for x, y in points])


def _clouds(size: tuple[int, int], many: int, dice: int) -> Image.Image:
    """Soft spots, so many across, the same each time."""
    down = max(2, many * size[1] // size[0])
    spots = random.Random(dice).randbytes(many * down)
    return Image.frombytes("L", (many, down), spots).resize(size, Image.Resampling.BICUBIC)


DRAWINGS: dict[str, Callable[[], Image.Image]] = {"heart-block": _ecg, "migrating-rash": _rash, "hilar-nodes": _chest}
