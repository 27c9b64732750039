"""Mails in words, and sending them: what the worker does with the mails that are due.

A mail is put into words at the moment it is sent, from numbers and kinds alone: nothing that anybody wrote is at hand here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from actors.mails import MailKind, MailState, WaitingMail
from core.i18n import Translations, Translator
from core.ids import public
from core.mail import Connection, Letter, Undelivered
from core.telemetry import get_logger
from core.words import Phrase
from instance.assembly import Assembly
from instance.rendering import speak
from posts.digests import Recipient
from posts.telling import Told

log = get_logger("mail")
TEMPLATES = Path(__file__).parent.parent / "templates" / "mail"
_AT_A_TIME = 50
_FIRST_PAUSE, _LIMIT_PAUSE = 2.0, 300.0  # seconds, where nothing goes at all


class Letters:
    """Writes and sends what is due, one mail after the other."""

    def __init__(self, its: Assembly, words: Translations) -> None:
        self._mailer, self._digests, self._mailboxes = its.mailer, its.digests, its.mailboxes
        self._identity, self._pack, self._words = its.identity, its.pack, words
        self._languages = its.settings.instance.languages or its.pack.languages
        self._failures, self._not_before = 0, 0.0
        self._jinja = _templates(words)

    async def work(self) -> int:
        """Make the digests that are due and send what may be sent now; how much that was. After a failure that would be
        everybody's, nothing is tried for a while."""
        made = await self._digests.make_due()
        if time.monotonic() < self._not_before or not (due := await self._digests.due(_AT_A_TIME)):
            return made
        reached = 0
        try:
            async with self._mailer.connected() as connection:
                for mail in due:
                    await self._send(connection, mail)
                    reached += 1
            self._failures = 0
        except Undelivered as trouble:
            await self._put_off(due[reached], trouble)
            self._not_before = time.monotonic() + min(_FIRST_PAUSE * 2**self._failures, _LIMIT_PAUSE) * random.uniform(0.8, 1.2)
            self._failures = min(self._failures + 1, 16)
        return made + reached

    async def _send(self, connection: Connection, mail: WaitingMail) -> None:
        """Send one mail and note it; `Undelivered` only where no other would go either."""
        recipient = await self._digests.recipient(mail)
        if isinstance(recipient, Phrase):
            await self._digests.never(mail, MailState.DROPPED, recipient)
            return
        try:
            await connection.send(self.letter(mail, recipient))
        except Undelivered as trouble:
            if trouble.nothing_goes:
                raise
            await self._put_off(mail, trouble)
        else:
            await self._digests.sent(mail)
            log.info("mail sent", mail=public(mail.id), kind=str(mail.kind))

    async def _put_off(self, mail: WaitingMail, trouble: Undelivered) -> None:
        if trouble.for_good:
            await self._digests.never(mail, MailState.PARKED, trouble.reason)
            waits = False
        else:
            waits = await self._digests.put_off(mail, trouble.reason)
        log.warning("mail not taken" if waits else "mail given up", mail=public(mail.id), kind=str(mail.kind),
                    reason=str(trouble.reason), cause=str(trouble), tries=mail.tries + 1)

    def letter(self, mail: WaitingMail, recipient: Recipient) -> Letter:
        """The mail in words; the same mail is the same letter each time. It speaks the language somebody has chosen, else the
        first one that pages are offered in."""
        words = self._words.translator(next(
            (code for code in (recipient.language, *self._languages) if code in self._words.languages), "en"))
        origin, name = self._identity.origin, self._identity.name
        shown: dict[str, Any] = {"instance": name, "page_language": words.language}
        headers: tuple[tuple[str, str], ...] = ()
        if mail.kind == MailKind.CONFIRMATION:
            template, subject = "address", words.gettext("Confirm your mail address for %(instance)s", instance=name)
            shown["confirm"] = f"{origin}/mail/confirm/{self._mailboxes.confirm_token(recipient.about_id)}"
        else:
            template, subject = "digest", words.gettext("New for you in %(instance)s", instance=name)
            stop = f"{origin}/mail/stop/{self._mailboxes.stop_token(recipient.account_id, recipient.address)}"
            headers = (("List-Unsubscribe", f"<{stop}>"), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))  # RFC 8058
            shown |= {"lines": _lines(words, recipient.counts), "read": f"{origin}/notifications", "stop": stop,
                      "settings": f"{origin}/settings/mail", "emergency": self._pack.notice_in(words.language)}
        shown["subject"] = subject
        text, html = (self._jinja.get_template(f"{template}.{kind}").render(shown) for kind in ("txt", "html"))
        return Letter(recipient.address, subject, text, html, f"{mail.kind}-{public(mail.id)}", mail.created_at, headers)


def _templates(words: Translations) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=jinja2.select_autoescape(["html"]), trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    speak(made, words)
    return made


def _lines(words: Translator, counts: Mapping[str, int]) -> list[str]:
    """How much there is of each kind, most pressing first."""
    number = {kind: counts.get(kind, 0) for kind in Told}
    consult, answer, mention, changed = (number[kind] for kind in (Told.CONSULT, Told.ANSWER, Told.MENTION, Told.CHANGED))
    closed, follow, accepted = (number[kind] for kind in (Told.CLOSED, Told.FOLLOW, Told.ACCEPTED))
    ngettext = words.ngettext
    return [sentence for count, sentence in (
        (consult, ngettext("%(num)s post in a consult with you", "%(num)s posts in consults with you", consult, num=consult)),
        (answer, ngettext("%(num)s answer to what you wrote", "%(num)s answers to what you wrote", answer, num=answer)),
        (mention, ngettext("%(num)s mention of you", "%(num)s mentions of you", mention, num=mention)),
        (changed, ngettext("%(num)s changed answer", "%(num)s changed answers", changed, num=changed)),
        (closed, ngettext("%(num)s poll has closed", "%(num)s polls have closed", closed, num=closed)),
        (follow, ngettext("%(num)s request to follow you", "%(num)s requests to follow you", follow, num=follow)),
        (accepted, ngettext("%(num)s colleague you follow from now on", "%(num)s colleagues you follow from now on", accepted,
                            num=accepted)),
    ) if count]
