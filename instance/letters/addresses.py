"""The letter that asks somebody whether an address is hers."""

from __future__ import annotations

from actors.mails import MailKind, Recipient, WaitingMail
from core.i18n import Translator
from instance.assembly import Assembly
from instance.letters.writing import Write, Written


def _confirmation(its: Assembly, words: Translator, mail: WaitingMail, _: Recipient) -> Written:
    return Written("address", words.gettext("Confirm your mail address for %(instance)s", instance=its.identity.name), {
        "confirm": f"{its.identity.origin}/mail/confirm/{its.mailboxes.confirm_token(mail.about_id)}"})


LETTERS: dict[MailKind, Write] = {MailKind.CONFIRMATION: _confirmation}
