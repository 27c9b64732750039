"""Who may call what: every route says so where it is declared, and a declaration that says nothing refuses to start."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_NAME = re.compile(r"<(?:([^:<>]*):)?[^<>]*>")


class Access(StrEnum):
    """Who is let in. There is no default and no order: a route names exactly one."""

    VISITOR = "visitor"
    """Anybody, without signing in: the login page, style sheets, the little that is public."""
    SIBLING = "sibling"
    """A request signed by a sibling instance that the gate lets through for the route's purpose."""
    DOCTOR = "doctor"
    """A signed-in account whose verification is in force."""
    MEMBER = "member"
    """Any signed-in account, an applicant's too."""
    OPERATOR = "operator"
    """Those who run this instance."""


@dataclass(frozen=True)
class Route:
    """One rule with its methods, the function that answers and who may call it. `from_anywhere`: a form need not come from
    our own pages, because the path itself holds a secret that only whom it was sent to can know. `purpose`: what a sibling
    wants at the gate there; siblings' routes name one and no others do. `body_limit`: the most bytes its body may have, where
    that is another number than for the others. `frees`: it takes away, or writes next to nothing, and so goes on when the disk is
    almost full; every other form of a doctor waits then."""

    rule: str
    methods: tuple[str, ...]
    endpoint: Callable[..., Any]
    access: Access
    from_anywhere: bool = False
    purpose: str = ""
    body_limit: int | None = None
    frees: bool = False


def check_declared(routes: Iterable[Route]) -> None:
    """`TypeError` for a route without rule, method or access, for a sibling's without purpose, and for a rule and method
    declared twice.

    Two rules that differ only in the names of their parameters are the same rule.
    """
    seen: dict[tuple[str, str], Route] = {}
    for route in routes:
        if not isinstance(route.access, Access):
            raise TypeError(f"{route.rule}: the route does not declare who may call it")
        if route.from_anywhere and route.access != Access.VISITOR:
            raise TypeError(f"{route.rule}: what a session may do is asked for from our own pages")
        if bool(route.purpose) != (route.access == Access.SIBLING):
            raise TypeError(f"{route.rule}: a sibling's route says for which purpose it is let through, and no other does")
        if not route.rule.startswith("/"):
            raise TypeError(f"{route.rule!r}: a rule begins with a slash")
        if isinstance(route.methods, str) or not route.methods or not _METHODS.issuperset(route.methods):
            raise TypeError(f"{route.rule}: methods are a tuple out of {', '.join(sorted(_METHODS))}")
        shape = _NAME.sub(lambda found: f"<{found[1] or ''}>", route.rule)
        for method in route.methods:
            if (method, shape) in seen:
                raise TypeError(f"{method} {route.rule} is declared twice, also as {seen[method, shape].rule}")
            seen[method, shape] = route
