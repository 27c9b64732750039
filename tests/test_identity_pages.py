"""Signing in, linking and applying with an identity that was proven elsewhere, as a person does it, over real HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import msgspec
import pytest
from yarl import URL

from core.settings import Settings
from tests.applicants import applied
from tests.identityprovider import Liar, canaille, liar, settings
from tests.servers import PASSWORD, Running, countries
from tests.test_pages import Browser


@pytest.fixture
async def lying(tmp_path: Path) -> AsyncIterator[tuple[Running, Liar]]:
    async with liar() as made:
        def settled(given: Settings) -> Settings:
            return msgspec.structs.replace(given, identity=settings(made.url))

        async with countries(tmp_path, "de", settled=settled) as (de,):
            made.now = int(time.time())
            yield de, made


async def gone(browser: Browser, path: str, **form: str) -> str:
    """Where a button leads to; the page is one of ours, with a link."""
    status, page = await browser.post(path, form)
    assert status == 200 and "Go on to Provider" in page, page
    found = re.search(r'class="button" href="([^"]+)"', page)
    assert found is not None
    return unescape(found[1])


async def back(browser: Browser, made: Liar, address: str) -> tuple[int, str]:
    """Come back from where the link leads to, with the state it has."""
    asked = made.read(address)
    return await browser.get(f"/login/identity/callback?code=c&state={asked['state']}")


async def test_somebody_links_her_identity_and_signs_in_with_it(lying: tuple[Running, Liar]) -> None:
    de, made = lying
    async with Browser(de) as ada:
        status, page = await back(ada, made, await gone(ada, "/login/identity"))
        assert status == 401 and "No account here is linked" in page
        assert await ada.login("ada") == 303
        assert await back(ada, made, await gone(ada, "/settings/identity")) == (303, "/settings/security?saved=identity#identity")
        assert "With Provider you can sign in" in (await ada.get("/settings/security"))[1]
        await ada.post("/logout", {})
        assert (await ada.get("/"))[1].startswith("/login")
        assert "Sign in with Provider" in (await ada.get("/login"))[1]
        assert await back(ada, made, await gone(ada, "/login/identity", next="/drafts")) == (303, "/drafts")
        assert (await ada.get("/"))[0] == 200
        page = (await ada.get("/settings/security"))[1]
        key = re.search(r'name="key" value="([0-9a-f]+)"', page)
        assert key is not None and "with an electronic identity" in page
        assert (await ada.post("/settings/identity/remove", {"key": key[1]}))[0] == 303
        await ada.post("/logout", {})
        assert (await back(ada, made, await gone(ada, "/login/identity")))[0] == 401


async def test_who_has_a_second_factor_takes_the_second_step_too(lying: tuple[Running, Liar]) -> None:
    de, made = lying
    await de.its.accounts.add_operator("op", "Operator", PASSWORD)
    async with Browser(de) as op:
        assert await op.login("op") == 303
        assert (await back(op, made, await gone(op, "/settings/identity")))[0] == 303
        await op.post("/logout", {})
        assert await back(op, made, await gone(op, "/login/identity", next="/admin/audit")) == (
            303, "/login/second?next=/admin/audit")
        assert (await op.get("/admin/audit"))[1].startswith("/login")


async def test_a_way_back_counts_only_in_the_browser_that_went(lying: tuple[Running, Liar]) -> None:
    de, made = lying
    async with Browser(de) as ada, Browser(de) as eve:
        assert await ada.login("ada") == 303
        assert (await back(ada, made, await gone(ada, "/settings/identity")))[0] == 303
        address = await gone(eve, "/login/identity")
        async with Browser(de) as victim:
            status, page = await back(victim, made, address)
            assert status == 400 and "was not begun in this browser" in page and (await victim.get("/"))[0] == 303
        assert (await back(eve, made, address))[0] == 303
        assert (await eve.get("/login/identity/callback"))[0] == 400
        eve.session.cookie_jar.clear()
        asked = made.read(await gone(eve, "/login/identity"))
        status, page = await eve.get(f"/login/identity/callback?error=access_denied&state={asked['state']}")
        assert status == 403 and "did not confirm who you are" in page


async def test_what_is_proven_stands_beside_the_application(lying: tuple[Running, Liar]) -> None:
    de, made = lying
    await de.its.accounts.add_operator("op", "Operator", PASSWORD)
    reference = await applied(de)
    row = await de.its.database.read(lambda tx: tx.row("SELECT id FROM applications WHERE reference = ?", (reference,)))
    assert row is not None
    token = de.its.joining.token(row["id"])
    async with Browser(de) as anna, Browser(de) as op:
        assert await anna.post(f"/join/{token}/identity", {}) == (303, f"/join/{token}"), "it was handed in already"
        await de.its.database.write(lambda tx: tx.run("UPDATE applications SET state = 'asked' WHERE id = ?", (row["id"],)))
        assert "Or show it with Provider" in (await anna.get(f"/join/{token}/documents"))[1]
        status, where = await back(anna, made, await gone(anna, f"/join/{token}/identity"))
        assert status == 303 and where.startswith(f"/join/{token}/documents")
        assert "Provider has confirmed: Ada Arzt." in (await anna.get(where))[1]
        await op.login("op")
        page = (await op.get(f"/admin/applications/{reference}"))[1]
        assert "says: Ada Arzt." in page and made.url in page


async def test_a_provider_that_is_down_is_said_so_and_nothing_is_begun(lying: tuple[Running, Liar]) -> None:
    de, made = lying
    made.answers["/.well-known/openid-configuration"] = (503, {})
    async with Browser(de) as ada:
        status, page = await ada.post("/login/identity", {})
        assert status == 503 and "Provider" in page and await de.count("identity_flows") == 0


async def test_the_whole_way_goes_with_a_real_provider(tmp_path: Path) -> None:
    async with canaille(tmp_path / "canaille") as provider:
        def settled(given: Settings) -> Settings:
            return msgspec.structs.replace(given, identity=settings(provider.url))

        async with countries(tmp_path / "places", "de", settled=settled) as (de,), Browser(de) as ada:
            await provider.add_client(f"{de.url}/login/identity/callback")
            await provider.add_person("ada", "Ada Arzt", "Physician")
            assert await ada.login("ada") == 303
            saved = "/settings/security?saved=identity#identity"
            for button, onward in (("/settings/identity", saved), ("/login/identity", "/")):
                came = URL(await provider.walk(await gone(ada, button), "ada"), encoded=True)
                assert f"{came.origin()}" == de.url and await ada.get(came.raw_path_qs) == (303, onward)
                await ada.post("/logout", {}) if button.startswith("/settings") else None
            assert (await ada.get("/"))[0] == 200
