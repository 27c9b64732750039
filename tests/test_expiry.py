"""Verifications that run out: notice in time, an end that is the same everywhere, and a way back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.mails import MailKind
from actors.postoffice import UNWANTED
from actors.verifications import end_of_day
from core.errors import Conflict, InvalidInput, Refused
from core.words import Phrase
from tests.servers import PASSWORD, Running, countries
from tests.test_pages import Browser

DAY_MS = 86_400_000


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (de,):
        await de.its.accounts.add_operator("op", "Operator", PASSWORD)
        await de.its.database.write(lambda tx: de.its.mailboxes.adopt(tx, de.doctors["ada"].id, "ada@klinik.example", 1))
        yield de


async def until_in(de: Running, days: float, handle: str = "ada") -> None:
    await de.its.database.write(lambda tx: tx.run(
        "UPDATE actors SET verified_until = ? WHERE handle = ?", (de.its.clock.ms() + int(days * DAY_MS), handle)))


async def sent(de: Running) -> list[tuple[str, str]]:
    return [(mail.kind, str(mail.facts)) for mail in await de.its.post_office.due(50)]


async def test_notice_comes_once_a_month_and_once_a_week_before(de: Running) -> None:
    await until_in(de, 31)
    assert await de.its.expiry.step() == 0 and await sent(de) == []
    await until_in(de, 29.9)
    assert await de.its.expiry.step() == 1 and await de.its.expiry.step() == 0
    assert await sent(de) == [(MailKind.EXPIRING, "{'days': 30}")]
    de.its.clock.offset += 23 * 86_400
    assert await de.its.expiry.step() == 1 and await de.its.expiry.step() == 0
    assert await sent(de) == [(MailKind.EXPIRING, "{'days': 30}"), (MailKind.EXPIRING, "{'days': 7}")]


async def test_whoever_is_verified_for_a_few_days_only_gets_one_notice(de: Running) -> None:
    await until_in(de, 3)
    assert await de.its.expiry.step() == 1 and await de.its.expiry.step() == 0
    assert await sent(de) == [(MailKind.EXPIRING, "{'days': 3}")] and await de.count("verification_notices") == 2


async def test_when_it_has_run_out_that_is_written_down_once_and_she_can_only_renew(de: Running) -> None:
    await until_in(de, -1)
    assert await de.its.expiry.step() == 1 and await de.its.expiry.step() == 0
    assert await de.count("verifications", "what = 'expired' AND by = 'konsil'") == 1
    assert await de.count("audit", "action = 'doctor.expired' AND target = 'ada'") == 1
    [mail] = await de.its.post_office.due(50)
    assert mail.kind == MailKind.EXPIRED and not isinstance(await de.its.post_office.recipient(mail), Phrase)
    async with Browser(de) as ada:
        assert await ada.login("ada") == 303
        assert (await ada.get("/"))[0] == 403
        page = (await ada.get("/settings/verification"))[1]
        assert "Your verification has run out" in page and "no longer verified since" in page and ">Renew it<" in page
        status, where = await ada.post("/settings/verification", {})
        assert status == 303 and where.startswith("/join/") and (await ada.get(where))[0] == 200
        assert (await ada.post("/settings/verification", {}))[1] == where  # there is one
    assert await de.count("applications", "kind = 'renewal'") == 1
    await until_in(de, 400)
    assert await de.its.post_office.recipient(mail) == UNWANTED  # renewed meanwhile


async def test_whoever_is_suspended_or_never_was_verified_gets_no_notice(de: Running) -> None:
    await de.add_doctor("app", proven=False)
    await until_in(de, -1, "app")
    await de.its.accounts.suspend("ben", "asked to", "test")
    assert await de.its.expiry.step() == 0
    async with Browser(de) as app:
        assert await app.login("app") == 303
        assert "You are not verified yet" in (await app.get("/settings/verification"))[1]
        assert (await app.post("/settings/verification", {}))[0] == 409


async def test_resuming_brings_back_what_was_decided_and_no_more(de: Running) -> None:
    [before] = await de.its.database.read(lambda tx: tx.rows("SELECT verified_until AS u FROM actors WHERE handle = 'ada'"))
    de.its.clock.offset += 40 * 86_400
    await de.its.accounts.suspend("ada", "asked to", "op")
    de.its.clock.offset += 40 * 86_400
    await de.its.accounts.resume("ada", "op")
    assert await de.count("actors", f"handle = 'ada' AND verified_until = {before['u']}") == 1
    assert await de.count("verifications", "what IN ('suspended', 'resumed') AND by = 'op'") == 2


async def test_taking_back_needs_a_reason_ends_everything_at_once_and_is_undone_by_a_new_proof_only(de: Running) -> None:
    with pytest.raises(InvalidInput):
        await de.its.accounts.withdraw("ada", " ", "op")
    async with Browser(de) as ada, Browser(de) as op:
        assert await ada.login("ada") == 303 and await op.login("op") == 303
        path = "/admin/verifications/ada"
        assert (await op.post(path, {"act": "withdraw", "reason": "struck off"}))[0] == 400  # not sure
        assert (await op.post(path, {"act": "withdraw", "reason": "struck off", "sure": "1"}))[0] == 303
        assert (await ada.get("/"))[1].startswith("/login") and await ada.login("ada") == 401
        page = (await op.get(path))[1]
        assert "withdrawn" in page and "struck off" in page and "no longer verified since" in page
        assert (await op.post(path, {"act": "resume"}))[0] == 409
        with pytest.raises(Refused):
            await de.its.credentials.require_verified(de.doctors["ada"])
        assert [kind for kind, _ in await sent(de)] == [MailKind.ENDED]
        assert (await op.post(path, {"act": "verify", "method": "register", "evidence": ""}))[0] == 400
        assert (await op.post(path, {"act": "verify", "method": "register", "evidence": "it was another Ada"}))[0] == 303
        assert await ada.login("ada") == 303
        assert (await op.get("/admin/verifications/nobody"))[0] == 404
        assert (await op.get("/admin/verifications?handle=@ada"))[1] == path
    with pytest.raises(Conflict):
        await de.its.accounts.resume("ada", "op")


async def test_looking_again_begins_the_badge_anew(de: Running) -> None:
    await de.its.database.write(lambda tx: tx.run("UPDATE actors SET verified_until = NULL WHERE handle = 'ada'"))
    async with Browser(de) as op:
        await op.login("op")
        assert (await op.post("/admin/verifications/ada", {"act": "again", "method": "card", "evidence": " "}))[0] == 400
        assert (await op.post("/admin/verifications/ada", {"act": "again", "method": "card", "evidence": "seen"}))[0] == 303
        assert (await op.post("/admin/verifications/nobody", {"act": "again", "method": "card", "evidence": "seen"}))[0] == 404
    assert await de.count("actors", "handle = 'ada' AND verified_until IS NOT NULL AND verified_how = 'card'") == 1
    assert await de.count("verifications", "what = 'renewed' AND evidence = 'seen' AND by = 'op'") == 1
    await de.its.accounts.suspend("ada", "asked to", "op")
    with pytest.raises(Conflict):
        await de.its.accounts.look_again("ada", "card", "seen", "op")


async def test_the_calendar_begins_with_who_has_run_out(de: Running) -> None:
    await until_in(de, 10)
    await until_in(de, -3, "ben")
    calendar = await de.its.standings.calendar()
    assert [row.handle for row in calendar.rows] == ["ben", "ada"] and calendar.after is None
    assert [row.handle for row in (await de.its.standings.calendar((calendar.rows[0].until, 1 << 62))).rows] == ["ada"]
    async with Browser(de) as op:
        await op.login("op")
        page = (await op.get("/admin/verifications"))[1]
        assert "has run out" in page and "soon" in page


def test_a_day_ends_on_the_clock_of_the_country() -> None:
    from core.countries import pack

    assert end_of_day("2027-09-30", pack("de").zone) == 1_822_341_599_000
    for wrong in ("", "30.9.2027", "2027-02-30", "0001-01-01", "9999-12-31"):
        with pytest.raises(InvalidInput):
            end_of_day(wrong, pack("de").zone)
