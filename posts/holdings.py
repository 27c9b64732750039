"""What there is between this instance and a sibling, read in the order in which it is compared: posts, deletions, follows,
tallies.

Each reader looks at a bounded number of rows behind a key, so that a million of them block nobody.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from core.database import Database, Row, Tx
from core.errors import InvalidInput
from core.ids import keys_below, uri_key
from federation.reconciliation import LAST, RANGE, RANGES, RANGES_SECONDS, ROWS, Item, Kind, Piece, Range, Sum, bounded
from federation.store import Standing, standing
from posts.counts import tally_uri
from posts.store import LEAP

WAITING = "waiting"
MOVING = "moving"
_IN_ONE_GO = 500


class Between(NamedTuple):
    """The two that are compared: this instance and the sibling, and when that was let in (ms)."""

    home: str
    sibling_id: int
    origin: str
    since: int


def between(tx: Tx, home: str, sibling_id: int) -> Between:
    """The two, as they stand now."""
    [row] = tx.rows("SELECT origin, activated_at FROM siblings WHERE id = ?", (sibling_id,))
    return Between(home, sibling_id, row["origin"], row["activated_at"] or 0)


Reader = Callable[[Tx, Between, bytes, bytes, int], Piece]
"""Reads behind one key up to another, so many rows at most."""


def _theirs(tx: Tx, two: Between, after: bytes, upto: bytes, most: int) -> Piece:
    """Posts of the sibling's doctors that lie here, and those that wait, unseen, for something that is missing."""
    rows = tx.rows("SELECT uri_key, uri, revision, sibling_id, erased_at FROM posts WHERE uri_key > ? AND uri_key <= ?"
                   " ORDER BY uri_key LIMIT ?", (after, upto, most))
    end = rows[-1]["uri_key"] if len(rows) == most else upto
    found = {row["uri_key"]: Item(row["uri_key"], row["uri"], revision(row["revision"])) for row in rows
             if row["sibling_id"] == two.sibling_id and row["erased_at"] is None}
    for row in tx.rows("SELECT about_key, body FROM held WHERE about_key > ? AND about_key <= ? AND sibling_id = ?"
                       " ORDER BY about_key LIMIT ?", (after, end, two.sibling_id, most)):
        uri = _about(row["body"])
        if row["about_key"] not in found and uri_key(uri) == row["about_key"]:
            found[row["about_key"]] = Item(row["about_key"], uri, WAITING)
    return Piece([found[key] for key in sorted(found)], end)


def _about(body: bytes) -> str:
    """The post that a held activity brings or changes."""
    made = json.loads(body).get("object")
    uri = made.get("id") if isinstance(made, dict) else made
    return uri if isinstance(uri, str) else ""


def _owed(tx: Tx, two: Between, after: bytes, upto: bytes, most: int) -> Piece:
    """Posts of our doctors that the sibling ought to hold: it may read them, it was there when they came, they were sent or are
    owed. What is on its way, what it has refused and what an operator has dropped is left out."""
    rows = tx.rows("SELECT uri_key, uri, revision, sibling_id, audience, published_at, erased_at FROM posts WHERE uri_key > ?"
                   " AND uri_key <= ? ORDER BY uri_key LIMIT ?", (after, upto, most))
    named = json.dumps(two.origin)
    wanted = [row for row in rows if row["sibling_id"] is None and row["erased_at"] is None
              and row["published_at"] >= two.since and named in row["audience"]]
    stands = sent(tx, two.sibling_id, [row["uri_key"] for row in wanted])
    return Piece([Item(row["uri_key"], row["uri"], revision(row["revision"])) for row in wanted
                  if stands.get(row["uri_key"]) == Standing.SENT],
                 rows[-1]["uri_key"] if len(rows) == most else upto)


def _deleted(tx: Tx, two: Between, after: bytes, upto: bytes, most: int) -> Piece:
    """Our own posts that are deleted and that the sibling was ever sent."""
    piece = _gone(tx, two, after, upto, most)
    stands = sent(tx, two.sibling_id, [one.key for one in piece.items])
    return Piece([one for one in piece.items if one.key in stands], piece.upto)


def _gone(tx: Tx, two: Between, after: bytes, upto: bytes, most: int) -> Piece:
    """Posts that are deleted."""
    rows = tx.rows("SELECT uri_key, uri FROM tombstones WHERE uri_key > ? AND uri_key <= ? ORDER BY uri_key LIMIT ?",
                   (after, upto, most))
    return Piece([Item(row["uri_key"], row["uri"], "erased") for row in rows],
                 rows[-1]["uri_key"] if len(rows) == most else upto)


def _followed(tx: Tx, two: Between, after: bytes, upto: bytes, most: int) -> Piece:
    """How the sibling's doctors follow ours, or ours theirs."""
    rows = tx.rows(
        "SELECT f.uri_key, f.uri, f.state, a.uri AS follower, b.uri AS followed, a.sibling_id AS one, b.sibling_id AS other"
        " FROM follows f JOIN actors a ON a.id = f.follower_id JOIN actors b ON b.id = f.followed_id"
        " WHERE f.uri_key > ? AND f.uri_key <= ? ORDER BY f.uri_key LIMIT ?", (after, upto, most))
    ours = [row for row in rows if {row["one"], row["other"]} == {None, two.sibling_id}]
    pairs = {row["uri_key"]: uri_key(f"{row['follower']} {row['followed']}") for row in ours}
    stands = sent(tx, two.sibling_id, list(pairs.values()))
    return Piece([Item(row["uri_key"], row["uri"], " ".join((
        row["follower"], row["followed"],
        MOVING if stands.get(pairs[row["uri_key"]]) == Standing.MOVING else row["state"]))) for row in ours],
        rows[-1]["uri_key"] if len(rows) == most else upto)


_POLLS = ("SELECT p.uri_key, p.uri, p.sibling_id, t.epoch, t.sequence FROM (SELECT id, uri_key, uri, sibling_id FROM posts"
          " WHERE uri_key > ? AND uri_key <= ? ORDER BY uri_key LIMIT ?) AS p LEFT JOIN {} ORDER BY p.uri_key")


def _told(tx: Tx, two: Between, after: bytes, upto: bytes, most: int) -> Piece:
    """Polls of the sibling whose votes are kept here, with the last tally that it was told; not while another one is on its
    way or about to be, and not where it has refused the last one."""
    rows = tx.rows(_POLLS.format("kept_polls t ON t.post_id = p.id AND t.sequence > 0 AND t.stale_since IS NULL"),
                   (after, upto, most))
    piece = _numbered(rows, two.sibling_id, upto, most)
    tallies = {one.key: uri_key(tally_uri(two.home, one.uri)) for one in piece.items}
    stands = sent(tx, two.sibling_id, list(tallies.values()))
    return Piece([one for one in piece.items if stands.get(tallies[one.key]) not in (Standing.MOVING, Standing.ENDED)],
                 piece.upto)


def _counted(tx: Tx, two: Between, after: bytes, upto: bytes, most: int) -> Piece:
    """Polls of ours with the last tally of the sibling's that has come."""
    rows = tx.rows(_POLLS.format("tallies t ON t.post_id = p.id AND t.sibling_id = ?"), (after, upto, most, two.sibling_id))
    return _numbered(rows, None, upto, most)


def _numbered(rows: Sequence[Row], of: int | None, upto: bytes, most: int) -> Piece:
    return Piece([Item(row["uri_key"], row["uri"], f"{row['epoch']} {row['sequence']}") for row in rows
                  if row["epoch"] is not None and row["sibling_id"] == of],
                 rows[-1]["uri_key"] if len(rows) == most else upto)


class _Holding(NamedTuple):
    """How a kind is read here; whose URIs they are, and below which path."""

    read: Reader
    ours: bool
    path: str = "posts"


_HOLDINGS = {
    Kind.ERASED: _Holding(_deleted, True), Kind.ERASED_YOURS: _Holding(_gone, False),
    Kind.OFFERED: _Holding(_owed, True), Kind.HELD: _Holding(_theirs, False),
    Kind.FOLLOWS: _Holding(_followed, True, "follows"), Kind.FOLLOWED: _Holding(_followed, False, "follows"),
    Kind.TALLIES: _Holding(_told, False), Kind.COUNTED: _Holding(_counted, True)}
"""By what a sibling may ask for. A new kind is one more line here, and one in `MIRROR`."""

MIRROR = {
    Kind.ERASED: Kind.ERASED_YOURS, Kind.ERASED_YOURS: Kind.ERASED, Kind.OFFERED: Kind.HELD, Kind.HELD: Kind.OFFERED,
    Kind.FOLLOWS: Kind.FOLLOWED, Kind.FOLLOWED: Kind.FOLLOWS,
    Kind.TALLIES: Kind.COUNTED, Kind.COUNTED: Kind.TALLIES}
"""What here has to be as a kind there is."""


def below(kind: Kind, two: Between) -> str:
    """The address below which the URIs of a kind lie, as this instance would be asked for it."""
    holding = _HOLDINGS[kind]
    return f"{two.home if holding.ours else two.origin}/{holding.path}/"


def read(tx: Tx, kind: Kind, two: Between, after: bytes, upto: bytes, most: int = ROWS) -> Piece:
    """Some items of a kind behind a key."""
    first, last = keys_below(below(kind, two).rstrip("/"))
    if after >= last or upto < first:
        return Piece([], upto)
    piece = _HOLDINGS[kind].read(tx, two, max(after, first), min(upto, last), most)
    start = below(kind, two)
    items = [one for one in piece.items if one.uri.startswith(start)]  # another's address can have the same four bytes
    return Piece(items, upto if piece.upto == min(upto, last) else piece.upto)


async def ranges(database: Database, kind: Kind, two: Between, after: bytes) -> list[Range]:
    """Some ranges of a kind behind a key."""
    found: list[Range] = []
    enough = time.monotonic() + RANGES_SECONDS
    while after != LAST and len(found) < RANGES and (not found or time.monotonic() < enough):
        piece = await database.read(lambda tx, after=after: read(tx, kind, two, after, LAST))  # type: ignore[misc]
        for start in range(0, max(len(piece.items), 1), RANGE):
            some = piece.items[start:start + RANGE]
            sum_ = Sum()
            sum_.add(some)
            last = start + RANGE >= len(piece.items)
            found.append(Range(piece.upto if last else some[-1].key, sum_.count, sum_.digest))
        after = piece.upto
    return found


async def items(database: Database, kind: Kind, two: Between, after: bytes, upto: bytes) -> Piece:
    """Some items of a range, as many as one answer holds."""
    if not after < upto:
        raise InvalidInput("A range goes from one key to a later one.", reason="bad-comparison")
    return bounded(await database.read(lambda tx: read(tx, kind, two, after, upto)))


async def summed(database: Database, kind: Kind, two: Between, after: bytes, upto: bytes, most: int) -> Sum:
    """The digest of a range here; where more than so many items lie in it, of the first ones."""
    sum_ = Sum()
    while after < upto and sum_.count <= most:
        piece = await database.read(lambda tx, after=after: read(tx, kind, two, after, upto))  # type: ignore[misc]
        sum_.add(piece.items)
        after = piece.upto
    return sum_


def revision(number: int) -> str:
    """A revision as it is compared: without the leaps that ours make when a backup is restored."""
    return str(number % LEAP)


def sent(tx: Tx, sibling_id: int, keys: Sequence[bytes]) -> dict[bytes, Standing]:
    """How these objects stand with a sibling; those it was never sent are not among them."""
    found: dict[bytes, Standing] = {}
    for start in range(0, len(keys), _IN_ONE_GO):
        found |= standing(tx, sibling_id, keys[start:start + _IN_ONE_GO])
    return found
