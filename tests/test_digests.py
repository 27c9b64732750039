"""Digests: durable, at least once and recognisable, only what is new and unread, and never to whom they must not go."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from actors.mailboxes import Rhythm
from actors.mails import Facts, MailKind, Recipient, WaitingMail
from actors.models import Account, Author, VerifiedDoctor
from core.i18n import format_date
from core.settings import Settings
from instance.assembly import Assembly
from instance.letters import Letters
from posts.telling import Told
from tests.mailserver import TAKEN, MailServer, mailserver, post_office
from tests.promises.test_words import pseudo_german
from tests.test_mailboxes import DAY, account, link
from tests.test_notifications import account_of, asked, doctors, told

HOUR = 3_600


class Office:
    """A post office with Ada, who is told by mail, and Ben and Cleo, who write."""

    def __init__(self, its: Assembly, letters: Letters, server: MailServer, ada: Author, account: Account) -> None:
        self.its, self.letters, self.server, self.ada, self.account = its, letters, server, ada, account

        self._today = datetime.fromtimestamp(its.clock.now(), its.pack.zone).date()
        self._set(0, 12)  # whatever the time really is: the digest of this morning lies behind

    def _set(self, days: int, hour: int, minute: int = 0) -> None:
        clock, day = self.its.clock, self._today + timedelta(days=days)
        clock.offset = 0
        then = datetime(day.year, day.month, day.day, hour, minute, 1, tzinfo=self.its.pack.zone)
        clock.offset = then.timestamp() - clock.now()

    async def told_by_mail(self, rhythm: Rhythm = Rhythm.DAILY) -> None:
        await self.its.mailboxes.change(self.account, "ada@klinik.example", rhythm)
        await self.letters.work()
        await self.its.mailboxes.confirm(link(self.server.taken.pop().text, "confirm"))
        self.server.offered = 0

    async def work(self) -> None:
        """What the worker does until there is nothing to do, without its pause after a failure."""
        self.letters._not_before = 0.0
        while await self.letters.work():
            pass

    async def at(self, days: int, hour: int = 7, minute: int = 0) -> None:
        """It is so late on a day from today on, by the clock on the wall; and the worker works."""
        self._set(days, hour, minute)
        await self.work()

    async def mails(self) -> list[tuple[str, str, int]]:
        rows = await self.its.database.read(lambda tx: tx.rows(
            "SELECT state, reason, tries FROM mails WHERE kind = 'digest' ORDER BY id"))
        return [tuple(row) for row in rows]  # type: ignore[misc]


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mailserver() as made:
        yield made


@pytest.fixture
async def office(settings: Settings, server: MailServer) -> AsyncIterator[Office]:
    async with post_office(settings, server) as (its, letters):
        ada_account = await account(its, "ada")
        await its.accounts.choose_language(ada_account, "en")
        ada = await its.credentials.author(ada_account, "post")
        made = Office(its, letters, server, ada, ada_account)
        await made.told_by_mail()
        yield made


async def test_a_digest_says_how_much_is_new_and_unread_since_the_last_one(office: Office) -> None:
    its, (ben, cleo) = office.its, await doctors(office.its, "ben", "cleo")
    case = await asked(its, office.ada)
    for who in (ben, cleo, ben):
        await its.compose.reply(who, case, "Answer", "de")
    verified = VerifiedDoctor(await account_of(its, ben), ben.actor)
    await its.relations.follow(verified, office.ada.actor)
    await its.reactions.like(verified, case)
    await office.at(1, 6, 59)
    assert office.server.taken == []
    await office.at(1)
    [mail] = office.server.taken
    assert "3 answers to what you wrote" in mail.text and "1 request to follow you" in mail.text and "like" not in mail.text
    assert "3 answers to what you wrote" in mail.html and mail.to == "ada@klinik.example"
    assert f"{its.identity.origin}/notifications" in mail.text and f"{its.identity.origin}/notifications" in mail.html
    assert mail.message["Subject"] == "New for you in Konsil Germany"
    stop = f"<{its.identity.origin}/mail/stop/{link(mail.text, 'stop')}>"
    assert mail.message["List-Unsubscribe"].strip() == stop
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.message["Auto-Submitted"] == "auto-generated" and mail.message["Message-ID"].startswith("<digest-")
    await office.at(2)
    assert len(office.server.taken) == 1  # nothing has come since
    await its.compose.reply(cleo, case, "One more", "de")
    await office.at(3)
    assert "1 answer to what you wrote" in office.server.taken[1].text and "follow" not in office.server.taken[1].text
    assert await office.mails() == [("sent", "", 1)] * 2


async def test_what_was_read_and_what_was_there_before_is_not_told(office: Office) -> None:
    its, (ben,) = office.its, await doctors(office.its, "ben")
    case = await asked(its, office.ada)
    await its.compose.reply(ben, case, "Answer", "de")
    [one] = await told(its, office.ada)
    await its.notifications.read(office.ada.actor, one.id)
    await office.at(1)
    await its.mailboxes.change(office.account, "ada@klinik.example", Rhythm.NONE)
    await its.compose.reply(ben, case, "While she wanted no mail", "de")
    await office.at(2)
    await its.mailboxes.change(office.account, "ada@klinik.example", Rhythm.DAILY)
    await office.at(3)
    assert office.server.taken == [] and await office.mails() == []


async def test_a_weekly_digest_comes_on_monday(office: Office) -> None:
    its, (ben,) = office.its, await doctors(office.its, "ben")
    await its.mailboxes.change(office.account, "ada@klinik.example", Rhythm.WEEKLY)
    case = await asked(its, office.ada)
    await its.compose.reply(ben, case, "Answer", "de")
    weekday = datetime.fromtimestamp(its.clock.now(), its.pack.zone).weekday()
    for days in range(1, 8):
        before = len(office.server.taken)
        await office.at(days)
        assert (len(office.server.taken) > before) == ((weekday + days) % 7 == 0), days
    assert len(office.server.taken) == 1


async def test_one_click_ends_digests_and_an_unknown_token_ends_nobodys(office: Office) -> None:
    its, (ben,) = office.its, await doctors(office.its, "ben")
    case = await asked(its, office.ada)
    await its.compose.reply(ben, case, "Answer", "de")
    await office.at(1)
    await its.mailboxes.stop("x" * 43)
    assert (await its.mailboxes.of(office.account)).rhythm == Rhythm.DAILY
    await its.mailboxes.stop(link(office.server.taken[0].text, "stop"))
    assert (await its.mailboxes.of(office.account)).rhythm == Rhythm.NONE
    await its.compose.reply(ben, case, "Again", "de")
    await office.at(3)
    assert len(office.server.taken) == 1


async def test_a_server_that_is_away_for_days_gets_one_digest_when_it_is_back(office: Office) -> None:
    its, (ben,) = office.its, await doctors(office.its, "ben")
    case = await asked(its, office.ada)
    office.server.data = lambda _: "451 4.3.0 not now"
    for days in (1, 2, 3):
        await its.compose.reply(ben, case, "Answer", "de")
        await office.at(days)
    assert office.server.offered >= 3 and [mail[:2] for mail in await office.mails()] == [
        ("pending", "The mail server asked to wait.")]
    office.server.data = lambda _: TAKEN
    await office.at(3, 12)
    assert len(office.server.taken) == 1 and [mail[0] for mail in await office.mails()] == ["sent"]
    await office.at(4)
    assert "2 answers" in office.server.taken[1].text  # what the first one did not say yet


async def test_a_digest_that_nobody_takes_is_parked_with_its_reason_and_the_next_one_says_the_same(office: Office) -> None:
    its, (ben,) = office.its, await doctors(office.its, "ben")
    case = await asked(its, office.ada)
    await its.compose.reply(ben, case, "Answer", "de")
    office.server.data = lambda _: "451 4.3.0 not now"
    await office.at(1)
    await office.at(5, 8)
    assert [mail[:2] for mail in await office.mails()] == [("parked", "The mail server asked to wait.")]
    assert (await its.mailboxes.of(office.account)).trouble == "The mail server asked to wait."
    office.server.data = lambda _: TAKEN
    await office.at(6)
    assert "1 answer" in office.server.taken[0].text and (await its.mailboxes.of(office.account)).trouble == ""


async def test_a_refused_address_is_parked_at_once_and_others_get_their_mail(office: Office) -> None:
    its, (ben, cleo) = office.its, await doctors(office.its, "ben", "cleo")
    cleo_account = await its.accounts.by_handle("cleo")
    assert cleo_account is not None
    await its.mailboxes.change(cleo_account, "cleo@klinik.example", Rhythm.DAILY)
    await office.work()
    await its.mailboxes.confirm(link(office.server.taken.pop().text, "confirm"))
    for who in (office.ada, cleo):
        await its.compose.reply(ben, await asked(its, who), "Answer", "de")
    office.server.recipient = lambda address: TAKEN if address.startswith("cleo") else "550 5.1.1 unknown"
    await office.at(1)
    assert sorted(await office.mails()) == [("parked", "The mail server refused the address.", 1), ("sent", "", 1)]
    assert [mail.to for mail in office.server.taken] == ["cleo@klinik.example"]


async def test_pauses_between_tries_grow_and_after_a_dead_server_nothing_is_tried_for_a_while(office: Office) -> None:
    its, (ben,) = office.its, await doctors(office.its, "ben")
    await its.compose.reply(ben, await asked(its, office.ada), "Answer", "de")
    office.server.data = lambda _: ""
    await office.at(1)
    pauses = []
    for _ in range(9):
        row = await its.database.read(lambda tx: tx.row("SELECT next_try FROM mails WHERE kind = 'digest'"))
        assert row is not None
        pauses.append((row["next_try"] - its.clock.ms()) / 1000)
        its.clock.offset += pauses[-1] + 1
        await office.work()
    assert 45 < pauses[0] < 75 and all(pause < 1.2 * HOUR for pause in pauses) and pauses[-1] > 0.75 * HOUR
    tries = office.server.offered
    its.clock.offset += 2 * HOUR
    assert await office.letters.work() == 0 and office.server.offered == tries


async def test_the_suspended_and_those_whose_verification_has_run_out_get_no_digest(office: Office) -> None:
    its, (ben,) = office.its, await doctors(office.its, "ben")
    case = await asked(its, office.ada)
    await its.compose.reply(ben, case, "Answer", "de")
    await its.accounts.suspend("ada", "test")
    await office.at(1)
    assert len(office.server.taken) == 1 and await office.mails() == []  # only that her verification has ended
    await its.accounts.resume("ada")
    office.server.data = lambda _: "451 4.3.0 not now"
    await office.at(2)
    office.server.data = lambda _: TAKEN
    await its.database.write(lambda tx: tx.run("UPDATE actors SET verified_until = ? WHERE id = ?",
                                               (its.clock.ms() + 60_000, office.ada.actor.id)))
    await office.at(2, 9)
    assert len(office.server.taken) == 1 and (await office.mails())[0][:2] == (
        "dropped", "The account is not verified, so it gets no mail.")


async def test_a_digest_is_dropped_when_everything_was_read_or_nobody_wants_it_any_more(office: Office) -> None:
    its, (ben,) = office.its, await doctors(office.its, "ben")
    case = await asked(its, office.ada)
    office.server.data = lambda _: "451 4.3.0 not now"
    await its.compose.reply(ben, case, "Answer", "de")
    await office.at(1)
    await its.notifications.read_all(office.ada.actor, (await its.notifications.page(office.ada.actor, None)).newest)
    await office.at(1, 9)
    await its.compose.reply(ben, case, "Answer", "de")
    await office.at(2)
    await its.mailboxes.change(office.account, "", Rhythm.NONE)
    await office.at(2, 9)
    assert [mail[:2] for mail in await office.mails()] == [
        ("dropped", "Everything was read meanwhile."), ("dropped", "It was not wanted any more.")]


async def test_a_crash_after_the_server_took_it_sends_the_same_mail_again(
        office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    its, (ben,) = office.its, await doctors(office.its, "ben")
    await its.compose.reply(ben, await asked(its, office.ada), "Answer", "de")

    async def gone(_: object) -> None:
        raise SystemError("killed")

    with monkeypatch.context() as torn:
        torn.setattr(its.post_office, "sent", gone)
        with pytest.raises(SystemError):
            await office.at(1)
    await office.at(1, 8)
    first, second = office.server.taken
    assert first.message.as_bytes() == second.message.as_bytes() and [mail[0] for mail in await office.mails()] == ["sent"]


async def test_a_mail_speaks_the_countrys_language_and_no_other(office: Office, tmp_path: Path) -> None:
    its, words = office.its, pseudo_german(tmp_path / "locale")
    letters = Letters(its, words)
    counts: Facts = {str(kind): number for number, kind in enumerate(Told, start=1)} | {"due": 1, "until": 1}
    told: Facts = {"what": "new-device", "device": ""}
    for kind in MailKind:
        facts = {MailKind.SIGNED_IN: told, MailKind.SECURED: told}.get(kind, counts)
        letter = letters.letter(WaitingMail(1, 2, None, kind, 3, facts, 0, 0), Recipient("ada@klinik.example", ""))
        markup = re.sub(r"<[^>]*>|https?://\S+|&\w+;", " ", letter.html)
        for text in (letter.subject, re.sub(r"https?://\S+", " ", letter.text), markup):
            for said in (its.pack.notice_in("de"), its.identity.name, format_date(0, "de", its.pack.zone)):
                text = text.replace(said, "")
            while (inner := re.sub("«[^«»]*»", " ", text)) != text:
                text = inner
            assert re.findall(r"[^\W\d_]+", text) == []
        assert '<html lang="de">' in letter.html and its.identity.name in letter.text


async def test_a_mail_speaks_the_language_its_reader_has_chosen(office: Office, tmp_path: Path) -> None:
    its = office.its
    letters = Letters(its, pseudo_german(tmp_path / "locale"))
    await its.mailboxes.change(office.account, "ada@elsewhere.example", Rhythm.DAILY)
    [mail] = await its.post_office.due(9)
    for chosen, spoken in (("en", "en"), ("", "de"), ("fr", "de")):  # there is no French in this catalogue
        await its.accounts.choose_language(office.account, chosen)
        recipient = await its.post_office.recipient(mail)
        assert isinstance(recipient, Recipient) and recipient.language == chosen
        letter = letters.letter(mail, recipient)
        assert f'<html lang="{spoken}">' in letter.html and letter.subject.startswith("«") == (spoken == "de")


async def test_with_mail_off_nothing_is_queued_and_with_no_rhythm_nothing_is_due(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    assert not its.mailer.on
    await its.compose.reply(ben, await asked(its, ada), "Answer", "de")
    assert await its.digests.make_due() == 0
    rows = await its.database.read(lambda tx: tx.row("SELECT (SELECT count(*) FROM mails) + (SELECT count(*) FROM mailboxes)"))
    assert rows is not None and rows[0] == 0


async def test_many_digests_go_over_one_connection_and_old_ones_are_forgotten(office: Office) -> None:
    its, (ben,) = office.its, await doctors(office.its, "ben")
    for number in range(8):
        other = await account(its, f"doc{number}")
        await its.mailboxes.change(other, f"doc{number}@klinik.example", Rhythm.DAILY)
        await office.work()
        await its.mailboxes.confirm(link(office.server.taken.pop().text, "confirm"))
        await its.compose.reply(ben, await asked(its, await its.credentials.author(other, "post")), "Answer", "de")
    before = office.server.connections
    await office.at(1)
    assert len(office.server.taken) == 8 and office.server.connections == before + 1
    its.clock.offset += 31 * DAY
    await its.post_office.prune()
    assert await office.mails() == []


