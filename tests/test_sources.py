"""HTML that came out of Markdown becomes Markdown again that says the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import clean, render_now
from posts.sources import markdown_of

_WORDS = st.sampled_from(["fever", "CRP <5 & more", "2*3*4", "_x_", "[a]", "1. not a list", "- nor this", "# nor a head", "`",
                         "ß|ü", "\\"])


@pytest.mark.parametrize("text", [
    "Some **clinical** text.\nNext *line*.", "A list:\n\n- one\n- two *x*\n- three\n\nand\n\n1. a\n2. b", "3. third\n4. fourth",
    "> quoted\n> more\n\nafter", "> - a\n> - b", "### Head\n\ntext `code` 2*3*4 _x_", "```\ncode *x*\n  y\n```",
    "- a\n    - b\n    - c\n- d",
    "See https://example.org/a_b and [this](https://e.org/x).", "| a | b |\n| --- | --- |\n| 1 | 2 |", "CRP <5 & x\n\n# no",
    "H<sub>2</sub>O x<sup>2</sup> ~~gone~~", "5 - 3\n- not list?", "1986. Was a year", "a\\*b", "one\n\n---\n\ntwo", ""])
def test_what_was_typed_reads_the_same_after_it_was_lost(text: str) -> None:
    html = render_now(text)
    assert render_now(markdown_of(html)).split() == html.split()


def test_mentions_and_hashtags_become_what_they_were_typed_as() -> None:
    html = ('<p>Ask <a href="https://fr.example/actors/1" rel="x">@ben@fr.example</a>:'
            ' <a href="https://de.example/tags/sepsis">#sepsis</a></p>')
    assert markdown_of(html) == "Ask @ben@fr.example: #sepsis"


_TAGS = st.sampled_from(["p", "li", "h3", "em", "blockquote", "td", "pre", "code", "a", "br", "/p", "/ul"])


@given(st.lists(st.tuples(_WORDS, _TAGS)))
def test_whatever_passed_the_gate_is_turned_into_something_that_can_be_rendered(parts: list[tuple[str, str]]) -> None:
    made = markdown_of(clean("".join(f"<{tag}>{word}" for word, tag in parts)))
    assert isinstance(render_now(made), str)
