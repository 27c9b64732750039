"""Marks in the pixels: what was blacked out is gone, and nothing else has changed."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from core.burning import burned
from core.markings import Arrow, Box, Brush, Crop, Mark, Size, kept, size_after

WIDTH, HEIGHT = 60, 40
places = st.integers(-30, 80)
lengths = st.integers(1, 70)
boxes = st.builds(Box, places, places, lengths, lengths)
crops = st.builds(Crop, places, places, lengths, lengths)
brushes = st.builds(Brush, st.integers(1, 15), st.lists(st.tuples(places, places), min_size=1, max_size=4).map(tuple))
_BRIEFLY = settings(deadline=None, max_examples=60)
arrows = st.builds(Arrow, st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), st.integers(1, 30), st.integers(-30, 30))


def noise(seed: int, mode: str) -> Image.Image:
    """No pixel of it is black."""
    size = WIDTH * HEIGHT * len(mode.replace("RGB", "123"))
    return Image.frombytes(mode, (WIDTH, HEIGHT), bytes(random.Random(seed).randrange(1, 256) for _ in range(size)))


@_BRIEFLY
@given(st.integers(0, 99), st.sampled_from(("L", "RGB")), boxes)
def test_what_was_blacked_out_is_gone_and_nothing_outside_changes(seed: int, mode: str, box: Box) -> None:
    before = noise(seed, mode)
    after = burned(before, (box,))
    part = kept(Crop(box.x, box.y, box.width, box.height), Size(WIDTH, HEIGHT))
    inside = (part.x, part.y, part.x + part.width, part.y + part.height)
    if part.width and part.height:
        assert not after.crop(inside).getbbox(), "only black is left"
    expected = before.copy()
    expected.paste(0, inside)
    assert after.tobytes() == expected.tobytes()


@_BRIEFLY
@given(st.integers(0, 99), boxes, st.integers(0, 255))
def test_of_what_was_blacked_out_nothing_can_be_told_from_the_print(seed: int, box: Box, grey: int) -> None:
    """Two pictures that differ only there are the same afterwards, to the byte."""
    before = noise(seed, "L")
    other = before.copy()
    other.paste(grey, (box.x, box.y, box.x + box.width, box.y + box.height))
    assert burned(before, (box,)).tobytes() == burned(other, (box,)).tobytes()


@_BRIEFLY
@given(st.integers(0, 99), crops)
def test_what_was_cut_off_is_not_there_and_the_rest_is_as_it_was(seed: int, crop: Crop) -> None:
    before = noise(seed, "RGB")
    after = burned(before, (crop,))
    part = kept(crop, Size(WIDTH, HEIGHT))
    if part.width and part.height:
        assert after.tobytes() == before.crop((part.x, part.y, part.x + part.width, part.y + part.height)).tobytes()
    else:
        assert after.tobytes() == before.tobytes()


@_BRIEFLY
@given(st.integers(0, 99), brushes)
def test_a_brush_blackens_its_points_and_leaves_what_is_far_from_them(seed: int, brush: Brush) -> None:
    before = noise(seed, "L")
    after = burned(before, (brush,))
    for x, y in brush.points:
        if 0 <= x < WIDTH and 0 <= y < HEIGHT:
            assert after.getpixel((x, y)) == 0
    changed = ImageChops.difference(before, after).getbbox()
    if changed:
        reach = brush.thickness / 2 + 2
        xs, ys = [x for x, _ in brush.points], [y for _, y in brush.points]
        assert min(xs) - reach <= changed[0] and changed[2] <= max(xs) + reach + 1
        assert min(ys) - reach <= changed[1] and changed[3] <= max(ys) + reach + 1


@_BRIEFLY
@given(st.sampled_from(("L", "RGB")), st.sampled_from((0, 255)), arrows)
def test_an_arrow_is_seen_on_every_ground(mode: str, ground: int, arrow: Arrow) -> None:
    before = Image.new(mode, (WIDTH, HEIGHT), ground if mode == "L" else (ground,) * 3)
    assert ImageChops.difference(before, burned(before, (arrow,))).getbbox() is not None


@_BRIEFLY
@given(st.integers(0, 9), st.lists(st.one_of(boxes, crops, brushes, arrows), max_size=6))
def test_sizes_are_told_without_a_picture(seed: int, marks: list[Mark]) -> None:
    sizes = [Size(WIDTH, HEIGHT)]
    for mark in marks:
        sizes.append(size_after((mark,), sizes[-1]))
    if all(size.width and size.height for size in sizes):
        assert burned(noise(seed, "L"), marks).size == sizes[-1]
