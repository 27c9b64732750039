"""What a table of votes shows gives no vote away: not by itself, not beside the sums, not by what changes between two looks."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posts.cells import FEWEST, Table, stepped

ROWS = ("de", "fr", "it", "es")
BATCHES = st.lists(st.lists(st.tuples(st.sampled_from(ROWS), st.integers(0, 2)), min_size=1, max_size=14), min_size=1, max_size=8)
"""Votes as they come, from a row for a column, gathered between steps."""


def table(votes: dict[str, list[int]]) -> dict[str, tuple[int, ...]]:
    return {row: tuple(numbers) for row, numbers in votes.items()}


def ranges(least: list[int], total: int) -> list[tuple[int, int]]:
    """What each of some numbers can be that are at least so much each and come to a total."""
    room = total - sum(least)
    return [(low, low + room) if len(least) > 1 else (total, total) for low in least]


@given(BATCHES)
@settings(max_examples=400, deadline=None)
def test_no_hidden_cell_is_known_more_narrowly_than_five_and_no_shown_one_moves_by_less(
        batches: list[list[tuple[str, int]]]) -> None:
    votes: dict[str, list[int]] = {row: [0] * 3 for row in ROWS}
    shown: dict[str, tuple[int, ...]] = {}
    for batch in batches:
        for row, column in batch:
            votes[row][column] += 1
        before, actual = shown, table(votes)
        shown = stepped(before, actual, 3)
        for column in range(3):
            then = {row: before.get(row, (0,) * 3)[column] for row in ROWS}
            now = {row: shown.get(row, (0,) * 3)[column] for row in ROWS}
            moved = [row for row in ROWS if now[row] != then[row]]
            staying = [row for row in ROWS if row not in moved]
            assert all(now[row] == actual[row][column] and now[row] - then[row] >= FEWEST for row in moved)
            assert all(number == 0 or number >= FEWEST for number in now.values())
            if not moved:
                continue  # nothing was said that the sums do not say
            total = sum(actual[row][column] for row in ROWS) - sum(now[row] for row in moved)
            for row, (low, high) in zip(staying, ranges([now[row] for row in staying], total), strict=True):
                assert high - low >= FEWEST and low <= actual[row][column] <= high, (row, low, high)


def consistent(shown: list[int], total: int) -> list[set[int]]:
    """Every value each cell of a column can have in any column that would look like this, tried out one by one, with all that a
    reader knows: what is shown, and the sum. Rows have no sums, so nothing joins the columns."""
    found: list[set[int]] = [set() for _ in shown]
    for values in product(*([number] if number else range(total + 1) for number in shown)):
        if sum(values) == total:
            for cell, value in zip(found, values, strict=True):
                cell.add(value)
    return found


@given(st.lists(st.tuples(st.sampled_from(ROWS), st.integers(0, 1)), min_size=5, max_size=20))
@settings(max_examples=100, deadline=None)
def test_every_table_that_could_look_like_this_was_tried_and_no_hidden_cell_is_the_same_in_all(
        cast: list[tuple[str, int]]) -> None:
    votes = {row: [0, 0] for row in ROWS}
    for row, column in cast:
        votes[row][column] += 1
    shown = stepped({}, table(votes), 2)
    for column in range(2):
        seen = [shown.get(row, (0, 0))[column] for row in ROWS]
        possible = consistent(seen, sum(votes[row][column] for row in ROWS))
        for row, number, values in zip(ROWS, seen, possible, strict=True):
            assert votes[row][column] in values
            assert number or not any(seen) or len(values) > FEWEST, (row, values)


@pytest.mark.parametrize(("actual", "expected"), [
    ({"de": (7,), "fr": (3,), "it": (2,)}, {"de": (7,)}),  # two hidden ones, five together
    ({"de": (7,), "fr": (3,), "it": (1,)}, {}),  # four together would be too narrow
    ({"de": (7,), "fr": (3,), "it": (9,)}, {"it": (9,)}),  # one hidden alone would be what is left: the smallest goes along
    ({"de": (7,), "fr": (3,)}, {}),
    ({"de": (7,), "fr": (5,)}, {"de": (7,), "fr": (5,)}),
    ({"de": (7,), "fr": (0,)}, {}),  # nobody is told that nobody in France chose it
    ({"de": (4,), "fr": (4,), "it": (4,)}, {}),
])
def test_small_cells_are_hidden_and_others_with_them(actual: Table, expected: Table) -> None:
    assert stepped({}, actual, 1) == expected


def test_a_cell_moves_in_steps_and_the_sum_does_not_give_the_rest_away() -> None:
    shown = stepped({}, {"de": (10,), "fr": (10,)}, 1)
    assert shown == {"de": (10,), "fr": (10,)}
    assert stepped(shown, {"de": (15,), "fr": (14,)}, 1) == shown  # fr alone would be what is left of the sum
    assert stepped(shown, {"de": (15,), "fr": (15,)}, 1) == {"de": (15,), "fr": (15,)}
    shown = stepped({}, {"de": (10,), "fr": (10,), "it": (10,)}, 1)
    assert stepped(shown, {"de": (20,), "fr": (12,), "it": (12,)}, 1) == shown
    assert stepped(shown, {"de": (20,), "fr": (12,), "it": (13,)}, 1) == shown | {"de": (20,)}


def test_what_has_become_smaller_keeps_its_column_as_it_was() -> None:
    shown = stepped({}, {"de": (10, 6), "fr": (10, 6)}, 2)
    assert stepped(shown, {"de": (20, 11), "fr": (9, 11)}, 2) == {"de": (10, 11), "fr": (10, 11)}
