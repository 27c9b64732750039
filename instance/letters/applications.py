"""The letter with the link of an application."""

from __future__ import annotations

from actors.mails import MailKind, Recipient, WaitingMail
from core.i18n import Translator
from instance.assembly import Assembly
from instance.letters.writing import Write, Written


def _link(its: Assembly, words: Translator, mail: WaitingMail, _: Recipient) -> Written:
    return Written("application", words.gettext("Your link to apply to %(instance)s", instance=its.identity.name), {
        "link": f"{its.identity.origin}/join/{its.joining.token(mail.about_id)}?lang={words.language}",
        "idle_days": its.settings.joining.idle_days})


LETTERS: dict[MailKind, Write] = {MailKind.APPLICATION: _link}
