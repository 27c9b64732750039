"""Where somebody is signed in, and what happened lately: she sees it, hears of a new browser, and ends what is not hers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.devices import visit_of
from core.errors import NotFound
from tests.mailserver import mailserver
from tests.servers import PASSWORD, Running, countries, until
from tests.test_mailboxes import link
from tests.test_pages import Browser

HERE = "/settings/security"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


async def test_sessions_are_listed_and_one_or_all_others_end(de: Running) -> None:
    async with Browser(de) as ada, Browser(de) as second, Browser(de) as third, Browser(de) as ben:
        second.session.headers["user-agent"] = FIREFOX
        for browser in (ada, second, third):
            await browser.login("ada")
        await ben.login("ben")
        page = (await ada.get(HERE))[1]
        assert page.count("Sign out Firefox, Linux") == 1 and page.count("this one") == 1 and "127.0.0.0/24" in page
        ends = re.findall(rf"{HERE}/sessions/\w+/end", page)
        assert len(ends) == 3 and ends[-1].endswith("others/end")
        await ben.post(ends[0], {})
        assert await de.count("sessions") == 4, "it is not his"
        found = re.search(rf'({HERE}/sessions/\w+/end)"><button class="plain" aria-label="Sign out Firefox', page)
        assert found is not None
        await ada.post(found[1], {})
        assert (await second.get("/"))[0] == 303 and (await third.get("/"))[0] == 200
        await ada.post(f"{HERE}/sessions/others/end", {})
        assert (await third.get("/"))[0] == 303 and (await ada.get("/"))[0] == (await ben.get("/"))[0] == 200


async def test_a_new_browser_is_told_of_and_a_known_one_is_not(tmp_path: Path) -> None:
    async with mailserver() as server, countries(tmp_path, "de", settled=server.used()) as (de,), \
            Browser(de) as ada, Browser(de) as stranger:
        await ada.login("ada")
        await de.its.accounts.choose_language(de.doctors["ada"], "en")
        await ada.post("/settings/mail", {"address": "x9@klinik.example", "rhythm": "none"})
        await until(lambda: bool(server.taken))
        await ada.post(f"/mail/confirm/{link(server.taken[0].text, 'confirm')}", {})
        await ada.post("/logout", {})
        await ada.login("ada")
        assert "Nothing yet" in (await ada.get(HERE))[1] and len(server.taken) == 1
        stranger.session.headers["user-agent"] = FIREFOX
        await stranger.login("ada")
        await until(lambda: len(server.taken) == 2)
        told = server.taken[1]
        assert told.to == "x9@klinik.example" and "not used before" in told.text and "Firefox, Linux" in told.text
        assert f"{de.url}{HERE}" in told.text and "0/24" not in told.text and "Ada" not in told.text
        page = (await ada.get(HERE))[1]
        assert "not used before" in page and "Firefox, Linux" in page
        await ada.post(f"{HERE}/password", {"old": PASSWORD, "password": "several other words"})
        await until(lambda: len(server.taken) == 3)
        assert "The password was changed." in server.taken[2].text and "several" not in server.taken[2].text

        async def sent() -> bool:
            return await de.count("mails", "state = 'pending'") == 0

        await until(sent)


async def test_operators_give_passwords_and_take_factors_away_and_it_is_written_down(de: Running) -> None:
    await de.its.accounts.add_operator("op", "Operator", PASSWORD)
    async with Browser(de) as ada, Browser(de) as op:
        await ada.login("ada")
        await op.login("op")
        await de.its.signing.factors.hand_out(de.doctors["ada"], "cli:root")
        await de.its.signing.security.give_password("doctor", "ada", "several other words", "cli:root")
        assert (await ada.get("/"))[0] == 303
        assert await ada.post("/login", {"handle": "ada", "password": "several other words"}) == (303, "/login/second")
        assert await de.its.signing.security.reset_factors("doctor", "ada", "cli:root") == (True, 0, 0)
        assert await ada.login("ada", "several other words") == 303
        assert "The operators set a new password" in (await ada.get(HERE))[1]
        await de.its.signing.security.reset_factors("operator", "op", "cli:root")
        assert (await op.get("/admin/siblings"))[0] == 303 and await de.count("code_keys") == 0
        for entry in await de.its.audit.list(4):
            assert entry.by == "cli:root" and entry.action.endswith(".secured") and PASSWORD not in entry.detail
    for kind, handle in (("doctor", "op"), ("operator", "ada"), ("doctor", "nobody")):
        with pytest.raises(NotFound):
            await de.its.signing.security.give_password(kind, handle, "several other words", "cli:root")
        with pytest.raises(NotFound):
            await de.its.signing.security.reset_factors(kind, handle, "cli:root")


@pytest.mark.parametrize(("agent", "address", "seen"), [
    (FIREFOX, "203.0.113.77", ("Firefox, Linux", "203.0.113.0/24")),
    ("Mozilla/5.0 (Windows NT 10.0; Win64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0",
     "2001:db8:1:2::9", ("Edge, Windows", "2001:db8:1::/48")),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604.1",
     "::ffff:203.0.113.77", ("Safari, iPhone", "203.0.113.0/24")),
    ("curl/8.0", "", ("", "")), ("<b>" * 9_000, "nowhere", ("", "")),
])
def test_what_is_kept_of_a_visit_is_coarse(agent: str, address: str, seen: tuple[str, str]) -> None:
    assert tuple(visit_of(agent, address)) == seen


async def test_two_doctors_at_one_computer_are_each_known_there(de: Running) -> None:
    async with Browser(de) as ward:
        for handle in ("ada", "ben", "ada", "ben"):
            await ward.login(handle)
        assert await de.count("known_devices") == 2 and await de.count("sign_in_events") == 0
