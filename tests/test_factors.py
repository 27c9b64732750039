"""The second factor: an app's codes count once, recovery codes open once, and operators come no further without one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest

from actors.devices import NOWHERE
from core.errors import InvalidInput, NotSignedIn, TooMany
from tests.servers import PASSWORD, Running, countries
from tests.test_pages import Browser

HERE = "/settings/security"


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        await one.its.accounts.add_operator("op", "Operator", PASSWORD)
        yield one


async def enrolled(browser: Browser) -> tuple[str, list[str]]:
    """Set up an app as a person does; its key and the recovery codes she is shown."""
    assert await browser.post(f"{HERE}/codes/begin", {}) == (303, f"{HERE}/codes")
    page = (await browser.get(f"{HERE}/codes"))[1]
    found = re.search(r'<p class="mono key">([A-Z2-7 ]+)</p>', page)
    assert found is not None and "<svg" in page
    key = found[1].replace(" ", "")
    status, page = await browser.post(f"{HERE}/codes", {"code": pyotp.TOTP(key).at(int(browser.at.its.clock.now()))})
    assert status == 200
    return key, re.findall(r'<li class="mono">([^<]+)</li>', page)


def code_of(at: Running, key: str, steps: int = 0) -> str:
    return pyotp.TOTP(key).at(int(at.its.clock.now()) + 30 * steps)


async def first_step(browser: Browser, handle: str = "ada") -> None:
    assert await browser.post("/login", {"handle": handle, "password": PASSWORD}) == (303, "/login/second")


async def test_a_doctor_sets_up_an_app_and_types_its_code_from_then_on(de: Running) -> None:
    async with Browser(de) as ada, Browser(de) as elsewhere:
        await ada.login("ada")
        key, codes = await enrolled(ada)
        assert len(codes) == len(set(codes)) == 10 and all(re.fullmatch(r"[0-9a-z]{5}-[0-9a-z]{5}", code) for code in codes)
        assert await ada.get(f"{HERE}/codes") == (303, f"{HERE}#codes"), "the key is shown no more"
        assert (await ada.post(f"{HERE}/codes/begin", {}))[0] == 409
        assert (await ada.get("/"))[0] == 200
        await first_step(elsewhere)
        assert await elsewhere.get("/") == (303, "/login?next=/") and await de.count("sessions") == 1
        assert (await elsewhere.post("/login/second", {"code": "000000"}))[0] == 401
        de.its.clock.offset = 31
        assert (await elsewhere.post("/login/second", {"code": code_of(de, key), "next": "/mine"})) == (303, "/mine")
        assert "with password and code" in (await elsewhere.get(HERE))[1]
        assert (await ada.post(f"{HERE}/codes/off", {}))[0] == 303
        assert await de.count("code_keys") == await de.count("recovery_codes") == 0
        async with Browser(de) as third:
            assert await third.login("ada") == 303 and (await third.get("/"))[0] == 200


async def test_a_code_counts_once_and_only_about_now(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        key, _ = await enrolled(ada)
    de.its.clock.offset = 300
    for steps, opens in ((-2, False), (2, False), (0, True), (0, False), (-1, False), (1, True), (0, False)):
        async with Browser(de) as browser:
            await first_step(browser)
            assert ((await browser.post("/login/second", {"code": code_of(de, key, steps)}))[0] == 303) == opens, steps
    assert await de.count("code_keys", f"instr(secret, CAST('{key}' AS BLOB)) > 0") == 0


async def test_each_recovery_code_opens_once_and_new_ones_end_the_old(de: Running) -> None:
    async with Browser(de) as ada, Browser(de) as lost:
        await ada.login("ada")
        _, codes = await enrolled(ada)
        for given, opens in ((codes[0].upper().replace("-", " "), True), (codes[0], False), (codes[1], True)):
            await first_step(lost)
            assert ((await lost.post("/login/second", {"code": given}))[0] == 303) == opens
        page = (await lost.get(HERE))[1]
        assert "8 recovery codes are left" in page and "A recovery code was used" in page
        fresh = re.findall(r'<li class="mono">([^<]+)</li>', (await ada.post(f"{HERE}/recovery", {}))[1])
        assert len(fresh) == 10 and not set(fresh) & set(codes)
        for given, opens in ((codes[2], False), (fresh[2], True)):
            await first_step(lost)
            assert ((await lost.post("/login/second", {"code": given}))[0] == 303) == opens
    stored = await de.its.database.read(lambda tx: tx.rows("SELECT code_hash FROM recovery_codes"))
    assert len(stored) == 9 and all(len(row["code_hash"]) == 32 for row in stored)


async def test_an_operator_without_a_second_factor_reaches_only_the_page_where_she_gets_one(de: Running) -> None:
    async with Browser(de) as op:
        assert (await op.post("/login", {"handle": "op", "password": PASSWORD}))[1] == "/"
        for path in ("/", "/admin/siblings", "/settings", "/admin/audit"):
            assert await op.get(path) == (303, HERE), path
        assert (await op.post("/settings/language", {"language": "en"}))[0] == 403
        assert (await op.post("/admin/siblings/x/pause", {"reason": "because"}))[0] == 403
        assert "Operators sign in with a second factor" in (await op.get(HERE))[1]
        await enrolled(op)
        assert (await op.get("/admin/siblings"))[0] == 200
        assert (await op.post(f"{HERE}/codes/off", {}))[0] == 409 and await de.count("code_keys") == 1
        page = (await op.get("/admin/audit?about=op"))[1]
        assert "changed how an operator signs in" in page and "codes-on" in page


async def test_wrong_codes_end_the_step_and_its_owner_reads_of_it(de: Running) -> None:
    async with Browser(de) as ada, Browser(de) as thief:
        await ada.login("ada")
        await enrolled(ada)
        await first_step(thief)
        seen = [(await thief.post("/login/second", {"code": "12345"}))[0] for _ in range(5)]
        assert seen == [401] * 5 and (await thief.post("/login/second", {"code": "12345"}))[0] == 401
        assert (await thief.get("/login/second")) == (303, "/login")
        assert "Somebody knew the password and typed wrong codes" in (await ada.get(HERE))[1]
        refused = [(await de.its.sessions.login("ada", PASSWORD, f"203.0.113.{number}")).token for number in range(5)]
        with pytest.raises(TooMany):
            for half in refused:
                for _ in range(5):
                    with pytest.raises(NotSignedIn):
                        await de.its.sessions.second(half, "000000")
        assert await de.count("sign_in_events", "what = 'guessed'") <= 5


async def test_the_second_step_waits_ten_minutes_and_a_suspended_account_has_none(de: Running) -> None:
    account = de.doctors["ada"]
    key = (await de.its.signing.factors.hand_out(account, "test")).secret
    late, suspended = [(await de.its.sessions.login("ada", PASSWORD, "203.0.113.5")).token for _ in range(2)]
    await de.its.accounts.suspend("ada", "left", "test")
    with pytest.raises(NotSignedIn):
        await de.its.sessions.second(suspended, code_of(de, key))
    await de.its.accounts.resume("ada", "test")
    de.its.clock.offset = 601
    with pytest.raises(NotSignedIn):
        await de.its.sessions.second(late, code_of(de, key))
    await de.its.sessions.prune()
    assert await de.count("half_sessions") == await de.count("sessions") == 0


@pytest.mark.parametrize("code", ["", "12345", "1234567", "１２３４５６", "abcdef", "'; --", "0" * 5_000, "\udcff"])
async def test_what_is_no_code_is_none(de: Running, code: str) -> None:
    account = de.doctors["ada"]
    await de.its.signing.factors.begin(account)
    with pytest.raises(InvalidInput):
        await de.its.signing.factors.confirm(account, code, NOWHERE)
    await de.its.signing.factors.hand_out(account, "test")
    half = (await de.its.sessions.login("ada", PASSWORD, "203.0.113.5")).token
    with pytest.raises(NotSignedIn):
        await de.its.sessions.second(half, code)
