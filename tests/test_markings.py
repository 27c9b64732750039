"""What is done to a picture, as words: in bounds, and typed by hand."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.markings import LEAST, MARKS, Arrow, Box, Brush, Crop, Mark, Size, added, kept, size_after, typed
from core.plates import Order

SIZE = Size(400, 300)


def test_after_something_is_cut_off_counting_begins_at_the_new_corner() -> None:
    marks: tuple[Mark, ...] = ()
    for mark in (Crop(100, 50, 200, 200), Box(190, 190, 50, 50), Crop(-20, 100, 100, 500)):
        marks = added(marks, mark, SIZE)
    assert size_after(marks, SIZE) == (80, 100)
    assert kept(marks[2], Size(200, 200)) == Crop(0, 100, 80, 100)  # type: ignore[arg-type]


@pytest.mark.parametrize(("mark", "field"), [
    (Box(400, 0, 10, 10), "x"), (Box(-10, 0, 10, 10), "x"), (Box(0, 300, 10, 10), "x"), (Crop(0, 0, LEAST - 1, 100), "width"),
    (Crop(390, 0, 100, 100), "width"), (Crop(500, 500, 100, 100), "width"), (Brush(10, ((-6, 0), (500, 20))), "x"),
    (Arrow(400, 0, 5, 5), "x"), (Arrow(10, 10, 0, 0), "width"),
])
def test_what_lies_beside_the_picture_or_leaves_too_little_of_it_is_refused(mark: Mark, field: str) -> None:
    with pytest.raises(InvalidInput) as error:
        added((), mark, SIZE)
    assert error.value.field == field
    with pytest.raises(InvalidInput) as error:
        added((Box(0, 0, 1, 1),) * MARKS, Box(0, 0, 1, 1), SIZE)
    assert error.value.reason == "marks"


@pytest.mark.parametrize(("fields", "mark"), [
    ({"tool": "box", "unit": "px", "x": "10", "y": "-3", "width": "40", "height": "7.6"}, Box(10, -3, 40, 8)),
    ({"tool": "crop", "unit": "%", "x": "50", "y": "0", "width": "25,5", "height": "100"}, Crop(200, 0, 102, 300)),
    ({"tool": "arrow", "unit": "px", "x": "10", "y": "20", "width": "−30", "height": "0"}, Arrow(10, 20, -30, 0)),
    ({"tool": "brush", "unit": "px", "thickness": "12", "points": " 1,2 3,4\n5,6; "}, Brush(12, ((1, 2), (3, 4), (5, 6)))),
    ({"tool": "brush", "unit": "%", "thickness": "12", "points": "50,50"}, Brush(12, ((200, 150),))),
])
def test_marks_are_typed_in_pixels_or_percent(fields: dict[str, str], mark: Mark) -> None:
    assert typed(fields, SIZE) == mark


@pytest.mark.parametrize(("changes", "field"), [
    ({"tool": ""}, "tool"), ({"tool": "overlay"}, "tool"), ({"x": ""}, "x"), ({"y": "nan"}, "y"), ({"width": "0"}, "width"),
    ({"height": "1e9"}, "height"), ({"x": "-inf"}, "x"), ({"tool": "brush"}, "points"),
    ({"tool": "brush", "points": "1 2"}, "points"),
    ({"tool": "brush", "points": "1,2,3"}, "points"), ({"tool": "brush", "points": "a,b"}, "points"),
    ({"tool": "brush", "points": "1,2", "thickness": "0"}, "thickness"),
    ({"tool": "brush", "points": "1,2", "thickness": "401"}, "thickness"),
    ({"tool": "brush", "points": "1,1 " * 2_001}, "points"),
])
def test_what_is_no_mark_names_the_field(changes: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as error:
        typed({"tool": "box", "unit": "px", "x": "1", "y": "1", "width": "9", "height": "9", "thickness": "5"} | changes, SIZE)
    assert error.value.field == field


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(("tool", "unit", "x", "y", "width", "height", "thickness", "points")),
                       st.one_of(st.sampled_from(("box", "crop", "brush", "arrow", "%", "px", "1,2 3,4", "12")),
                                 st.text("0123456789,.-+%e_ ;naif\u0661\0", max_size=12))))
def test_whatever_is_typed_is_a_mark_within_bounds_or_refused(fields: dict[str, str]) -> None:
    try:
        mark = typed(fields, SIZE)
    except InvalidInput:
        return
    assert msgspec.json.decode(msgspec.json.encode(Order(marks=(mark,))), type=Order).marks == (mark,)
