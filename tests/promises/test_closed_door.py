"""The closed door: every route, whoever knocks, by every method; and the one way out.

The routes are those of `instance.app.routes()`: a new one is in the table by itself, and fails it until somebody has said
here what is particular about it.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Iterator, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.models import Role
from actors.scopes import WORDS
from core.access import Access, Route
from core.ids import public
from federation.allowlist import Purpose
from federation.bundles import JSON_SEQ
from federation.client import Client
from instance.api.guard import serves
from instance.api.streams import SOCKET, STREAMS
from instance.app import behind_the_front, create_pages, endpoint_of, routes
from instance.live import PATH
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.servers import AP, PASSWORD, FakeSibling, Running, countries
from tests.test_pages import Browser
from tests.test_portraits import picture

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("core", "federation", "actors", "posts", "inbox", "instance")
PEOPLE = ("visitor", "applicant", "student", "doctor", "expired doctor", "suspended doctor", "operator")
SERVERS = ("active sibling", "paused sibling", "revoked sibling", "proposed sibling", "confirmed sibling", "stranger")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")

LOGIN, UNSIGNED, FORBIDDEN, NOWHERE, UNREAD, LATER, IN = "to the login", "401", "403", "404", "415", "503", "in"

OUTSIDE = {"visitor", "suspended doctor", *SERVERS}
"""Who has no session."""

PARTICULAR: dict[tuple[str, str, str], str] = {
    # nothing in this table has pictures; students ask nothing, so they add none to a question
    **{(method, f"/drafts/<what>/<about>/pictures{rest}", "student"): FORBIDDEN for method in ("GET", "POST")
       for rest in ("", "/<picture_name>", "/<picture_name>/remove", "/<picture_name>/pixels/<size>")},
    **{(method, f"/drafts/<what>/<about>/pictures/<picture_name>{rest}", "doctor"): NOWHERE for method in ("GET", "POST")
       for rest in ("", "/remove", "/pixels/<size>")},
    **{("GET", f"/p/<post_id>/pictures/<number>{rest}", who): NOWHERE for rest in ("", "/<size>")
       for who in ("student", "doctor")},
    ("GET", "/admin/posts/<post_id>/pictures/<number>", "operator"): NOWHERE,
    ("GET", "/media/<picture_name>", "active sibling"): NOWHERE,
    **{("POST", "/p/<post_id>/withdraw", who): NOWHERE
       for who in ("applicant", "student", "doctor", "expired doctor", "operator")},
    # students read and answer; they do not ask
    ("GET", "/compose", "student"): FORBIDDEN, ("POST", "/compose", "student"): FORBIDDEN,
    ("POST", "/p/<post_id>/vote", "student"): FORBIDDEN,
    # the post in this table is somebody else's, so nobody edits or deletes it, and its deletion is not even there
    **{(method, "/p/<post_id>/edit", who): FORBIDDEN for method in ("GET", "POST") for who in ("student", "doctor")},
    **{(method, "/p/<post_id>/recall", who): FORBIDDEN for method in ("GET", "POST") for who in ("student", "doctor")},
    **{(method, "/p/<post_id>/delete", who): NOWHERE for method in ("GET", "POST")
       for who in ("applicant", "student", "doctor", "expired doctor", "operator")},
    # nor does anybody say what became of it
    **{("GET", "/p/<post_id>/outcome", who): FORBIDDEN for who in ("student", "doctor")},
    **{("POST", f"/p/<post_id>/{what}", who): NOWHERE for what in ("outcome", "helpful") for who in ("student", "doctor")},
    # and nobody but its author has its count attested; no poll of the sibling in this table is counted here
    **{("POST", "/p/<post_id>/attest", who): NOWHERE for who in ("student", "doctor")},
    ("GET", "/tallies/<key>", "active sibling"): NOWHERE,
    # home is for the verified; operators are sent to their own
    ("GET", "/", "applicant"): FORBIDDEN, ("GET", "/", "expired doctor"): FORBIDDEN,
    **{("GET", rule, "operator"): NOWHERE for rule in ("/mine", "/mine/deletions", "/drafts")},
    # operators have written nothing here and do not leave by themselves
    **{(method, rule, "operator"): NOWHERE for method, rule in (
        ("GET", "/settings/export"), ("POST", "/settings/export"), ("POST", "/settings/export/file"),
        ("GET", "/settings/leave"), ("POST", "/settings/leave"), ("POST", "/settings/leave/stay"))},
    # the draft in this table is of a new post, and nobody has kept it
    **{(method, rule, who): NOWHERE for method, rule in (("GET", "/drafts/<what>/<about>"),
                                                         ("POST", "/drafts/<what>/<about>/discard"))
       for who in ("applicant", "student", "doctor", "expired doctor", "operator")},
    ("POST", "/drafts/<what>/<about>", "student"): FORBIDDEN,
    # no picture is in work there
    **{(method, f"/drafts/<what>/<about>/pictures/<picture_name>{page}", who): FORBIDDEN if who == "student" else NOWHERE
       for method, page in (("GET", "/edit"), ("POST", "/edit"), ("GET", "/frame/<number>")) for who in ("student", "doctor")},
    # the notification in this table is nobody's, the link was sent to nobody, and this instance sends no mail
    **{("POST", "/notifications/<notification_id>/read", who): NOWHERE for who in ("student", "doctor")},
    **{("POST", "/mail/confirm/<token>", who): NOWHERE for who in (*PEOPLE, *SERVERS)},
    **{("POST", "/settings/mail", who): NOWHERE for who in ("student", "doctor")},
    # only a script listens, and this instance names no push service
    **{("POST", rule, who): NOWHERE for rule in ("/settings/push", "/settings/push/remove") for who in ("student", "doctor")},
    # the link in this table leads to no application, and this instance sends no mail, so that nobody can apply
    **{(method, f"/join/<token>{step}", who): NOWHERE for who in (*PEOPLE, *SERVERS) for method, step in (
        ("GET", ""), ("POST", ""), ("POST", "/appeal"), ("GET", "/withdraw"), ("POST", "/withdraw"),
        *((method, step) for step in ("/person", "/register", "/consents", "/check") for method in ("GET", "POST")))},
    # students invite nobody, and the invitation in this table is nobody's
    ("POST", "/invite", "student"): FORBIDDEN,
    **{("POST", "/invite/<invitation_id>/withdraw", who): NOWHERE for who in ("student", "doctor")},
    # nobody has proposed to find out what is called so
    **{(method, "/admin/unmask/<unmasking_id>", "operator"): NOWHERE for method in ("GET", "POST")},
    # no desk is called so, and the post in this table is no congress
    ("POST", "/admin/desks/<handle>/hand-over", "operator"): NOWHERE,
    **{("GET", "/p/<post_id>/congress.ics", who): NOWHERE for who in ("student", "doctor")},
    # nobody has reported anything
    **{(method, rule, who): NOWHERE for method, rule in (("GET", "/reports/<matter_id>"), ("POST", "/reports/<matter_id>/appeal"))
       for who in ("applicant", "student", "doctor", "expired doctor", "operator")},
    **{("GET", rule, "operator"): NOWHERE for rule in ("/reports", "/reports/opened")},
    ("GET", "/admin/reports/<matter_id>", "operator"): NOWHERE,
    ("POST", "/admin/reports/<matter_id>/decide", "operator"): NOWHERE,
    # no self-test of the sibling in this table is kept
    ("GET", "/admin/siblings/<domain>/checks/<check_id>", "operator"): NOWHERE,
    # nothing of the sibling's own is called so here
    # what has no translation has none that could be taken out
    **{("POST", "/p/<post_id>/translation/remove", who): NOWHERE for who in ("student", "doctor")},
    ("GET", "/reconciliation/copies/<post_id>", "active sibling"): NOWHERE,
    # what does not say that it is an activity is not looked at any further
    **{("POST", rule, who): UNREAD for rule in ("/inbox", "/inbox/bundle", "/handshake") for who in PEOPLE},
    # no application has the link in this table, and no document this number
    **{(method, "/join/<token>/documents", who): NOWHERE for method in ("GET", "POST") for who in (*PEOPLE, *SERVERS)},
    **{("POST", "/join/<token>/documents/<document_id>/remove", who): NOWHERE for who in (*PEOPLE, *SERVERS)},
    ("GET", "/admin/documents/<document_id>/<page>", "operator"): NOWHERE,
    # operators are verified by nobody; the application in this table was never handed in
    **{(method, "/settings/verification", "operator"): NOWHERE for method in ("GET", "POST")},
    **{(method, "/admin/applications/<application>", "operator"): NOWHERE for method in ("GET", "POST")},
    # this instance knows no identity provider
    **{("POST", rule, who): NOWHERE for rule in ("/login/identity", "/join/<token>/identity") for who in (*PEOPLE, *SERVERS)},
    **{("POST", "/settings/identity", who): NOWHERE for who in ("applicant", "student", "doctor", "expired doctor", "operator")},
    # the address of a picture in this table was given to no app; what apps send is a form or JSON
    **{("GET", f"/api/konsil/{rest}", who): NOWHERE for rest in (
        "pictures/<sealed>", "portraits/<sealed>/<version>", "uploads/<sealed>/<media_id>")
       for who in (*PEOPLE, *SERVERS)},
    **{("POST", rule, who): UNREAD for rule in ("/api/v1/apps", "/oauth/token", "/oauth/revoke") for who in SERVERS},
    # an empty form is no password
    **{("POST", rule, who): UNSIGNED for rule in ("/login", "/login/second", "/login/passkey") for who in (*PEOPLE, *SERVERS)},
    # the link in this table was sent to nobody, and passkeys belong to an instance with a name
    **{("POST", "/reset", who): NOWHERE for who in (*PEOPLE, *SERVERS)},
    **{(method, rule, who): NOWHERE for method in ("GET", "POST") for rule in ("/reset/<token>", "/welcome/<token>")
       for who in (*PEOPLE, *SERVERS)},
    **{(method, rule, who): NOWHERE for method, rule in (
        ("GET", "/settings/security/passkeys/new"), ("POST", "/settings/security/passkeys/new"),
        ("POST", "/settings/security/passkeys/<passkey_id>/remove"))
       for who in ("applicant", "student", "doctor", "expired doctor", "operator")},
}


def expected(method: str, route: Route, who: str) -> str:
    """What the table says."""
    method = "GET" if method == "HEAD" else method
    if (method, route.rule, who) in PARTICULAR:
        return PARTICULAR[method, route.rule, who]
    if route.access == Access.VISITOR:
        return IN
    if route.rule == "/handshake" and who == "confirmed sibling":
        return IN
    if route.access == Access.SIBLING:
        return {"active sibling": IN, "paused sibling": LATER}.get(who, FORBIDDEN if who in SERVERS else UNSIGNED)
    if who in OUTSIDE and route.access not in (Access.APP, Access.CLIENT):
        return LOGIN if method == "GET" else UNSIGNED
    if route.access in (Access.APP, Access.CLIENT):
        return UNSIGNED  # whatever cookie somebody has: apps show tokens, which is tests/promises/test_client_api.py's
    if route.access == Access.OPERATOR:
        return IN if who == "operator" else NOWHERE
    if route.access == Access.DOCTOR:
        return IN if who in ("student", "doctor") else FORBIDDEN
    assert route.access == Access.MEMBER
    return IN


def seen(status: int, location: str) -> str:
    """What an answer is in the table's words; `in` is whatever only the route's own function answers."""
    if status == 303 and location.startswith("/login?next="):
        return LOGIN
    reached = IN if status in (200, 303, 400, 409, 422) else str(status)
    return {401: UNSIGNED, 403: FORBIDDEN, 404: NOWHERE, 503: LATER}.get(status, reached)


@dataclass
class House:
    """A German instance, with one of each kind of person signed in and one of each kind of server with its keys."""

    de: Running
    post_id: str
    values: dict[str, str]
    browsers: dict[str, Browser] = field(default_factory=dict)
    servers: dict[str, FakeSibling] = field(default_factory=dict)

    def path(self, route: Route) -> str:
        path = route.rule
        for name, value in self.values.items():
            path = path.replace(f"<{name}>", value)
        assert "<" not in path, f"say which {path} the table uses"
        return path + (f"?resource=acct:ada@{self.de.domain}" if "webfinger" in path else "")

    async def knock(self, who: str, method: str, path: str) -> tuple[int, str, bytes]:
        if who in self.browsers:
            asking = self.browsers[who].session.request(method, path, allow_redirects=False)
        else:
            body = b"{}" if method == "POST" else b""
            kind = JSON_SEQ if path == "/inbox/bundle" else AP
            asking = self.browsers["visitor"].session.request(
                method, path, headers=self.servers[who].headers(method, self.de.url + path, body, kind=kind) | {"accept": AP},
                data=body or None, allow_redirects=False)
        async with asking as response:
            return response.status, response.headers.get("location", ""), await response.read()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with countries(tmp_path, "de", worker=False) as (de,):
        servers = {who: FakeSibling(port=port) for port, who in enumerate(SERVERS, start=2)}
        for who, fake in servers.items():
            if who != "stranger":
                await fake.listed(de, who.split()[0])
        poll = Draft(Kind.POLL, "Which?", "Text", "de", CaseFacts(), PollDraft(("a", "b"), False, de.its.clock.ms() + 3_600_000))
        places = de.its.compose.network_digest(await de.its.compose.destinations())
        post_id = await de.its.compose.publish(
            await de.author("ada"), poll, (servers["active sibling"].origin,), Reach.COUNTRIES, places)
        ada = de.doctors["ada"].actor_id
        assert ada is not None
        await de.its.portraits.change(await de.its.credentials.require_verified(de.doctors["ada"]), picture())
        version = (await de.author("ada")).actor.portrait
        reference = await de.its.outside.take("other", "Which?", "", "de", "203.0.113.5")
        found = House(de, post_id, {"post_id": post_id, "reference": reference, "actor_id": public(ada), "name": "konsil.css",
                                    "code": "cardiology", "condition_code": "sarcoidosis", "tag": "sepsis", "mention": "ada",
                                    "notification_id": "0000000000000", "invitation_id": "0000000000000", "token": "x" * 43,
                                    "version": version, "size": "small",
                                    "what": "new", "about": "0000000000000", "picture_name": "x" * 24, "number": "1",
                                    "document_id": "0000000000000", "page": "1",
                                    "app_id": "0000000000000", "account_id": public(ada),
                                    "status_id": post_id, "poll_id": post_id, "hashtag": "sepsis", "list_id": "1",
                                    "media_id": "x", "conversation_id": post_id, "sealed": "x" * 43,
                                    "passkey_id": "0000000000000", "session_id": "0000000000000",
                                    "check_id": "0000000000000", "application": "ABCD-EFGH", "doctor": "ben",
                                    "handle": "nobody", "unmasking_id": "0000000000000", "matter_id": "0000000000000",
                                    "sequence": "1", "key": "0" * 64, "kind": "held",
                                    "domain": servers["active sibling"].origin.split("://")[1]}, servers=servers)
        await de.add_doctor("applicant", proven=False)
        await de.add_doctor("student", Role.STUDENT)
        await de.add_doctor("expired")
        await de.add_doctor("suspended")
        await de.its.accounts.add_operator("op", "Operator", PASSWORD)
        logins = {"applicant": "applicant", "student": "student", "doctor": "ben", "expired doctor": "expired",
                  "suspended doctor": "suspended", "operator": "op"}
        try:
            for who in PEOPLE:
                found.browsers[who] = Browser(de)
                assert who == "visitor" or await found.browsers[who].login(logins[who]) == 303
            await de.its.accounts.suspend("suspended", "test", "test")
            await de.its.database.write(lambda tx: tx.run(
                "UPDATE actors SET verified_until = ? WHERE handle = 'expired'", (de.its.clock.ms() - 1000,)))
            yield found
        finally:
            for browser in found.browsers.values():
                await browser.__aexit__()


async def test_every_route_answers_everybody_as_the_table_says(house: House) -> None:
    """Signing out comes last, because it works."""
    wrong, tried = [], 0
    for route in sorted(routes(), key=lambda route: (route.rule == "/logout", "POST" in route.methods)):
        for method in ("GET", "HEAD") if route.methods == ("GET",) else route.methods:
            for who in (*PEOPLE, *SERVERS):
                if route.access == Access.VISITOR:
                    await house.de.its.database.write(lambda tx: tx.run("DELETE FROM login_attempts"))
                status, location, body = await house.knock(who, method, house.path(route))
                got, wanted = seen(status, location), expected(method, route, who)
                tried += 1
                if got != wanted:
                    wrong.append(f"{method} {route.rule} for {who}: {got}, not {wanted}")
                if wanted != IN:
                    assert b"Which?" not in body and b"Dr Ada" not in body, (method, route.rule, who)
                assert method != "HEAD" or body == b""
    assert wrong == []
    assert tried > 30 * len((*PEOPLE, *SERVERS))
    assert await house.de.count("posts", "erased_at IS NULL") == 1 and await house.de.count("votes") == 0


def test_every_route_for_siblings_says_for_which_purpose_they_are_let_through() -> None:
    named = {route.rule: Purpose(route.purpose) for route in routes() if route.access == Access.SIBLING}
    assert named["/inbox"] == named["/inbox/bundle"] == Purpose.INBOX and named["/handshake"] == Purpose.HANDSHAKE
    assert len(named) > 8


async def test_a_sibling_outside_a_posts_audience_learns_no_more_than_of_one_that_is_not_there(house: House) -> None:
    other = await FakeSibling("it", port=77).listed(house.de, "active")
    for path in ("/posts/{}", "/posts/{}/replies"):
        here, nowhere = [await other.get(house.de.url + path.format(post)) for post in (house.post_id, "0000000000000")]
        assert here == nowhere and here[0] == 404


async def test_no_method_that_was_not_declared_reaches_anything(house: House) -> None:
    """OPTIONS, TRACE and their like are answered as if the address did not exist, whoever asks, and say nothing of it."""
    declared: dict[str, set[str]] = {}
    for route in routes():
        declared.setdefault(house.path(route), set()).update(route.methods, {"HEAD"} if "GET" in route.methods else set())
    for route in (route for route in routes() if serves(route.rule)):  # what is called `clear` can be a notification's id as well
        rule = re.compile(re.sub("<[^<>]+>", "[^/]+", route.rule))
        for path in filter(rule.fullmatch, declared):
            declared[path].update(route.methods, {"HEAD"} if "GET" in route.methods else set())
    for who, methods in (("visitor", {*METHODS}), ("operator", {"OPTIONS"}), ("active sibling", {"OPTIONS", "TRACE"})):
        nothing = (await house.knock(who, "GET", "/nothing/at/all"))[2]
        no_method = [(await house.knock(who, "PROPFIND", path))[2] for path in ("/api/v1/instance", "/oauth/token")]
        for path, known in declared.items():
            for method in sorted(methods - known):
                status, location, body = await house.knock(who, method, path)
                if serves(path):  # apps are told that it is the method; whatever the address, in the same words
                    assert (status, location) == (405, "") and (method == "HEAD" or body in no_method), (method, path, who)
                    continue
                assert (status, location) == (404, ""), (method, path, who)
                assert who == "operator" or method == "HEAD" or body == nothing, (method, path, who)


async def test_the_url_map_answers_no_method_by_itself(house: House) -> None:
    for rule in create_pages(house.de.its).url_map.iter_rules():
        assert rule.methods is not None
        wanted = {method for route in behind_the_front() if route.rule == rule.rule and endpoint_of(route) == rule.endpoint
                  for method in route.methods}
        assert rule.methods == wanted | ({"HEAD"} if "GET" in wanted else set()), rule


async def test_one_address_speaks_websocket_and_every_stream_says_who_may_hear_it(house: House) -> None:
    """A stream that comes has to declare who may hear it as routes do, and this test has to learn it; how far a token opens it
    tests/test_api_streaming.py and tests/promises/test_client_api.py try with every scope."""
    assert [route.access for route in routes() if route.rule == PATH] == [Access.DOCTOR]
    assert all(stream.scopes and {*stream.scopes} <= WORDS.keys() for stream in STREAMS)
    assert len({stream.name for stream in STREAMS}) == len(STREAMS)
    streaming = {route.rule: route for route in routes() if route.rule.startswith(f"{SOCKET}/")}
    assert streaming.pop(f"{SOCKET}/health").access == Access.VISITOR
    assert {rule: (route.methods, route.access, route.scopes) for rule, route in streaming.items()} == {
        f"{SOCKET}/{stream.path}": (("GET",), Access.CLIENT, stream.scopes) for stream in STREAMS if stream.path}
    for rule in create_pages(house.de.its).url_map.iter_rules():
        assert not rule.websocket, rule  # type: ignore[attr-defined]
    for where, tree in sources():
        said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert str(where) == "instance/following.py" or not [text for text in said if "text/event-stream" in text], where
        assert "EVENTS" not in used or str(where) in ("instance/following.py", "instance/pages/live.py",
                                                      "instance/api/streaming.py", "instance/api/describing.py"), where
        assert str(where) == "instance/api/sockets.py" or not {"websocket.accept", "websocket.send"} & said, where
    for path in sorted({house.path(route).partition("?")[0] for route in routes()} | {"/", SOCKET, f"{SOCKET}/", "/nothing"}):
        said_back: list[str] = []
        heard = iter(["websocket.connect"])

        async def hear(heard: Iterator[str] = heard) -> dict[str, Any]:
            kind = next(heard, "")
            if not kind:
                await asyncio.sleep(0.05)
            return {"type": kind or "websocket.disconnect", "code": 1001}

        async def say(message: MutableMapping[str, Any], said_back: list[str] = said_back) -> None:
            said_back.append(message["type"])

        scope = {"type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "ws", "path": path,
                 "raw_path": path.encode(), "query_string": b"stream=public", "root_path": "",
                 "headers": [(b"host", house.de.domain.encode())], "client": ("203.0.113.9", 5), "server": ("127.0.0.1", 1),
                 "subprotocols": [], "extensions": {}, "state": {}}
        await house.de.server(scope, hear, say)
        assert said_back == ["websocket.close"], (path, said_back)
        upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
                   "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="}
        for who in ("visitor", "doctor", "operator"):  # whatever cookie somebody has
            async with house.browsers[who].session.get(path, headers=upgrade, allow_redirects=False) as response:
                assert response.status in (401, 403), (path, who)


async def test_the_outbox_that_the_instance_names_is_there_for_siblings_and_empty(house: House) -> None:
    async with house.browsers["visitor"].session.get("/actor") as response:
        actor = await response.json(content_type=None)
    status, outbox = await house.servers["active sibling"].get(actor["outbox"])
    assert status == 200 and outbox["type"] == "OrderedCollection" and outbox["orderedItems"] == []
    assert outbox["id"] == actor["outbox"] and (await house.servers["stranger"].get(actor["outbox"]))[0] == 403


async def test_a_worker_that_has_stopped_is_seen_from_outside_and_begun_anew(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "de" / "worker.lock").mkdir(parents=True)  # nobody can write there
    async with countries(tmp_path, "de") as (de,), aiohttp.ClientSession(de.url) as monitor:
        async with monitor.get("/readyz") as response:
            assert response.status == 503
            problem = await response.json(content_type=None)
            assert problem["type"] == "urn:konsil:problem:worker-stopped" and "delivered" in problem["title"]
        async with monitor.get("/livez") as response:
            assert response.status == 200
        assert "the worker has stopped" in capsys.readouterr().out
        (tmp_path / "de" / "worker.lock").rmdir()
        for _ in range(100):
            async with monitor.get("/readyz") as response:
                if response.status == 200:
                    break
            await asyncio.sleep(0.05)
        assert response.status == 200


async def test_a_server_without_a_worker_is_ready_by_itself(house: House) -> None:
    async with house.browsers["visitor"].session.get("/readyz") as response:
        assert response.status == 200


# The way out: the HTTP client opens a connection only for somebody the gate has let through, or an operator has named.

OUT = {"post": "Sibling", "post_bundle": "Sibling", "get": "Sibling", "webfinger": "Sibling", "fetch_descriptor": "Candidate",
       **dict.fromkeys(("handshake", "addresses", "certificate", "look", "probe", "picture"), "Sibling"),
       **dict.fromkeys(("ask", "hand_over"), "Service")}


def sources() -> list[tuple[str, ast.Module]]:
    return [(str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8")))
            for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_the_client_can_be_asked_only_with_a_sibling_a_candidate_or_a_service_of_the_settings() -> None:
    ways = {name: inspect.signature(member) for name, member in vars(Client).items()
            if inspect.isfunction(member) and not name.startswith("_") and name != "close"}
    assert {name: list(way.parameters.values())[1].annotation for name, way in ways.items()} == OUT


def test_every_call_of_the_client_hands_over_whom_the_gate_let_through() -> None:
    found = []
    for where, tree in sources():
        for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]:
            for call in [node for node in ast.walk(function) if isinstance(node, ast.Call)]:
                if not isinstance(call.func, ast.Attribute) or call.func.attr == "close":
                    continue
                if ast.unparse(call.func.value).rpartition(".")[2] not in ("client", "_client") or _other_client(call):
                    continue
                assert call.func.attr in OUT, f"{where}:{call.lineno}"
                assert _comes_from(call.args[0], function) == OUT[call.func.attr], f"{where}:{call.lineno}"
                found.append(where)
    assert sorted(found) == ["actors/directory.py", "actors/directory.py", *["actors/openid.py"] * 3, "actors/portraits.py",
                             "federation/handshake.py",
                             "federation/keywatch.py", "federation/leaving.py", "federation/reconciliation.py",
                             *["federation/selftest.py"] * 7,
                             "federation/shipments.py", "federation/shipments.py", "federation/siblings.py",
                             *["inbox/held.py"] * 2, "instance/pushing.py", "posts/attesting.py", "posts/borrowed.py",
                             "posts/translator.py"]


def _other_client(call: ast.Call) -> bool:
    return ast.unparse(call.func).startswith("http.client.")


def test_only_the_client_and_the_demo_know_how_to_ask_over_http() -> None:
    askers: dict[str, set[str]] = {}
    for where, tree in sources():
        for node in ast.walk(tree):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
            for name in named:
                if name.startswith(("aiohttp", "urllib.request", "http.client", "requests", "httpx")):
                    askers.setdefault(name.partition(".")[0], set()).add(where)
    demo = {"instance/demo.py", "instance/demo_check.py"}  # a person and a stranger who try the instances of the demo
    assert askers.pop("aiohttp") == {"federation/client.py"}
    assert askers == {"urllib": demo, "http": {"instance/demo_check.py"}}


def _comes_from(given: ast.expr, function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """`Sibling` for what `admit` returned in this function or what is handed in as one (the type checker holds callers to
    it), `Candidate` for one made on the spot."""
    if isinstance(given, ast.Name):
        for parameter in function.args.args:
            if parameter.arg == given.id and parameter.annotation is not None:
                return ast.unparse(parameter.annotation)
        made = [node.value for node in ast.walk(function) if isinstance(node, ast.Assign)
                and any(isinstance(target, ast.Name) and target.id == given.id for target in node.targets)]
        if made and all(isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "admit"
                        for value in made):
            return "Sibling"
    if isinstance(given, ast.Call) and isinstance(given.func, ast.Name):
        return given.func.id
    return "nobody knows"


def test_nobody_makes_a_sibling_but_the_gate_nor_a_candidate_but_an_operator_and_the_look_at_keys() -> None:
    makers: dict[str, set[str]] = {"Sibling": set(), "Candidate": set(), "Service": set()}
    seal = set()
    for where, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in makers:
                makers[node.func.id].add(where)
            if (isinstance(node, ast.Name) and node.id == "_SEAL") or (isinstance(node, ast.alias) and node.name == "_SEAL"):
                seal.add(where)
    assert makers == {"Sibling": {"federation/allowlist.py"}, "Candidate": {"federation/keywatch.py", "federation/siblings.py"},
                      "Service": {"actors/openid.py", "posts/pushes.py", "posts/translator.py"}}
    assert seal == {"federation/allowlist.py"}

