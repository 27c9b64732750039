"""Reports on the wire: what a Flag and its answers say, and what they never do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.errors import InvalidInput
from federation.identity import CONTEXT
from federation.lanes import URGENT
from posts.flags import ACCEPTED, REJECTED, answer, flag, read_answer, read_flag
from posts.matters import TEXT_LIMIT, Category, MatterState, Said, Verdict

_FR, _DE, _POST = "https://fr.example/actor", "https://de.example/actor", "https://de.example/posts/1"


@pytest.mark.parametrize("category", Category)
def test_a_flag_says_what_for_and_words_only_where_they_are_shared(category: Category) -> None:
    for shared in (True, False):
        made = flag("https://fr.example/reports/1", _FR, _POST, _DE, Said(category, "The village.", "fr", shared))
        document = json.loads(made.body)
        assert set(document) == {"@context", "id", "type", "actor", "to", "object", "category",
                                 *(("content", "contentMap") if shared else ())}
        assert (document["actor"], document["to"], document["object"]) == (_FR, [_DE], _POST) and made.lane == URGENT
        assert made.about_uri == _POST  # the deletion of the post takes it along
        assert read_flag(document) == (Said(category, "The village.", "fr", True) if shared else Said(category, "", "und", False))


@pytest.mark.parametrize("state", sorted(ACCEPTED | REJECTED))
def test_an_answer_says_how_far_it_is(state: MatterState) -> None:
    made = answer("https://de.example/reports/1#answer-2", _DE, "https://fr.example/reports/1", _FR,
                  Verdict(state, 2, "The date.", "de"))
    document = json.loads(made.body)
    assert document["type"] == ("Accept" if state in ACCEPTED else "Reject") == made.type
    assert read_answer(document, document["type"]) == Verdict(state, 2, "The date.", "de")
    other = "Reject" if state in ACCEPTED else "Accept"
    with pytest.raises(InvalidInput):
        read_answer(document | {"type": other}, other)


@pytest.mark.parametrize("more", [{"object": None}, {"object": [_POST]}, {"object": {"id": _POST}}, {"content": 1},
                                  {"content": "x" * (TEXT_LIMIT + 1)}, {"content": ["x"]}])
def test_what_is_no_flag_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        read_flag({"object": _POST} | more)


@pytest.mark.parametrize("category", [None, "lost", 1, ["insult"], {"insult": 1}])
def test_what_it_is_for_and_nobody_here_knows_is_something_else(category: Any) -> None:
    assert read_flag({"object": _POST, "category": category}) == Said(Category.OTHER, "", "und")


@pytest.mark.parametrize(("tagged", "language"), [({"fr": "x"}, "fr"), ({"x-<": "x", "de-AT": "x"}, "de-AT"), (["fr"], "und"),
                                                  ({"": "x"}, "und"), ("fr", "und"), ({"f" * 30: "x"}, "und")])
def test_a_language_is_one_or_not_known(tagged: Any, language: str) -> None:
    assert read_flag({"object": _POST, "content": "x\0y", "contentMap": tagged}) == Said(Category.OTHER, "xy", language, True)


def test_an_answer_to_something_else_is_none() -> None:
    assert read_answer({"@context": CONTEXT, "object": "https://fr.example/follows/1"}, "Accept") is None


def test_every_state_but_the_first_and_the_deleted_can_be_told() -> None:
    assert set(MatterState) - ACCEPTED - REJECTED == {MatterState.OPEN, MatterState.DELETED} and not ACCEPTED & REJECTED
