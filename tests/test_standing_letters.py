"""Mails about how somebody stands say that something has happened and where to read it: never why, nothing that was written."""

from __future__ import annotations

import pytest

from actors.decisions import REASONS, WANTED, Rejection
from actors.mails import MailKind, Recipient, WaitingMail
from core.i18n import Translations
from core.words import Phrase
from instance.assembly import Assembly
from instance.context import LOCALE
from instance.letters import Letters
from instance.letters.standing import LETTERS
from tests.applicants import applied_at
from tests.test_decisions import SEEN

_LANGUAGES = ("de", "fr", "it", "es", "en")


@pytest.mark.parametrize("kind", list(LETTERS))
def test_every_letter_can_be_written_in_every_language_and_leads_somewhere(its: Assembly, kind: MailKind) -> None:
    letters = Letters(its, Translations(LOCALE))
    for language in _LANGUAGES:
        mail = WaitingMail(1, 2, 3, kind, 4, {"days": 7} if kind == MailKind.EXPIRING else {}, 5, 0)
        letter = letters.letter(mail, Recipient("vera@klinik.example", language))
        assert its.identity.origin in letter.text and f'href="{its.identity.origin}' in letter.html
        assert letter.subject and "%(" not in letter.subject + letter.text + letter.html and " " not in letter.name


async def test_what_was_asked_or_why_somebody_was_rejected_stays_behind_her_link(its: Assembly) -> None:
    await its.accounts.add_operator("olga", "Olga", "correct horse battery")
    asked, rejected, accepted = [await applied_at(its, name="Dr. Vera Geheim") for _ in range(3)]
    await its.decisions.ask(asked, ("diploma",), "Die Rückseite fehlt.", "olga")
    await its.decisions.decide(rejected, Rejection("not-found", "Wir fanden nichts.", evidence="two chambers"), "olga")
    await its.decisions.decide(accepted, SEEN, "olga")
    letters, found = Letters(its, Translations(LOCALE)), {}
    for mail in await its.post_office.due(10):
        recipient = await its.post_office.recipient(mail)
        assert not isinstance(recipient, Phrase)
        found[mail.kind] = letters.letter(mail, Recipient(recipient.address, "en"))
    assert set(found) == {MailKind.ASKED, MailKind.REJECTED, MailKind.ACCEPTED}
    for letter in found.values():
        for word in ("Geheim", "Rückseite", "fanden", "chambers", "MÜLLER", "diploma", "card", str(WANTED["diploma"]),
                     str(REASONS["not-found"]), "clara.mueller", "olga"):
            assert word not in letter.text + letter.html + letter.subject, word
    assert "/welcome/" in found[MailKind.ACCEPTED].text and "/join/" in found[MailKind.ASKED].text


async def test_a_mail_that_is_out_of_date_goes_to_nobody(its: Assembly) -> None:
    await its.accounts.add_operator("olga", "Olga", "correct horse battery")
    reference = await applied_at(its)
    await its.decisions.ask(reference, ("diploma",), "", "olga")
    [mail] = await its.post_office.due(10)
    assert not isinstance(await its.post_office.recipient(mail), Phrase)
    await its.database.write(lambda tx: tx.run("UPDATE applications SET state = 'submitted'"))  # she was quicker
    assert isinstance(await its.post_office.recipient(mail), Phrase)
    unconfirmed = await applied_at(its, confirmed_at=None)
    await its.decisions.ask(unconfirmed, ("diploma",), "", "olga")
    mails = await its.post_office.due(10)
    assert len(mails) == 2 and [isinstance(await its.post_office.recipient(one), Phrase) for one in mails] == [True, True]
