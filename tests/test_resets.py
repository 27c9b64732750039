"""A new password by mail: the same answer and the same work whoever is asked for, a link that works once, and nothing but the
password changes."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.devices import NOWHERE
from actors.links import Purpose
from core.errors import TooMany
from tests.mailserver import MailServer, mailserver
from tests.servers import PASSWORD, Running, countries, until
from tests.test_pages import Browser

NEW = "several other words"


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mailserver() as one:
        yield one


@pytest.fixture
async def de(tmp_path: Path, server: MailServer) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", settled=server.used()) as (one,):
        await one.its.database.write(lambda tx: tx.run(
            "INSERT INTO mailboxes (account_id, address, rhythm) VALUES (?, 'Ada@Klinik.example', 'none')",
            (one.doctors["ada"].id,)))
        yield one


async def asked(at: Running, server: MailServer, who: str) -> str:
    """Ask for a link and take it out of the mail."""
    before = len(server.taken)
    await at.its.signing.resets.ask(who, "203.0.113.5")
    await until(lambda: any("/reset/" in mail.text for mail in server.taken[before:]))
    found = re.search(r"/reset/([\w-]+)", "".join(mail.text for mail in server.taken[before:]))
    assert found is not None
    return found[1]


@pytest.mark.parametrize("who", ["ada", " ADA ", "@ada", "ada@klinik.EXAMPLE"])
async def test_handle_and_address_lead_to_a_link_that_sets_a_password_once(de: Running, server: MailServer, who: str) -> None:
    async with Browser(de) as ada, Browser(de) as elsewhere:
        await elsewhere.login("ada")
        token = await asked(de, server, who)
        assert server.taken[-1].to == "Ada@Klinik.example" and "Ada" not in server.taken[-1].text
        assert "ada" in (await ada.get(f"/reset/{token}"))[1]
        status, page = await ada.post(f"/reset/{token}", {"password": "password1234"})
        assert status == 400 and "is tried first" in page
        assert (await ada.post(f"/reset/{token}", {"password": NEW}))[0] == 200
        assert (await elsewhere.get("/"))[0] == 303 and await ada.login("ada") == 401 and await ada.login("ada", NEW) == 303
        assert (await ada.get(f"/reset/{token}"))[0] == 404
        assert (await ada.post(f"/reset/{token}", {"password": PASSWORD}))[0] == 404 and await ada.login("ada", NEW) == 303
        assert "with a link from a mail" in (await ada.get("/settings/security"))[1]


async def test_a_reset_leaves_the_second_factor(de: Running, server: MailServer) -> None:
    await de.its.signing.factors.hand_out(de.doctors["ada"], "test")
    token = await asked(de, server, "ada")
    await de.its.signing.resets.set(token, Purpose.RESET, NEW, NOWHERE)
    async with Browser(de) as ada:
        assert await ada.post("/login", {"handle": "ada", "password": NEW}) == (303, "/login/second")


async def test_the_answer_is_the_same_whoever_is_asked_for(de: Running, server: MailServer) -> None:
    await de.its.accounts.add_operator("op", "Operator", PASSWORD)
    pages = []
    async with Browser(de) as visitor:
        for who in ("ada", "ben", "op", "nobody", "ada@klinik.example", "nobody@klinik.example", "", "x" * 5_000, "\udcff"):
            pages.append(await visitor.post("/reset", {"who": who.encode(errors="replace").decode()}))
            await de.its.database.write(lambda tx: tx.run("DELETE FROM login_attempts"))
        assert len(set(pages)) == 1 and pages[0][0] == 200 and "ada" not in pages[0][1]
        await until(lambda: _none(de))
        await until(lambda: len(server.taken) == 2)
    assert await de.count("mails") == 2 and await de.count("reset_requests") == 0


async def test_asking_takes_as_long_for_somebody_as_for_nobody(tmp_path: Path, server: MailServer) -> None:
    """What is done while the page waits is one and the same row, so this can only differ by chance."""
    async with countries(tmp_path, "de", settled=server.used(), worker=False) as (de,):
        async def compared() -> bool:
            seen: dict[str, list[float]] = {"ada": [], "nobody": []}
            for _ in range(40):
                for who, times in seen.items():
                    await de.its.database.write(lambda tx: tx.run("DELETE FROM login_attempts"))
                    begun = time.perf_counter()
                    await de.its.signing.resets.ask(who, "203.0.113.5")
                    times.append(time.perf_counter() - begun)
            medians = {who: statistics.median(times) for who, times in seen.items()}
            return abs(medians["ada"] - medians["nobody"]) < max(medians.values()) * 0.5

        assert await compared() or await compared() or await compared()  # a busy machine is slower for one of them by chance
        lengths = await de.its.database.read(lambda tx: tx.rows("SELECT asked FROM reset_requests"))
        assert len(lengths) >= 80 and not any(b"nobody" in row["asked"] for row in lengths)


async def test_asking_is_throttled_by_where_from_and_mails_by_whom_for(de: Running, server: MailServer) -> None:
    for number in range(9):
        await de.its.signing.resets.ask("ada", f"203.0.113.{number}")
    await until(lambda: de.count("mails", "state <> 'pending'"))
    await until(lambda: _none(de))
    assert await de.count("mails") == 5 and await de.count("account_links") == 1
    for _ in range(8):
        await de.its.signing.resets.ask("nobody", "198.51.100.7")
    with pytest.raises(TooMany):
        await de.its.signing.resets.ask("nobody", "198.51.100.7")
    async with Browser(de) as visitor:
        for _ in range(8):
            assert (await visitor.post("/reset", {"who": "nobody"}))[0] == 200
        assert (await visitor.post("/reset", {"who": "ada"}))[0] == 429


async def _none(at: Running) -> bool:
    return await at.count("reset_requests") == 0


async def test_a_link_runs_out_and_a_newer_one_ends_it(de: Running, server: MailServer) -> None:
    first = await asked(de, server, "ada")
    second = await asked(de, server, "ada")
    async with Browser(de) as ada:
        assert (await ada.get(f"/reset/{first}"))[0] == 404 and (await ada.get(f"/reset/{second}"))[0] == 200
        assert (await ada.get(f"/welcome/{second}"))[0] == 404, "a link is for one thing"
        await de.its.accounts.suspend("ada", "left", "test")
        assert (await ada.post(f"/reset/{second}", {"password": NEW}))[0] == 404
        await de.its.accounts.resume("ada", "test")
        third = await asked(de, server, "ada")
        de.its.clock.offset = 3_601
        assert (await ada.get(f"/reset/{third}"))[0] == 404
        assert (await ada.post(f"/reset/{third}", {"password": NEW}))[0] == 404 and await ada.login("ada") == 303


async def test_without_a_mail_server_the_page_says_whom_to_ask(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,), Browser(de) as visitor:
        assert "Ask its operators" in (await visitor.get("/reset"))[1]
        assert (await visitor.post("/reset", {"who": "ada"}))[0] == 404 and await de.count("reset_requests") == 0


async def test_a_welcome_link_sets_the_first_password_and_opens_the_door(de: Running) -> None:
    ben = de.doctors["ben"]
    number = await de.its.database.write(lambda tx: de.its.signing.links.issue(tx, ben.id, Purpose.WELCOME, de.its.clock.ms()))
    token = de.its.signing.links.token(number)
    async with Browser(de) as browser:
        page = (await browser.get(f"/welcome/{token}"))[1]
        assert "Welcome, Dr Ben" in page and re.search(r'value="ben"', page)
        assert (await browser.post(f"/welcome/{token}", {"password": "short"}))[0] == 400
        assert await browser.post(f"/welcome/{token}", {"password": NEW}) == (303, "/settings/security?welcome=1")
        assert "Now is a good time for a second factor" in (await browser.get("/settings/security?welcome=1"))[1]
        assert (await browser.get("/"))[0] == 200 and (await browser.get(f"/welcome/{token}"))[0] == 404
