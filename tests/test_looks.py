"""Sending the same text again is a second look: of that doctor, at that text, not at once and not much later."""

from __future__ import annotations

from core.clock import Clock
from instance.looks import MINUTES, SECONDS, SecondLooks


class Hand(Clock):
    """A clock that a test moves."""

    at = 1_000_000

    def ms(self) -> int:
        return self.at


def test_only_the_same_text_of_the_same_doctor_after_a_moment_and_within_minutes() -> None:
    clock = Hand()
    looks = SecondLooks(clock)
    assert not looks.given(1, "a")
    clock.at += SECONDS * 1000 - 1
    assert not looks.given(1, "a")  # which does not begin anew
    clock.at += 1
    assert looks.given(1, "a") and not looks.given(2, "a") and not looks.given(1, "b")
    clock.at += MINUTES * 60_000
    assert not looks.given(1, "a")  # that was too long ago, so she is told anew
    clock.at += SECONDS * 1000
    assert looks.given(1, "a")
    clock.at -= MINUTES * 60_000
    assert not looks.given(1, "a")  # a clock that was put back says nothing


def test_very_many_are_not_remembered_for_ever() -> None:
    looks = SecondLooks(Hand())
    for number in range(12_000):
        looks.given(number, "a")
    assert len(looks._told) <= 10_000
