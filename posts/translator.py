"""A LibreTranslate server that the settings name, or none: asked for one text at a time, in pieces, and believed in nothing.

What leaves is the text that was asked for and the two languages; not who asks, not whose it is. Size, time and how many are under
way are bounded, and what comes back passes the gate like anything from outside. Nothing of a text is logged. The interface is
LibreTranslate's `POST /translate` (https://docs.libretranslate.com/).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from core.errors import InvalidInput, KonsilError, Unavailable
from core.settings import Translation as TranslationSettings
from core.telemetry import get_logger
from core.text import clean
from federation.addresses import is_loopback, origin_of
from federation.client import Client, Service
from posts.translated import base

log = get_logger("translator")
_AT_ONCE, _WAITING = 2, 16
_LENGTH, _ANSWER = 65_536, 1 << 20
_GROWTH, _SOME = 3, 600


class Translator:
    """Has texts translated."""

    def __init__(self, settings: TranslationSettings, key: str, client: Client) -> None:
        self._settings, self._key, self._client = settings, key, client
        origin = origin_of(settings.url) if settings.url else ""
        self._service = Service(settings.name, (origin,), near=is_loopback(origin)) if origin else None
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    @property
    def on(self) -> bool:
        """Whether there is one."""
        return self._service is not None

    @property
    def name(self) -> str:
        """What people call it."""
        return self._settings.name

    @property
    def languages(self) -> tuple[str, ...]:
        """Those it translates between, each into each; none where there is none."""
        return tuple(map(base, self._settings.languages)) if self.on else ()

    @property
    def near(self) -> bool:
        """Whether it runs on this machine, so that no text leaves it."""
        return self._service is not None and self._service.near

    @property
    def origins(self) -> tuple[str, ...]:
        """Where it is asked."""
        return self._service.origins if self._service is not None else ()

    def can(self, source: str, target: str) -> bool:
        """Whether it translates from one language into another."""
        return self.on and base(source) != base(target) and {base(source), base(target)} <= {*self._settings.languages}

    async def translate(self, pieces: Sequence[str], source: str, target: str) -> list[str]:
        """Pieces of HTML in another language, through the gate. `Unavailable` where the server does not answer, or answers
        something that is no translation of this; `InvalidInput` (too-long) for more than is sent."""
        if self._service is None or not self.can(source, target):
            raise InvalidInput("A translation into this language cannot be had here.", reason="no-translator")
        if sum(map(len, pieces)) > _LENGTH:
            raise InvalidInput("This is too long to be translated.", reason="too-long")
        if self._waiting >= _WAITING:
            raise Unavailable("Many translations are being made at this moment. Please try again in a while.", retry_after=30)
        self._waiting += 1
        began = time.monotonic()
        try:
            async with self._turns:
                made = await self._asked(self._service, [piece for piece in pieces if piece.strip()], source, target)
        except KonsilError as error:
            log.warning("no translation", source_language=base(source), target=base(target), reason=error.reason,
                        cause=error.cause)
            raise
        finally:
            self._waiting -= 1
        log.info("translated", source_language=base(source), target=base(target), characters=sum(map(len, pieces)),
                 ms=round(1000 * (time.monotonic() - began)))
        rest = iter(made)
        return [next(rest) if piece.strip() else "" for piece in pieces]

    async def _asked(self, service: Service, pieces: list[str], source: str, target: str) -> list[str]:
        question: dict[str, object] = {"q": pieces, "source": base(source), "target": base(target), "format": "html"}
        if self._key:
            question["api_key"] = self._key
        try:
            answer = await self._client.ask(service, f"{self._settings.url.rstrip('/')}/translate", document=question,
                                            limit=_ANSWER, seconds=self._settings.timeout_seconds)
            found = answer.get("translatedText")
            if not isinstance(found, list) or len(found) != len(pieces) or not all(isinstance(one, str) for one in found):
                raise self._nonsense("no list of as many texts")
            made = [clean(one) for one in found]
        except InvalidInput as error:
            raise self._nonsense(error.message) from None
        except Unavailable as error:
            if error.reason != "http-status":
                raise
            status = error.cause.partition(" ")[0]  # what comes after it may repeat the text
            raise Unavailable("%(name)s did not translate this. Please try again in a while.", values={"name": self.name},
                              reason="http-status", cause=status) from None
        if any(len(one) > _GROWTH * len(piece) + _SOME for one, piece in zip(made, pieces, strict=True)):
            raise self._nonsense("far longer than the original")
        return made

    def _nonsense(self, cause: str) -> Unavailable:
        return Unavailable("What %(name)s answered is no translation of this, so nothing was kept.", values={"name": self.name},
                           reason="bad-translation", cause=cause)
