"""Where a picture has writing in it, and how much to cut off."""

from __future__ import annotations

import random

import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from core.burning import burned
from core.lettering import crops, lettered, seen
from core.markings import Box, Crop
from tests.radiographs import lettered as ultrasound

LINES = ("GRÜNSPAN, WALPURGA  *12.03.1951", "ID 4471193   Klinikum Beispielstadt")


def organ(size: tuple[int, int] = (640, 480), seed: int = 1) -> Image.Image:
    """Something soft with sharp outlines and some noise, as a scan has it."""
    chance, image = random.Random(seed), Image.new("L", size, 0)
    draw = ImageDraw.Draw(image)
    draw.ellipse((120, 80, 520, 400), 255)
    draw.ellipse((135, 95, 505, 385), 110)
    for _ in range(40):
        x, y, side = chance.randrange(180, 440), chance.randrange(130, 340), chance.randrange(5, 40)
        draw.ellipse((x, y, x + side, y + side), chance.randrange(60, 200))
    grain = Image.effect_noise(size, 24).filter(ImageFilter.GaussianBlur(0.8))
    return Image.blend(image, grain, 0.15)


@pytest.mark.parametrize("height", [12, 16, 20, 26])
def test_a_strip_with_a_name_is_found_and_cut_off_whole(height: int) -> None:
    image = Image.fromarray(ultrasound(LINES, height=height))
    found = lettered(image)
    assert found
    [crop] = [one for one in crops(found, *image.size) if one.y > 0]
    lowest = 8 + 2 * (height + 4)
    assert lowest - 4 <= crop.y <= lowest + 24 and crop.height == 480 - crop.y
    assert not lettered(burned(image, (crop,)))
    assert not lettered(burned(image, found)), "and blacked out as well"


@pytest.mark.parametrize(("at", "side"), [((12, 430), "below"), ((520, 200), "right"), ((6, 200), "left")])
def test_strips_are_found_along_every_edge(at: tuple[int, int], side: str) -> None:
    image = Image.fromarray(ultrasound(("MI 0.9", "TIS 0.7"), at=at, height=16))
    found = crops(lettered(image), *image.size)
    cut = {"left" if one.x > 0 else "right" if one.width < 640 else "above" if one.y > 0 else "below" for one in found}
    assert side in cut


def test_letters_dark_on_light_and_in_the_middle_are_found_and_not_cut_off() -> None:
    image = Image.new("RGB", (900, 700), "white")
    ImageDraw.Draw(image).text((330, 330), "Anna Beispiel 1980", "black", ImageFont.load_default(24))
    found = lettered(image)
    assert found and not crops(found, *image.size)
    assert all(250 < box.x < 640 and 300 < box.y < 380 for box in found)


@pytest.mark.parametrize("seed", range(6))
def test_what_has_outlines_and_no_letters_is_let_alone(seed: int) -> None:
    assert lettered(organ(seed=seed)) == () and lettered(organ(seed=seed).convert("RGB")) == ()
    assert lettered(Image.new("L", (5, 5))) == () and lettered(Image.new("L", (3_000, 9))) == ()


def test_a_print_says_how_large_it_is_and_never_more_than_some_places() -> None:
    image = Image.new("L", (1_500, 1_500))
    draw = ImageDraw.Draw(image)
    for row in range(0, 1_500, 40):
        for column in range(0, 1_500, 300):
            draw.text((column, row), "HHHHEEE MMM", 255, ImageFont.load_default(14))
    found = seen(image)
    assert (found.width, found.height, found.frames) == (1_500, 1_500, 1) and 0 < len(found.lettered) <= 60
    assert crops((Box(0, 0, 640, 10), Box(0, 470, 640, 10)), 640, 480) == (Crop(0, 10, 640, 470), Crop(0, 0, 640, 470))
