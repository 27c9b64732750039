"""The letters that say how somebody stands: what became of her application, and that her verification runs out or has ended."""

from __future__ import annotations

from actors.mails import MailKind, Recipient, WaitingMail
from core.i18n import Translator
from instance.assembly import Assembly
from instance.letters.writing import Write, Written


def _written(subject: str, sentences: tuple[str, ...], link: str = "", label: str = "") -> Written:
    return Written("standing", subject, {"sentences": sentences, "link": link, "label": label})


def _behind_her_link(its: Assembly, mail: WaitingMail) -> str:
    return f"{its.identity.origin}/join/{its.vault.token_for(f'application {mail.application_id}')}"


def _renewal(its: Assembly) -> str:
    return f"{its.identity.origin}/settings/verification"


def _asked(its: Assembly, words: Translator, mail: WaitingMail, _: Recipient) -> Written:
    return _written(words.gettext("Something is missing for your application to %(instance)s", instance=its.identity.name), (
        words.gettext("The operators of %(instance)s have looked at your application and need something more.",
                      instance=its.identity.name),
        words.gettext("What it is stands behind your link, where you can hand it in."),
        words.gettext("What you have handed in so far is kept."),
    ), _behind_her_link(its, mail), words.gettext("See what is missing"))


def _rejected(its: Assembly, words: Translator, mail: WaitingMail, _: Recipient) -> Written:
    return _written(words.gettext("Your application to %(instance)s", instance=its.identity.name), (
        words.gettext("The operators of %(instance)s could not verify you.", instance=its.identity.name),
        words.gettext("Why stands behind your link. If they are wrong, you can say so there: somebody looks at it once more."),
        words.gettext("Your documents are deleted by themselves after %(days)s days.", days=its.settings.joining.document_days),
    ), _behind_her_link(its, mail), words.gettext("Read why, or appeal"))


def _accepted(its: Assembly, words: Translator, mail: WaitingMail, _: Recipient) -> Written:
    return _written(words.gettext("Welcome to %(instance)s", instance=its.identity.name), (
        words.gettext("You are verified."),
        words.gettext("Open this link to choose your password and sign in for the first time. It works once, and for 14 days."),
        words.gettext("Your documents are deleted by themselves after %(days)s days.", days=its.settings.joining.document_days),
    ), f"{its.identity.origin}/welcome/{its.signing.links.token(mail.about_id)}", words.gettext("Choose a password"))


def _renewed(its: Assembly, words: Translator, _: WaitingMail, __: Recipient) -> Written:
    return _written(words.gettext("Your verification at %(instance)s was renewed", instance=its.identity.name), (
        words.gettext("Your verification goes on. Until when stands in your settings."),
    ), _renewal(its), words.gettext("See your verification"))


def _expiring(its: Assembly, words: Translator, mail: WaitingMail, _: Recipient) -> Written:
    days = int(mail.facts.get("days", 0))
    return _written(words.ngettext(
        "Your verification at %(instance)s runs out in %(num)s day", "Your verification at %(instance)s runs out in %(num)s days",
        days, num=days, instance=its.identity.name), (
        words.gettext("When it has run out you can neither read nor write until it is renewed. Nothing of yours is lost."),
        words.gettext("To renew it takes some minutes: sign in and hand in what shows that you still practise or study."),
    ), _renewal(its), words.gettext("Renew it"))


def _expired(its: Assembly, words: Translator, _: WaitingMail, __: Recipient) -> Written:
    return _written(words.gettext("Your verification at %(instance)s has run out", instance=its.identity.name), (
        words.gettext("You can neither read nor write until it is renewed. What you have written is kept."),
        words.gettext("You can still sign in, and renew it."),
    ), _renewal(its), words.gettext("Renew it"))


def _ended(its: Assembly, words: Translator, _: WaitingMail, __: Recipient) -> Written:
    return _written(words.gettext("Your verification at %(instance)s has ended", instance=its.identity.name), (
        words.gettext("The operators have ended your verification. You cannot sign in now; what you have written is kept."),
        words.gettext("Ask them why, and tell them if they are wrong: how to reach them stands here."),
    ), f"{its.identity.origin}/imprint", words.gettext("How to reach them"))


LETTERS: dict[MailKind, Write] = {
    MailKind.ASKED: _asked, MailKind.REJECTED: _rejected, MailKind.ACCEPTED: _accepted, MailKind.RENEWED: _renewed,
    MailKind.EXPIRING: _expiring, MailKind.EXPIRED: _expired, MailKind.ENDED: _ended}
