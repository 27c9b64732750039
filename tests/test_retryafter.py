"""How long to wait: seconds and dates are read, and nothing else is taken for either."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from federation.retryafter import retry_after

NOW = 1_764_115_200.0  # Wed, 26 Nov 2025 00:00:00 GMT


@pytest.mark.parametrize(("said", "seconds"), [
    (None, None), ("", None), ("120", 120), (" 7 ", 7), ("0", 0), ("99999999", 99_999), ("-1", None), ("1.5", None), ("²", None),
    ("Wed, 26 Nov 2025 00:02:00 GMT", 120), ("Wednesday, 26-Nov-25 00:02:00 GMT", 120), ("Wed Nov 26 00:02:00 2025", None),
    ("Wed, 26 Nov 2025 01:02:00 +0100", 120), ("Tue, 25 Nov 2025 23:59:00 GMT", 0), ("Fri, 26 Nov 2100 00:00:00 GMT", 99_999),
    ("soon", None), ("Wed, 99 Nov 2025 00:00:00 GMT", None)])
def test_seconds_and_dates_are_read(said: str | None, seconds: int | None) -> None:
    assert retry_after(said, NOW) == seconds


@given(some.text())
def test_whatever_is_said_it_is_a_bounded_time_or_none(said: str) -> None:
    found = retry_after(said, NOW)
    assert found is None or 0 <= found < 100_000
