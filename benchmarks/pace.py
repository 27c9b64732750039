"""How much is measured: the usual amount, or just enough to see that everything runs."""

from __future__ import annotations

from typing import NamedTuple


class Pace(NamedTuple):
    """Rounds that medians are taken over; seconds per server and round; posts per second and seconds of `spread`; stored
    posts and members of `home`; activities per sibling and round of `delivery`; activities of `backlog`; open
    pages of `live` and streams of `streams`."""

    rounds: int = 5
    seconds: float = 3.0
    spread_rate: int = 50
    spread_seconds: float = 20.0
    many: int = 1_000_000
    few: int = 10_000
    members: int = 12_000
    activities: int = 500
    backlog: int = 100_000
    pages: int = 1_000


SMALL = Pace(rounds=1, seconds=0.5, spread_rate=10, spread_seconds=2.0, many=5_000, few=500, members=120, activities=50,
             backlog=2_000, pages=40)
"""Shows that every part runs; its numbers say nothing."""
