"""What changed between two versions is said word by word, and in bounded time."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from core.text import lines
from posts.differences import Change, Difference, difference, differs

SAME, REMOVED, ADDED = Change


def shown(before: str, after: str) -> Difference:
    found = difference(before, after, time.monotonic() + 10)
    assert found is not None
    return found


def words(found: Difference, *changes: Change) -> list[str]:
    return [word for line in found for piece in line if piece.change in changes for word in piece.text.split()]


def test_words_that_went_and_came_stand_where_they_did() -> None:
    assert shown("<p>Start heparin now.</p>", "<p>Start heparin tomorrow.</p>") == (
        ((SAME, "Start heparin"), (REMOVED, "now."), (ADDED, "tomorrow.")),)
    assert shown("<p>One two.</p>", "<p>One two.</p><ul><li>three</li></ul>") == (((SAME, "One two."),), ((ADDED, "three"),))
    assert shown("<p>Alles weg.</p>", "") == (((REMOVED, "Alles weg."),),)
    assert shown("", "") == ()


def test_lines_are_kept_apart_and_table_cells_together() -> None:
    table = "<table><tbody><tr><td>CRP</td><td>{}</td></tr><tr><td>Hb</td><td>14</td></tr></tbody></table>"
    assert lines(table.format(12)) == ("CRP 12", "Hb 14")
    assert shown(f"<p>Labor:</p>{table.format(12)}", f"<p>Labor:</p>{table.format(120)}") == (
        ((SAME, "Labor:"),), ((SAME, "CRP"), (REMOVED, "12"), (ADDED, "120")), ((SAME, "Hb 14"),))


def test_a_sentence_written_anew_is_read_as_a_whole() -> None:
    found = shown("<p>Wait for the result of the culture.</p>", "<p>Begin with penicillin; the echo can follow.</p>")
    assert [piece.change for line in found for piece in line] == [REMOVED, ADDED]


def test_only_formatting_is_no_difference_in_words() -> None:
    found = shown("<p>Start <strong>now</strong></p>", "<p>Start <em>now</em></p>")
    assert not differs(found) and words(found, SAME) == ["Start", "now"]
    assert differs(shown("<p>a</p>", "<p>b</p>")) and not differs(None)


def test_what_looks_like_markup_is_words() -> None:
    assert words(shown("<p>CRP &lt;5</p>", "<p>CRP &lt;script&gt;</p>"), ADDED) == ["<script>"]


def test_what_is_too_large_too_different_or_too_slow_has_no_difference() -> None:
    long = " ".join(f"w{number}" for number in range(4_100))
    assert difference(f"<p>{long}</p>", f"<p>{long} more</p>", time.monotonic() + 10) is None
    one, other = (" ".join(f"{letter}{number}" for number in range(600)) for letter in "ab")
    assert difference(f"<p>{one}</p>", f"<p>{other}</p>", time.monotonic() + 10) is None
    assert difference("<p>a</p>", "<p>b</p>", time.monotonic() - 1) is None
    assert difference("<p>" * 5_000, "<p>b</p>", time.monotonic() + 10) is None  # more markup than any post has


def test_texts_made_to_take_long_do_not() -> None:
    pairs = [("a " * 3_900, "a " * 1_900 + "b " + "a " * 1_900), ("a b " * 1_900, "b a " * 1_900),
             ("a " * 2_000 + "b " * 1_900, "b " * 1_900 + "a " * 2_000)]
    began = time.monotonic()
    for before, after in pairs:
        difference(before, after, time.monotonic() + 0.3)
    assert time.monotonic() - began < 10


@given(st.lists(st.sampled_from("abcd"), max_size=30), st.lists(st.sampled_from("abcd"), max_size=30))
def test_both_versions_can_be_read_in_the_difference(before: list[str], after: list[str]) -> None:
    found = shown(f"<p>{' '.join(before)}</p>", f"<p>{' '.join(after)}</p>")
    assert words(found, SAME, REMOVED) == before and words(found, SAME, ADDED) == after
