"""Who chose what, by country and by specialty, as its author may see it: taken in steps, kept, and shown from what is kept.

Nothing of it is worked out when somebody looks: two looks between two steps are the same (`posts.cells` says what a step may
change). Doctors count under their first specialty.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.database import Tx
from posts import pollstore
from posts.cells import FEWEST, stepped
from posts.counts import Mode
from posts.models import Breakdown, CellRow
from posts.network import Network
from posts.pollstore import Snapshot
from posts.store import Poll, Post

_REST = ""


def advance(tx: Tx, places: Network, post: Post, poll: Poll, now: int) -> None:
    """Take the next step for a poll of ours, if at least `FEWEST` have voted since the last one."""
    before = pollstore.snapshot(tx, post.id) or Snapshot(now, 0, {}, {})
    if poll.voters - before.voters < FEWEST:
        return
    countries, specialties, width = _by_country(tx, places, post, poll), _by_specialty(tx, post, poll), len(poll.options)
    pollstore.keep_snapshot(tx, post.id, Snapshot(
        now, poll.voters, stepped(before.countries, countries, width) if len(countries) > 1 else {},
        stepped(before.specialties, specialties, width)))


def told(shown: Mapping[str, tuple[int, ...]], voters_then: int, tx: Tx, post_id: int, poll: Poll,
         voters: int) -> tuple[dict[str, tuple[int, ...]], int]:
    """What this instance may tell another one of its doctors' votes by specialty, after what it has told, and at how many
    voters that was: the same rule, so that no small cell leaves the country. What stands under '' is not told, but counts as
    if it were: it is what is left of the sum."""
    if voters - voters_then < FEWEST:
        return dict(shown), voters_then
    width = len(poll.options)
    return stepped(shown, pollstore.votes_by_specialty(tx, post_id, width), width), voters


def forget(tx: Tx, post_id: int, origin: str) -> None:
    """Nothing is shown of the country of this origin any more."""
    found = pollstore.snapshot(tx, post_id)
    if found is not None and origin in found.countries:
        left = {name: votes for name, votes in found.countries.items() if name != origin}
        pollstore.keep_snapshot(tx, post_id, found._replace(countries=left))


def shown(tx: Tx, places: Network, post: Post, poll: Poll) -> Breakdown:
    """What the author of a poll sees."""
    found = pollstore.snapshot(tx, post.id)
    nothing = (0,) * len(poll.options)
    countries = tuple(CellRow(places.code(origin), found.countries.get(origin, nothing)) for origin in post.audience.origins) \
        if found is not None and found.countries else ()
    specialties = sorted((CellRow(code, votes) for code, votes in found.specialties.items()),
                         key=lambda row: (row.code == _REST, row.code)) if found is not None else ()
    asked = pollstore.last_check(tx, post.id)
    checks = pollstore.checks(tx, post.id, asked) if asked is not None else {}
    return Breakdown(
        found.at if found is not None else None, countries, tuple(specialties),
        Mode.TALLY in pollstore.modes(tx, [post.id]).values(), asked,
        tuple(sorted((place.country, checks[place.id]) for place in places.siblings.values() if place.id in checks)))


def _by_country(tx: Tx, places: Network, post: Post, poll: Poll) -> dict[str, tuple[int, ...]]:
    """The votes as they are by the origin they come from, of everybody in the audience."""
    local = pollstore.local_votes(tx, post.id)
    tallies = pollstore.standings(tx, post.id, poll)
    found = {}
    for origin in post.audience.origins:
        place = places.place(origin)
        votes = local.get(0 if origin == places.home else place.id if place is not None else -1, {})
        told = tallies[place.id].sums.options if place is not None and place.id in tallies else ()
        found[origin] = tuple(votes.get(at, 0) + (told[at][1] if told else 0) for at in range(len(poll.options)))
    return found


def _by_specialty(tx: Tx, post: Post, poll: Poll) -> dict[str, tuple[int, ...]]:
    """The same by specialty, as far as it is known here; what is not stands under ''."""
    width = len(poll.options)
    found = {code: list(votes) for code, votes in pollstore.votes_by_specialty(tx, post.id, width).items() if code != _REST}
    for standing in pollstore.standings(tx, post.id, poll).values():
        for code, votes in standing.specialties.items():
            into = found.setdefault(code, [0] * width)
            for at, number in enumerate(votes):
                into[at] += number
    found[_REST] = [total - sum(row[at] for row in found.values()) for at, (_, total) in enumerate(poll.options)]
    return {code: tuple(votes) for code, votes in found.items()}
