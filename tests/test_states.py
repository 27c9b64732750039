"""State graphs are checked when they are made and refuse every step that is not declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Conflict
from core.states import StateGraph

_CASE = StateGraph(
    "case", ("open", "answered", "known"), {"open": ("answered", "known"), "answered": ("known", "open")}, "open")


@pytest.mark.parametrize(("states", "edges", "initial", "named"), [
    (("a", "b"), {"a": ("c",)}, "a", "c"),
    (("a", "b"), {"a": ("b",), "x": ("a",)}, "a", "x"),
    (("a", "b"), {"a": ("b",)}, "z", "z"),
    (("a", "b", "c"), {"a": ("b",), "c": ("b",)}, "a", "never reached: c"),
    (("a", "a"), {"a": ("a",)}, "a", "twice"),
    (("a", "b"), {"a": "b"}, "a", "one string"),
    ("ab", {"a": ("b",)}, "a", "one string"),
])
def test_a_graph_that_cannot_be_right_is_refused_when_it_is_made(
        states: Iterable[str], edges: Mapping[str, Iterable[str]], initial: str, named: str) -> None:
    with pytest.raises(TypeError, match=named):
        StateGraph("wrong", states, edges, initial)


def test_only_declared_steps_pass() -> None:
    _CASE.check("open", "answered")
    _CASE.check("answered", "open")
    for current, target in (
            ("open", "open"), ("known", "open"), ("known", "known"), ("lost", "open"), ("open", "lost")):
        assert not _CASE.allows(current, target)
        with pytest.raises(Conflict) as caught:
            _CASE.check(current, target)
        assert caught.value.status == 409


def test_the_picture_shows_the_beginning_every_edge_and_the_ends() -> None:
    assert _CASE.mermaid() == (
        "stateDiagram-v2\n"
        "    [*] --> open\n"
        "    open --> answered\n"
        "    open --> known\n"
        "    answered --> known\n"
        "    answered --> open\n"
        "    known --> [*]\n")


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=4), max_size=6))
def test_a_graph_is_accepted_exactly_when_every_state_can_be_reached(edges: dict[str, list[str]]) -> None:
    reached: set[str] = {"a"}
    for _ in range(6):
        reached |= {target for state in reached for target in edges.get(state, ())}
    if reached == set("abcdef"):
        graph = StateGraph("random", tuple("abcdef"), edges, "a")
        assert {(a, b) for a in "abcdef" for b in "abcdef" if graph.allows(a, b)} == {
            (a, b) for a, targets in edges.items() for b in targets}
    else:
        with pytest.raises(TypeError):
            StateGraph("random", tuple("abcdef"), edges, "a")
