"""The description of the API is in step with its routes, and whole."""

import json
import re
from pathlib import Path

from actors.scopes import WORDS
from core.access import Access
from instance.api import ROUTES
from instance.api.asking import ANSWERS, BODIES, FILES, QUERIES
from instance.api.describing import description, written

KEPT = Path(__file__).parents[1] / "docs" / "openapi.json"


def test_the_file_is_what_the_routes_say_now() -> None:
    assert KEPT.read_text() == written(), "make openapi"


def test_every_route_is_in_it_with_its_parameters_and_scopes() -> None:
    paths = description()["paths"]
    for route in ROUTES:
        said = paths[route.rule.replace("<", "{").replace(">", "}")][route.methods[0].lower()]
        told = {one["name"] for one in said.get("parameters", ()) if one["in"] == "path"}
        assert told == set(re.findall(r"<(\w+)>", route.rule)) and said["summary"], route.rule
        assert ("security" in said) == (route.access != Access.VISITOR), route.rule
        assert {scope for one in said.get("security", ()) for scope in one["oauth2"]} == set(route.scopes) <= set(WORDS)
    assert sum(map(len, paths.values())) == sum(len(route.methods) for route in ROUTES)


def test_what_is_said_of_a_route_is_said_of_one_that_there_is() -> None:
    there = {f"{method} {route.rule}" for route in ROUTES for method in route.methods}
    assert {*QUERIES, *BODIES, *FILES, *ANSWERS} <= there


def test_every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() -> None:
    made = description()
    for place in set(re.findall(r'"\$ref": "#/components/(\w+/\w+)"', json.dumps(made))):
        kind, name = place.split("/")
        assert name in made["components"][kind], place
    names = [one["operationId"] for path in made["paths"].values() for one in path.values()]
    assert len(names) == len(set(names))
