"""What is typed into the search field: taken apart the way people mean it, and never more than words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.terms import LONGEST, fold, terms, words_with_places
from posts.queries import MOST, Part, Query, parse


def taken(typed: str) -> list[tuple[tuple[str, ...], bool, str]]:
    return [tuple(part) for part in parse(typed).parts]


def test_words_are_folded_and_the_last_one_may_go_on() -> None:
    assert taken("Ödem  LUNGE") == [(("odem",), False, "Ödem"), (("lunge",), True, "LUNGE")]
    assert taken("Größe") == [(("grosse",), True, "Größe")]
    assert taken("IL 6") == [(("il",), False, "IL"), (("6",), False, "6")]


def test_a_star_lets_any_word_go_on() -> None:
    assert taken("sarko* lunge") == [(("sarko",), True, "sarko"), (("lunge",), True, "lunge")]
    assert taken("a* lunge")[0] == (("a",), False, "a")


def test_quotes_and_joined_words_are_words_in_a_row() -> None:
    assert taken('"blood cultures" x') == [(("blood", "cultures"), False, ""), (("x",), False, "x")]
    assert taken('"blood cultures') == [(("blood", "cultures"), False, "")]
    assert taken("COVID-19") == [(("covid", "19"), False, "COVID-19")]
    assert taken('"one"') == [(("one",), False, "")]


def test_minus_takes_out_and_a_dash_alone_does_not() -> None:
    assert parse('fever -child -"blood cultures"') == Query(
        (Part(("fever",), True, "fever"),), (Part(("child",), False, "child"), Part(("blood", "cultures"))))
    assert taken("fever - child") == [(("fever",), False, "fever"), (("child",), True, "child")]
    assert parse("-") == parse('""') == parse("  ") == parse("!?") == Query()


def test_at_most_so_many_words_count() -> None:
    assert sum(len(part.words) for part in parse(" ".join(f"w{n}" for n in range(50))).parts) == MOST


@given(st.text())
def test_whatever_is_typed_is_words_and_nothing_else(typed: str) -> None:
    query = parse(typed)
    for part in (*query.parts, *query.without):
        assert part.words
        for word in part.words:
            assert word and len(word) <= LONGEST and word.isalnum() and terms(word) == [word]


@given(st.text())
def test_folding_twice_is_folding_once_and_words_lie_where_they_are_said_to(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    for start, end, word in words_with_places(text):
        assert fold(text[start:end])[:LONGEST] == word


@pytest.mark.parametrize(("text", "folded"), [("Ménière", "meniere"), ("Sjögren", "sjogren"), ("SARCOÏDOSE", "sarcoidose"),
                                              ("Ångström", "angstrom"), ("œdème", "oedeme"), ("İ", "i")])
def test_accents_and_case_make_no_difference(text: str, folded: str) -> None:
    assert fold(text) == folded
