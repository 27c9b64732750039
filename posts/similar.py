"""Cases like the one somebody is about to ask: the same conditions, or several of the same rare words, among what she may read.

It is a look at the newest part of the index, ends after a moment whatever it has found, and no consult is ever looked at.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from actors.models import Actor
from actors.relations import shunned_by
from core.clock import Clock
from core.database import Database, Tx
from core.terms import terms
from federation.identity import Identity
from posts import postings, store
from posts.indexed import QUESTION
from posts.models import PostView
from posts.network import network
from posts.postings import BLOCK, CONSULTS
from posts.sought import Conditions
from posts.views import views

MOST = 4
"""How many are shown."""
_SECONDS = 0.05
_BLOCKS_AT_ONCE = 4
_LETTERS, _WORDS = 3, 400
_STRONGEST = 12
_SHARE = 0.02  # of all posts: a word that more of them have says little
_ENOUGH = 1.5  # two of the strongest words, or one condition
_CODE = 2.5  # a condition is worth so many words
_LOOKED_AT = 5 * MOST


class Similar:
    """Finds cases that look like one."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, conditions: Conditions, *,
                 seconds: float = _SECONDS) -> None:
        self._database, self._identity, self._clock, self._conditions = database, identity, clock, conditions
        self._seconds = seconds

    async def to(self, reader: Actor, question: str, text: str) -> tuple[PostView, ...]:
        """At most four questions that resemble this one, the most similar first; none where nothing does."""
        words = Counter(word for word in terms(f"{question} {text}")[:_WORDS] if len(word) > _LETTERS and not word.isdecimal())
        codes = tuple(f"code:{code}" for code in sorted(self._conditions.named_in(f"{question}. {text}")))
        if not words and not codes:
            return ()
        return await self._database.read(lambda tx: self._look(tx, reader, [*words], codes))

    def _look(self, tx: Tx, reader: Actor, words: Sequence[str], codes: Sequence[str]) -> tuple[PostView, ...]:
        ends, now = time.perf_counter() + self._seconds, self._clock.ms()
        places = _closest(tx, words, codes, ends)
        ids = [place.post_id for place in postings.at(tx, places)]
        shunned, found = shunned_by(tx, reader.id, now), store.by_many(tx, ids)
        shown = [post for post_id in ids if (post := found.get(post_id)) is not None and post.erased_at is None
                 and post.hidden_at is None and post.author_id not in shunned and post.audience.admits(reader)]
        return views(tx, shown[:MOST], reader, network(tx, self._identity), now)


def _closest(tx: Tx, words: Sequence[str], codes: Sequence[str], ends: float) -> list[int]:
    """The places of the questions that are closest, until a moment (monotonic seconds). How rare a word is, the newest posts
    say."""
    blocks = [*postings.blocks(tx, CONSULTS, consults=False)]
    weights: dict[str, float] = {}
    scores: dict[int, float] = {}
    for start in range(0, len(blocks), _BLOCKS_AT_ONCE):
        some = blocks[start:start + _BLOCKS_AT_ONCE]
        found = postings.read(tx, some, [*(weights or words), *([] if weights else codes), QUESTION])
        if not weights:
            weights = _weights(found, words, codes)
        for block in some:
            asked = found[block].get(QUESTION, 0)
            for word, weight in weights.items():
                for place in postings.newest_first(block, found[block].get(word, 0) & asked):
                    scores[place] = scores.get(place, 0.0) + weight
        if not weights or time.perf_counter() > ends:
            break
    best = sorted((place for place, score in scores.items() if score >= _ENOUGH), key=lambda place: (-scores[place], -place))
    return best[:_LOOKED_AT]


def _weights(found: Mapping[int, Mapping[str, int]], words: Sequence[str], codes: Sequence[str]) -> dict[str, float]:
    """What each condition and each of the strongest words counts; a word that nobody or nearly everybody has counts nothing."""
    number = len(found) * BLOCK
    counts = {word: sum(held.get(word, 0).bit_count() for held in found.values()) for word in words}
    rare = {word: math.log(number / count) for word, count in counts.items() if 0 < count <= max(number * _SHARE, 2)}
    strongest = sorted(rare, key=lambda word: (-rare[word], word))[:_STRONGEST]
    most = max((rare[word] for word in strongest), default=1.0)
    return {word: rare[word] / most for word in strongest} | dict.fromkeys(codes, _CODE)
