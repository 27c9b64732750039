"""What the server and its darkroom tell each other: bounded, whoever says it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.plates import PRESETS, Facts, Film, Window, is_dicom, window
from tests.drawn import pdf, photograph
from tests.radiographs import radiograph


def test_a_window_is_typed_as_two_numbers() -> None:
    assert window(" -600 ", "1500") == Window(-600, 1500) and window("−0,5", "1e3") == Window(-0.5, 1_000)
    for level, width, field in (("", "400", "level"), ("a", "400", "level"), ("40", "0", "width"), ("40", "-1", "width"),
                                ("nan", "1", "level"), ("40", "inf", "width"), ("1e99", "1", "level")):
        with pytest.raises(InvalidInput) as error:
            window(level, width)
        assert error.value.field == field
    assert all(preset.window.width > 0 for preset in PRESETS)


@settings(deadline=None)
@given(*[st.text("0123456789,.-+e_ naif\u0661\0", max_size=12)] * 2)
def test_whatever_is_typed_is_a_window_or_refused(level: str, width: str) -> None:
    try:
        found = window(level, width)
    except InvalidInput:
        return
    assert found.width > 0


def test_a_dicom_file_is_known_by_its_mark_and_nothing_else_is_one() -> None:
    assert is_dicom(radiograph())
    assert not any(map(is_dicom, (b"", b"DICM", bytes(131), photograph(), pdf())))


@pytest.mark.parametrize("said", [
    {"width": 0}, {"frames": 100_000}, {"milliseconds": 0}, {"low": 1e300}, {"reasons": ["<script>"]}, {"reasons": ["said"] * 9},
    {"window": [0, 0]}, {"window": [0, "40"]}])
def test_what_a_process_says_of_a_file_is_believed_within_bounds_only(said: dict[str, object]) -> None:
    good: dict[str, object] = {"width": 9, "height": 9, "frames": 1, "window": [40, 400], "low": 0, "high": 1, "hounsfield": True,
                               "milliseconds": 40, "reasons": ["said"]}
    assert msgspec.convert(good, Facts).window == Window(40, 400)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(good | said, Facts)


def test_a_film_says_in_how_many_rows_its_frames_lie() -> None:
    assert [Film(frames, 4, 40).rows for frames in (2, 4, 5, 9)] == [1, 1, 2, 3]
