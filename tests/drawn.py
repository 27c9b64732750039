"""Documents that look like some, drawn when a test needs them; whoever stands in them does not exist."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pillow_heif
import pypdfium2
from PIL import Image, ImageDraw, ImageFont

pillow_heif.register_heif_opener()
LINES = ("Approbationsurkunde", "", "Frau Dr. Anna Beispiel", "geboren am 1. Januar 1980 in Beispielstadt",
         "besitzt die Approbation als Ärztin.", "", "Beispielstadt, den 2. Februar 2008")


def drawn(size: tuple[int, int] = (1240, 1754), lines: tuple[str, ...] = LINES, colour: str = "white") -> Image.Image:
    """A page with some lines on it."""
    image = Image.new("RGB", size, colour)
    draw, step = ImageDraw.Draw(image), size[1] // 16
    for number, line in enumerate(lines, 2):
        draw.text((size[0] // 10, number * step), line, "black", ImageFont.load_default(max(10, step // 2)))
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline="navy", width=max(1, size[0] // 100))
    return image


def written(image: Image.Image, form: str = "JPEG", **how: Any) -> bytes:
    """The picture as a file."""
    into = BytesIO()
    image.save(into, form, **how)
    return into.getvalue()


def photograph(form: str = "JPEG", **how: Any) -> bytes:
    """A photograph of a page."""
    return written(drawn(), form, **how)


def pdf(pages: int = 1, size: tuple[float, float] = (595, 842)) -> bytes:
    """A PDF of so many empty pages."""
    document, into = pypdfium2.PdfDocument.new(), BytesIO()
    for _ in range(pages):
        document.new_page(*size)
    document.save(into)
    document.close()
    return into.getvalue()


def opened(page: bytes) -> Image.Image:
    """A page that was kept, or shown."""
    image = Image.open(BytesIO(page))
    image.load()
    return image
