"""Codes become tokens once, for whoever can prove that they were meant, and end when anything is wrong (RFC 6749, 7636, 7009)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.clock import Clock
from tests.phones import BACK, Phone
from tests.servers import Running, countries
from tests.test_pages import Browser

VERIFIER = "a-verifier-of-more-than-forty-three-characters~._"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


@pytest.fixture
async def ada(de: Running) -> AsyncIterator[Browser]:
    async with Browser(de) as browser:
        await browser.login("ada")
        yield browser


@pytest.fixture
async def phone(de: Running) -> AsyncIterator[Phone]:
    async with Phone(de) as one:
        await one.register(f"{BACK}\nother://back")
        yield one


async def test_a_code_becomes_a_token_once_and_a_second_use_ends_it(de: Running, ada: Browser, phone: Phone) -> None:
    code = await phone.code(ada, scope="read:accounts push")
    status, said = await phone.redeem(code)
    assert status == 200 and said["token_type"] == "Bearer" and said["scope"] == "read:accounts push"
    assert abs(said["created_at"] - Clock().ms() // 1000) < 60 and isinstance(said["created_at"], int)
    phone.token = said["access_token"]
    assert (await phone.get("/api/v1/accounts/verify_credentials"))["username"] == "ada"
    tables = await de.its.database.read(lambda tx: [tuple(row) for name in ("app_codes", "app_tokens", "apps")
                                                    for row in tx.rows(f"SELECT * FROM {name}")])
    for secret in (code, phone.token, phone.app["client_secret"]):
        assert secret not in str(tables)
    status, said = await phone.redeem(code)
    assert status == 400 and said["error"] == "invalid_grant" and said["error_description"]
    assert (await phone.ask("GET", "/api/v1/accounts/verify_credentials"))[0] == 401 and await de.count("app_tokens") == 0


async def test_what_is_wrong_with_a_code_gives_nothing(de: Running, ada: Browser, phone: Phone) -> None:
    for changes, error in (({"redirect_uri": "other://back"}, "invalid_grant"), ({"redirect_uri": ""}, "invalid_grant"),
                           ({"code": "x" * 43}, "invalid_grant"), ({"code": ""}, "invalid_grant"),
                           ({"code_verifier": VERIFIER}, "invalid_grant"),  # for a code without a challenge: taken out on the way
                           ({"grant_type": "password"}, "unsupported_grant_type"), ({"grant_type": ""}, "invalid_request"),
                           ({"client_secret": "x"}, "invalid_client"), ({"client_secret": ""}, "invalid_client"),
                           ({"client_id": "x"}, "invalid_client")):
        status, said = await phone.redeem(await phone.code(ada), **changes)
        assert (status, said["error"]) == (401 if error == "invalid_client" else 400, error), changes
    async with Phone(de) as other:
        await other.register()
        code = await phone.code(ada)
        status, said = await other.redeem(code)
        assert status == 400 and said["error"] == "invalid_grant"
    code = await phone.code(ada)
    await de.its.database.write(lambda tx: tx.run("UPDATE app_codes SET expires_at = 1 WHERE used_at IS NULL"))
    assert (await phone.redeem(code))[0] == 400
    code = await phone.code(ada)
    await de.its.accounts.suspend("ada", "test", "test")
    assert (await phone.redeem(code))[0] == 400 and await de.count("app_tokens") == 0


async def test_a_challenge_is_answered_without_a_secret_and_always_verified(ada: Browser, phone: Phone) -> None:
    status, _ = await phone.redeem(await phone.code(ada, **PKCE), code_verifier=VERIFIER, client_secret="")
    assert status == 200
    assert (await phone.redeem(await phone.code(ada, **PKCE), code_verifier=VERIFIER))[0] == 200
    for changes in ({}, {"code_verifier": ""}, {"code_verifier": VERIFIER + "x"}, {"code_verifier": CHALLENGE},
                    {"code_verifier": "é" * 50}):
        status, said = await phone.redeem(await phone.code(ada, **PKCE), **changes)
        assert status == 400 and said["error"] == "invalid_grant", changes
    status, said = await phone.redeem(await phone.code(ada, **PKCE), code_verifier=VERIFIER, client_secret="x")
    assert status == 401


async def test_apps_show_themselves_in_the_head_or_the_body_and_not_in_both(ada: Browser, phone: Phone) -> None:
    shown = base64.b64encode(f"{phone.app['client_id']}:{phone.app['client_secret']}".encode()).decode()
    head = {"authorization": f"Basic {shown}"}
    own = {"grant_type": "client_credentials", "scope": "read"}
    status, said, headers = await phone.ask("POST", "/oauth/token", own, headers=head)
    assert status == 200 and said["scope"] == "read" and headers["cache-control"] == "no-store"
    for sent, wrong in ((own | {"client_secret": "x"}, head), (own | {"client_id": "x"}, head),
                        (own, {"authorization": "Basic x"}), (own, {"authorization": f"Basic {shown[:-4]}AAAA"}), (own, {})):
        status, said, headers = await phone.ask("POST", "/oauth/token", sent, headers=wrong)
        assert status == 401 and said["error"] == "invalid_client" and "basic" in headers["www-authenticate"].lower()
    status, said, _ = await phone.ask("POST", "/oauth/token", own | {"scope": "admin:read"}, headers=head)
    assert status == 400 and said["error"] == "invalid_scope"


async def test_a_token_is_given_back_by_its_app_alone(de: Running, phone: Phone) -> None:
    await phone.log_in("ada")
    me = {"client_id": phone.app["client_id"], "client_secret": phone.app["client_secret"]}
    async with Phone(de) as other:
        await other.register()
        them = {"client_id": other.app["client_id"], "client_secret": other.app["client_secret"]}
        status, said, _ = await other.ask("POST", "/oauth/revoke", them | {"token": phone.token})
        assert status == 403 and said["error"] == "unauthorized_client"
    assert (await phone.ask("POST", "/oauth/revoke", me | {"token": phone.token, "client_secret": "x"}))[0] == 401
    assert (await phone.ask("POST", "/oauth/revoke", me))[0] == 400
    assert (await phone.ask("GET", "/api/v1/preferences"))[0] == 200
    assert (await phone.ask("POST", "/oauth/revoke", me | {"token": "x"}))[0] == 200  # unknown ones are no error
    assert (await phone.ask("POST", "/oauth/revoke", me | {"token": phone.token}))[0] == 200
    assert (await phone.ask("GET", "/api/v1/preferences"))[0] == 401


async def test_she_sees_her_apps_ends_them_and_takes_the_list_with_her(de: Running, ada: Browser, phone: Phone) -> None:
    await phone.log_in("ada", "read:statuses")
    page = (await ada.get("/settings/security"))[1]
    assert "A phone" in page and "Read posts, consults among them" in page and "An app was let in" in page
    account = de.doctors["ada"]
    [found] = await de.its.signing.grants.of(account.id)
    assert found.app.client_id == phone.app["client_id"] and found.scopes == ("read:statuses",)
    assert await de.its.signing.grants.of(de.doctors["ben"].id) == ()
    path = page.split("/settings/security/apps/")[1].split("/end")[0]
    async with Browser(de) as ben:
        await ben.login("ben")
        assert (await ben.post(f"/settings/security/apps/{path}/end", {}))[0] == 303
    assert (await phone.ask("GET", "/api/v1/timelines/home"))[0] == 200
    assert (await ada.post(f"/settings/security/apps/{path}/end", {}))[1].endswith("#apps")
    assert (await phone.ask("GET", "/api/v1/timelines/home"))[0] == 401
    assert "An app was shut out" in (await ada.get("/settings/security"))[1]


async def test_another_password_shuts_apps_out_and_time_forgets_them(de: Running, ada: Browser, phone: Phone) -> None:
    await phone.log_in("ada")
    await ada.post("/settings/security/password", {"old": "correct horse battery", "password": "another horse entirely"})
    assert (await phone.ask("GET", "/api/v1/preferences"))[0] == 401 and await de.count("app_codes") == 0
    await phone.log_in("ben")
    await de.its.signing.grants.prune()
    assert await de.count("app_tokens") == 1 and await de.count("apps") == 1
    await de.its.database.write(lambda tx: [tx.run(f"UPDATE {table} SET {column} = 1") for table, column in (
        ("app_tokens", "seen_at"), ("app_codes", "expires_at"), ("apps", "created_at"))])
    await de.its.signing.grants.prune()
    assert [await de.count(table) for table in ("app_tokens", "app_codes", "apps")] == [0, 0, 0]
