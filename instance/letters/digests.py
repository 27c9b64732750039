"""The letter that says how much is new."""

from __future__ import annotations

from collections.abc import Mapping

from actors.mails import MailKind, Recipient, WaitingMail
from core.i18n import Translator
from instance.assembly import Assembly
from instance.letters.writing import Write, Written
from posts.telling import Told


def _digest(its: Assembly, words: Translator, mail: WaitingMail, recipient: Recipient) -> Written:
    origin = its.identity.origin
    stop = f"{origin}/mail/stop/{its.mailboxes.stop_token(mail.account_id or 0, recipient.address)}"
    shown = {"lines": lines(words, {kind: int(count) for kind, count in mail.facts.items()}), "read": f"{origin}/notifications",
             "stop": stop, "settings": f"{origin}/settings/mail", "emergency": its.pack.notice_in(words.language)}
    return Written("digest", words.gettext("New for you in %(instance)s", instance=its.identity.name), shown,
                   (("List-Unsubscribe", f"<{stop}>"), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")))  # RFC 8058


def lines(words: Translator, counts: Mapping[str, int]) -> list[str]:
    """How much there is of each kind, most pressing first."""
    number = {kind: counts.get(kind, 0) for kind in Told}
    consult, answer, mention, changed = (number[kind] for kind in (Told.CONSULT, Told.ANSWER, Told.MENTION, Told.CHANGED))
    report, judged, opened = (number[kind] for kind in (Told.REPORT, Told.JUDGED, Told.OPENED))
    closed, follow, accepted = (number[kind] for kind in (Told.CLOSED, Told.FOLLOW, Told.ACCEPTED))
    helpful, outcome = number[Told.HELPFUL], number[Told.OUTCOME]
    unmasked, corrected, recalled = (number[kind] for kind in (Told.UNMASKED, Told.CORRECTED, Told.RECALLED))
    asked_back, followed = number[Told.ASKED_BACK], number[Told.FOLLOWED]
    ngettext = words.ngettext
    return [sentence for count, sentence in (
        (unmasked, ngettext("%(num)s conversation you have signed by role only, whose author two operators have found out",
                            "%(num)s conversations you have signed by role only, whose author two operators have found out",
                            unmasked, num=unmasked)),
        (recalled, ngettext("%(num)s answer was recalled as wrong", "%(num)s answers were recalled as wrong", recalled,
                            num=recalled)),
        (corrected, ngettext("%(num)s clinical correction of what you have read or asked",
                             "%(num)s clinical corrections of what you have read or asked", corrected, num=corrected)),
        (asked_back, ngettext("%(num)s question back to you", "%(num)s questions back to you", asked_back, num=asked_back)),
        (consult, ngettext("%(num)s post in a consult with you", "%(num)s posts in consults with you", consult, num=consult)),
        (answer, ngettext("%(num)s answer to what you wrote", "%(num)s answers to what you wrote", answer, num=answer)),
        (followed, ngettext("%(num)s conversation you follow goes on", "%(num)s conversations you follow go on", followed,
                            num=followed)),
        (mention, ngettext("%(num)s mention of you", "%(num)s mentions of you", mention, num=mention)),
        (changed, ngettext("%(num)s changed answer", "%(num)s changed answers", changed, num=changed)),
        (outcome, ngettext("%(num)s outcome of a case you answered or follow", "%(num)s outcomes of cases you answered or follow",
                           outcome, num=outcome)),
        (helpful, ngettext("%(num)s answer of yours marked as helpful", "%(num)s answers of yours marked as helpful", helpful,
                           num=helpful)),
        (judged, ngettext("%(num)s decision about a post of yours", "%(num)s decisions about posts of yours", judged,
                          num=judged)),
        (report, ngettext("%(num)s decision about what you have reported", "%(num)s decisions about what you have reported",
                          report, num=report)),
        (opened, ngettext("%(num)s notice from the operators", "%(num)s notices from the operators", opened, num=opened)),
        (closed, ngettext("%(num)s poll has closed", "%(num)s polls have closed", closed, num=closed)),
        (follow, ngettext("%(num)s request to follow you", "%(num)s requests to follow you", follow, num=follow)),
        (accepted, ngettext("%(num)s colleague you follow from now on", "%(num)s colleagues you follow from now on", accepted,
                            num=accepted)),
    ) if count]


LETTERS: dict[MailKind, Write] = {MailKind.DIGEST: _digest}
