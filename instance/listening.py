"""Apps that are told of what happens: which channels each listens to, and what it has not been told yet.

What waits for an app is which post it is, a few numbers, and never what it says: that is read when it is sent, as the app's
doctor may read it at that moment. An app for which too much waits is let go; it reads its lists anew then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from actors.grants import Bearer
from actors.scopes import covers
from core.errors import InvalidInput, NotSignedIn
from posts.happenings import Heard, Hearing, Listening, What

OF_A_TOKEN = 8
"""How many streams an app's token has: a telephone has one, a screen with columns some more. The oldest gives way."""
CHANNELS = 24
"""How many channels one of them has."""
WAITING = 200
"""How many things wait for an app that reads slowly."""
NOTIFICATIONS = "read:notifications"
OVER, ENOUGH, SLOW = "over", "enough", "slow"


class Channel(NamedTuple):
    """What an app listens to: a stream by its name, and for hashtags which one, as the app writes it and as it is known here."""

    name: str
    tag: str = ""
    topic: str = ""

    def admits(self, heard: Heard, actor_id: int) -> bool:
        """Whether something stands in this channel for a doctor."""
        kind, _, part = self.name.partition(":")
        if actor_id in heard.away:
            return False
        match kind:
            case "user":
                return (heard.what == What.TOLD or not part) and (heard.home is None or actor_id in heard.home)
            case "direct":
                return actor_id in heard.direct
            case "public" | "hashtag":
                place = part.partition(":")[0]
                return heard.listed and (place not in ("local", "remote") or heard.local == (place == "local")) \
                    and (kind == "public" or heard.topics is None or self.topic in heard.topics)
        return False

    @property
    def of_pictures(self) -> bool:
        """Whether only posts with pictures stand in it."""
        return self.name.endswith(":media")


class Listener:
    """One open stream of an app."""

    __slots__ = ("actor_id", "channels", "ending", "language", "scopes", "token_id", "waiting", "woken")

    def __init__(self, bearer: Bearer, language: str) -> None:
        if bearer.doctor is None:
            raise NotSignedIn("This asks for a doctor, and the app speaks for nobody. Please sign in in the app.",
                              reason="invalid_token")
        self.token_id, self.actor_id, self.scopes = bearer.token_id, bearer.doctor.actor.id, bearer.scopes
        self.language = language
        self.channels: dict[Channel, None] = {}
        self.waiting: deque[tuple[Heard, tuple[Channel, ...]]] = deque()
        self.ending = ""
        self.woken = asyncio.Event()

    def add(self, channel: Channel) -> None:
        """Listen to a channel from now on; twice is once. `InvalidInput` for too many."""
        if channel not in self.channels and len(self.channels) >= CHANNELS:
            raise InvalidInput("An app listens to at most %(most)s streams at a time.", values={"most": CHANNELS}, field="stream")
        self.channels[channel] = None

    def drop(self, channel: Channel) -> None:
        """Listen to it no more."""
        self.channels.pop(channel, None)

    def take(self, heard: Heard) -> None:
        """Something has happened."""
        if heard.what == What.TOLD and not covers(self.scopes, NOTIFICATIONS):
            return
        wanted = tuple(channel for channel in self.channels if channel.admits(heard, self.actor_id))
        if not wanted or self.ending:
            return
        if len(self.waiting) >= WAITING:
            self.end(SLOW)
            return
        self.waiting.append((heard, wanted))
        self.woken.set()

    def end(self, why: str) -> None:
        """Nothing more is said to it."""
        self.ending = self.ending or why
        self.waiting.clear()
        self.woken.set()


class Listeners:
    """All of a process."""

    def __init__(self) -> None:
        self._all: dict[Listener, None] = {}  # in the order in which they were opened
        self._before: frozenset[tuple[int, int]] = frozenset()

    def __len__(self) -> int:
        return len(self._all)

    def make_room(self, token_id: int) -> None:
        """One more stream is about to be opened with a token."""
        own = [one for one in self._all if one.token_id == token_id and not one.ending]
        for one in own[:max(0, len(own) - OF_A_TOKEN + 1)]:
            one.end(ENOUGH)

    def open(self, listener: Listener) -> None:
        self._all[listener] = None

    def close(self, listener: Listener) -> None:
        self._all.pop(listener, None)

    def listening(self, unused: int) -> Listening:
        """Who listens, for the next look; `unused` is the earliest moment (ms) at which a token may have been used last."""
        return Listening({one.actor_id for one in self._all}, sorted({one.token_id for one in self._all}), unused, self._before)

    def take(self, found: Hearing, asked: Listening) -> None:
        """What a look has found that was told who listens."""
        self._before = found.before
        ended = frozenset(asked.token_ids) - found.alive
        for one in self._all:
            for heard in found.heard:
                one.take(heard)
            if one.token_id in ended:
                one.end(OVER)
