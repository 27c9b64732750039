"""A language for benchmarks: as many words as a clinic uses, a few of them in nearly every text and most of them hardly ever.

The word of rank r comes about 1/r as often as the first one (Zipf), as in every real language. Words are made of syllables,
always the same ones; a few ranks have a name, so that what is measured can be said.
"""

from __future__ import annotations

from itertools import accumulate
from random import Random

WORDS = 60_000
NAMED = {0: "the", 1: "and", 2: "with", 3: "patient", 40: "fever", 41: "blood", 42: "cultures", 900: "endocarditis",
         901: "sarkoidose", 9_000: "gallolyticus"}
"""Ranks that have a name."""
_LETTERS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "ph"), ("a", "e", "i", "o", "u", "ia")
_IN_A_TEXT = 270


def _word(rank: int) -> str:
    """The word of a rank: no two ranks share one."""
    heads, tails = _LETTERS
    word, left = "", rank + 96
    while left:
        left, syllable = divmod(left, len(heads) * len(tails))
        word += heads[syllable % len(heads)] + tails[syllable // len(heads)]
    return word


class Vocabulary:
    """Texts in this language, by chance."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self.words = [NAMED.get(rank) or _word(rank) for rank in range(WORDS)]
        self._weights = list(accumulate(1 / (rank + 1) for rank in range(WORDS)))

    def text(self, most: int = _IN_A_TEXT) -> str:
        """About two kilobytes of words, or fewer."""
        return " ".join(self._chance.choices(self.words, cum_weights=self._weights, k=most))
