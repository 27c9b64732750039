"""A seal proves what an instance has said, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posts import seals

_NOTE: dict[str, Any] = {
    "id": "https://de.example/posts/1", "type": "Question", "attributedTo": "https://de.example/actors/1",
    "content": "<p>x</p>", "contentMap": {"de": "<p>x</p>"}, "to": ["https://fr.example/members", "https://it.example/members"],
    "name": "Which?", "published": "2026-01-01T00:00:00Z", "revision": 3,
    "facts": {"specialties": ["cardiology"], "ageBand": "", "sex": "f", "aim": ""},
    "oneOf": [{"type": "Note", "name": "a"}, {"type": "Note", "name": "é"}], "endTime": "2027-01-01T00:00:00Z"}


def _seal(message: bytes) -> bytes:
    return hmac.digest(b"key", message, "sha256")


def _sealed(**changes: Any) -> dict[str, Any]:
    return {**_NOTE, "seal": seals.sealed(_NOTE, _seal)} | changes


def test_what_was_said_is_proven_also_where_receivers_may_have_changed_it() -> None:
    assert seals.holds(_sealed(), _seal) and len(_sealed()["seal"]) == seals.LENGTH
    for changes in ({"to": _NOTE["to"][::-1]}, {"published": "2025-01-01T00:00:00Z"}, {"votersCount": 7}, {"closed": True},
                    {"oneOf": [{"name": "a", "replies": {"totalItems": 5}}, {"name": "e\u0301"}]},
                    {"facts": {"sex": "f", "specialties": ["cardiology"]}}, {"extra": 1}):
        assert seals.holds(_sealed(**changes), _seal), changes


@pytest.mark.parametrize("changes", [
    {"id": "https://de.example/posts/2"}, {"type": "Note"}, {"attributedTo": "https://de.example/actors/2"},
    {"content": "<p>y</p>"},
    {"contentMap": {"fr": "<p>x</p>"}}, {"to": ["https://fr.example/members"]}, {"cc": ["https://xx.example/members"]},
    {"name": "What?"}, {"name": None}, {"revision": 4}, {"facts": {"specialties": ["urology"], "sex": "f"}}, {"facts": None},
    {"oneOf": [{"name": "a"}, {"name": "b"}]}, {"oneOf": None, "anyOf": _NOTE["oneOf"]}, {"endTime": "2028-01-01T00:00:00Z"},
    {"inReplyTo": "https://de.example/posts/0"}, {"tallies": ["https://fr.example/actor"]},
    {"state": "open"}, {"seal": ""}, {"seal": None}, {"seal": 5}, {"seal": "é"}])
def test_anything_else_is_not(changes: dict[str, Any]) -> None:
    assert not seals.holds(_sealed(**changes), _seal)


def test_another_key_proves_nothing() -> None:
    assert not seals.holds(_sealed(), lambda message: hashlib.sha256(message).digest())


@given(st.sampled_from([*_NOTE, "cc", "inReplyTo", "state", "anyOf", "seal"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
        st.text(max_size=5), inner), max_leaves=6))
def test_whatever_a_document_holds_the_answer_is_yes_or_no(name: str, value: Any) -> None:
    assert seals.holds(_sealed(**{name: value}), _seal) in (True, False)
