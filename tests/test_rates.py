"""Who asks too often waits: a sibling by what it asks, a stranger by what she was refused, and nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import TooMany
from federation.rates import Bucket, Rates


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate() -> None:
    hand = Hand()
    bucket = Bucket(10, 2.0, hand)
    assert [bucket.take("a") for _ in range(20)] == [0.0] * 20
    assert bucket.take("a") == pytest.approx(0.1) == bucket.wait("a")
    assert bucket.take("b") == 0.0 == bucket.wait("b")
    hand.now += 0.5
    assert [bucket.take("a") for _ in range(5)] == [0.0] * 5 and bucket.take("a") > 0
    hand.now += 100
    assert [bucket.take("a") for _ in range(20)] == [0.0] * 20 and bucket.take("a") > 0, "nothing is saved up"


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 3)), max_size=200))
def test_nobody_ever_gets_more_than_the_burst_and_the_rate(asked: list[tuple[float, int]]) -> None:
    hand = Hand()
    bucket = Bucket(2, 5.0, hand)
    given: dict[int, list[float]] = {}
    for pause, subject in asked:
        hand.now += pause
        waits = bucket.wait(subject)
        assert (bucket.take(subject) == 0) == (waits == 0)
        if waits == 0:
            given.setdefault(subject, []).append(hand.now)
    for times in given.values():
        for first in range(len(times)):
            assert len(times[first:]) <= 2 * (times[-1] - times[first]) + 10 + 1e-6


def test_however_many_addresses_there_are_memory_is_bounded_and_the_worst_are_remembered() -> None:
    hand = Hand()
    bucket = Bucket(1, 10.0, hand, most=100)
    for _ in range(10):
        bucket.take("worst")
    for number in range(10_000):
        bucket.take(number)
        assert len(bucket) <= 101
    assert bucket.wait("worst") > 0


def test_a_sibling_that_asks_too_often_is_told_when_to_come_again() -> None:
    rates = Rates(5, 60, Hand())
    for _ in range(10):
        rates.asked(1)
    with pytest.raises(TooMany) as caught:
        rates.asked(1)
    assert caught.value.reason == "rate-sibling" and caught.value.retry_after == 1
    rates.asked(2)


@pytest.mark.parametrize(("one", "other", "same"), [
    (("203.0.113.5", 40000), ("203.0.113.5", 40001), True),
    (("203.0.113.5", 40000), ("203.0.113.6", 40000), False),
    (("2001:db8:1:2::1", 1), ("2001:db8:1:2:ffff::9", 2), True),
    (("2001:db8:1:2::1", 1), ("2001:db8:1:3::1", 1), False),
    (("::ffff:203.0.113.5", 1), ("203.0.113.5", 2), True),
    (("127.0.0.1", 0), ("127.0.0.1", 0), True),  # a trusted proxy said so
])
def test_one_network_is_counted_as_one(one: tuple[str, int], other: tuple[str, int], same: bool) -> None:
    rates = Rates(5, 2, Hand())
    rates.refused(one)
    rates.check(one)
    rates.refused(one)
    for where, limited in ((one, True), (other, same)):
        if not limited:
            rates.check(where)
            continue
        with pytest.raises(TooMany) as caught:
            rates.check(where)
        assert caught.value.reason == "rate-address" and caught.value.retry_after == 31


@pytest.mark.parametrize("client", [("127.0.0.1", 50000), ("127.8.8.8", 50000), ("::1", 50000), None])
def test_this_machine_itself_is_not_limited(client: tuple[str, int] | None) -> None:
    rates = Rates(5, 2, Hand())
    for _ in range(10):
        rates.refused(client)
        rates.check(client)
