"""Leaving as a doctor and an operator meet it: asked for with handle and password, taken back with a click, told by mail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import Conflict, InvalidInput
from tests.mailserver import mailserver
from tests.servers import PASSWORD, Running, countries, until
from tests.test_departing import gone
from tests.test_mailboxes import link
from tests.test_pages import Browser
from tests.test_siblings import audit

_SURE = {"handle": "ada", "password": PASSWORD}


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", "fr") as (one, _):
        await one.its.accounts.add_operator("olga", "Olga", PASSWORD)
        yield one


async def test_a_doctor_says_that_she_leaves_sees_it_on_every_page_and_stays(de: Running) -> None:
    async with Browser(de) as ada, Browser(de) as ben, Browser(de) as olga:
        for one, handle in ((ada, "ada"), (ben, "ben"), (olga, "olga")):
            await one.login(handle)
        page = (await ada.get("/settings/leave"))[1]
        assert "You have 14 days" in page and "What stays" in page and "/settings/export" in page
        assert "You leave on" not in (await ada.get("/"))[1]
        assert await ada.post("/settings/leave", _SURE | {"handle": "@ada@" + de.domain}) == (303, "/settings/leave")
        departure = await de.its.departures.of(de.doctors["ada"].id)
        assert departure is not None and departure.due - departure.asked == 14 * 86_400_000
        for path in ("/", "/directory", "/settings"):
            assert "You leave on" in (await ada.get(path))[1], path
        assert "You leave on" not in (await ben.get("/@ada"))[1] and "Dr Ada" in (await ben.get("/@ada"))[1]
        assert (await ada.post("/compose", {"kind": "note", "question": "Still?", "text": "Text", "language": "de",
                                            "step": "audience"}))[0] == 200
        page = (await olga.get("/admin/departures"))[1]
        assert "Dr Ada" in page and "herself" in page
        assert await ada.post("/settings/leave/stay", {}) == (303, "/settings/leave?saved=stay")
        assert "You stay. Nothing has changed." in (await ada.get("/settings/leave?saved=stay"))[1]
        assert "You leave on" not in (await ada.get("/"))[1]
        assert [entry for entry in await audit(de.its) if entry[0] == "ada"] == [
            ("ada", "doctor.leaves", "ada"), ("ada", "doctor.stays", "ada")]


async def test_without_her_handle_or_her_password_nothing_is_done(de: Running) -> None:
    async with Browser(de) as ada, Browser(de) as olga:
        await ada.login("ada")
        await olga.login("olga")
        for sent, said in (({"handle": "ben"}, "not your handle"), ({"handle": ""}, "not your handle"),
                           ({"password": "guessed"}, "not your password"), ({"password": ""}, "not your password")):
            status, page = await ada.post("/settings/leave", _SURE | sent)
            assert status == 400 and said in page
        assert (await ada.post("/settings/leave", _SURE, **{"sec-fetch-site": "cross-site"}))[0] == 403
        assert (await olga.post("/settings/leave", {"handle": "olga", "password": PASSWORD}))[0] == 404
        assert await de.count("departures") == 0
        for _ in range(8):
            status, page = await ada.post("/settings/leave", _SURE | {"password": "guessed"})
        assert status == 429 and "Too many attempts" in page


async def test_when_the_days_are_over_she_is_signed_out_and_operators_see_where_it_is_confirmed(de: Running) -> None:
    async with Browser(de) as ada, Browser(de) as ben, Browser(de) as olga:
        for one, handle in ((ada, "ada"), (ben, "ben"), (olga, "olga")):
            await one.login(handle)
        await ada.post("/settings/leave", _SURE)
        await de.its.database.write(lambda tx: tx.run("UPDATE departures SET due_at = 0"))
        await until(lambda: gone(de))
        assert (await ada.get("/"))[1].startswith("/login")
        assert (await ada.post("/settings/leave/stay", {}))[0] == 401
        assert await ada.login("ada") == 401
        assert (await ben.get("/@ada"))[0] == 404 and "Dr Ada" not in (await ben.get("/directory"))[1]

        async def everywhere() -> bool:
            page = (await olga.get("/admin/departures"))[1]
            return "erased everywhere" in page and "1 of 1 confirmed" in page and "Dr Ada" not in page

        await until(everywhere)
        with pytest.raises(Conflict, match="begun"):
            await de.its.departures.stay(de.doctors["ada"])


async def test_asking_again_does_not_prolong_it_and_an_operator_can_have_it_begin_at_once(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        first = await de.its.departures.ask(de.doctors["ada"], "ada")
        assert await de.its.departures.ask(de.doctors["ada"], "ada") == first
        with pytest.raises(InvalidInput):
            await de.its.departures.ask(de.doctors["ben"], "ada")
        at_once = await de.its.departures.order("ada", "olga")
        assert at_once.due <= de.its.clock.ms() < first.due and at_once.by == "olga"
        await de.its.departing.finish()
        assert (await de.its.departures.waiting()) == () and await de.count("departures", "done_at IS NOT NULL AND by = 'olga'")


async def test_a_mail_says_until_when_she_can_stay_and_that_her_archive_is_ready_without_a_word_of_hers(tmp_path: Path) -> None:
    async with mailserver() as server, countries(tmp_path, "de", settled=server.used()) as (de,), Browser(de) as ada:
        await ada.login("ada")
        await de.its.accounts.choose_language(de.doctors["ada"], "en")
        await ada.post("/settings/mail", {"address": "x9@klinik.example", "rhythm": "none"})
        await until(lambda: bool(server.taken))
        await ada.post(f"/mail/confirm/{link(server.taken[0].text, 'confirm')}", {})
        await ada.post("/settings/export", {})
        await until(lambda: len(server.taken) == 2)
        await ada.post("/settings/leave", _SURE)
        await until(lambda: len(server.taken) == 3)
        ready, leaving = server.taken[1:]
        assert ready.to == leaving.to == "x9@klinik.example"
        assert f"{de.url}/settings/export" in ready.text and f"{de.url}/settings/leave" in leaving.text
        for mail in (ready, leaving):
            assert "Ada" not in mail.text + mail.html and "ada" not in mail.text
        await ada.post("/settings/leave/stay", {})
        await de.its.departures.order("ada", "test")
        await until(lambda: gone(de))
        assert await de.count("mails") == await de.count("mailboxes") == 0


async def test_who_never_confirmed_an_address_gets_no_mail(de: Running) -> None:
    await de.its.departures.ask(de.doctors["ada"], "ada")
    assert await de.count("mails") == 0
