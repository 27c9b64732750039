"""A route says who may call it, once."""

from __future__ import annotations

from typing import Any

import pytest

from core.access import Access, Route, check_declared


def _endpoint() -> str:
    return "answer"


def _route(rule: str = "/posts/<id>", methods: Any = ("GET",), access: Any = Access.DOCTOR, purpose: str = "") -> Route:
    return Route(rule, methods, _endpoint, access, purpose=purpose)


def test_routes_that_differ_in_rule_method_or_converter_are_accepted() -> None:
    check_declared([
        _route(), _route(methods=("POST", "DELETE")), _route("/posts/<int:id>"), _route("/posts"),
        _route("/posts/<id>/votes"), _route("/login", access=Access.VISITOR)])


@pytest.mark.parametrize("access", [None, "", "doctor", "everybody"])
def test_a_route_without_an_access_is_refused(access: Any) -> None:
    with pytest.raises(TypeError, match="/posts/<id>"):
        check_declared([_route(access=access)])


@pytest.mark.parametrize("second", [
    _route(), _route(methods=("POST", "GET")), _route("/posts/<post_id>"), _route(access=Access.VISITOR)])
def test_a_rule_and_method_declared_twice_are_refused(second: Route) -> None:
    with pytest.raises(TypeError, match="twice"):
        check_declared([_route(), second])


@pytest.mark.parametrize(("rule", "methods"), [
    ("posts", ("GET",)), ("/posts", ()), ("/posts", ("get",)), ("/posts", "GET"), ("/posts", ("GET", "BREW"))])
def test_a_rule_or_method_that_cannot_be_right_is_refused(rule: str, methods: Any) -> None:
    with pytest.raises(TypeError):
        check_declared([_route(rule, methods)])


@pytest.mark.parametrize(("access", "purpose"), [(Access.SIBLING, ""), (Access.VISITOR, "object"), (Access.OPERATOR, "inbox")])
def test_a_siblings_route_names_its_purpose_and_no_other_does(access: Access, purpose: str) -> None:
    with pytest.raises(TypeError, match="purpose"):
        check_declared([_route(access=access, purpose=purpose)])
    check_declared([_route(access=Access.SIBLING, purpose="object")])
