"""Signing in: whoever guesses is slowed down, whoever knows the password is not, and sessions end when they should."""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from core.errors import NotSignedIn, TooMany
from instance import cookies
from tests.servers import PASSWORD, Running, countries
from tests.test_pages import Browser


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


async def guess(at: Running, handle: str, address: str, times: int) -> list[str]:
    """Wrong passwords one after the other, and what each was answered."""
    seen = []
    for _ in range(times):
        try:
            await at.its.sessions.login(handle, "a wrong one", address)
        except (NotSignedIn, TooMany) as error:
            seen.append(error.reason)
    return seen


async def test_guessing_a_handle_does_not_shut_its_owner_out(de: Running) -> None:
    assert await guess(de, "ada", "203.0.113.5", 20) == ["login"] * 8 + ["too-many"] * 12
    with pytest.raises(TooMany):
        await de.its.sessions.login("ada", PASSWORD, "203.0.113.5")
    assert await de.its.sessions.login("ada", PASSWORD, "198.51.100.7")


async def test_guessing_one_handle_from_many_addresses_ends_too(de: Running) -> None:
    seen = [reason for number in range(12) for reason in await guess(de, "ada", f"203.0.113.{number}", 8)]
    assert seen == ["login"] * 80 + ["too-many"] * 16
    assert await guess(de, "ben", "203.0.113.0", 1) == ["login"]


async def test_guessing_many_handles_from_one_address_ends_too(de: Running) -> None:
    seen = [reason for number in range(24) for reason in await guess(de, f"handle{number}", "203.0.113.5", 7)]
    assert seen == ["login"] * 160 + ["too-many"] * 8
    assert await guess(de, "handle1", "203.0.113.6", 1) == ["login"]


async def test_a_household_with_many_ipv6_addresses_is_one(de: Running) -> None:
    seen = [reason for number in range(10) for reason in await guess(de, "ada", f"2001:db8:1:2::{number:x}", 1)]
    assert seen == ["login"] * 8 + ["too-many"] * 2
    assert await guess(de, "ada", "2001:db8:1:3::1", 1) == ["login"]
    assert await guess(de, "ada", "::ffff:203.0.113.5", 8) == ["login"] * 8
    assert await guess(de, "ada", "203.0.113.5", 1) == ["too-many"]


async def test_a_whole_hospital_signs_in_from_one_address(de: Running) -> None:
    for _ in range(90):
        assert await de.its.sessions.login("ada", PASSWORD, "203.0.113.5")
        assert await de.its.sessions.login("ben", PASSWORD, "203.0.113.5")
    assert await de.count("login_attempts", "count > 0") == 0


async def test_a_success_takes_back_its_own_attempt_and_no_others(de: Running) -> None:
    assert await guess(de, "ada", "203.0.113.5", 7) == ["login"] * 7
    assert await de.its.sessions.login("ada", PASSWORD, "203.0.113.5")
    assert await guess(de, "ada", "203.0.113.5", 2) == ["login", "too-many"]


async def test_the_wait_ends_with_the_window(de: Running) -> None:
    await guess(de, "ada", "203.0.113.5", 9)
    with pytest.raises(TooMany) as caught:
        await de.its.sessions.login("ada", PASSWORD, "203.0.113.5")
    assert caught.value.retry_after is not None and 890 < caught.value.retry_after <= 900
    de.its.clock.offset = 901
    assert await de.its.sessions.login("ada", PASSWORD, "203.0.113.5")


async def test_what_has_ended_is_forgotten_by_the_day(de: Running) -> None:
    await guess(de, "ada", "203.0.113.5", 1)
    token = (await de.its.sessions.login("ben", PASSWORD, "203.0.113.6")).token
    await de.its.sessions.prune()
    assert await de.count("login_attempts", "subject LIKE '%203.0.113.5%'") == 2 and await de.its.sessions.find(token)
    de.its.clock.offset = 901
    await de.its.sessions.prune()
    assert await de.count("login_attempts") == 0 and await de.its.sessions.find(token)
    de.its.clock.offset = 12 * 3600 + 1
    await de.its.sessions.prune()
    assert await de.count("sessions") == 0


async def test_a_session_is_another_one_after_each_login_and_the_old_one_has_ended(de: Running) -> None:
    first = (await de.its.sessions.login("ada", PASSWORD, "203.0.113.5")).token
    other_browser = (await de.its.sessions.login("ada", PASSWORD, "203.0.113.5")).token
    second = (await de.its.sessions.login("ben", PASSWORD, "203.0.113.5", replacing=first)).token
    assert len({first, second, other_browser}) == 3
    assert await de.its.sessions.find(first) is None and await de.its.sessions.find("") is None
    found = await de.its.sessions.find(second)
    assert found is not None and found.account.handle == "ben"
    assert await de.its.sessions.find(other_browser) is not None
    async with Browser(de) as ada:
        await ada.login("ada")
        before = await de.count("sessions")
        assert await ada.login("ada") == 303 and await de.count("sessions") == before


async def test_the_sessions_of_a_suspended_account_are_dead_at_once(de: Running) -> None:
    async with Browser(de) as ada, Browser(de) as ben:
        assert await ada.login("ada") == 303 and await ben.login("ben") == 303
        assert (await ada.get("/"))[0] == 200
        await de.its.accounts.suspend("ada", "left", "test")
        assert await ada.get("/") == (303, "/login?next=/")
        assert (await ada.get("/mine"))[0] == 303 and (await ben.get("/"))[0] == 200
        assert await ada.login("ada") == 401
        await de.its.accounts.resume("ada", "test")
        assert (await ada.get("/"))[0] == 303 and await ada.login("ada") == 303


@pytest.mark.parametrize(("headers", "status"), [
    ({"origin": "OURS"}, 303),
    ({"origin": "OURS", "host": "127.0.0.1:1"}, 303),
    ({"sec-fetch-site": "same-origin"}, 303),
    ({"sec-fetch-site": "same-origin", "origin": "null"}, 303),
    ({"origin": "null"}, 403),
    ({}, 403),
    ({"sec-fetch-site": "same-site"}, 403),
    ({"sec-fetch-site": "same-site", "origin": "OURS"}, 403),
    ({"sec-fetch-site": "cross-site"}, 403),
    ({"sec-fetch-site": "none"}, 403),
    ({"origin": "http://evil.example"}, 403),
    ({"origin": "http://evil.example", "host": "evil.example"}, 403),
    ({"origin": "OURS.evil.example"}, 403),
])
async def test_a_form_counts_only_from_our_own_pages(de: Running, headers: dict[str, str], status: int) -> None:
    headers = {name: value.replace("OURS", de.url) for name, value in headers.items()}
    async with aiohttp.ClientSession(de.url) as bare, bare.post(
            "/login", data={"handle": "ada", "password": PASSWORD}, headers=headers, allow_redirects=False) as response:
        assert response.status == status
    assert await de.count("sessions") == (status == 303)


async def test_pages_let_browsers_say_where_our_own_forms_come_from(de: Running) -> None:
    async with aiohttp.ClientSession(de.url) as bare, bare.get("/login") as response:
        assert response.headers["referrer-policy"] == "same-origin"


async def test_the_cookie_is_taken_away_as_it_was_given(de: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def attributes(line: str) -> set[str]:
        parts = {part.strip().lower() for part in line.split(";")[1:]}
        return {part for part in parts if not part.startswith(("expires", "max-age"))}

    for secure in (False, True):
        monkeypatch.setattr(cookies, "_secure", lambda _, secure=secure: secure)
        async with aiohttp.ClientSession(de.url, headers={"sec-fetch-site": "same-origin"}) as bare:
            async with bare.post("/login", data={"handle": "ada", "password": PASSWORD}, allow_redirects=False) as response:
                given = response.headers["set-cookie"]
            cookie = given.partition(";")[0]
            async with bare.post("/logout", headers={"cookie": cookie}, allow_redirects=False) as response:
                taken = response.headers["set-cookie"]
                assert response.status == 303
        assert given.startswith("__Host-") == taken.startswith("__Host-") == secure
        assert taken.partition("=")[0] == cookie.partition("=")[0] and taken.partition("=")[2].startswith(";")
        assert attributes(given) == attributes(taken) and ("secure" in attributes(taken)) == secure
    assert await de.count("sessions") == 0


_ODD: tuple[Any, ...] = ("²", "٣", "1e1", "-1", " 1", "9" * 400, "")


@pytest.mark.parametrize("odd", _ODD)
async def test_a_number_that_is_none_is_an_answer_and_not_an_accident(de: Running, odd: str) -> None:
    await de.its.accounts.add_operator("op", "Operator", PASSWORD)
    poll = {"kind": "poll", "question": "Which?", "options": "one\ntwo", "language": "de", "text": ""}
    async with Browser(de) as ada, Browser(de) as operator:
        assert await ada.login("ada") == 303 and await operator.login("op") == 303
        assert (await ada.post("/compose", poll | {"hours": odd, "step": "confirm", "reach": "home"}))[0] == 400
        where = (await ada.post("/compose", poll | {"hours": "2", "step": "publish", "reach": "home"}))[1]
        assert (await ada.post(f"{where}/vote", {"choice": odd}))[0] == 400
        assert (await ada.post(f"{where}/edit", {"revision": odd, "question": "Which one?", "text": ""}))[0] in (303, 409)
        assert (await ada.get(f"/?before={odd}"))[0] == 200
        assert (await ada.get(f"/mine?before={odd}"))[0] == 200
        assert (await operator.get(f"/admin/refusals?before={odd}"))[0] == 200


async def test_a_wrong_password_tells_nobody_whether_there_is_such_a_person(de: Running) -> None:
    await de.its.signing.factors.hand_out(de.doctors["ben"], "test")
    await de.add_doctor("eva")
    await de.its.accounts.suspend("eva", "left", "test")
    seen: dict[str, list[float]] = {handle: [] for handle in ("ada", "ben", "eva", "nobody")}
    pages = set()
    async with Browser(de) as visitor:
        for _ in range(15):
            for handle, times in seen.items():
                await de.its.database.write(lambda tx: tx.run("DELETE FROM login_attempts"))
                begun = time.perf_counter()
                status, page = await visitor.post("/login", {"handle": handle, "password": "a wrong one"})
                times.append(time.perf_counter() - begun)
                pages.add((status, page.replace(handle, "")))
    assert len(pages) == 1
    medians = [statistics.median(times) for times in seen.values()]
    assert max(medians) < 1.5 * min(medians), "an account that is not there is answered as slowly"
