"""Passwords: which are taken, and whether one is right. Hashing goes on in a thread, two at a time: argon2id takes 19 MiB
each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from core.breaches import Breaches
from core.errors import InvalidInput
from core.settings import Accounts as AccountSettings
from core.vault import hash_password, needs_rehash, verify_nobody, verify_password

_LOOKED_AT = 72  # characters; looking at more takes seconds, and adds nothing that could make one weak
_STRONG = 3  # of zxcvbn's 0 to 4: more than 10^8 guesses, which cost months with argon2id


class Passwords:
    """Judges, hashes and compares."""

    def __init__(self, settings: AccountSettings, breaches: Breaches | None) -> None:
        self._shortest, self._breaches = settings.password_min_length, breaches
        self._hashing = asyncio.Semaphore(2)

    async def made(self, password: str, own: Iterable[str] = ()) -> str:
        """The hash of a password that is taken; `InvalidInput` says why one is not. `own` are words that whoever guesses would
        try for this person first: her name, her handle, what the instance is called."""
        if len(password) < self._shortest:
            raise InvalidInput("A password has at least %(least)s characters.", values={"least": self._shortest},
                               field="password")
        async with self._hashing:
            await asyncio.to_thread(self._judge, password, [*own])
            return await asyncio.to_thread(hash_password, password)

    async def right(self, hashed: str | None, password: str) -> bool:
        """Whether a password made a hash; None, for somebody who does not exist, takes the same time."""
        async with self._hashing:
            if hashed is None:
                await asyncio.to_thread(verify_nobody, password)
                return False
            return await asyncio.to_thread(verify_password, hashed, password)

    async def renewed(self, hashed: str, password: str) -> str | None:
        """A hash with today's parameters for a password that was right, where this one has older ones."""
        if not needs_rehash(hashed):
            return None
        async with self._hashing:
            return await asyncio.to_thread(hash_password, password)

    def _judge(self, password: str, own: list[str]) -> None:
        if self._breaches is not None and self._breaches.hold(password):
            raise InvalidInput("This password stands in lists of passwords that have leaked. Please choose another one.",
                               reason="leaked", field="password")
        from zxcvbn import zxcvbn  # its lists take 13 MiB, and most processes never set a password

        found = zxcvbn(password[:_LOOKED_AT], [word for text in own for word in (text, *text.split())])
        if found["score"] < _STRONG:
            raise _weak(found["sequence"])


def _weak(sequence: list[dict[str, Any]]) -> InvalidInput:
    """Why a password is guessed quickly, by the longest part of it that is known."""
    known = max((part for part in sequence if part["pattern"] != "bruteforce"), key=lambda part: len(part["token"]),
                default=None)
    if known is None:
        return InvalidInput("This password is guessed quickly. Several words that do not belong together are good.",
                            reason="weak", field="password")
    if known["pattern"] == "dictionary" and known["dictionary_name"] == "user_inputs":
        return InvalidInput("“%(part)s” is tried first for you. Leave out your name, your handle and this place.",
                            values={"part": known["token"]}, reason="weak", field="password")
    if known["pattern"] == "dictionary":
        return InvalidInput("“%(part)s” is tried first. Several words that do not belong together are good.",
                            values={"part": known["token"]}, reason="weak", field="password")
    if known["pattern"] == "date":
        return InvalidInput("Dates like “%(part)s” are tried first. Several words that do not belong together are good.",
                            values={"part": known["token"]}, reason="weak", field="password")
    return InvalidInput("Rows like “%(part)s” are tried first. Several words that do not belong together are good.",
                        values={"part": known["token"]}, reason="weak", field="password")
