"""Quiet hours hold back what can wait, by the country's clocks, and nothing that cannot."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import mails
from actors.attention import Attention, Attentions, day_start, quiet_end
from actors.mailboxes import Rhythm
from actors.mails import MailKind
from core.errors import InvalidInput
from instance.assembly import Assembly
from posts.telling import Event, Told, tell

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Attention(22 * 60, 7 * 60)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp() * 1000)


@pytest.mark.parametrize(("set_to", "now", "until"), [
    (NIGHT, "2026-11-25T21:59", None), (NIGHT, "2026-11-25T22:00", "2026-11-26T07:00"),
    (NIGHT, "2026-11-26T06:59", "2026-11-26T07:00"), (NIGHT, "2026-11-26T07:00", None),
    (Attention(13 * 60, 14 * 60), "2026-11-25T13:30", "2026-11-25T14:00"), (Attention(), "2026-11-25T03:00", None),
    (Attention(weekends=True), "2026-11-28T00:00", "2026-11-30T00:00"), (Attention(weekends=True), "2026-11-27T23:59", None),
    (NIGHT._replace(weekends=True), "2026-11-27T23:00", "2026-11-30T07:00"),  # a Friday night goes over into the weekend
    (NIGHT, "2026-10-24T23:00", "2026-10-25T07:00"), (NIGHT, "2026-03-28T23:00", "2026-03-29T07:00"),  # the clocks change
    (Attention(0, 1), "2026-11-25T00:00", "2026-11-25T00:01"),
])
def test_quiet_hours_end_as_the_clock_on_the_wall_says(set_to: Attention, now: str, until: str | None) -> None:
    assert quiet_end(set_to, BERLIN, at(now)) == (at(until) if until is not None else None)


@given(st.integers(0, 1439), st.integers(0, 1439), st.booleans(), st.integers(1_700_000_000_000, 1_900_000_000_000))
def test_quiet_hours_always_end_and_are_over_then(begins: int, ends: int, weekends: bool, now: int) -> None:
    set_to = Attention(begins, ends, weekends)
    end = quiet_end(set_to, BERLIN, now)
    if end is not None:
        assert now < end <= now + 4 * 86_400_000 and quiet_end(set_to, BERLIN, end) is None


def test_a_day_begins_at_midnight_also_when_the_clocks_change() -> None:
    assert day_start(BERLIN, at("2026-10-25T23:00")) == at("2026-10-25T00:00")
    assert day_start(BERLIN, at("2026-10-25T00:00")) == at("2026-10-25T00:00")


async def _doctor(its: Assembly, handle: str) -> int:
    from actors.accounts import NewDoctor
    from actors.models import Role

    await its.accounts.add_doctor(NewDoctor(handle, f"Dr {handle}", "correct horse battery", Role.DOCTOR, ("cardiology",),
                                            "register", "seen"), "test")
    account = await its.accounts.by_handle(handle)
    assert account is not None and account.actor_id is not None
    await its.database.write(lambda tx: tx.run(
        "INSERT INTO mailboxes (account_id, address, rhythm) VALUES (?, ?, 'daily')", (account.id, f"{handle}@x.example")))
    return account.id


async def test_mails_that_can_wait_are_sent_when_it_is_over_and_others_at_once(its: Assembly) -> None:
    ada, ben = await _doctor(its, "ada"), await _doctor(its, "ben")
    account = await its.accounts.by_handle("ada")
    assert account is not None
    its.clock.offset = (at("2026-11-25T23:00") - its.clock.ms()) / 1000
    await its.attentions.change(account, NIGHT)

    def make(tx: mails.Tx) -> None:
        for account_id in (ada, ben):
            for kind in (MailKind.ARCHIVE, MailKind.SIGNED_IN, MailKind.RESET, MailKind.EXPIRING, MailKind.DIGEST):
                mails.enqueue(tx, its.ids, account_id, kind, 0, its.clock.ms())

    await its.database.write(make)
    due = await its.post_office.due(50)
    assert {mail.kind for mail in due if mail.account_id == ada} == {MailKind.SIGNED_IN, MailKind.RESET}
    assert len([mail for mail in due if mail.account_id == ben]) == 5
    its.clock.offset += 7 * 3600
    assert {mail.kind for mail in await its.post_office.due(50) if mail.account_id == ada} == {MailKind.SIGNED_IN, MailKind.RESET}
    its.clock.offset += 3600 + 1
    held = [mail for mail in await its.post_office.due(50) if mail.account_id == ada]
    assert len(held) == 5 and all(mail.tries == 0 for mail in held)


async def test_a_digest_that_falls_into_quiet_hours_is_one_that_says_everything_afterwards(its: Assembly) -> None:
    ada = await _doctor(its, "ada")
    account = await its.accounts.by_handle("ada")
    assert account is not None and account.actor_id is not None
    doctor = account.actor_id
    its.clock.offset = (at("2026-11-26T06:00") - its.clock.ms()) / 1000
    await its.mailboxes.change(account, "ada@x.example", Rhythm.DAILY)
    await its.attentions.change(account, Attention(22 * 60, 9 * 60))
    for hour in (6, 8):
        its.clock.offset = its.clock.offset + (at(f"2026-11-26T0{hour}:30") - its.clock.ms()) / 1000
        await its.database.write(lambda tx: tell(tx, its.ids, [Event(doctor, Told.OPENED, None, its.ids.new())], its.clock.ms()))
        await its.digests.make_due()
        assert await its.database.read(lambda tx: mails.is_pending(tx, ada, MailKind.DIGEST)) is False
    its.clock.offset += 3600
    await its.digests.make_due()
    [mail] = await its.post_office.due(50)
    assert mail.kind == MailKind.DIGEST and mail.facts == {"opened": 2}


async def test_what_cannot_be_is_refused_and_what_was_set_goes_with_her(its: Assembly) -> None:
    await _doctor(its, "ada")
    account = await its.accounts.by_handle("ada")
    assert account is not None
    its_own = Attentions(its.database, BERLIN)
    for wrong, field in ((NIGHT._replace(quiet_from=1440), "quiet_from"), (NIGHT._replace(quiet_until=-1), "quiet_until"),
                         (NIGHT._replace(asks=51), "asks"), (NIGHT._replace(asks=-1), "asks")):
        with pytest.raises(InvalidInput) as refused:
            await its_own.change(account, wrong)
        assert refused.value.field == field
    assert await its_own.of(account) == Attention()
    await its_own.change(account, NIGHT)
    assert await its_own.of(account) == NIGHT
    await its.departures.order("ada", "test")
    await its.departing.finish()
    assert await its_own.of(account) == Attention()
