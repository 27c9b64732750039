"""The letters about how somebody signs in: a new password, a browser that is new, something that was changed."""

from __future__ import annotations

from actors.mails import MailKind, Recipient, WaitingMail
from actors.signins import SAID, Happened
from core.i18n import Translator, format_date, format_time
from instance.assembly import Assembly
from instance.letters.writing import Write, Written


def _reset(its: Assembly, words: Translator, mail: WaitingMail, _: Recipient) -> Written:
    return Written("reset", words.gettext("A new password for %(instance)s", instance=its.identity.name), {
        "link": f"{its.identity.origin}/reset/{its.signing.links.token(mail.about_id)}"})


def _told(its: Assembly, words: Translator, mail: WaitingMail, _: Recipient) -> Written:
    spoken, zone = words.language, its.pack.zone
    when = f"{format_date(mail.created_at, spoken, zone)}, {format_time(mail.created_at, spoken, zone)}"
    return Written("signing_in", words.gettext("About your sign-in at %(instance)s", instance=its.identity.name), {
        "what": words.gettext(SAID[Happened(str(mail.facts["what"]))]), "device": str(mail.facts["device"]), "when": when,
        "page": f"{its.identity.origin}/settings/security"})


LETTERS: dict[MailKind, Write] = {MailKind.RESET: _reset, MailKind.SIGNED_IN: _told, MailKind.SECURED: _told}
