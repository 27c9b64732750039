"""The letters to somebody who leaves: until when she can take it back, and that her archive is ready."""

from __future__ import annotations

from actors.mails import MailKind, Recipient, WaitingMail
from core.i18n import Translator, format_date
from instance.assembly import Assembly
from instance.letters.writing import Write, Written


def _leaving(its: Assembly, words: Translator, mail: WaitingMail, _: Recipient) -> Written:
    return Written("leaving", words.gettext("You leave %(instance)s", instance=its.identity.name), {
        "day": format_date(int(mail.facts["due"]), words.language, its.pack.zone),
        "stay": f"{its.identity.origin}/settings/leave"})


def _archive(its: Assembly, words: Translator, mail: WaitingMail, _: Recipient) -> Written:
    return Written("archive", words.gettext("Your archive of %(instance)s is ready", instance=its.identity.name), {
        "day": format_date(int(mail.facts["until"]), words.language, its.pack.zone),
        "page": f"{its.identity.origin}/settings/export"})


LETTERS: dict[MailKind, Write] = {MailKind.LEAVING: _leaving, MailKind.ARCHIVE: _archive}
