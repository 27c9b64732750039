"""Mails in words, and sending them: what the worker does with the mails that are due.

A mail is put into words at the moment it is sent, from numbers and kinds alone: nothing that anybody wrote is at hand here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from pathlib import Path

import jinja2

from actors.mails import MailKind, MailState, Recipient, WaitingMail
from core.i18n import Translations
from core.ids import public
from core.mail import Connection, Letter, Undelivered
from core.telemetry import get_logger
from core.words import Phrase
from instance.assembly import Assembly
from instance.letters import addresses, applications, digests, leaving, signing_in, standing
from instance.letters.writing import Write
from instance.rendering import speak

log = get_logger("mail")
TEMPLATES = Path(__file__).parent.parent.parent / "templates" / "mail"
_AT_A_TIME = 50
_KINDS: Mapping[MailKind, Write] = (
    addresses.LETTERS | digests.LETTERS | applications.LETTERS | standing.LETTERS | signing_in.LETTERS | leaving.LETTERS)
_FIRST_PAUSE, _LIMIT_PAUSE = 2.0, 300.0  # seconds, where nothing goes at all


class Letters:
    """Writes and sends what is due, one mail after the other."""

    def __init__(self, its: Assembly, words: Translations) -> None:
        self._its, self._office, self._words = its, its.post_office, words
        self._languages = its.settings.instance.languages or its.pack.languages
        self._failures, self._not_before = 0, 0.0
        self._jinja = _templates(words)

    async def work(self) -> int:
        """Make the digests and the links that are due and send what may be sent now; how much that was. After a failure that
        would be everybody's, nothing is tried for a while."""
        made = await self._its.digests.make_due() + await self._its.signing.resets.make_due()
        if time.monotonic() < self._not_before or not (due := await self._office.due(_AT_A_TIME)):
            return made
        reached = 0
        try:
            async with self._its.mailer.connected() as connection:
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
        recipient = await self._office.recipient(mail)
        if isinstance(recipient, Phrase):
            await self._office.never(mail, MailState.DROPPED, recipient)
            return
        try:
            await connection.send(self.letter(mail, recipient))
        except Undelivered as trouble:
            if trouble.nothing_goes:
                raise
            await self._put_off(mail, trouble)
        else:
            await self._office.sent(mail)
            log.info("mail sent", mail=public(mail.id), kind=str(mail.kind))

    async def _put_off(self, mail: WaitingMail, trouble: Undelivered) -> None:
        if trouble.for_good:
            await self._office.never(mail, MailState.PARKED, trouble.reason)
            waits = False
        else:
            waits = await self._office.put_off(mail, trouble.reason)
        log.warning("mail not taken" if waits else "mail given up", mail=public(mail.id), kind=str(mail.kind),
                    reason=str(trouble.reason), cause=str(trouble), tries=mail.tries + 1)

    def letter(self, mail: WaitingMail, recipient: Recipient) -> Letter:
        """The mail in words; the same mail is the same letter each time. It speaks the language somebody has chosen, else the
        first one that pages are offered in."""
        words = self._words.translator(next(
            (code for code in (recipient.language, *self._languages) if code in self._words.languages), "en"))
        written = _KINDS[mail.kind](self._its, words, mail, recipient)
        shown = {"instance": self._its.identity.name, "page_language": words.language, "subject": written.subject} | written.shown
        text, html = (self._jinja.get_template(f"{written.template}.{kind}").render(shown) for kind in ("txt", "html"))
        return Letter(recipient.address, written.subject, text, html, f"{mail.kind}-{public(mail.id)}", mail.created_at,
                      written.headers)


def _templates(words: Translations) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=jinja2.select_autoescape(["html"]), trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    speak(made, words)
    return made
