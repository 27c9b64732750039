"""The page on which a doctor lets an app in: who gets to it, what it shows, where it leads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from actors.apps import OUT_OF_BAND
from tests.phones import BACK, Phone, hidden
from tests.servers import PASSWORD, Running, countries
from tests.test_pages import Browser

BARE = "dev.konsil.app:back"
WEB = "https://elk.example/back?server=de"


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


@pytest.fixture
async def phone(de: Running) -> AsyncIterator[Phone]:
    async with Phone(de) as one:
        await one.register("\n".join((BACK, OUT_OF_BAND, BARE, WEB)))
        yield one


async def test_a_visitor_signs_in_first_and_comes_back(de: Running, phone: Phone) -> None:
    async with Browser(de) as ada:
        asked = f"/oauth/authorize/?{urlencode(phone.wish())}"  # toot asks with a slash
        status, where = await ada.get(asked)
        assert status == 303 and urlsplit(where).path == "/login"
        onward = parse_qs(urlsplit(where).query)["next"][0]
        assert parse_qs(urlsplit(onward).query) == parse_qs(urlsplit(asked).query) and onward.startswith("/oauth/authorize/?")
        status, where = await ada.post("/login", {"handle": "ada", "password": PASSWORD, "next": onward})
        assert (status, where) == (303, onward)
        page = (await ada.get(onward))[1]
        assert "Let “A phone” in?" in page and "Read everything that you can read here" in page and f"@ada@{de.domain}" in page


async def test_whoever_is_not_verified_lets_nothing_in(de: Running, phone: Phone) -> None:
    await de.add_doctor("applicant", proven=False)
    await de.its.accounts.add_operator("op", "Operator", PASSWORD)
    for who in ("applicant", "op"):
        async with Browser(de) as browser:
            await browser.login(who)
            assert (await browser.get(f"/oauth/authorize?{urlencode(phone.wish())}"))[0] in (303, 403)
            assert (await browser.post("/oauth/authorize", phone.wish() | {"do": "allow"}))[0] == 403
    assert await de.count("app_codes") == 0


async def test_every_kind_of_app_is_come_back_to_to_the_letter(de: Running, phone: Phone) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        for place, allowed in ((BACK, "konsilapp:"), (BARE, "dev.konsil.app:"), (WEB, "https://elk.example")):
            asked = f"/oauth/authorize?{urlencode(phone.wish(redirect_uri=place))}"
            async with ada.session.get(asked) as response:
                assert f"form-action 'self' {allowed};" in response.headers["content-security-policy"]
                page = await response.text()
            assert hidden(page)["redirect_uri"] == place and ("elk.example" in page) == (place == WEB)
            status, where = await ada.post("/oauth/authorize", hidden(page) | {"do": "allow"})
            assert status == 303 and where.startswith(place + ("&" if "?" in place else "?")), where
            said = parse_qs(where.partition("?")[2])
            assert said["state"] == ["x y"] and said["iss"] == [de.url] and len(said["code"][0]) == 43
            status, where = await ada.post("/oauth/authorize", hidden(page) | {"do": "deny"})
            assert parse_qs(where.partition("?")[2])["error"] == ["access_denied"] and "code=" not in where
        code = await phone.code(ada, redirect_uri=OUT_OF_BAND)
        assert (await phone.redeem(code, redirect_uri=OUT_OF_BAND))[0] == 200


async def test_nobody_is_sent_anywhere_by_what_is_wrong(de: Running, phone: Phone) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        for changes in ({"client_id": "x"}, {"client_id": ""}, {"redirect_uri": BACK + "/"}, {"redirect_uri": "https://evil.example"},
                        {"redirect_uri": ""}):
            for status, page in (await ada.get(f"/oauth/authorize?{urlencode(phone.wish(**changes))}"),
                                 await ada.post("/oauth/authorize", phone.wish(**changes) | {"do": "allow"})):
                assert status == 400 and "evil" not in page and BACK not in page, changes
        assert (await ada.get(f"/oauth/authorize?{urlencode(phone.wish())}&state=y"))[0] == 400  # said twice
        for changes, error in (({"response_type": "token"}, "unsupported_response_type"), ({"scope": "admin"}, "invalid_scope"),
                               ({"code_challenge": "x" * 43}, "invalid_request"),
                               ({"code_challenge": "x" * 43, "code_challenge_method": "plain"}, "invalid_request"),
                               ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request")):
            status, page = await ada.get(f"/oauth/authorize?{urlencode(phone.wish(**changes))}")
            assert status == 400 and "Nothing was given" in page, changes
            back = unescape(page.split('<section class="card">')[1].split('class="go" href="')[1].split('"')[0])
            assert back.startswith(BACK) and parse_qs(urlsplit(back).query)["error"] == [error]
            assert (await ada.post("/oauth/authorize", phone.wish(**changes) | {"do": "allow"}))[0] == 400
    assert await de.count("app_codes") == 0


async def test_another_site_cannot_press_the_button(de: Running, phone: Phone) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        status, _ = await ada.post("/oauth/authorize", phone.wish() | {"do": "allow"}, **{"sec-fetch-site": "cross-site"})
        assert status == 403 and await de.count("app_codes") == 0


async def test_who_was_away_shows_that_it_is_she_first(de: Running, phone: Phone) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        await de.its.database.write(lambda tx: tx.run("UPDATE sessions SET proved_at = 1"))
        status, where = await ada.get(f"/oauth/authorize?{urlencode(phone.wish())}")
        assert status == 303 and where.startswith("/unlock?next=")
        status, where = await ada.post("/oauth/authorize", phone.wish() | {"do": "allow", "unlock_password": PASSWORD})
        assert status == 303 and where.startswith("/oauth/authorize?") and await de.count("app_codes") == 0
