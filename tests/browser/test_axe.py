"""axe-core and our own audit find nothing wrong with any page, whoever looks at it, in light, in dark and on a phone."""

from __future__ import annotations

from pathlib import Path

from werkzeug.routing import Map, Rule

from core.access import Access
from instance.app import routes
from tests.browser.chromium import Chromium
from tests.browser.house import house
from tests.browser.looking import look_hard
from tests.browser.sights import SIGHTS, walk

NO_PAGES = {"/drafts/<what>/<about>/pictures/<picture_name>/frame/<number>", "/live", "/manifest.webmanifest", "/sw.js",
            "/actor", "/.well-known/nodeinfo", "/nodeinfo/2.1", "/livez", "/readyz", "/static/<name>", "/new",
            "/admin/identity/descriptor", "/drafts/<what>/<about>", "/locked", "/login/second", "/login/identity/callback",
            "/admin/documents/<document_id>/<page>", "/portraits/<actor_id>/<version>/<size>",
            "/admin/posts/<post_id>/pictures/<number>", "/drafts/<what>/<about>/pictures/<picture_name>/pixels/<size>",
            "/p/<post_id>/pictures/<number>/<size>", "/p/<post_id>/congress.ics",
            "/.well-known/oauth-authorization-server"}
"""What people may fetch and is no page to read: drafts lead on to where they are written, the second step is seen on the way, the
first and five near the end are pictures, then comes one for a calendar and one for apps."""


def test_every_page_a_person_can_open_is_among_the_sights() -> None:
    pages = {route.rule for route in routes() if "GET" in route.methods and route.access != Access.SIBLING
             and not route.rule.startswith("/api/")}
    assert pages >= NO_PAGES
    known = Map([Rule(rule, endpoint=rule) for rule in pages]).bind("konsil.example")
    paths = [sight for seen in SIGHTS.values() for sight in seen if isinstance(sight, str)]
    shown = {known.match(path.partition("?")[0].replace("{", "").replace("}", ""))[0] for path in paths}
    missing = sorted(pages - NO_PAGES - shown)
    assert not missing, f"add these to SIGHTS in tests/browser/sights.py: {', '.join(missing)}"


async def test_nothing_is_wrong_with_any_page(browser: Chromium, tmp_path: Path) -> None:
    async with house(tmp_path) as built:
        wrong = await walk(browser, built, look_hard)
    wrong += [complaint for window in browser.windows.values() for complaint in window.complaints]
    assert not wrong, "\n".join(wrong)
