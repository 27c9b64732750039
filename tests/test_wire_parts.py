"""What arrives beside a post's text is read whole or not at all, and whatever comes, what is read has passed the gate."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.text import clean
from posts.parts import NO_PARTS, Congress, Effect, Outcome, Parts, Row, Section, Study, doi_of, htmls
from posts.wire_parts import helpful_of, parts_out, read

_WHOLE = Parts(
    (Section("history", "<p>One</p>"), Section("perspective", "<p>Two</p>")), (Row(-1, "Before"), Row(0, "Then")),
    Outcome("<p>Well</p>", at=1_795_651_200_000),
    Study("10.1000/182", "cohort", 12, Effect("rr", "1.20", "1.05", "1.38", 90), "Nobody"), "",
    Congress("2026-11-26", "2026-11-27", "Lyon", "https://congress.example/?a=1"))
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["text", "sections", "heading", "content", "timeline", "day", "outcome", "published", "study", "doi",
                         "effect", "value", "congress", "starts", "ends", "link", "sponsor", "x"]), inner, max_size=6),
    max_leaves=25)


def test_what_is_sent_is_what_is_read() -> None:
    assert read("<p>whatever</p>", parts_out("<p>Text</p>", _WHOLE)) == ("<p>Text</p>", _WHOLE)
    assert read("<p>whatever</p>", parts_out("", NO_PARTS)) == ("", NO_PARTS)
    assert read("<p>All</p>", None) == ("<p>All</p>", NO_PARTS)


@given(_ANYTHING, st.text(max_size=60))
def test_anything_is_read_clean_or_left_to_the_content(raw: Any, content: str) -> None:
    html, parts = read(content, raw)
    assert clean(html) == html and all(clean(one) == one for one in htmls(parts))
    text = raw.get("text") if isinstance(raw, dict) else None
    assert (parts == NO_PARTS and html == clean(content)) or (isinstance(text, str) and html == clean(text))


@given(_ANYTHING)
def test_only_addresses_are_answers_that_helped(raw: Any) -> None:
    assert all(uri.startswith(("http://", "https://")) for uri in helpful_of(raw))
    assert helpful_of(["https://de.example/posts/1"] * 3 + [5, "x"]) == ("https://de.example/posts/1",)


def test_a_text_of_any_post_is_too_long_wherever_it_stands() -> None:
    with pytest.raises(InvalidInput) as refused:
        read("<p>" + "x" * 70_000 + "</p>", {"text": "<p>" + "x" * 70_000 + "</p>"})
    assert refused.value.reason == "too-long"


@pytest.mark.parametrize(("typed", "doi"), [
    ("10.1000/182", "10.1000/182"), (" https://doi.org/10.1056/NEJMoa2401479 ", "10.1056/nejmoa2401479"),
    ("doi: 10.1000/x(1)", "10.1000/x(1)"), ("http://dx.doi.org/10.1000/182", "10.1000/182"), ("10.1/2", ""), ("", ""),
    ("https://evil.example/10.1000/182", ""), ("10.1000/<b>\u202e", "")])
def test_a_doi_is_known_however_it_is_typed(typed: str, doi: str) -> None:
    assert doi_of(typed) == doi
