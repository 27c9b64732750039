"""Pages as a doctor and an operator meet them, over real HTTP, without a script."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.models import Role
from core.access import Access
from instance.app import routes
from tests.servers import PASSWORD, Running, countries, until


class Browser:
    """As much of a browser as the pages need. It asks for English, whatever the country's language is."""

    def __init__(self, at: Running) -> None:
        self.at = at
        self.session = aiohttp.ClientSession(at.url, cookie_jar=aiohttp.CookieJar(unsafe=True), headers={
            "accept": "text/html", "accept-language": "en", "sec-fetch-site": "same-origin"})

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.session.get(path, headers=headers, allow_redirects=False) as response:
            return response.status, response.headers.get("location") or await response.text()

    async def post(self, path: str, data: Any, **headers: str) -> tuple[int, str]:
        async with self.session.post(path, data=data, headers=headers, allow_redirects=False) as response:
            return response.status, response.headers.get("location") or await response.text()

    async def login(self, handle: str, password: str = PASSWORD) -> int:
        """Through the door; operators with the code of an app, which they are given where they have none."""
        code = await self.at.code(handle) if await self.at.is_operator(handle) else ""
        status, where = await self.post("/login", {"handle": handle, "password": password})
        return (await self.post("/login/second", {"code": code}))[0] if where == "/login/second" else status


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await de.its.accounts.add_operator("op", "Operator", PASSWORD)
        yield de, fr


def fields(page: str) -> dict[str, Any]:
    return {name: value for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)}


async def test_a_doctor_asks_abroad_in_three_steps_and_is_answered(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    async with Browser(de) as ada, Browser(fr) as ben:
        assert await ada.login("ada") == 303 and await ben.login("ben") == 303
        assert "Nobody waits in your specialties" in (await ada.get("/"))[1]
        written = {"kind": "case", "question": "Which test first?", "text": "**Text**", "language": "de",
                   "specialties": "cardiology", "age_band": "30-39", "sex": "f", "aim": "diagnostic", "signature": "name",
                   "ground": "anonymous", "no_name": "1"}
        status, page = await ada.post("/compose", written | {"step": "audience"})
        assert status == 200 and 'value="home" checked' in page and fr.url in page
        status, page = await ada.post("/compose", written | {"step": "confirm", "reach": "countries"})
        assert status == 400 and "Choose who may read this" in page and "Which test first?" in page
        status, page = await ada.post("/compose", written | {"step": "confirm", "reach": "countries", "origin": fr.url})
        assert status == 200 and "Publish to Germany, France" in page and "<strong>Text</strong>" in page
        status, where = await ada.post("/compose", written | fields(page) | {"step": "publish"})
        assert status == 303
        await until(lambda: fr.count("posts"))
        home = (await ben.get("/?tab=all"))[1]
        assert "Which test first?" in home and "Answer (DE, FR)" in home and "verified by Konsil Germany" in home
        found = re.search(r'href="/p/(\w+)"', home)
        assert found is not None
        assert (await ben.post(f"/p/{found[1]}/reply", {"text": "", "language": "fr"}))[0] == 400
        assert (await ben.post(f"/p/{found[1]}/reply", {"text": "This one.", "language": "fr"}))[0] == 303
        await until(lambda: de.count("posts", "kind = 'reply'"))
        thread = (await ada.get(where))[1]
        assert "This one." in thread and "Open, 1 answer" in thread

        async def arrived() -> bool:
            return "Received by 1 of 1 country" in (await ada.get(where))[1]

        await until(arrived)
        assert (await ben.get(f"/p/{found[1]}/edit"))[0] == 403
        assert (await ada.get(f"{where}/edit"))[0] == 200
        assert (await ada.post(f"{where}/delete", {}))[0] == 303
        await until(lambda: fr.count("tombstones"))
        assert "Which test first?" not in (await ben.get("/"))[1]


async def test_a_poll_hides_its_results_until_voted_or_asked_for(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    async with Browser(de) as ada, Browser(fr) as ben:
        await ada.login("ada")
        await ben.login("ben")
        written = {"kind": "poll", "question": "Which?", "options": "one\ntwo", "language": "de", "hours": "2", "text": ""}
        page = (await ada.post("/compose", written | {"step": "confirm", "reach": "network", "signature": "name"}))[1]
        assert (await ada.post("/compose", written | fields(page) | {"step": "publish"}))[0] == 303
        await until(lambda: fr.count("posts"))
        home = (await ben.get("/?tab=all"))[1]
        assert "percent" not in home and "Show results" in home
        found = re.search(r'action="/p/(\w+)/vote"', home)
        assert found is not None
        assert "percent" in (await ben.get(f"/p/{found[1]}?results=1"))[1]
        assert (await ben.post(f"/p/{found[1]}/vote", {}))[0] == 400
        assert (await ben.post(f"/p/{found[1]}/vote", {"choice": "1"}))[0] == 303
        assert (await ben.post(f"/p/{found[1]}/vote", {"choice": "0"}))[0] == 409
        await until(lambda: fr.count("polls", "voters = 1"))  # the counts come back from where the poll lives
        home = (await ben.get("/?tab=all"))[1]
        assert "your vote" in home and '<span class="percent">0%</span>' in home


async def test_what_was_typed_survives_errors_turning_back_and_another_kind(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    async with Browser(de) as ada:
        await ada.login("ada")
        written = {"kind": "case", "question": "Which test first?", "text": "Text", "language": "de", "specialties": "",
                   "hours": "72", "age_band": "30-39", "options": "one\ntwo"}
        status, page = await ada.post("/compose", written | {"step": "audience"})
        assert status == 400 and 'id="error-specialties"' in page and 'aria-invalid="true"' in page
        assert "Which test first?" in page and ">Text</textarea>" in page and 'value="30-39" selected' in page
        status, page = await ada.post("/compose", written | {"step": "audience", "turn": "poll"})
        assert status == 200 and "Which test first?" in page and ">one\ntwo</textarea>" in page
        assert fields(page)["age_band"] == "30-39"
        chosen = written | {"specialties": "cardiology", "reach": "countries", "origin": fr.url}
        page = (await ada.post("/compose", chosen | {"step": "write"}))[1]
        assert fields(page)["reach"] == "countries" and fields(page)["origin"] == fr.url
        page = (await ada.post("/compose", chosen | {"step": "audience"}))[1]
        assert 'value="countries" checked' in page and f'value="{fr.url}" checked' in page


async def test_ticked_countries_beside_an_untouched_home_are_a_slip(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    async with Browser(de) as ada:
        await ada.login("ada")
        written = {"kind": "note", "question": "Which?", "text": "Text", "language": "de", "origin": fr.url}
        page = (await ada.post("/compose", written | {"step": "audience"}))[1]
        status, page = await ada.post("/compose", written | {"step": "confirm", "reach": "home", "was": fields(page)["was"]})
        assert status == 400 and "home only is chosen" in page and 'aria-describedby="error-audience"' in page
        status, page = await ada.post("/compose", written | {"step": "confirm", "reach": "home", "was": "countries"})
        assert status == 200 and "Publish in Germany only" in page and fr.url not in page
        assert await de.count("posts") == 0


async def test_a_session_that_ends_loses_no_text_and_publishes_nothing_by_itself(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    written = {"kind": "note", "question": "Which <b>?", "text": "Long text", "language": "de", "reach": "home"}
    async with Browser(de) as ada:
        status, page = await ada.post("/compose", written | {"step": "publish"})
        assert status == 401 and "Your session has ended" in page and await de.count("posts") == 0
        again = {name: html.unescape(value) for name, value in fields(page).items()}
        assert again == written | {"step": "confirm"}
        await ada.login("ada")
        status, page = await ada.post("/compose", again)
        assert status == 200 and "Long text" in page and await de.count("posts") == 0
        assert "Which &lt;b&gt;?" in page


async def test_a_failed_answer_stays_where_it_belongs_and_a_deletion_says_who_confirmed(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    async with Browser(de) as ada, Browser(de) as ben:
        await ada.login("ada")
        await ben.login("ben")
        written = {"kind": "note", "question": "Which?", "text": "Text", "language": "de"}
        page = (await ada.post("/compose", written | {"step": "confirm", "reach": "network", "signature": "name"}))[1]
        root = (await ada.post("/compose", written | fields(page) | {"step": "publish"}))[1]
        first = (await ben.post(f"{root}/reply", {"text": "First", "language": "de"}))[1].split("#")[0]
        await ben.post(f"{root}/reply", {"text": "Second", "language": "de"})
        status, page = await ada.post(f"{first}/reply", {"text": " ", "language": "fr"})
        assert status == 400 and 'id="error-text"' in page and 'value="fr" lang="fr" selected' in page
        assert page.index("First") < page.index('id="answer"') < page.index("Second")
        status, where = await ben.post(f"{first}/delete", {})
        assert status == 303 and where.startswith(first)
        await until(lambda: fr.count("tombstones"))

        async def confirmed() -> bool:
            return "Erased in DE, FR" in (await ben.get(first))[1]

        await until(confirmed)
        assert "You deleted this" in (await ben.get(first))[1] and "You deleted this" not in (await ada.get(first))[1]


async def test_a_student_is_offered_only_what_students_may_do(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    await de.add_doctor("stu", Role.STUDENT)
    async with Browser(de) as ada, Browser(de) as student:
        await ada.login("ada")
        await student.login("stu")
        written = {"kind": "poll", "question": "Which?", "options": "one\ntwo", "language": "de", "hours": "2", "text": "",
                   "reach": "home"}
        poll = (await ada.post("/compose", written | {"step": "publish"}))[1]
        home, thread = (await student.get("/"))[1], (await student.get(poll))[1]
        assert "/compose" not in home and f"{poll}/vote" not in home and "percent" not in home
        assert "Students do not vote here" in thread and f"{poll}/reply" in thread
        assert "percent" in (await student.get(f"{poll}?results=1"))[1]
        assert (await student.post(f"{poll}/vote", {"choice": "1"}))[0] == 403 and await de.count("votes") == 0


async def test_operators_sort_their_siblings(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    async with Browser(de) as operator:
        await operator.login("op")
        page = (await operator.get("/admin/siblings?sort=queued"))[1]
        assert 'aria-sort="descending"' in page
        assert 'aria-sort="ascending"' in (await operator.get("/admin/siblings?sort=nonsense"))[1]


async def test_visitors_learn_nothing_and_members_only_what_is_theirs(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    async with Browser(de) as visitor, Browser(de) as operator, Browser(de) as ada:
        assert (await visitor.get("/"))[0] == 303 and (await visitor.get("/p/0000000000000"))[0] == 303
        await operator.login("op")
        assert (await operator.get("/"))[1] == "/admin/siblings"
        assert (await operator.get("/compose"))[0] == 403
        assert "127.0.0.1" in (await operator.get("/admin/siblings"))[1]
        assert (await operator.get("/admin/refusals"))[0] == 200
        await ada.login("ada")
        assert (await ada.get("/admin/siblings"))[0] == 404


async def test_an_operator_pauses_resumes_and_revokes_with_the_fingerprint_typed(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    path = f"/admin/siblings/{fr.domain}"
    async with Browser(de) as operator:
        await operator.login("op")
        for act, state in (("pause", "paused"), ("resume", "active"), ("revoke", "revoked")):
            where = path if act == "resume" else f"{path}/{act}"
            assert (await operator.post(where, {"act": act, "reason": "because"}))[0] == 303
            assert (await de.its.siblings.row(fr.domain)).state == state
        wrong = {"domain": fr.domain, "country": "fr", "fingerprint": "ab" * 32}
        assert (await operator.post("/admin/siblings/new", wrong))[0] == 400
        assert (await de.its.siblings.row(fr.domain)).state == "revoked"
        right = wrong | {"fingerprint": fr.its.identity.fingerprint}
        assert (await operator.post("/admin/siblings/new", right))[0] == 303
        assert (await operator.post(f"{path}/confirm", {"fingerprint": "00" * 32}))[0] == 400
        assert (await operator.post(f"{path}/confirm", {"fingerprint": fr.its.identity.fingerprint}))[0] == 303
        assert (await operator.post(f"{path}/activate", {}))[0] == 303
        assert (await de.its.siblings.row(fr.domain)).state == "active"


async def test_forms_from_elsewhere_do_nothing(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    async with Browser(de) as ada:
        assert (await ada.post("/login", {"handle": "ada", "password": PASSWORD}, **{"sec-fetch-site": "cross-site"}))[0] == 403
        assert await de.count("sessions") == 0
    async with aiohttp.ClientSession(de.url) as bare:
        async with bare.post("/login", data={"handle": "ada", "password": PASSWORD}) as response:
            assert response.status == 403
        async with bare.post("/login", data={"handle": "ada", "password": PASSWORD}, headers={"origin": de.url},
                             allow_redirects=False) as response:
            assert response.status == 303
            cookie = response.headers["set-cookie"]
            assert "HttpOnly" in cookie and "SameSite" in cookie and de.domain.split(":")[1] in cookie


async def test_guessing_passwords_is_throttled(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    async with Browser(de) as guesser:
        answers = [await guesser.login("ada", f"guess {number}") for number in range(9)]
        assert answers == [401] * 8 + [429]
        assert await guesser.login("ada") == 429 and await de.count("sessions") == 0
        assert await guesser.login("nobody") == 401


async def test_every_answer_carries_the_strict_headers(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    async with aiohttp.ClientSession(de.url) as session:
        for path in ("/login", "/actor", "/nothing", "/static/konsil.css"):
            async with session.get(path) as response:
                policy = response.headers["content-security-policy"]
                assert "default-src 'none'" in policy and "unsafe" not in policy
                assert response.headers["x-content-type-options"] == "nosniff"


def test_every_route_declares_who_may_call_it() -> None:
    from tests.promises.test_client_api import FOR_ANYBODY

    declared = routes()
    assert len(declared) > 25 and all(isinstance(route.access, Access) for route in declared)
    public = {route.rule for route in declared if route.access == Access.VISITOR}
    assert public == {"/login", "/login/second", "/login/passkey", "/logout", "/unlock", "/locked", "/reset", "/reset/<token>",
                      "/welcome/<token>", "/imprint", "/privacy", "/terms", "/notice", "/actor", "/.well-known/nodeinfo",
                      "/nodeinfo/2.1", "/join", "/login/identity", "/login/identity/callback",
                      *(rule for rule in public if rule.startswith("/join/<token>")),
                      "/offline", "/manifest.webmanifest", "/sw.js",
                      "/livez", "/readyz", "/static/<name>", "/mail/confirm/<token>", "/mail/stop/<token>",
                      *FOR_ANYBODY}
    assert {route.rule for route in declared if route.from_anywhere} == {"/mail/stop/<token>"}


async def test_the_url_map_holds_nothing_that_was_not_declared(pair: tuple[Running, Running]) -> None:
    from instance.app import behind_the_front, create_pages

    app = create_pages(pair[0].its)
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    assert rules == {route.rule for route in behind_the_front()}
    # answered before anything gets there
    assert {route.rule for route in routes()} - rules == {"/inbox", "/inbox/bundle", "/handshake"}
