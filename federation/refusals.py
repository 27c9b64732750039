"""The refusal log: who was turned away, on which path, in which direction, and why.

Refusals are counted per hour and (direction, origin, purpose, reason), gathered in memory and written in the
background: a stranger who hammers costs one row an hour. Whoever makes up origins fills the hour's rows and is then
counted under one name; refusals of siblings keep theirs.
"""

from __future__ import annotations

from typing import NamedTuple

from core.clock import Clock
from core.database import Database, Row, Tx, marks
from core.gathering import Gathering
from core.words import N_
from federation.listed import listed

_HOUR = 3_600_000
_DISTINCT = 512  # in memory between two flushes
_ROWS_AN_HOUR = 1000  # in the database
_OTHERS = "(many others)"
_TEXT = 200

SENTENCES = {
    # the gate
    "unlisted": N_("Its origin is not on the allowlist."),
    "proposed": N_("It is proposed but nobody has approved it yet."),
    "confirmed": N_("It is confirmed but not active yet."),
    "revoked": N_("It was revoked."),
    "paused": N_("It is paused; both directions wait."),
    "damaged": N_("Its entry on the allowlist cannot be read."),
    "list-unreadable": N_("The allowlist could not be read, so nobody was on it."),
    # the signature
    "signature-missing": N_("The request was not signed."),
    "signature-malformed": N_("The signature header could not be read."),
    "signature-wrong": N_("The signature does not belong to the pinned key."),
    "digest": N_("The body is not the one that was signed."),
    "clock": N_("The date is more than the allowed window away."),
    "wrong-host": N_("The request was signed for another host."),
    "bad-key": N_("The pinned key cannot be used."),
    # the request
    "content-type": N_("It was not of a type that is read here."),
    "content-encoding": N_("The body was encoded; such a body is not read."),
    "too-large": N_("It was larger than the limit."),
    "too-slow": N_("It stopped in the middle and did not go on in time."),
    "overloaded": N_("More was waiting than the inbox holds; it was asked to come back."),
    "disk-low": N_("The disk was almost full here; it was asked to come back."),
    "held-full": N_("More of it waits for something missing than is kept; it was asked to come back."),
    "unavailable": N_("The database could not take it at that moment; it was asked to come back."),
    "rate-sibling": N_("It asked more often than a sibling may; it was asked to slow down."),
    "rate-address": N_("So much from one network was refused that nothing it sends is looked at for a while."),
    # the document
    "bad-json": N_("The document is not JSON as it is read here."),
    "bad-proof": N_("Its proof was not made over it by the key that signs that instance's documents."),
    "too-deep": N_("The document is nested too deep, or depends on too much."),
    "duplicate-key": N_("A key came twice in the document."),
    "too-many": N_("A property held too many entries."),
    "too-long": N_("A text was longer than the limit."),
    "context": N_("Its context names something that is not known here."),
    "envelope": N_("The activity has no single id, type and actor."),
    "move": N_("Nobody moves between instances."),
    "bad-bundle": N_("The bundle breaks a rule for bundles."),
    "new-epoch": N_("Its numbers belonged to something else before, or to an earlier epoch. It begins anew by itself."),
    "bad-comparison": N_("What it says of what it holds cannot be read."),
    "bad-address": N_("A URL in it cannot be used."),
    "bad-handshake": N_("It is no handshake, or its nonce is none."),
    "bad-time": N_("A time in it cannot be read."),
    "bad-revision": N_("Its revision is not a positive whole number."),
    "bad-attachment": N_("A picture in it is not described, or does not lie at its own instance."),
    "picture-changed": N_("A picture is another one than its post has said."),
    "bad-object": N_("The post in it has something missing or of the wrong kind."),
    "bad-poll": N_("The poll in it breaks a rule for polls."),
    "bad-announcement": N_("It announced a key that could not be its next one."),
    "bad-actor": N_("The profile in it is not one of a doctor with a badge of that country."),
    # who may say what
    "foreign-actor": N_("It spoke for an actor of another origin."),
    "foreign-object": N_("It spoke about an object of another origin."),
    "foreign-author": N_("It spoke for another author than the one who sent it."),
    "not-addressed": N_("It was not addressed to this instance."),
    "wider-than-parent": N_("The answer was for more readers than what it answers."),
    "wider-audience": N_("The change would have added readers."),
    "id-reused": N_("Its id was used before for another activity."),
    "unknown-object": N_("It is neither a Note nor a Question."),
    "no-such-parent": N_("It answers something that is not here."),
    "no-such-post": N_("It is about a post that is not here."),
    "no-such-doctor": N_("It is about a doctor who is not here."),
    "no-such-announcement": N_("It answers a key that we have not announced."),
    "no-such-follow": N_("It answers a request to follow that is not here."),
    "no-such-report": N_("It answers a report that is not here."),
    "unknown-nonce": N_("It answered a ping that was not sent, was answered before, or is too old."),
    "busy": N_("More handshakes of it were under way than are answered at once."),
    "named": N_("It passed on or translated a consult, which is for those it names."),
    "may-not-confirm": N_("It confirmed a translation for a doctor whose badge or languages do not allow that."),
    "circle": N_("What it answers leads back to itself."),
    "clash": N_("It clashes with something that is stored here."),
    # votes
    "no-such-poll": N_("It is a vote in a poll that is not here."),
    "no-such-option": N_("It is a vote for an option that the poll does not have."),
    "poll-closed": N_("It is a vote that came after the poll had closed."),
    "poll-changed": N_("It would have changed the options of a poll."),
    "kind-changed": N_("It would have made a poll of a post, or the reverse."),
    "voted": N_("It is a second vote of the same doctor."),
    "tally-expected": N_("It is a vote in a poll of which this instance sends a tally."),
    "votes-expected": N_("It is a tally of a poll in which this instance sends votes."),
    "bad-tally": N_("It is no tally of that instance, or its numbers cannot be."),
    "tally-final": N_("It is another tally after the final one."),
    "bad-result": N_("The result in it is not one of that poll."),
    "result-changed": N_("It would have changed the result of a poll."),
    # what we asked of others
    "own-origin-only": N_("A document named an origin that is not the sender's."),
    "special-address": N_("The host resolves to an address that is never contacted."),
    "redirect": N_("The answer pointed elsewhere; that is not followed."),
    # what this process wanted by itself
    "egress": N_("Something in this server wanted to open a connection that is nobody's; the line of code is named."),
}
"""Each reason that can stand in the log, in words for operators."""


class Refusal(NamedTuple):
    """One row of the log; `sentence` says the reason in words."""

    id: int
    first_at: int
    last_at: int
    direction: str
    origin: str
    purpose: str
    path: str
    reason: str
    sentence: str
    times: int
    detail: str


class Tally(NamedTuple):
    """How often a reason was given, to how many origins, and when last."""

    reason: str
    sentence: str
    times: int
    origins: int
    last_at: int


class Sought(NamedTuple):
    """What somebody looks for in the log; what is empty or None matches everything. Moments in milliseconds."""

    origin: str = ""
    direction: str = ""
    purpose: str = ""
    reason: str = ""
    since: int | None = None
    until: int | None = None

    def clause(self) -> tuple[str, list[object]]:
        """As SQL, to go on with after a condition, and its parameters."""
        wanted: list[tuple[str, object]] = [
            (f"{name} = ?", getattr(self, name)) for name in ("origin", "direction", "purpose", "reason") if getattr(self, name)]
        wanted += [("last_at >= ?", self.since)] if self.since is not None else []
        wanted += [("first_at < ?", self.until)] if self.until is not None else []
        return "".join(f" AND {condition}" for condition, _ in wanted), [value for _, value in wanted]


_Key = tuple[int, str, str, str, str]
"""The hour, then direction, origin, purpose and reason."""


class _Seen:
    __slots__ = ("count", "detail", "first", "last", "path")

    def __init__(self, at: int, path: str, detail: str, count: int = 1) -> None:
        self.first = self.last = at
        self.count = count
        self.path, self.detail = path, detail

    def add(self, other: _Seen) -> None:
        self.count += other.count
        self.first = min(self.first, other.first)
        if other.last >= self.last:
            self.last, self.path, self.detail = other.last, other.path, other.detail


class RefusalLog:
    """Gathers refusals and writes them once a moment; `flush` writes now."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._seen: dict[_Key, _Seen] = {}
        self._gathering = Gathering(self._write)

    def record(self, *, direction: str, origin: str, purpose: str, reason: str, path: str = "", detail: str = "") -> None:
        """Note one refusal; never raises and never waits."""
        now = self._clock.ms()
        key = (now // _HOUR, direction, origin[:_TEXT], purpose, reason)
        if key not in self._seen and len(self._seen) >= _DISTINCT:
            key = (now // _HOUR, direction, _OTHERS, purpose, reason)
        seen = self._seen.get(key)
        if seen is None:
            self._seen[key] = _Seen(now, path[:_TEXT], detail[:_TEXT])
        else:
            seen.count += 1
            seen.last, seen.path, seen.detail = now, path[:_TEXT], detail[:_TEXT]
        self._gathering.soon()

    async def flush(self) -> None:
        """Write what was gathered."""
        await self._gathering.flush()

    async def close(self) -> None:
        await self._gathering.close()

    async def _write(self) -> None:
        seen, self._seen = self._seen, {}
        if seen:
            await self._database.write(lambda tx: _store(tx, seen))

    async def list(self, limit: int = 100, before: int | None = None, sought: Sought | None = None) -> tuple[Refusal, ...]:
        """The log, or what is sought of it, newest first, `before` an id for the next page."""
        where, values = (sought or Sought()).clause()
        rows = await self._database.read(lambda tx: tx.rows(
            f"SELECT * FROM refusals WHERE id < ?{where} ORDER BY id DESC LIMIT ?",
            (before if before is not None else 1 << 62, *values, limit)))
        return tuple(
            Refusal(row["id"], row["first_at"], row["last_at"], row["direction"], row["origin"], row["purpose"],
                    row["path"], row["reason"], _sentence(row["reason"]), row["count"], row["detail"])
            for row in rows)

    async def tally(self, sought: Sought | None = None) -> tuple[Tally, ...]:
        """How often each reason was given in what is sought, most often first."""
        where, values = (sought or Sought()).clause()
        rows = await self._database.read(lambda tx: tx.rows(
            "SELECT reason, sum(count) AS times, count(DISTINCT origin) AS origins, max(last_at) AS last_at FROM refusals"
            f" WHERE 1 = 1{where} GROUP BY reason ORDER BY times DESC, reason", values))
        return tuple(Tally(row["reason"], _sentence(row["reason"]), row["times"], row["origins"], row["last_at"]) for row in rows)

    async def by_origin(self) -> dict[str, tuple[Tally, ...]]:
        """The same for each sibling by itself."""
        def look(tx: Tx) -> list[Row]:
            origins = [one.origin for one in listed(tx)]
            return tx.rows("SELECT origin, reason, sum(count) AS times, max(last_at) AS last_at FROM refusals"
                           f" WHERE origin IN ({marks(len(origins))}) GROUP BY origin, reason ORDER BY times DESC, reason",
                           origins)

        found: dict[str, list[Tally]] = {}
        for row in await self._database.read(look):
            found.setdefault(row["origin"], []).append(
                Tally(row["reason"], _sentence(row["reason"]), row["times"], 1, row["last_at"]))
        return {origin: tuple(tallies) for origin, tallies in found.items()}

    async def prune(self, days: int) -> int:
        """Forget what is older than `days`."""
        limit = self._clock.ms() - days * 24 * _HOUR
        return await self._database.write(lambda tx: tx.run("DELETE FROM refusals WHERE last_at < ?", (limit,)))


def _sentence(reason: str) -> str:
    return SENTENCES.get(reason, reason)


def _store(tx: Tx, seen: dict[_Key, _Seen]) -> None:
    for hour in {key[0] for key in seen}:
        seen = _bounded(tx, hour, seen)
    rows = [(*key, entry.path, entry.detail, entry.first, entry.last, entry.count) for key, entry in seen.items()]
    tx.insert(
        "refusals (bucket, direction, origin, purpose, reason, path, detail, first_at, last_at, count)", 10, rows,
        "ON CONFLICT (bucket, direction, origin, purpose, reason) DO UPDATE SET path = excluded.path,"
        " detail = excluded.detail, last_at = excluded.last_at, count = refusals.count + excluded.count")


def _bounded(tx: Tx, hour: int, seen: dict[_Key, _Seen]) -> dict[_Key, _Seen]:
    """The same refusals, those that would exceed the hour's rows gathered under one name; siblings keep theirs."""
    found = tx.row("SELECT count(*) AS n FROM refusals WHERE bucket = ?", (hour,))
    free = _ROWS_AN_HOUR - (found["n"] if found is not None else 0)
    if free >= len(seen):
        return seen
    written = {tuple(row) for row in tx.rows(
        "SELECT bucket, direction, origin, purpose, reason FROM refusals WHERE bucket = ?", (hour,))}
    siblings = {one.origin for one in listed(tx)}
    kept: dict[_Key, _Seen] = {}
    for key, entry in seen.items():
        if key[0] == hour and key not in written and key[2] not in siblings:
            free -= 1
            if free < 0:
                key = (hour, key[1], _OTHERS, key[3], key[4])
        kept.setdefault(key, _Seen(entry.first, entry.path, entry.detail, 0)).add(entry)
    return kept
