"""What left the country: everything a sibling was sent and everything it has read here, one query for both.

What is sent stands in the outbox. What a sibling reads by a signed GET is gathered here, per hour and target, in memory,
and written in the background; of what stood in it nothing is kept. The list outlives a revocation and a deletion: it
names posts and people by their URIs and says nothing of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple

from core.audit import Audit
from core.clock import Clock, parse_rfc3339
from core.database import Database, Row, Tx
from core.errors import InvalidInput
from core.gathering import Gathering
from core.words import N_

_HOUR = 3_600_000
_DISTINCT = 4096  # in memory between two flushes
_MORE = "(more)"
_TEXT = 1024
_PIECE = 1_000
_END = (1 << 63) - 1


class Disclosed(StrEnum):
    """What kind of thing was disclosed. A list is a collection of URIs of posts."""

    POST = N_("post")
    ANSWER = N_("answer")
    POLL = N_("poll")
    VOTE = N_("vote")
    TALLY = N_("tally of votes")
    REPORT = N_("report of a post")
    REACTION = N_("reaction")
    FOLLOW = N_("follow")
    PICTURE = N_("picture")
    PERSON = N_("person")
    DELETION = N_("deletion")
    LIST = N_("list of posts")


class Way(StrEnum):
    """How it got there."""

    SENT = N_("sent")
    FETCHED = N_("fetched")


class Span(NamedTuple):
    """From a moment (ms) until before another one."""

    first: int
    end: int


class Disclosure(NamedTuple):
    """One thing that left: when (ms), what, its URI, by which way. `acknowledged` of what was sent: whether the sibling said
    that it has it; without that it may have arrived. `times` is how often it was fetched within that hour."""

    at: int
    kind: Disclosed
    uri: str
    way: Way
    acknowledged: bool | None
    times: int


class Page(NamedTuple):
    """Some disclosures, newest first, and the cursor of the next page or None."""

    rows: tuple[Disclosure, ...]
    cursor: str | None


class Total(NamedTuple):
    """How many things of a kind left by a way, and of how many of them it is not known whether they arrived."""

    kind: Disclosed
    way: Way
    number: int
    unsure: int


_Key = tuple[int, int, str, str]
"""The hour, the sibling's id, the kind and the target."""


class Disclosures:
    """Gathers what siblings read, writes it once a moment (`flush` writes now), and tells what left."""

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database, self._clock, self._audit = database, clock, audit
        self._seen: dict[_Key, list[int]] = {}
        self._gathering = Gathering(self._write)

    def record(self, sibling_id: int, kind: Disclosed, target: str) -> None:
        """Note that a sibling was handed something; never raises and never waits."""
        now = self._clock.ms()
        key = (now // _HOUR, sibling_id, str(kind), target[:_TEXT])
        if key not in self._seen and len(self._seen) >= _DISTINCT:
            key = (now // _HOUR, sibling_id, str(kind), _MORE)
        seen = self._seen.setdefault(key, [now, now, 0])
        seen[1], seen[2] = now, seen[2] + 1
        self._gathering.soon()

    async def flush(self) -> None:
        """Write what was gathered."""
        await self._gathering.flush()

    async def close(self) -> None:
        await self._gathering.close()

    async def _write(self) -> None:
        seen, self._seen = self._seen, {}
        if seen:
            rows = [(*key, *times) for key, times in seen.items()]
            await self._database.write(lambda tx: tx.insert(
                "disclosures (bucket, sibling_id, kind, target, first_at, last_at, count)", 7, rows,
                "ON CONFLICT (sibling_id, bucket, kind, target) DO UPDATE SET last_at = excluded.last_at,"
                " count = disclosures.count + excluded.count"))

    async def page(self, sibling_id: int, span: Span, cursor: str = "", limit: int = _PIECE) -> Page:
        """What a sibling was sent or has read in a span of time, newest first, from a cursor on."""
        key = _key(cursor)
        rows = await self._database.read(lambda tx: _rows(tx, sibling_id, span, key, limit + 1))
        shown = rows[:limit]
        last = f"{shown[-1]['at']}-{shown[-1]['arm']}-{shown[-1]['key']}" if len(rows) > limit else None
        return Page(tuple(map(_disclosure, shown)), last)

    async def totals(self, sibling_id: int, span: Span) -> tuple[Total, ...]:
        """How much of each kind."""
        await self.flush()
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT arm, type, post, path, count(*) AS n FROM (" + " UNION ALL ".join(_arms(totals=True))
            + ") AS found GROUP BY arm, type, post, path", _values(sibling_id, span)))
        counted: dict[tuple[Disclosed, Way], list[int]] = {}
        for row in rows:
            numbers = counted.setdefault((_kind(row), _way(row)), [0, 0])
            numbers[0] += row["n"]
            numbers[1] += row["n"] if row["arm"] == _TRIED else 0
        return tuple(Total(kind, way, *counted[kind, way]) for kind in Disclosed for way in Way if (kind, way) in counted)

    async def export(self, sibling_id: int, origin: str, span: Span, by: str, form: str) -> AsyncIterator[Disclosure]:
        """All of it, for a file; that somebody asked for it is in the audit log before the first line is out."""
        await self.flush()
        await self._database.write(lambda tx: self._audit.note(
            tx, by=by, action="disclosures.exported", target=origin, detail=f"{form} {span.first} {span.end}"))
        cursor: str | None = ""
        while cursor is not None:
            page = await self.page(sibling_id, span, cursor)
            for row in page.rows:
                yield row
            cursor = page.cursor


def span_of(first: str, last: str, zone: tzinfo, now: int) -> Span:
    """The span between two moments as somebody writes them: `2026-11-25`, the whole day, or RFC 3339. Nothing means from the
    beginning, and until now."""
    found = Span(_moment(first, zone, "from") if first.strip() else 0,
                 _moment(last, zone, "to", whole_day=True) if last.strip() else now + 1)
    if found.first >= found.end:
        raise InvalidInput("The end lies before the beginning.", field="to")
    return found


def _moment(text: str, zone: tzinfo, field: str, *, whole_day: bool = False) -> int:
    text = text.strip()
    try:
        if len(text) > 10:
            return parse_rfc3339(text)
        day = datetime.fromisoformat(text).date() + timedelta(days=whole_day)
        return int(datetime.combine(day, time(), zone).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidInput("Write a day as 2026-12-31, or a moment as 2026-12-31T23:59:00Z.", field=field) from None


_ACKED, _TRIED, _FETCHED, _HELD = 0, 1, 2, 3
_SENT = ("SELECT {columns}, {arm} AS arm, o.type AS type, coalesce(p.kind, '') AS post,"
         " CASE WHEN o.uri LIKE '%/follows/%' THEN 'follows' WHEN o.uri LIKE '%/reports/%' THEN 'reports' ELSE '' END AS path"
         " FROM deliveries d JOIN outbox o ON o.id = d.outbox_id LEFT JOIN posts p ON p.uri_key = d.object_key"
         " WHERE d.sibling_id = ? AND {state} AND d.{at} >= ? AND d.{at} < ?")
_READ = ("SELECT {columns}, 2 AS arm, kind AS type, '' AS post, '' AS path FROM disclosures d"
         " WHERE d.sibling_id = ? AND d.last_at >= ? AND d.first_at < ?")
_STATES = ((_ACKED, "d.state = 'acked'", "settled_at"),
           (_TRIED, "d.tried_at IS NOT NULL AND d.state <> 'acked' AND d.state <> 'held'", "tried_at"))
_WAITS_THERE = (_HELD, "d.state = 'held'", "settled_at")  # it has arrived, whatever it waits for


def _arms(*, totals: bool = False) -> list[str]:
    """The four kinds of rows. For a page each arm is cut where the page before ended and after as many rows as a page has."""
    arms = [_SENT.format(columns="o.id AS outbox" if totals else f"d.{at} AS at, d.sequence AS key, o.uri AS uri, 1 AS times",
                         arm=arm, state=state, at=at) for arm, state, at in (*_STATES, _WAITS_THERE)]
    arms.insert(_FETCHED, _READ.format(
        columns="d.id AS outbox" if totals else "d.last_at AS at, d.id AS key, d.target AS uri, d.count AS times"))
    if totals:
        return arms
    keys = (("d.settled_at", "d.sequence"), ("d.tried_at", "d.sequence"), ("d.last_at", "d.id"), ("d.settled_at", "d.sequence"))
    return [f"SELECT * FROM ({arm} AND ({at}, {key}) < (?, ?) ORDER BY {at} DESC, {key} DESC LIMIT ?) AS arm_{number}"
            for number, (arm, (at, key)) in enumerate(zip(arms, keys, strict=True))]


def _values(sibling_id: int, span: Span) -> list[object]:
    return [sibling_id, *span] * 4


def _rows(tx: Tx, sibling_id: int, span: Span, key: tuple[int, int, int], limit: int) -> list[Row]:
    at, arm, inner = key
    values: list[object] = []
    for number in (_ACKED, _TRIED, _FETCHED, _HELD):
        values += [sibling_id, *span, at, _END if number < arm else inner if number == arm else -_END, limit]
    return tx.rows(" UNION ALL ".join(_arms()) + " ORDER BY at DESC, arm DESC, key DESC LIMIT ?", (*values, limit))


def _key(cursor: str) -> tuple[int, int, int]:
    try:
        at, arm, inner = (int(part) for part in cursor.split("-", 2))
    except ValueError:
        return _END, _HELD + 1, 0
    return min(at, _END), arm, min(inner, _END)


def _disclosure(row: Row) -> Disclosure:
    uri: str = row["uri"]
    return Disclosure(row["at"], _kind(row), uri.partition("#")[0], _way(row),
                      None if row["arm"] == _FETCHED else row["arm"] != _TRIED, row["times"])


def _way(row: Row) -> Way:
    return Way.FETCHED if row["arm"] == _FETCHED else Way.SENT


def _kind(row: Row) -> Disclosed:
    """What an activity tells: of a post by what the post is, of others by what is done."""
    if row["arm"] == _FETCHED:
        return Disclosed(row["type"])
    match row["type"]:
        case "Delete":
            return Disclosed.DELETION
        case "Count" | "Lapse":
            return Disclosed.TALLY
        case "Like" | "Announce" | "Offer":
            return Disclosed.REACTION
        case "Undo":
            return Disclosed.FOLLOW if row["path"] == "follows" else Disclosed.REACTION
        case "Follow" | "Accept" | "Reject" | "Flag":
            return Disclosed.REPORT if row["path"] == "reports" else Disclosed.FOLLOW
        case kind if not row["post"]:
            return Disclosed.VOTE if kind == "Create" else Disclosed.PERSON
    return {"poll": Disclosed.POLL, "reply": Disclosed.ANSWER}.get(row["post"], Disclosed.POST)
