"""So many requests in five minutes, counted for each by itself, and told."""

from __future__ import annotations

import pytest

from core.errors import TooMany
from instance.quotas import WINDOW_SECONDS, Quotas


def test_a_window_is_used_up_and_begins_anew() -> None:
    now = [1000.0]
    quotas = Quotas(3, clock=lambda: now[0])
    assert quotas.look("ada") == (3, 3, 1300)
    assert [quotas.take("ada").left for _ in range(3)] == [2, 1, 0] and quotas.take("ben").left == 2
    now[0] = 1200.0
    with pytest.raises(TooMany) as raised:
        quotas.take("ada")
    assert raised.value.retry_after == 100 and quotas.look("ada") == (3, 0, 1300)
    now[0] = 1000.0 + WINDOW_SECONDS
    assert quotas.take("ada") == (3, 2, 1600)


def test_very_many_are_not_remembered_for_ever() -> None:
    quotas = Quotas(3, clock=lambda: 1000.0)
    for number in range(30_000):
        quotas.take(str(number))
    assert len(quotas._windows) <= 20_000 and quotas.look("29999").left == 2
