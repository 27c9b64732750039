"""What somebody types into the search field, taken apart: words, "words in a row", and -words that must not stand there.

Whatever is typed is a query; nothing of it is ever part of a statement. A word with something between its letters (`COVID-19`) is
words in a row. The last word may go on (`sarko` finds `Sarkoidose`), and so may every word with a `*` behind it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from core.terms import terms

LENGTH = 300
"""Letters of a query that are looked at."""
MOST = 16
"""Words of a query that are looked at."""
_GOES_ON = 3
_PIECE = re.compile(r'(-?)"([^"]*)"?|(\S+)')


class Part(NamedTuple):
    """Words that have to stand in a row; `goes_on`: the last of them may be the beginning of one. `said` is how it was typed,
    where that was not in quotation marks."""

    words: tuple[str, ...]
    goes_on: bool = False
    said: str = ""


class Query(NamedTuple):
    """What has to stand in a post, all of it, and what must not."""

    parts: tuple[Part, ...] = ()
    without: tuple[Part, ...] = ()


def parse(typed: str) -> Query:
    """The query that somebody has typed; folded, at most `MOST` words."""
    parts: list[Part] = []
    without: list[Part] = []
    left = MOST
    for minus, row, bare in _PIECE.findall(typed[:LENGTH]):
        negative = bool(minus) or (bare.startswith("-") and len(bare) > 1)
        words = tuple(terms(row or bare))[:left]
        if not words:
            continue
        left -= len(words)
        goes_on = bool(bare) and bare.endswith("*") and len(words[-1]) >= _GOES_ON
        (without if negative else parts).append(Part(words, goes_on, bare.strip("-*")))
    if parts and parts[-1].said and len(parts[-1].words[-1]) >= _GOES_ON:
        parts[-1] = parts[-1]._replace(goes_on=True)
    return Query(tuple(dict.fromkeys(parts)), tuple(dict.fromkeys(without)))
