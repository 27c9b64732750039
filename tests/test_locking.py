"""An idle session shows nothing until its owner is back, and what was sent meanwhile is not lost; changes to signing in want to
know who is there anew."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from actors.devices import NOWHERE
from core.settings import Settings
from tests.authenticator import Authenticator
from tests.servers import PASSWORD, Running, countries
from tests.test_pages import Browser

MINUTE = 60
NOTE = {"kind": "note", "question": "Which?", "text": "Half a <thought>", "language": "de", "reach": "home", "step": "publish"}


def fifteen(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, accounts=msgspec.structs.replace(settings.accounts, idle_minutes=15))


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False, settled=fifteen, domain="localhost") as (one,):
        yield one


def kept(page: str) -> dict[str, str]:
    """The form in the page, as a browser would send it on."""
    return {name: html.unescape(value) for name, value in re.findall(
        r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)}


async def test_who_is_back_goes_on_where_she_was(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        for minutes in (10, 20, 30):
            de.its.clock.offset = minutes * MINUTE
            assert (await ada.get("/mine"))[0] == 200, "whoever does something is not idle"
        de.its.clock.offset += 17 * MINUTE
        status, where = await ada.get("/mine?before=1")
        assert (status, where) == (303, "/unlock?next=/mine?before%3D1")
        page = (await ada.get(where))[1]
        assert "Who is there?" in page and "Dr Ada" in page and "My posts" not in page
        assert (await ada.post("/unlock", {"next": "/mine?before=1", "unlock_password": "a guess"}))[0] == 401
        assert (await ada.get("/mine"))[0] == 303
        assert await ada.post("/unlock", {"next": "/mine?before=1", "unlock_password": PASSWORD}) == (303, "/mine?before=1")
        assert (await ada.get("/mine?before=1"))[0] == 200


async def test_a_form_sent_meanwhile_is_kept_and_goes_on_its_way(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        de.its.clock.offset = 17 * MINUTE
        status, page = await ada.post("/compose", NOTE)
        assert status == 401 and "What you sent is kept" in page and 'action="/compose"' in page and await de.count("posts") == 0
        assert "<thought>" not in page
        status, page = await ada.post("/compose", kept(page) | {"unlock_password": "a guess"})
        assert status == 401 and await de.count("posts") == 0
        status, where = await ada.post("/compose", kept(page) | {"unlock_password": PASSWORD})
        assert status == 303 and where.startswith("/p/") and await de.count("posts") == 1
        assert "Half a &lt;thought&gt;" in (await ada.get(where))[1]
        row = await de.its.database.read(lambda tx: tx.row("SELECT source FROM posts"))
        assert row is not None and PASSWORD not in row["source"]


async def test_a_passkey_opens_it_too_but_nobody_elses(de: Running) -> None:
    hers, his = Authenticator(), Authenticator()
    for key, handle in ((hers, "ada"), (his, "ben")):
        account = de.doctors[handle]
        invitation = await de.its.signing.passkeys.invitation(account)
        await de.its.signing.passkeys.add(account, key.make(invitation, de.url), "x", NOWHERE)
    async with Browser(de) as ada:
        session = (await de.its.sessions.passkey(hers.sign(de.its.signing.passkeys.question(), de.url), "203.0.113.5")).token
        ada.session.cookie_jar.update_cookies({f"konsil-{de.its.settings.server.port}": session}, ada.session._base_url)
        assert (await ada.get("/"))[0] == 200
        de.its.clock.offset = 17 * MINUTE
        page = (await ada.post("/compose", NOTE))[1]
        for key, status in ((his, 401), (hers, 303)):
            given = {"unlock_passkey": key.sign(de.its.signing.passkeys.question(), de.url)}
            assert (await ada.post("/compose", kept(page) | given))[0] == status
    assert await de.count("posts") == 1


async def test_a_page_that_looks_by_itself_keeps_no_session_awake(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        for minutes in range(0, 17, 2):
            de.its.clock.offset = minutes * MINUTE
            async with ada.session.get("/new?tab=all&after=0000000000001", headers={"accept": "application/json"}) as response:
                seen = response.status
        assert seen == 401 and (await ada.get("/"))[1].startswith("/unlock")
        async with ada.session.post("/drafts/new/0000000000000", headers={"accept": "application/json"},
                                    data=aiohttp.FormData(NOTE)) as response:
            assert response.status == 401 and (await response.json(content_type=None))["type"].endswith(":locked")
        assert (await ada.get("/imprint"))[0] == 200 and (await ada.get("/login"))[1] == "/unlock"


async def test_guessing_at_a_locked_page_is_throttled_and_signing_out_needs_no_password(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        de.its.clock.offset = 17 * MINUTE
        seen = [(await ada.post("/unlock", {"next": "/", "unlock_password": "a guess"}))[0] for _ in range(10)]
        assert seen == [401] * 8 + [429] * 2
        assert await ada.post("/logout", {}) == (303, "/login") and await de.count("sessions") == 0


async def test_changes_to_signing_in_want_to_know_who_is_there(de: Running) -> None:
    here = "/settings/security"
    async with Browser(de) as ada:
        await ada.login("ada")
        de.its.clock.offset = 11 * MINUTE
        assert (await ada.get("/"))[0] == 200 and (await ada.get(here))[0] == 200
        assert await ada.get(f"{here}/passkeys/new") == (303, f"/unlock?next={here}/passkeys/new")
        status, page = await ada.post(f"{here}/codes/begin", {})
        assert status == 401 and "Please show that it is you" in page and await de.count("code_keys") == 0
        assert (await ada.post(f"{here}/codes/begin", kept(page) | {"unlock_password": PASSWORD}))[0] == 303
        assert await de.count("code_keys") == 1 and (await ada.get(f"{here}/codes"))[0] == 200


async def test_a_file_cannot_be_kept_and_nothing_goes_on_without_it(de: Running) -> None:
    await de.its.accounts.add_operator("op", "Operator", PASSWORD)
    async with Browser(de) as op:
        await op.login("op")
        de.its.clock.offset = 17 * MINUTE
        form = aiohttp.FormData({"domain": "fr.example", "country": "fr", "fingerprint": "ab" * 32})
        form.add_field("file", b"{}", filename="fr.json")
        status, page = await op.post("/admin/siblings/new", form)
        assert status == 401 and "you will choose it again" in page and "is kept" not in page
        status, page = await op.post("/admin/siblings/new", kept(page) | {"unlock_password": PASSWORD})
        assert status == 400 and "Please choose it again" in page and "Back button" in page
        assert (await op.get("/admin/siblings"))[0] == 200 and await de.count("refusals") == 0


async def test_no_minutes_mean_never(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,), Browser(de) as ada:
        await ada.login("ada")
        de.its.clock.offset = 11 * 3_600
        assert (await ada.get("/"))[0] == 200
