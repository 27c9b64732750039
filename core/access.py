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
    APP = "app"
    """An app with a token of its own or of a doctor's; nothing that anybody wrote is there."""
    CLIENT = "client"
    """An app with the token of a doctor whose verification is in force, as far as `scopes` go; never a session's cookie."""


@dataclass(frozen=True)
class Route:
    """One rule with its methods, the function that answers and who may call it. `from_anywhere`: a form need not come from
    our own pages, because the path itself holds a secret that only whom it was sent to can know. `purpose`: what a sibling
    wants at the gate there; siblings' routes name one and no others do. `body_limit`: the most bytes its body may have, where
    that is another number than for the others. `frees`: it takes away, or writes next to nothing, and so goes on when the disk is
    almost full; every other form of a doctor waits then. `scopes`: any one of these opens it to an app. `fresh`: whoever is
    signed in has shown within the last minutes that it is she, or shows it now. `enrolling`: open to an operator who has no
    second factor yet. `by_itself`: pages ask for it without anybody doing anything, so it keeps no session awake."""

    rule: str
    methods: tuple[str, ...]
    endpoint: Callable[..., Any]
    access: Access
    from_anywhere: bool = False
    purpose: str = ""
    body_limit: int | None = None
    frees: bool = False
    scopes: tuple[str, ...] = ()
    fresh: bool = False
    enrolling: bool = False
    by_itself: bool = False


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
        if route.access in (Access.VISITOR, Access.SIBLING, Access.APP, Access.CLIENT) and (route.fresh or route.enrolling):
            raise TypeError(f"{route.rule}: nobody is signed in there")
        if bool(route.scopes) != (route.access == Access.CLIENT):
            raise TypeError(f"{route.rule}: an app's route says which scopes open it, and no other does")
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
