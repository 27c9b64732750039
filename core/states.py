"""State graphs as data: declared once, checked when they are made, drawn in the documentation from the same lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from core.errors import Conflict
from core.words import Phrase


class StateGraph:
    """The states something can be in and the steps between them.

    `TypeError` when the graph is made if a state is declared twice, an edge leaves from or leads to a state that is
    not declared, targets are a bare string, or a state cannot be reached from `initial`. A step from a state to itself
    is a step like any other: it has to be declared.
    """

    def __init__(self, name: str, states: Iterable[str], edges: Mapping[str, Iterable[str]], initial: str) -> None:
        self.name = name
        self.states = tuple(str(state) for state in states)
        self.initial = str(initial)
        if isinstance(states, str) or any(isinstance(targets, str) for targets in edges.values()):
            raise TypeError(f"{name}: states and targets are tuples of names, not one string")
        self.edges: Mapping[str, tuple[str, ...]] = MappingProxyType(
            {str(state): tuple(str(target) for target in targets) for state, targets in edges.items()})
        self._check_declared()
        self._check_reachable()

    def _check_declared(self) -> None:
        known = set(self.states)
        if len(known) != len(self.states):
            raise TypeError(f"{self.name}: a state is declared twice")
        named = {self.initial, *self.edges, *(target for targets in self.edges.values() for target in targets)}
        if unknown := named - known:
            raise TypeError(f"{self.name}: no such state: {', '.join(sorted(unknown))}")

    def _check_reachable(self) -> None:
        reached, edge = {self.initial}, [self.initial]
        while edge:
            new = set(self.edges.get(edge.pop(), ())) - reached
            reached |= new
            edge.extend(new)
        if lost := set(self.states) - reached:
            raise TypeError(f"{self.name}: never reached: {', '.join(sorted(lost))}")

    @property
    def final(self) -> tuple[str, ...]:
        """The states no step leaves."""
        return tuple(state for state in self.states if not self.edges.get(state))

    def allows(self, current: str, target: str) -> bool:
        """Whether the step is declared; a state nobody declared allows none."""
        return str(target) in self.edges.get(str(current), ())

    def check(self, current: str, target: str) -> None:
        """`Conflict` unless the step from `current` to `target` is declared."""
        if not self.allows(current, target):
            raise Conflict("What is “%(current)s” cannot become “%(target)s”.", reason="state",
                           values={"current": Phrase(current), "target": Phrase(target)},
                           cause=f"{self.name}: {current} -> {target} is not declared")

    def mermaid(self) -> str:
        """The graph as a Mermaid state diagram, in the order of the declaration."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial}"]
        for state in self.states:
            lines += [f"    {state} --> {target}" for target in self.edges.get(state, ())]
        lines += [f"    {state} --> [*]" for state in self.final]
        return "\n".join(lines) + "\n"
