"""Messages that wake apps: which of their accounts, of what kind and from whom, in our own words, sealed for each app alone.

No question, no text and no name of a case: a telephone shows this to whoever stands beside it.
"""

from __future__ import annotations

import asyncio

import msgspec

from core.i18n import Translations
from core.ids import public
from core.telemetry import get_logger
from core.webpush import authorization, authorization_as_draft, encrypt, encrypt_as_draft
from core.words import N_, Phrase
from federation.addresses import origin_of
from instance.assembly import Assembly
from instance.pushing import Verdict, deliver, spoken
from instance.static import SIGN
from posts.alerts import TYPES, WaitingAlert
from posts.spans import Span
from posts.telling import Told

log = get_logger("push")
_AT_A_TIME = 16
_PLAIN = 2048  # bytes; all are of one size, so that their length says nothing
_NAME = 200
_SECONDS = 48 * 3600
_VAPID_SECONDS = 12 * 3600
_HEADERS = {"content-type": "application/octet-stream", "ttl": str(_SECONDS), "urgency": "normal"}
TITLES: dict[Told, Phrase] = {
    Told.ANSWER: N_("An answer to what you wrote"), Told.MENTION: N_("You are mentioned"), Told.CONSULT: N_("A consult with you"),
    Told.ASKED_BACK: N_("A question back to you"), Told.FOLLOWED: N_("A conversation you follow goes on"),
    Told.FOLLOW: N_("A request to follow you"), Told.CLOSED: N_("A poll has closed"),
    Told.LIKE: N_("A post of yours is liked"), Told.HELPFUL: N_("An answer of yours is marked as helpful"),
    Told.BOOST: N_("A post of yours was passed on"), Told.CHANGED: N_("An answer was changed"),
    Told.EDITED: N_("An answer you have read was changed"), Told.CORRECTED: N_("A clinical correction of what you have read"),
    Told.RECALLED: N_("An answer was recalled as wrong"), Told.OUTCOME: N_("How a case you know has ended"),
    Told.TRANSLATED: N_("A translation of a post of yours is confirmed")}
"""What a message says of each kind."""


class Message(msgspec.Struct, frozen=True):
    """What an app gets, as clients of the Mastodon API know it."""

    access_token: str
    preferred_locale: str
    notification_id: str
    notification_type: str
    icon: str
    title: str
    body: str


class Alerting:
    """Sends what is due."""

    def __init__(self, its: Assembly, words: Translations) -> None:
        self._its, self._words = its, words

    async def work(self) -> int:
        """Send the messages that are due; how many apps had their turn."""
        if not self._its.pushes.on:
            return 0
        due = await self._its.alerts.due(_AT_A_TIME)
        await asyncio.gather(*map(self._send, due))
        return len(due)

    def message(self, alert: WaitingAlert) -> Message:
        """The message in words."""
        words = spoken(self._its, self._words, alert.language)
        who = alert.by.name if alert.by is not None else self._its.identity.name
        return Message(alert.access_token, words.language, public(alert.event), TYPES[alert.kind],
                       f"{self._its.identity.origin}{SIGN}", str(words.gettext(TITLES[alert.kind])), who[:_NAME])

    async def _send(self, alert: WaitingAlert) -> None:
        if not await self._is_there(alert):
            await self._its.alerts.sent(alert)
            return
        body, headers = self._sealed(alert)
        verdict, again = await deliver(self._its, self._its.pushes.service, alert.endpoint, body, headers, alert.tries)
        match verdict:
            case Verdict.SENT:
                await self._its.alerts.sent(alert)
            case Verdict.LATER:
                await self._its.alerts.put_off(alert, again)
            case Verdict.GONE:
                await self._its.alerts.ended(alert)

    async def _is_there(self, alert: WaitingAlert) -> bool:
        """Whether she may read at this moment what it is about."""
        found = await self._its.notifications.told(alert.actor, Span(1), (alert.kind,), event=public(alert.event))
        if not found:
            return False
        post_id = found[0].post_id
        return not post_id or post_id in await self._its.threads.several(alert.actor, [post_id])

    def _sealed(self, alert: WaitingAlert) -> tuple[bytes, dict[str, str]]:
        plain, pushes = msgspec.json.encode(self.message(alert)), self._its.pushes
        contact = self._its.settings.push.contact or self._its.identity.origin
        signed = pushes.key, origin_of(alert.endpoint), contact, int(self._its.clock.now()) + _VAPID_SECONDS
        if alert.standard:
            body = encrypt(plain, alert.public_key, alert.secret, padded=_PLAIN)
            return body, _HEADERS | {"content-encoding": "aes128gcm", "authorization": authorization(*signed)}
        draft = encrypt_as_draft(plain, alert.public_key, alert.secret, padded=_PLAIN)
        return draft.body, _HEADERS | {"content-encoding": "aesgcm"} | authorization_as_draft(*signed, draft)
