"""Signs for browsers: put into words of their owners' languages, sealed for each browser alone, and handed to its push
service."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import Enum, auto

import msgspec

from core.errors import InvalidInput, Unavailable
from core.i18n import Translations, Translator
from core.telemetry import get_logger
from core.webpush import authorization, encrypt
from federation.addresses import origin_of
from federation.client import Service
from instance.assembly import Assembly
from instance.letters.digests import lines
from posts.pushes import WaitingPush

log = get_logger("push")
_AT_A_TIME = 16
_PLAIN = 2048  # bytes; all are of one size, so that their length says nothing
_TITLE, _BODY = 120, 1200  # letters
_SECONDS = 12 * 3600
_HEADERS = {"content-encoding": "aes128gcm", "content-type": "application/octet-stream", "ttl": str(_SECONDS),
            "urgency": "normal", "topic": "news"}
"""RFC 8030, section 5: for as long as a shift a browser that is off may get it, and a newer one takes the place of an older
one."""


class Sign(msgspec.Struct, frozen=True):
    """What a browser shows: how much of what is new, and where to read it. Nothing that anybody wrote, no name, no case."""

    title: str
    body: str
    url: str


class Signs:
    """Sends what is due."""

    def __init__(self, its: Assembly, words: Translations) -> None:
        self._its, self._words = its, words

    async def work(self) -> int:
        """Send the signs that are due; how many browsers had their turn."""
        if not self._its.pushes.on:
            return 0
        due = await self._its.pushes.due(_AT_A_TIME)
        await asyncio.gather(*map(self._send, due))
        return len(due)

    def sign(self, push: WaitingPush) -> Sign:
        """The sign in words."""
        words = spoken(self._its, self._words, push.language)
        return Sign(words.gettext("Something new on Konsil")[:_TITLE], "\n".join(lines(words, push.counts))[:_BODY],
                    "/notifications")

    async def _send(self, push: WaitingPush) -> None:
        pushes, now = self._its.pushes, int(self._its.clock.now())
        contact = self._its.settings.push.contact or self._its.identity.origin
        body = encrypt(msgspec.json.encode(self.sign(push)), push.public_key, push.secret, padded=_PLAIN)
        headers = _HEADERS | {"authorization": authorization(pushes.key, origin_of(push.endpoint), contact, now + _SECONDS)}
        verdict, again = await deliver(self._its, pushes.service, push.endpoint, body, headers, push.tries)
        match verdict:
            case Verdict.SENT:
                await pushes.sent(push)
            case Verdict.LATER:
                await pushes.put_off(push, again)
            case Verdict.GONE:
                await pushes.ended(push)


class Verdict(Enum):
    """What has become of a message: its service has taken it, or could not at the moment, or knows no such browser or app."""

    SENT = auto()
    LATER = auto()
    GONE = auto()


async def deliver(its: Assembly, service: Service, endpoint: str, body: bytes, headers: Mapping[str, str],
                  tries: int) -> tuple[Verdict, int | None]:
    """Hand a message to the push service it is for; and in how many seconds that wants to be asked again, where it says so."""
    try:
        status, again = await its.client.hand_over(service, endpoint, body, headers)
    except (Unavailable, InvalidInput) as error:
        log.warning("push service not reached", reason=error.reason, cause=error.cause, tries=tries + 1)
        return Verdict.LATER, None
    if status < 300:
        return Verdict.SENT, None
    if status == 429 or status >= 500:
        log.warning("push service is busy", status=status, tries=tries + 1)
        return Verdict.LATER, again
    log.info("a browser or an app is told no more", status=status)
    return Verdict.GONE, None


def spoken(its: Assembly, words: Translations, language: str) -> Translator:
    """The words of somebody's language, or of the first one of this instance that there is."""
    offered = its.settings.instance.languages or its.pack.languages
    return words.translator(next((code for code in (language, *offered) if code in words.languages), "en"))
