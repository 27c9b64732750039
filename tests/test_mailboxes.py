"""An address counts once somebody has opened the link sent to it; digests come at seven by the country's clock."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from actors.mailboxes import Rhythm, next_digest
from actors.mails import MailState
from actors.models import Account
from core.countries import pack
from core.errors import InvalidInput, TooMany
from core.settings import Settings
from core.vault import token_hash
from instance.assembly import Assembly
from instance.letters import Letters
from tests.mailserver import MailServer, mailserver, post_office
from tests.test_notifications import doctor

DAY = 86_400


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mailserver() as made:
        yield made


@pytest.fixture
async def office(settings: Settings, server: MailServer) -> AsyncIterator[tuple[Assembly, Letters]]:
    async with post_office(settings, server) as made:
        yield made


async def account(its: Assembly, handle: str) -> Account:
    await doctor(its, handle)
    found = await its.accounts.by_handle(handle)
    assert found is not None
    return found


def link(text: str, what: str) -> str:
    """The token of a link in a mail."""
    found = re.search(rf"/mail/{what}/([\w-]+)", text)
    assert found is not None
    return found[1]


async def test_an_address_counts_once_its_link_was_opened_and_the_link_works_once(
        office: tuple[Assembly, Letters], server: MailServer) -> None:
    its, letters = office
    ada = await account(its, "ada")
    await its.mailboxes.change(ada, "Ada@Klinik.example", Rhythm.DAILY)
    assert await letters.work() == 1 and await letters.work() == 0
    [mail] = server.taken
    assert mail.to == "Ada@klinik.example" and "Konsil Germany" in mail.text and "ada" not in mail.text.lower()
    box = await its.mailboxes.of(ada)
    assert (box.address, box.rhythm) == ("", Rhythm.DAILY) and box.asked is not None and box.asked.state == MailState.SENT
    token = link(mail.text, "confirm")
    assert link(mail.html, "confirm") == token and "List-Unsubscribe" not in mail.message
    row = await its.database.read(lambda tx: tx.row("SELECT token_hash FROM mail_confirmations"))
    assert row is not None and row["token_hash"] == token_hash(token)
    assert not await its.mailboxes.confirm(token[:-1]) and not await its.mailboxes.confirm("")
    assert await its.mailboxes.confirm(token) and not await its.mailboxes.confirm(token)
    box = await its.mailboxes.of(ada)
    assert (box.address, box.rhythm, box.asked) == ("Ada@klinik.example", Rhythm.DAILY, None)


async def test_a_link_runs_out_after_three_days(office: tuple[Assembly, Letters], server: MailServer) -> None:
    its, letters = office
    ada = await account(its, "ada")
    await its.mailboxes.change(ada, "ada@klinik.example", Rhythm.DAILY)
    await letters.work()
    its.clock.offset = 3 * DAY + 1
    assert not await its.mailboxes.confirm(link(server.taken[0].text, "confirm"))
    assert (await its.mailboxes.of(ada)) == ("", Rhythm.DAILY, None, "")


async def test_a_new_address_takes_the_old_ones_place_only_when_confirmed_and_none_ends_all_mail(
        office: tuple[Assembly, Letters], server: MailServer) -> None:
    its, letters = office
    ada = await account(its, "ada")
    await its.mailboxes.change(ada, "old@klinik.example", Rhythm.WEEKLY)
    await letters.work()
    await its.mailboxes.confirm(link(server.taken[0].text, "confirm"))
    await its.mailboxes.change(ada, "new@klinik.example", Rhythm.WEEKLY)
    box = await its.mailboxes.of(ada)
    assert box.address == "old@klinik.example" and box.asked is not None and box.asked.address == "new@klinik.example"
    await its.mailboxes.change(ada, "old@klinik.example", Rhythm.DAILY)  # she changes her mind
    assert (await its.mailboxes.of(ada)).asked is None and await letters.work() == 1
    assert [mail.to for mail in server.taken] == ["old@klinik.example"]  # the other link was not wanted any more
    await its.mailboxes.change(ada, "  ", Rhythm.DAILY)
    assert (await its.mailboxes.of(ada)) == ("", Rhythm.NONE, None, "")
    left = await its.database.read(lambda tx: tx.row("SELECT 1 FROM mailboxes WHERE due IS NOT NULL OR stop_hash IS NOT NULL"))
    assert left is None


async def test_what_is_no_address_changes_nothing(its: Assembly) -> None:
    ada = await account(its, "ada")
    with pytest.raises(InvalidInput) as caught:
        await its.mailboxes.change(ada, "ada@klinik", Rhythm.DAILY)
    assert caught.value.field == "address" and (await its.mailboxes.of(ada)) == ("", Rhythm.NONE, None, "")


async def test_a_second_click_sends_no_second_mail_and_many_links_a_day_are_refused(
        office: tuple[Assembly, Letters], server: MailServer) -> None:
    its, letters = office
    ada = await account(its, "ada")
    for _ in range(3):
        await its.mailboxes.change(ada, "ada@klinik.example", Rhythm.DAILY)
    await letters.work()
    assert len(server.taken) == 1
    for number in range(4):
        await its.mailboxes.change(ada, f"ada{number}@klinik.example", Rhythm.DAILY)
    with pytest.raises(TooMany) as caught:
        await its.mailboxes.change(ada, "somebody@klinik.example", Rhythm.WEEKLY)
    assert 86_000 < (caught.value.retry_after or 0) <= DAY
    box = await its.mailboxes.of(ada)
    assert box.rhythm == Rhythm.DAILY and box.asked is not None and box.asked.address == "ada3@klinik.example"
    await letters.work()
    assert [mail.to for mail in server.taken] == ["ada@klinik.example", "ada3@klinik.example"]
    assert not await its.mailboxes.confirm(link(server.taken[0].text, "confirm"))
    its.clock.offset = DAY + 1
    await its.mailboxes.change(ada, "somebody@klinik.example", Rhythm.WEEKLY)


async def test_tokens_belong_to_the_key_file_and_to_one_purpose(its: Assembly) -> None:
    tokens = {its.mailboxes.confirm_token(1), its.mailboxes.confirm_token(2), its.mailboxes.stop_token(1, "a@b.example"),
              its.mailboxes.stop_token(1, "b@b.example"), its.mailboxes.stop_token(2, "a@b.example")}
    assert len(tokens) == 5 and all(len(token) == 43 for token in tokens)
    assert its.mailboxes.confirm_token(1) == its.mailboxes.confirm_token(1)


@pytest.mark.parametrize(("rhythm", "now", "due"), [
    (Rhythm.DAILY, "2026-11-25T06:59:59", "2026-11-25T07:00:00"),
    (Rhythm.DAILY, "2026-11-25T07:00:00", "2026-11-26T07:00:00"),
    (Rhythm.WEEKLY, "2026-11-25T12:00:00", "2026-11-30T07:00:00"),  # a Wednesday
    (Rhythm.WEEKLY, "2026-11-30T06:00:00", "2026-11-30T07:00:00"),
    (Rhythm.WEEKLY, "2026-11-30T07:00:00", "2026-12-07T07:00:00"),
    (Rhythm.DAILY, "2027-03-27T08:00:00", "2027-03-28T07:00:00"),  # the night in which the clocks go forward
    (Rhythm.DAILY, "2027-10-30T08:00:00", "2027-10-31T07:00:00"),  # and back
])
@pytest.mark.parametrize("country", ["de", "gb"])
def test_a_digest_is_due_at_seven_on_the_countrys_walls(rhythm: Rhythm, now: str, due: str, country: str) -> None:
    zone = pack(country).zone
    here = int(datetime.fromisoformat(now).replace(tzinfo=zone).timestamp() * 1000)
    found = next_digest(rhythm, zone, here)
    assert found is not None and datetime.fromtimestamp(found / 1000, zone).replace(tzinfo=None).isoformat() == due
    assert next_digest(Rhythm.NONE, zone, here) is None
