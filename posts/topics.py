"""Topics to follow: specialties by their code, hashtags with their `#`."""

from __future__ import annotations

from actors.models import Actor
from actors.relations import follow_topics, followed_hashtags, unfollow_topics
from core.clock import Clock
from core.countries import specialties
from core.database import Database, Tx
from core.errors import InvalidInput, NotFound
from core.tags import hashtag

_HASHTAGS = 100


def specialty_topic(code: str) -> str:
    """The topic of a specialty; `NotFound` for a code that is none."""
    if code not in specialties():
        raise NotFound("There is no such specialty.", reason="no-specialty")
    return code


def hashtag_topic(name: str) -> str:
    """The topic of a hashtag, whichever way its name is written; `NotFound` for what cannot be one."""
    found = hashtag(name)
    if found is None:
        raise NotFound("A hashtag has 1 to 60 letters, digits and underscores, and at least one letter.", reason="no-hashtag")
    return f"#{found}"


class Topics:
    """What doctors of this instance follow."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def follow(self, doctor: Actor, topic: str) -> None:
        """Follow a topic, as `specialty_topic` or `hashtag_topic` names it; twice is once. `InvalidInput` where it would be
        more hashtags than a list can be made of."""
        def write(tx: Tx) -> None:
            if topic.startswith("#") and followed_hashtags(tx, doctor.id) >= _HASHTAGS:
                raise InvalidInput("You follow %(most)s hashtags, and that is as many as possible. Unfollow one first.",
                                   values={"most": _HASHTAGS}, reason="too-many")
            follow_topics(tx, doctor.id, [topic], self._clock.ms())

        await self._database.write(write)

    async def unfollow(self, doctor: Actor, topic: str) -> None:
        """Follow a topic no longer."""
        await self._database.write(lambda tx: unfollow_topics(tx, doctor.id, [topic]))
