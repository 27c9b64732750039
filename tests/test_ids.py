"""Identifiers grow, whatever the clock does, and their two forms are one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.clock import Clock
from core.ids import Ids, number, public, uri_key

_LARGEST = (1 << 63) - 1


class _Steps(Clock):
    """A clock that shows the given milliseconds one after the other, then stays."""

    def __init__(self, moments: list[int]) -> None:
        super().__init__()
        self._moments = moments

    def ms(self) -> int:
        return self._moments.pop(0) if len(self._moments) > 1 else self._moments[0]


@given(st.lists(st.integers(min_value=0, max_value=3_000_000_000_000), min_size=1), st.integers(0, 255))
def test_ids_strictly_increase_also_when_the_clock_steps_back(moments: list[int], tag: int) -> None:
    ids = Ids(_Steps(list(moments)), tag)
    made = [ids.new() for _ in range(len(moments) + 3)]
    assert made == sorted(set(made))
    assert all(0 < one <= _LARGEST for one in made)


def test_ids_keep_increasing_when_one_millisecond_is_used_up() -> None:
    ids = Ids(_Steps([1_800_000_000_000]), 255)
    made = [ids.new() for _ in range((1 << 14) * 2 + 10)]
    assert made == sorted(set(made))


def test_two_processes_with_different_tags_never_make_the_same_id() -> None:
    one, other = Ids(_Steps([1_800_000_000_000]), 1), Ids(_Steps([1_800_000_000_000]), 2)
    assert not {one.new() for _ in range(1000)} & {other.new() for _ in range(1000)}


@given(st.integers(0, _LARGEST))
def test_the_outside_form_reads_back(inside: int) -> None:
    assert number(public(inside)) == inside
    assert len(public(inside)) == 13


@given(st.integers(0, _LARGEST), st.integers(0, _LARGEST))
def test_the_outside_form_sorts_like_the_number(one: int, other: int) -> None:
    assert (public(one) < public(other)) == (one < other)


@given(st.text(max_size=20))
def test_a_text_is_read_only_when_it_is_an_outside_form(text: str) -> None:
    inside = number(text)
    assert inside is None or public(inside) == text


def test_what_nobody_here_can_have_written_is_no_number() -> None:
    written = public(1 << 40)
    for wrong in ("", written[:-1], written + "0", written.upper().replace("0", "O"), "z" * 13, "8" + "0" * 12,
                  "٣" * 13):
        assert number(wrong) is None
    assert number("7" + "z" * 12) == _LARGEST


def test_a_uri_key_is_twenty_four_bytes_and_tells_uris_apart() -> None:
    assert len(uri_key("https://a.example/1")) == 24
    assert uri_key("https://a.example/1") == uri_key("https://a.example/1") != uri_key("https://a.example/2")
